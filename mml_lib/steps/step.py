"""Steps: from Snakemake's object in a script to the scheduler that the script works with."""

import atexit
import contextlib
import logging
import os
import resource
import signal
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from mml_lib.engine.warm_start import start_warm
from mml_lib.errors import MMLError
from mml_lib.files.atomic import remove_leftovers
from mml_lib.files.checksums import checksum_path, seal_outputs, verify
from mml_lib.machine.disk import REMEDY, is_full_disk
from mml_lib.machine.locks import follow_parent, follow_supervisor, process_rank
from mml_lib.machine.terminal import PEAK
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.studies.gpu_requests import take_gpus
from mml_lib.studies.study import Study

logger = logging.getLogger(__name__)

TRAINED_IN = ("train_fold", "tune_fold")
"""Rules whose steps train the pipeline that they read."""

_HELD: list[IO[Any]] = []  # locks and streams that live as long as the step


def open_step(snakemake: Any, warm: bool = False) -> AbstractBaseScheduler:
    """Open the step of a script: its log, its scheduler, its ties to the Snakemake that started it.

    With `warm`, for scripts that need torch, all that follows happens in a fork of a process that has it imported, and
    the step has GPUs of its own, where there are some.

    The scheduler has the step's wildcards as `task`, `eval_task`, `run` and `fold`, its `threads`, and, where an input
    `pipeline` is declared, the config of that pipeline as `cfg`. Where several processes train together, each of them
    runs the script.
    """
    if warm:
        start_warm()
    if process_rank():
        follow_parent()
    terminal = _open_log(snakemake.rule, snakemake.log[0] if snakemake.log else None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    study = Study(snakemake.config)
    if held := follow_supervisor(study.fm.steps_lock_path):
        _HELD.append(held)
    if not process_rank():
        for output in snakemake.output:
            remove_leftovers(output)
            # That of an earlier output, which others would compare with the new one until it is sealed.
            checksum_path(output).unlink(missing_ok=True)
        atexit.register(_seal, list(snakemake.output), terminal)

    scheduler = study.scheduler(snakemake.wildcards.get("mode", study.cfg.mode.id))
    if pipeline := snakemake.input.get("pipeline"):
        verify(pipeline)
        scheduler.pipeline = Pipeline.read(Path(pipeline))
        scheduler.cfg = study.pipeline_config(scheduler.pipeline)
    scheduler.terminal = terminal
    scheduler.task = snakemake.wildcards.get("task")
    scheduler.eval_task = snakemake.wildcards.get("eval_task", scheduler.task)
    scheduler.run = snakemake.wildcards.get("run")
    fold = snakemake.wildcards.get("fold")
    scheduler.fold = None if fold is None else int(fold)
    scheduler.threads = snakemake.threads
    if snakemake.rule in TRAINED_IN:
        scheduler.check_code()
    if warm:
        take_gpus(scheduler, snakemake.rule, terminal)
    scheduler.after_preparation_hook()
    return scheduler


def _open_log(rule: str, path: str | None) -> IO[str]:
    """Send what this process says to its log, and errors in one line to the terminal too, which is returned."""
    terminal = sys.stderr
    if path is not None:
        log = open(path, "a" if process_rank() else "w", encoding="utf-8", buffering=1)
        _HELD.append(log)
        sys.stdout = sys.stderr = log
    logging.basicConfig(
        level=logging.WARNING if process_rank() else logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(message)s",
        datefmt="%F %T",
        force=True,
    )
    logging.captureWarnings(True)
    logger.info("--- %s", rule)
    atexit.register(_tell_memory)

    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        line = str(error) if isinstance(error, MMLError) else f"{kind.__name__}: {' '.join(str(error).split())}"
        if is_full_disk(error):
            line = f"{REMEDY} ({line})"
        if terminal is not sys.stderr:
            hint = "" if isinstance(error, MMLError) else f" (traceback in {path})"
            print(f"error in {rule}: {line}{hint}", file=terminal, flush=True)
        with contextlib.suppress(OSError):  # the log, too, may lie on a disk that is full
            traceback.print_exception(kind, error, trace, file=sys.stderr)
            print(f"error in {rule}: {line}", file=sys.stderr)

    sys.excepthook = report
    return terminal


def _seal(outputs: list[str], terminal: IO[str]) -> None:
    try:
        seal_outputs(outputs)
    except OSError as error:
        print(f"error: the checksums of {', '.join(outputs)} cannot be written: {error}", file=terminal, flush=True)
        os._exit(1)  # an exception would be shown, and the step would count as done


def _tell_memory() -> None:
    """Log the largest resident memory of this process, in 10⁶ bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    logger.info(PEAK, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
