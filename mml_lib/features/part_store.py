"""Part store: values of an extraction on disk, batch by batch, from which an interrupted extraction continues."""

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from mml_lib.files.atomic import write_text

STATE = "state.json"
VALUES = "values.npy"
DONE = "done.npy"

FLUSHED_EVERY = 5.0
"""Seconds between flushes to the disk: the largest loss of work by a kill."""


class PartStore:
    """Values of samples in a memory map. A sample counts as done after its values are on the disk.

    Args:
        folder: folder of the store. A store of another extraction is removed.
        key: everything that determines the values.
        count: number of samples, N.
    """

    def __init__(self, folder: str | Path, key: Mapping[str, Any], count: int):
        self.folder = Path(folder)
        self.key = dict(key)
        self.count = count
        self._values: np.memmap | None = None
        self._done: np.memmap | None = None
        self._waiting: list[np.ndarray] = []
        self._flushed = time.monotonic()
        if self._is_continued():
            self._open()
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _is_continued(self) -> bool:
        try:
            return json.loads((self.folder / STATE).read_text(encoding="utf-8")) == self._state
        except (OSError, ValueError):
            return False

    @property
    def _state(self) -> dict[str, Any]:
        return {"key": self.key, "count": self.count}

    def _create(self, shape: tuple[int, ...]) -> None:
        """Create the arrays for values of a shape. The state is written last, so an incomplete store is not used."""
        self.folder.mkdir(parents=True)
        for name, dtype, size in ((VALUES, np.float32, (self.count, *shape)), (DONE, np.bool_, (self.count,))):
            open_memmap(self.folder / name, "w+", dtype=dtype, shape=size).flush()
        write_text(self.folder / STATE, json.dumps(self._state))
        self._open()

    def _open(self) -> None:
        self._values, self._done = (open_memmap(self.folder / name, "r+") for name in (VALUES, DONE))

    @property
    def values(self) -> np.memmap:
        """Values of all samples, N×… (float32); 0 for samples that are not done."""
        assert self._values is not None, "no values have been added"
        return self._values

    @property
    def num_done(self) -> int:
        """Number of samples whose values are on the disk."""
        return 0 if self._done is None else int(self._done.sum())

    def is_done(self, positions: np.ndarray) -> bool:
        """Return True if the values of these samples are on the disk."""
        return self._done is not None and bool(self._done[positions].all())

    def add(self, positions: np.ndarray, values: np.ndarray) -> None:
        """Add the values of samples, B×…. All samples have values of the same shape."""
        if self._values is None:
            self._create(values.shape[1:])
        self.values[positions] = values
        self._waiting.append(positions)
        if time.monotonic() - self._flushed > FLUSHED_EVERY:
            self.flush()

    def flush(self) -> None:
        """Write values to the disk, and then mark their samples as done."""
        if self._done is None or not self._waiting:
            return
        self.values.flush()
        self._done[np.concatenate(self._waiting)] = True
        self._done.flush()
        self._waiting.clear()
        self._flushed = time.monotonic()

    def remove(self) -> None:
        """Remove the store."""
        self._values = self._done = None
        shutil.rmtree(self.folder, ignore_errors=True)
