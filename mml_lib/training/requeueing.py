"""Requeueing: a training that its cluster stops returns to the queue, and resumes from its latest epoch."""

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
from mml_lib.machine.terminal import say
from mml_lib.training.checkpoint_files import checkpoints_of

logger = logging.getLogger(__name__)

ANNOUNCING = (signal.SIGURG, signal.SIGUSR1)
"""Signals that ask a training to stop, such as those of `sbatch --signal`. Processes ignore SIGURG by default."""

MARGIN = 30
"""Seconds before the time limit at which a training goes, whether or not its epoch is done."""


STAYING = ("RUNNING", "SIGNALING", "")
"""States of a job that may return to the queue; empty: SLURM does not answer, and may still take the job back."""


class Requeue(Callback):
    """Sends a training back to the queue before the time limit of its SLURM job, and where it is preempted.

    It goes between two epochs if another one, as long as the longest so far, would not fit any more, and otherwise
    shortly before the limit. SIGUSR1 or SIGURG ask to go with the current epoch; SIGTERM means now, and the current
    epoch is lost. The job that returns is the same one, so Snakemake sees neither an end nor a failure. Without a
    further epoch since its start the step fails, unless its job has done other steps: it would come back for ever.

    A job that SLURM is ending already (`scancel`, a limit that has been lowered since) is let go.

    Args:
        job: number of the SLURM job.
        folder: of the training's checkpoints.
    """

    def __init__(self, job: str, folder: Path):
        self.job = job
        self.folder = folder
        self._last_moment = float("inf")
        self._longest_epoch = 0.0
        self._epoch_began: float | None = None
        self._announced = False
        self._before: dict[int, Any] = {}
        self._started_from: list[Path] = []

    @property
    def _latest(self) -> list[Path]:
        return checkpoints_of(self.folder)[:1]

    @property
    def _has_gained(self) -> bool:
        """True if the job has done something since its latest start."""
        return self._latest != self._started_from or slurm.steps_done() > 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started_from = self._latest
        self._ask()
        for number, handler in (
            *((announcing, self._announce) for announcing in ANNOUNCING),
            (signal.SIGTERM, self._leave_now),
        ):
            self._before[number] = signal.signal(number, handler)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave between two epochs: here the checkpoint of the one before is written."""
        now = time.monotonic()
        if self._epoch_began is not None:
            self._longest_epoch = max(self._longest_epoch, now - self._epoch_began)
        self._epoch_began = now
        over = self._announced or now + self._longest_epoch > self._last_moment
        if over and self._has_gained:
            self._leave()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if time.monotonic() >= self._last_moment:
            self._leave()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A trained network is stored, not sent back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self) -> float:
        left = slurm.seconds_left(self.job)
        self._last_moment = time.monotonic() + left - MARGIN
        return left

    def _announce(self, number: int, frame: FrameType | None) -> None:
        """Leave soon; the limit may be another than at the start."""
        self._announced = True
        logger.info("the time limit is %.0f s away: this training leaves with the end of its epoch", self._ask())

    def _leave_now(self, number: int, frame: FrameType | None) -> NoReturn:
        state = slurm.state_of(self.job)
        if state not in STAYING:
            say(f"SLURM is ending job {self.job} ({state.lower()}): this training ends, too")
            sys.exit(128 + number)
        self._leave()

    def _leave(self) -> NoReturn:
        """Return to the queue.

        Raises:
            MMLError: nothing is gained since the start, or SLURM does not take the job back.
        """
        if not self._has_gained:
            raise MMLError(
                f"SLURM job {self.job} was told to go before one epoch was done; set a longer "
                "resources.train_fold.runtime, or less work an epoch"
            )
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # requeueing sends it
        if not slurm.requeue(self.job):
            raise MMLError(
                f"SLURM job {self.job} was told to go, and SLURM does not take it back; submit with slurm-requeue: true"
            )
        latest = self._latest[0].stem if self._latest else "other steps"
        say(f"told to go: back to the queue after {latest} (SLURM job {self.job})")
        sys.exit(128 + signal.SIGTERM)
