"""Snakemake whose SLURM jobs only write the outputs of their steps: what thousands of jobs cost beside their steps.

`python -m tests.support.pretended_jobs ARGUMENTS` is the command `snakemake ARGUMENTS`, which submits such jobs to a
real SLURM. The command of a job is a shell's, where that of others is a Snakemake, which takes ten seconds of a
processor. Light steps only write their outputs, too. Each start of a job adds a line for each of its steps to
`EXECUTED`.
"""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import snakemake_executor_plugin_slurm as plugin
from snakemake.io import is_flagged

from mml_lib.engine.cluster.group_patches import unfinished
from tests.support import pretended_steps

EXECUTED = "executed.txt"
"""File in the working folder: number of the SLURM job and number of its earlier starts, rule and outputs of a step."""

SECONDS = 2
"""Time that a job waits, so that there are running jobs to be disturbed."""


def command(_: Any, job: Any) -> str:
    """Return the command of a job: a step of SLURM that writes the outputs of the unfinished steps."""
    left = set(unfinished(job)) if job.is_group() else {job}
    steps = [step for level in job.toposorted for step in level if step in left] if job.is_group() else [job]
    lines = ["set -e", f"sleep {SECONDS}", *(line for step in steps for line in written(step))]
    return "\n".join(["srun -n1 sh -s <<'END'", *lines, "END", ""])


def written(step: Any) -> Iterator[str]:
    """Yield the lines of a shell that write the outputs of a step."""
    label = " ".join([step.rule.name, *step.output])
    yield f'echo "$SLURM_JOB_ID ${{SLURM_RESTART_COUNT:-0}} "{shlex.quote(label)} >> {EXECUTED}'
    if step.benchmark:
        yield from _file(step.benchmark, pretended_steps.MEASURED)
    for path in step.output:
        yield from [f"mkdir -p {shlex.quote(path)}"] if is_flagged(path, "directory") else _file(path, "pretended")


def _file(path: str, text: str) -> list[str]:
    folder = shlex.quote(str(Path(path).parent))
    return [f"mkdir -p {folder}", f"printf %s {shlex.quote(text)} > {shlex.quote(path)}"]


def main() -> None:
    """Run Snakemake on the arguments of this process."""
    plugin.Executor.format_job_exec = command
    pretended_steps.main()


if __name__ == "__main__":
    sys.exit(main())
