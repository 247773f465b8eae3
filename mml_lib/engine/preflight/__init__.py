"""The pre-flight check: each distinct pipeline is built and tried with a dummy batch before anything runs."""
