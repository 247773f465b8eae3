"""Snakemake whose steps only write their outputs: what a study of thousands of steps costs beside its steps.

`python -m tests.support.pretended_steps ARGUMENTS` is the command `snakemake ARGUMENTS` with such steps, and without
the checks that train for a moment before the first step. Steps of the rules that `REAL` names are real ones. A step
fails once where a file has its name, as `failing` gives it. `--executor nearby` runs jobs on this machine.
"""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from snakemake.executors import local
from snakemake.io import is_flagged

from mml_lib.engine import hooks, jobs
from mml_lib.machine.warm_start import code_key

WARM = "warm.json"
"""File in the working folder: a line for each step of a job with a warm process, `true` if it would be its fork."""

EXECUTORS = str(Path(__file__).with_name("executors"))
"""Folder of the executor `nearby`."""

REAL = "MML_TESTS_REAL_RULES"
"""Environment variable with rules whose steps are not pretended, separated by spaces."""

MEASURED = "s\th:m:s\tmax_rss\n0.1\t0:00:00\t1\n"
"""Time and memory of a step, as Snakemake's benchmark files state them."""


run_wrapper = local.run_wrapper

_warm_keys: list[Any] = []


def failing(rule: str, fold: int) -> str:
    """Return the name of the file in the working folder that lets a step fail once."""
    return f"fails-{rule}-{fold}"


def pretend(rule: Any, inputs: Any, output: Any, *others: Any) -> None:
    """Write the outputs of a step, with a word each, and its benchmark file.

    Raises:
        OSError: the step is to fail.
    """
    if rule.name in os.environ.get(REAL, "").split():
        run_wrapper(rule, inputs, output, *others)
        return
    file = Path(failing(rule.name, getattr(others[1], "fold", -1)))
    if file.exists():
        file.unlink()
        raise OSError("the step was to fail")
    if _warm_keys:
        with open(WARM, "a", encoding="utf-8") as warm:
            warm.write(f"{json.dumps(code_key() == _warm_keys[0])}\n")
    if benchmark := others[5]:
        Path(benchmark).write_text(MEASURED)
    for pattern, path in zip(rule.output, output, strict=True):
        if is_flagged(pattern, "directory"):
            os.makedirs(path, exist_ok=True)
        else:
            Path(path).write_text("pretended")


def launch(scripts: Iterable[str]) -> None:
    """Note the library and the environment of a warm process, which pretended steps need no more of."""
    _warm_keys.append(code_key())


def main() -> None:
    """Run Snakemake on the arguments of this process."""
    sys.path.append(EXECUTORS)  # where it looks for executors
    from snakemake.cli import main as run

    local.run_wrapper = pretend
    jobs.launch_warm_process = launch
    hooks.check_pipelines = hooks.check_backbones = lambda *_: None
    run()


if __name__ == "__main__":
    sys.exit(main())
