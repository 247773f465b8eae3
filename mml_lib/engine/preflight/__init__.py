"""The pre-flight check: each distinct pipeline is built and run on a dummy batch before the first step."""
