"""Requeueing: a training that its cluster stops returns to the queue, and resumes from its latest checkpoint."""

import logging
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
from lightning.pytorch import Callback, LightningModule, Trainer

from mml_lib.errors import MMLError
from mml_lib.machine import slurm
from mml_lib.machine.terminal import print_line
from mml_lib.training.checkpoint_files import checkpoints_of

logger = logging.getLogger(__name__)

WARNING_SIGNALS = (signal.SIGURG, signal.SIGUSR1)
"""Signals that ask a training to stop, such as those of `sbatch --signal`. Processes ignore SIGURG by default."""

MARGIN = 30
"""Seconds before the time limit at which a training stops, even within an epoch."""


REQUEUEABLE = ("RUNNING", "SIGNALING", "")
"""States of a job that can return to the queue; empty: SLURM does not answer, but may still requeue the job."""


class Requeue(Callback):
    """Requeues the SLURM job of a training before its time limit, and when it is preempted.

    The training stops between two epochs if another one, as long as the longest so far, would not fit, and otherwise
    shortly before the limit. SIGUSR1 and SIGURG stop it after the current epoch. SIGTERM stops it immediately; the
    current epoch is lost. The requeued job keeps its number, so Snakemake sees neither an end nor a failure. If the job
    has finished neither an epoch nor another step since its start, the step fails, because it would return forever.

    A job that SLURM is already ending (`scancel`, a lowered limit) is not requeued.

    Args:
        job: number of the SLURM job.
        folder: folder of the training's checkpoints.
    """

    def __init__(self, job: str, folder: Path):
        self.job = job
        self.folder = folder
        self._deadline = float("inf")
        self._longest_epoch = 0.0
        self._epoch_start: float | None = None
        self._is_warned = False
        self._previous_handlers: dict[int, Any] = {}
        self._latest_at_start: list[Path] = []

    @property
    def _latest(self) -> list[Path]:
        return checkpoints_of(self.folder)[:1]

    @property
    def _has_progressed(self) -> bool:
        """True if the job has finished an epoch or another step since its latest start."""
        return self._latest != self._latest_at_start or slurm.steps_done() > 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._latest_at_start = self._latest
        self._update_deadline()
        for number, handler in (
            *((number, self._handle_warning) for number in WARNING_SIGNALS),
            (signal.SIGTERM, self._handle_termination),
        ):
            self._previous_handlers[number] = signal.signal(number, handler)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Requeue between two epochs, when the checkpoint of the previous one is written."""
        now = time.monotonic()
        if self._epoch_start is not None:
            self._longest_epoch = max(self._longest_epoch, now - self._epoch_start)
        self._epoch_start = now
        must_stop = self._is_warned or now + self._longest_epoch > self._deadline
        if must_stop and self._has_progressed:
            self._requeue()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if time.monotonic() >= self._deadline:
            self._requeue()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the signal handlers, so that a finished training is stored."""
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)

    def _update_deadline(self) -> float:
        """Set the deadline by the job's time limit, and return the seconds until the limit."""
        left = slurm.seconds_left(self.job)
        self._deadline = time.monotonic() + left - MARGIN
        return left

    def _handle_warning(self, number: int, frame: FrameType | None) -> None:
        """Stop after the current epoch. The limit may have changed since the start."""
        self._is_warned = True
        logger.info("the time limit is %.0f s away: this training stops after its epoch", self._update_deadline())

    def _handle_termination(self, number: int, frame: FrameType | None) -> NoReturn:
        state = slurm.state_of(self.job)
        if state not in REQUEUEABLE:
            print_line(f"SLURM is ending job {self.job} ({state.lower()}): this training ends, too")
            sys.exit(128 + number)
        self._requeue()

    def _requeue(self) -> NoReturn:
        """Requeue the job, and exit.

        Raises:
            MMLError: nothing was finished since the start, or SLURM does not requeue the job.
        """
        if not self._has_progressed:
            raise MMLError(
                f"SLURM job {self.job} was stopped before its first epoch was finished; set a longer "
                "resources.train_fold.runtime, or shorter epochs"
            )
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which SLURM sends when it requeues
        if not slurm.requeue(self.job):
            raise MMLError(
                f"SLURM job {self.job} was stopped, and SLURM does not requeue it; submit with slurm-requeue: true"
            )
        latest = self._latest[0].stem if self._latest else "other steps"
        print_line(f"stopped by SLURM: job {self.job} returns to the queue after {latest}")
        sys.exit(128 + signal.SIGTERM)
