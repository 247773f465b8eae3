"""The relay: a process that forwards signals of Snakemake's process group to forks of the warm process.

A terminal signals the whole group at Ctrl-C, or when it is closed. Forks of the warm process belong to another session.
Forks that Snakemake itself requests have no client process in the group that could forward signals.
"""

import contextlib
import os
import signal
import sys
import time

from mml_lib.machine.warm_start import SIGNALS, connect, wait_for_socket

SUPERVISOR = "MML_SUPERVISOR"
"""That of `mml_lib.machine.locks`, which imports too much for a process of each run."""


def main(folder: str) -> None:
    """Forward signals until the warm process in a folder has ended. Remove its folder if it was killed."""
    snakemake = int(os.environ[SUPERVISOR].split()[1])  # it may have ended already: `getppid` is then another process
    ignore_signals()
    with open(os.path.join(folder, "started"), encoding="ascii") as started:
        wait_for_socket(folder, int(started.read()))
    with contextlib.suppress(OSError):  # it was killed, perhaps before it listened
        forward_signals(folder)
    ignore_signals()
    while os.getppid() == snakemake:  # while Snakemake runs, it needs the folder to know that the process has existed
        time.sleep(1)
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    os.rmdir(folder)


def ignore_signals() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def forward_signals(folder: str) -> None:
    """Forward signals until the warm process ends."""
    connection = connect(folder, {"relay": True})
    for number in SIGNALS:
        signal.signal(number, lambda number, _: connection.sendall(bytes([number])))
    while connection.recv(1):
        pass


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (OSError, ValueError, KeyError):  # the warm process has ended
        sys.exit()
