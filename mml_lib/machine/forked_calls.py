"""Calls that forks of this process share among them."""

import ctypes
import multiprocessing
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

Call = Callable[[], None]

PR_SET_PDEATHSIG = 1

_waiting: list[Call] = []  # forks inherit it, so that no call has to be sent to them


@dataclass(frozen=True)
class ForkedCalls:
    """Calls that write files: each one at once, or in forks of this process when all are known.

    Args:
        processes: number of forks; 1, and elsewhere than on Linux: this process makes the calls.
    """

    processes: int = 1
    _calls: list[tuple[bool, Call]] = field(default_factory=list)

    def add(self, call: Call, long: bool = False) -> None:
        """Make a call, now or in `finish`.

        Args:
            call: writes files, and returns nothing.
            long: True for a call that takes longer than others: it comes first.
        """
        if self.processes == 1 or sys.platform != "linux":
            call()
        else:
            self._calls.append((long, call))

    def finish(self) -> None:
        """Make the calls that wait. The first error of a call is raised here."""
        calls = [call for _, call in sorted(self._calls, key=lambda waiting: not waiting[0])]
        self._calls.clear()
        if calls:
            _waiting[:] = calls
            processes = min(self.processes, len(calls))
            with ProcessPoolExecutor(processes, multiprocessing.get_context("fork"), _end_with_parent) as pool:
                for _ in pool.map(_make, range(len(calls))):
                    pass
            _waiting.clear()


def _end_with_parent() -> None:
    """Let this process be killed when the one that forked it ends: its files would be leftovers."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _make(number: int) -> None:
    _waiting[number]()
