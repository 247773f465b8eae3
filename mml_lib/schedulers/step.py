"""Steps: from Snakemake's object in a script to the scheduler that the script works with."""

import logging
import signal
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from mml_lib.config.pipeline import Pipeline
from mml_lib.errors import MMLError
from mml_lib.files.atomic import remove_leftovers
from mml_lib.files.locks import follow_supervisor
from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.schedulers.study import Study

logger = logging.getLogger(__name__)

_HELD: list[IO[Any]] = []  # locks and streams that live as long as the step


def open_step(snakemake: Any) -> AbstractBaseScheduler:
    """Open the step of a script: its log, its scheduler, its ties to the Snakemake that started it.

    The scheduler has the step's wildcards as `task`, `eval_task`, `run` and `fold`, its `threads`, and, where an input
    `pipeline` is declared, the config of that pipeline as `cfg`.
    """
    _open_log(snakemake.rule, snakemake.log[0] if snakemake.log else None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    study = Study(snakemake.config)
    if held := follow_supervisor(study.fm.steps_lock_path):
        _HELD.append(held)
    for output in snakemake.output:
        remove_leftovers(output)

    scheduler = study.scheduler(snakemake.wildcards.get("mode", study.cfg.mode.id))
    if pipeline := snakemake.input.get("pipeline"):
        scheduler.cfg = study.pipeline_config(Pipeline.read(Path(pipeline)))
    scheduler.task = snakemake.wildcards.get("task")
    scheduler.eval_task = snakemake.wildcards.get("eval_task", scheduler.task)
    scheduler.run = snakemake.wildcards.get("run")
    fold = snakemake.wildcards.get("fold")
    scheduler.fold = None if fold is None else int(fold)
    scheduler.threads = snakemake.threads
    scheduler.after_preparation_hook()
    return scheduler


def _open_log(rule: str, path: str | None) -> None:
    """Send what this process says to its log, and errors in one line to the terminal too."""
    terminal = sys.stderr
    if path is not None:
        log = open(path, "w", encoding="utf-8", buffering=1)
        _HELD.append(log)
        sys.stdout = sys.stderr = log
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s", datefmt="%F %T", force=True
    )
    logging.captureWarnings(True)
    logger.info("--- %s", rule)

    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        traceback.print_exception(kind, error, trace, file=sys.stderr)
        line = str(error) if isinstance(error, MMLError) else f"{kind.__name__}: {' '.join(str(error).split())}"
        print(f"error in {rule}: {line}", file=sys.stderr)
        if terminal is not sys.stderr:
            hint = "" if isinstance(error, MMLError) else f" (traceback in {path})"
            print(f"error in {rule}: {line}{hint}", file=terminal, flush=True)

    sys.excepthook = report


def say(text: str) -> None:
    """Show a text to who sits at the terminal, and keep it in the log."""
    print(text, file=sys.__stdout__, flush=True)
    if sys.stdout is not sys.__stdout__:
        print(text)
