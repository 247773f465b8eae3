"""Reading ahead: a thread reads the next batches while a GPU computes."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from torch.utils.data import DataLoader

AHEAD = 2
"""Number of batches that are read ahead. One would suffice if all took the same time."""


class ReadAhead(DataLoader[Any]):
    """A loader without workers. A thread of this process reads its batches, in their order.

    Reading copies and decodes without holding the interpreter lock. Compared with a worker, a thread saves the memory
    of a process that imports torch, and a copy of each batch between processes.
    """

    def __iter__(self) -> Iterator[Any]:
        batches = super().__iter__()
        with ThreadPoolExecutor(1) as thread:
            ready = deque(thread.submit(next, batches, None) for _ in range(AHEAD))
            while (batch := ready.popleft().result()) is not None:
                ready.append(thread.submit(next, batches, None))
                yield batch
