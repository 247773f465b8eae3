"""Claims: a running Snakemake reserves the shared data that it will write, so that no other one writes them as well.

Before its first step, a Snakemake claims its outputs below the data root. A Snakemake of another project with the same
outputs waits until they exist or the claim is void. A claim is a kernel lock, which is released when its process ends.
"""

import atexit
import fcntl
import json
import os
import socket
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import print_line


@dataclass(frozen=True)
class Claim:
    """Content of a claim's file.

    Args:
        project: project of the Snakemake.
        pid: its process.
        host: its machine.
        paths: claimed paths below the data root.
    """

    project: str
    pid: int
    host: str
    paths: list[str]

    @property
    def holder(self) -> str:
        """Description of the process."""
        return f"the project {self.project} (process {self.pid} on {self.host})"


class Claims:
    """Claims on a data root.

    Args:
        folder: folder of the claims' files.
        project: the project of this Snakemake.
    """

    def __init__(self, folder: Path, project: str):
        self.folder = folder
        self.root = folder.parent
        self.project = project
        self._held: IO[Any] | None = None

    def take(self, paths: Collection[str]) -> bool:
        """Claim outputs, given as paths below the root. Wait while another process writes any of them.

        Returns:
            True if all of them are still missing; False if the plan is outdated.

        Raises:
            MMLError: the folder cannot be written.
        """
        if not paths:
            with suppress(OSError):  # the data root may be read-only
                self._remove_void()
            return True
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._lock():
                claimed = self._missing_claimed(paths)
                if not claimed and not any((self.root / path).exists() for path in paths):
                    self._write(paths)
                    return True
        except OSError as error:
            raise MMLError(f"the data path {self.root} cannot be written ({error.strerror})") from error
        for holder, path in claimed.items():
            print_line(f"waiting for {self.root / path}, which {holder} writes")
        while claimed:
            time.sleep(0.2)
            with self._lock():
                claimed = self._missing_claimed(paths)
        return False

    def are_claimed_elsewhere(self, paths: Collection[str]) -> bool:
        """Return True if another process has claimed one of these paths, existing or not."""
        if not any(self.folder.glob("*.json")):
            return False
        with self._lock():
            return any(self._claimed(paths))

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Lock the claims for reading and writing."""
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _remove_void(self) -> None:
        if any(self.folder.glob("*.json")):
            with self._lock():
                self._missing_claimed(())

    def _write(self, paths: Collection[str]) -> None:
        claim = Claim(self.project, os.getpid(), socket.gethostname(), sorted(paths))
        path = self.folder / f"{claim.host}-{claim.pid}.json"
        self._held = open(path, "w", encoding="utf-8")
        fcntl.flock(self._held, fcntl.LOCK_EX)
        self._held.write(json.dumps(asdict(claim)))
        self._held.flush()
        atexit.register(path.unlink, missing_ok=True)

    def _missing_claimed(self, paths: Collection[str]) -> dict[str, str]:
        """Return the first missing path that each other process has claimed, by a description of the process."""
        owners: dict[str, str] = {}
        for path, claim in self._claimed(paths):
            if not (self.root / path).exists():
                owners.setdefault(claim.holder, path)
        return owners

    def _claimed(self, paths: Collection[str]) -> list[tuple[str, Claim]]:
        """Return the claimed paths with their claims; remove claims of dead processes."""
        claims = [claim for file in self.folder.glob("*.json") if (claim := _read(file)) is not None]
        return [(path, claim) for claim in claims for path in claim.paths if path in paths]


def _read(file: Path) -> Claim | None:
    """Return a claim; if its process has ended, remove its file and return None."""
    try:
        with open(file, encoding="utf-8") as claim:
            try:
                fcntl.flock(claim, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                with suppress(ValueError, TypeError):
                    return Claim(**json.loads(claim.read()))
            else:
                file.unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    return None
