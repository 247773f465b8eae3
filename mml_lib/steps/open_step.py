"""Opening of a step: warm process, log, locks, GPUs, checksums of outputs."""

import atexit
import os
import signal
import sys
from typing import IO, Any, TextIO

from mml_lib.config.loading import preset_folders, project_folder
from mml_lib.config.plugins import import_plugin
from mml_lib.files.atomic import remove_leftovers
from mml_lib.files.checksums import checksum_path, seal_outputs
from mml_lib.machine.locks import follow_parent, follow_supervisor, name_project, process_rank
from mml_lib.machine.warm_start import start_warm
from mml_lib.pipelines.step_hooks import own_scheduler
from mml_lib.steps.step import Step
from mml_lib.steps.step_log import open_log

_locks: list[IO[Any]] = []  # keeps locks until the process ends


def open_step(snakemake: Any, warm: bool = False, gpus: bool = True) -> Any:
    """Open the step of a script: its log, its locks, its GPUs, and the checksums of its outputs.

    The step ends when its Snakemake ends. In distributed training, each process runs the script.

    Args:
        snakemake: the object `snakemake` of a script, or one of `mock_snakemake`.
        warm: True: wait for the warm process and continue in a fork of it, for scripts that need torch or run often.
            False: continue in a fork only if the warm process is ready.
        gpus: False: a warm step without GPUs; True: it leases the GPUs that its rule requests.

    Returns:
        a `TrainingStep`, or the class `Step` of a user's scheduler, if the rule declares an input `pipeline`; otherwise
        a `Step`.
    """
    start_warm(wait=warm)
    if process_rank():
        follow_parent()
    terminal = open_log(snakemake.rule, snakemake.log[0] if snakemake.log else None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    name_project(project_folder(snakemake.config))
    if lock := follow_supervisor():
        _locks.append(lock)
    if not process_rank():
        _prepare_outputs(list(snakemake.output), terminal)
    for plugin in snakemake.config.get("plugins") or ():
        import_plugin(plugin)
    step: Any = _step_class(snakemake)(snakemake, terminal)
    _check_code(step)
    if warm and gpus:
        from mml_lib.steps.step_gpus import take_gpus

        take_gpus(step, step.rule, terminal)
    step.hooks.after_preparation_hook(step)
    return step


def _check_code(step: Any) -> None:
    """Refuse a step if the user's code that decides its result is not the code that it was planned with."""
    if step.input.get("pipeline") or step.params.get("code"):
        from mml_lib.steps.planned_code import check_planned_code

        check_planned_code(step)


def _step_class(snakemake: Any) -> type[Step]:
    if not snakemake.input.get("pipeline"):
        return Step
    from mml_lib.steps.training_step import TrainingStep

    scheduler = own_scheduler(snakemake.config, preset_folders(snakemake.config))
    return getattr(scheduler, "Step", None) or TrainingStep


def _prepare_outputs(outputs: list[str], terminal: TextIO) -> None:
    """Remove leftovers of earlier attempts, and register the writing of checksums at the end of the step."""
    for output in outputs:
        remove_leftovers(output)
        checksum_path(output).unlink(missing_ok=True)  # the old checksum does not match the new output
    atexit.register(_seal, outputs, terminal)


def _seal(outputs: list[str], terminal: TextIO) -> None:
    try:
        seal_outputs(outputs)
    except OSError as error:
        print(f"error: the checksums of {', '.join(outputs)} cannot be written: {error}", file=terminal, flush=True)
        os._exit(1)  # an exception in `atexit` would not fail the step
