"""The relay: a process that hands the signals of Snakemake's process group on to forks of the warm process.

A terminal signals the whole group when somebody presses Ctrl-C or closes it. Forks of the warm process belong to
another session. Where Snakemake itself asks for them, no client of the group hands signals on.
"""

import os
import signal
import sys
import time

from mml_lib.machine.warm_start import SIGNALS, connect, wait_until_it_listens


def main(folder: str) -> None:
    """Hand signals on until the warm process in a folder has ended, and remove what it left if it was killed."""
    parent = os.getppid()
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    with open(os.path.join(folder, "started"), encoding="ascii") as started:
        wait_until_it_listens(folder, int(started.read()))
    connection = connect(folder, {"relay": True})
    for number in SIGNALS:
        signal.signal(number, lambda number, _: connection.sendall(bytes([number])))
    while connection.recv(1):
        pass
    while os.getppid() == parent:  # Snakemake still runs, and sees by the folder that there was a process
        time.sleep(1)
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    os.rmdir(folder)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (OSError, ValueError):  # the warm process has ended
        sys.exit()
