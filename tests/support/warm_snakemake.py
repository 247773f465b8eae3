"""Snakemake in a fork of the warm process, with steps that are forks of it too: what a cluster job runs.

`warm_client.py` asks for it where `WARM_JOBS` is set. The first argument is the `python` that runs the steps.
"""

import os
import runpy
import sys

if __name__ == "__main__":
    sys.executable = sys.argv.pop(1)
    sys.path[0] = os.getcwd()  # as `python -m` has it
    runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
