"""The relay: a process that forwards signals of Snakemake's process group to forks of the warm process.

A terminal signals the whole group at Ctrl-C, or when it is closed. Forks of the warm process belong to another session.
Forks that Snakemake itself requests have no client process in the group that could forward signals.
"""

import os
import signal
import sys
import time

from mml_lib.machine.warm_start import SIGNALS, connect, wait_for_socket


def main(folder: str) -> None:
    """Forward signals until the warm process in a folder has ended. Remove its folder if it was killed."""
    parent = os.getppid()
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    with open(os.path.join(folder, "started"), encoding="ascii") as started:
        wait_for_socket(folder, int(started.read()))
    connection = connect(folder, {"relay": True})
    for number in SIGNALS:
        signal.signal(number, lambda number, _: connection.sendall(bytes([number])))
    while connection.recv(1):
        pass
    while os.getppid() == parent:  # while Snakemake runs, it needs the folder to know that the process has existed
        time.sleep(1)
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    os.rmdir(folder)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (OSError, ValueError):  # the warm process has ended
        sys.exit()
