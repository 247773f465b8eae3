"""Snakemake in a fork of the warm process, with steps that are forks of it too: what a cluster job runs.

`warm_client.py` asks for it where `WARM_JOBS` is set, and for modules that run Snakemake in their own way. The first
arguments are the `python` that runs the steps, and the module.
"""

import os
import runpy
import sys

if __name__ == "__main__":
    sys.executable = sys.argv.pop(1)
    module = sys.argv.pop(1)
    sys.orig_argv[:] = [sys.executable, "-m", module, *sys.argv[1:]]
    sys.path[0] = os.getcwd()  # as `python -m` has it
    runpy.run_module(module, run_name="__main__", alter_sys=True)
