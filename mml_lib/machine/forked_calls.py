"""Calls that are distributed to forks of this process."""

import ctypes
import multiprocessing
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

Call = Callable[[], None]

PR_SET_PDEATHSIG = 1

_pending: list[Call] = []  # forks inherit it, so that calls need no pickling


@dataclass(frozen=True)
class ForkedCalls:
    """Calls that write files, either immediately or, at the end, in forks of this process.

    Args:
        processes: number of forks. With 1, and on other systems than Linux, this process runs the calls immediately.
    """

    processes: int = 1
    _calls: list[tuple[bool, Call]] = field(default_factory=list)

    def add(self, call: Call, long: bool = False) -> None:
        """Add a call, which runs now or in `finish`.

        Args:
            call: function that writes files.
            long: True for a call that takes longer than others. It runs first.
        """
        if self.processes == 1 or sys.platform != "linux":
            call()
        else:
            self._calls.append((long, call))

    def finish(self) -> None:
        """Run the added calls. Raise the first error of a call."""
        calls = [call for _, call in sorted(self._calls, key=lambda waiting: not waiting[0])]
        self._calls.clear()
        if calls:
            _pending[:] = calls
            processes = min(self.processes, len(calls))
            with ProcessPoolExecutor(processes, multiprocessing.get_context("fork"), _end_with_parent) as pool:
                for _ in pool.map(_run_call, range(len(calls))):
                    pass
            _pending.clear()


def _end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, so that it leaves no files behind."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _run_call(number: int) -> None:
    _pending[number]()
