"""Logs of running trainings: their latest epoch with loss and metrics, and their GPUs."""

import os
import re
from dataclasses import dataclass

TAIL = 4096
"""Number of bytes that are read at the end of a log."""

HEAD = 2048
"""Number of bytes that are read at its beginning, where the line about GPUs is."""

EPOCH = re.compile(r"epoch (\d+) of (\d+): (.*)$", re.MULTILINE)
VALUE = re.compile(r"(\S+) (-?[\d.]+(?:e[+-]?\d+)?|nan|-?inf)(?:  |$)")
GPU = re.compile(r"on GPU (\S+)(, \d+ MB)?$", re.MULTILINE)
NO_METRICS = ("lr", "val/loss")
"""Names of values that are not metrics."""


@dataclass(frozen=True)
class EpochLine:
    """Latest epoch in the log of a training.

    Args:
        epoch: number of the epoch, from 1 on.
        epochs: number of epochs.
        values: values by name, `train/loss` and `val/accuracy` for example, as texts.
    """

    epoch: int
    epochs: int
    values: dict[str, str]

    @property
    def loss(self) -> str:
        """The validation loss, or else the training loss."""
        return self.values.get("val/loss") or self.values.get("train/loss", "")

    @property
    def metric(self) -> str:
        """The main metric on the validation split, `accuracy 0.9896` for example; empty without one."""
        for key, value in self.values.items():
            if key.startswith("val/") and key not in NO_METRICS:
                return f"{key.removeprefix('val/')} {value}"
        return ""

    @property
    def words(self) -> str:
        """Loss and metric as text."""
        return ", ".join(filter(None, (f"loss {self.loss}" if self.loss else "", self.metric)))


def read_epoch(log: str, since: float = 0.0) -> EpochLine | None:
    """Return the latest epoch in a log; None without one.

    Args:
        log: path.
        since: seconds since the epoch. A log that was last written before belongs to an earlier run.
    """
    lines = EPOCH.findall(_read(log, since, tail=True))
    if not lines:
        return None
    epoch, epochs, text = lines[-1]
    return EpochLine(int(epoch), int(epochs), dict(VALUE.findall(text)))


def read_gpu(log: str, since: float = 0.0) -> str:
    """Return the shortened names of the GPUs in a log; empty without any."""
    match = GPU.search(_read(log, since, tail=False))
    return "" if match is None else ", ".join(name[:12] for name in match[1].split(",")) + (match[2] or "")


def is_written(log: str, since: float) -> bool:
    """Return True if a step has started its log."""
    try:
        return os.stat(log).st_mtime >= since
    except OSError:
        return False


def _read(log: str, since: float, tail: bool) -> str:
    try:
        with open(log, "rb") as file:
            state = os.fstat(file.fileno())
            if state.st_mtime < since:
                return ""
            if tail:
                file.seek(max(0, state.st_size - TAIL))
            return file.read(TAIL if tail else HEAD).decode(errors="replace")
    except OSError:
        return ""
