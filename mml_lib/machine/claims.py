"""Claims: which running Snakemake makes what studies share, so that another one waits for it and makes it not again.

Before its first step a Snakemake claims what it is going to make below the data root. Another one, of another project,
that would make the same waits until it is there, or until the claim is void: it is held by a lock of the kernel's,
which dies with its process.
"""

import atexit
import fcntl
import json
import os
import socket
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import say


class Claims:
    """The claims on a data root.

    Args:
        folder: where they lie.
        project: the project of this Snakemake.
    """

    def __init__(self, folder: Path, project: str):
        self.folder = folder
        self.root = folder.parent
        self.project = project
        self._held: IO[Any] | None = None

    def take(self, paths: Collection[str]) -> bool:
        """Claim what is to be made, by paths below the root; wait as long as another process is making some of it.

        Returns:
            Whether it is still to be made; if not, the plan has to be made anew.

        Raises:
            MMLError: the folder cannot be written.
        """
        if not paths:
            with suppress(OSError):  # perhaps a data root that is only read
                self._drop_void()
            return True
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._alone():
                others = self._of_others(paths)
                if not others and not any((self.root / path).exists() for path in paths):
                    self._write(paths)
                    return True
        except OSError as error:
            raise MMLError(f"the data path {self.root} cannot be written ({error.strerror})") from error
        for holder, path in others.items():
            say(f"waiting for {self.root / path}, which {holder} makes")
        while others:
            time.sleep(0.2)
            with self._alone():
                others = self._of_others(paths)
        return False

    def are_others(self, paths: Collection[str]) -> bool:
        """Return True if another process has claimed one of these paths, existing or not."""
        if not any(self.folder.glob("*.json")):
            return False
        with self._alone():
            return any(self._claimed(paths))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others from writing and reading claims meanwhile."""
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _drop_void(self) -> None:
        if any(self.folder.glob("*.json")):
            with self._alone():
                self._of_others(())

    def _write(self, paths: Collection[str]) -> None:
        path = self.folder / f"{socket.gethostname()}-{os.getpid()}.json"
        self._held = open(path, "w", encoding="utf-8")
        fcntl.flock(self._held, fcntl.LOCK_EX)
        claim = {"project": self.project, "pid": os.getpid(), "host": socket.gethostname(), "paths": sorted(paths)}
        self._held.write(json.dumps(claim))
        self._held.flush()
        atexit.register(path.unlink, missing_ok=True)

    def _of_others(self, paths: Collection[str]) -> dict[str, str]:
        """Return by holder, in words, the first of the paths that it claims and that is not there yet."""
        owners: dict[str, str] = {}
        for path, claim in self._claimed(paths):
            if not (self.root / path).exists():
                owners.setdefault(f"the project {claim['project']} (process {claim['pid']} on {claim['host']})", path)
        return owners

    def _claimed(self, paths: Collection[str]) -> list[tuple[str, dict[str, Any]]]:
        """Return which of the paths are claimed, with what each claim says; claims that nobody holds any more go."""
        claims = [_content(file) for file in self.folder.glob("*.json")]
        return [(path, claim) for claim in claims for path in claim.get("paths", ()) if path in paths]


def _content(file: Path) -> dict[str, Any]:
    """Return the content of a claim; if no process holds it any more, remove the file and return nothing."""
    try:
        with open(file, encoding="utf-8") as claim:
            try:
                fcntl.flock(claim, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                with suppress(ValueError):
                    return json.loads(claim.read())
            else:
                file.unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    return {}
