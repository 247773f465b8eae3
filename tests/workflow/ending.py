"""A step that ends in the way that its rule names."""

import os
import signal

from mml_lib.errors import MMLError
from mml_lib.steps.open_step import open_step

step = open_step(snakemake)  # noqa: F821
print("at work")
match snakemake.rule.removeprefix("ended_"):  # noqa: F821
    case "raised":
        raise KeyError("lesion")
    case "refused":
        raise MMLError("tasks.lesions: they are not there")
    case "left":
        os._exit(7)
    case "killed":
        os.kill(os.getpid(), signal.SIGKILL)
