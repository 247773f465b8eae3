"""Reading ahead: the next batches are read in a thread while a GPU computes on the last one."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from torch.utils.data import DataLoader

AHEAD = 2
"""Batches that lie ready: one would do, if all took equally long to read."""


class ReadAhead(DataLoader[Any]):
    """A loader without workers whose batches are read, in their order, by a thread of this process.

    Reading is copying and decoding, which let other threads compute. Against a worker it saves a process with torch in
    its memory, and a copy of each batch out of it.
    """

    def __iter__(self) -> Iterator[Any]:
        batches = super().__iter__()
        with ThreadPoolExecutor(1) as thread:
            ready = deque(thread.submit(next, batches, None) for _ in range(AHEAD))
            while (batch := ready.popleft().result()) is not None:
                ready.append(thread.submit(next, batches, None))
                yield batch
