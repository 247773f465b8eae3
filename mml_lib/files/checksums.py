"""Checksums: steps write checksums of their outputs, and readers check them.

`.x.json.sha256` beside `x.json` contains its SHA-256; for a folder, it contains those of all its files. `sha256sum`
can check them: `find . -name '.*.sha256' -execdir sha256sum --quiet -c {} +`.
"""

import hashlib
import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.files.atomic import remove_leftovers, write_text
from mml_lib.machine.locks import PROJECT

COMMAND = "MML_COMMAND"
"""Environment variable with the arguments of the running Snakemake, for its steps."""

IGNORED = ".snakemake_timestamp"
"""Name of a file that Snakemake writes into output folders."""

_verified: dict[Path, tuple[int, int]] = {}


def checksum_path(path: str | Path) -> Path:
    """Return the path of the checksum of a file or folder."""
    path = Path(path)
    return path.with_name(f".{path.name}.sha256")


def seal(path: str | Path) -> None:
    """Write the checksum of a file, or of a folder's files."""
    path, sealed = Path(path), checksum_path(path)
    lines = (f"{digest}  {name}\n" for name, digest in _digests(path).items())
    remove_leftovers(sealed)
    write_text(sealed, "".join(lines))


def fingerprint(path: str | Path) -> str:
    """Return the SHA-256 of a file, from its checksum file if there is one."""
    sealed = checksum_path(path)
    return sealed.read_text(encoding="utf-8").partition("  ")[0] if sealed.exists() else _digest(Path(path))


def verify(*paths: str | Path, artefact: str | Path | None = None) -> None:
    """Refuse files and folders that have changed since they were created. Without a checksum, they are accepted.

    A process reads a file of the same size and time only once.

    Args:
        paths: files and folders.
        artefact: output of the step that wrote the files, if they are by-products.

    Raises:
        MMLError: a file is damaged, or a folder lacks a file or contains an additional one.
    """
    for path in map(Path, paths):
        sealed = checksum_path(path)
        if not sealed.exists() or not path.exists():  # the reader reports missing files
            continue
        state = _state(path)
        if _verified.get(path) != state:
            if changed := _changed(path, sealed):
                why = f"its SHA-256 is not the one in {sealed}"
                raise damaged(path.parent / changed[0], why, artefact=artefact or path)
            _verified[path] = state


def _changed(path: Path, sealed: Path) -> list[str]:
    """Return the files whose checksum differs from the stored one; existing files come first."""
    digests = _digests(path)
    lines = sealed.read_bytes().decode(errors="replace").splitlines()
    stored = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    changed = [name for name in stored.keys() | digests.keys() if stored.get(name) != digests.get(name)]
    return sorted(changed, key=lambda name: (name not in digests, name))


def damaged(path: str | Path, why: str, artefact: str | Path | None = None) -> MMLError:
    """Return the error for a file that cannot be used, with the command that makes it again.

    Args:
        path: the file.
        why: description of the damage.
        artefact: output of a step that the file is a part of.
    """
    if project := _other_project(Path(artefact or path)):
        remedy = f"in the project {project}, by a study of it"
    else:
        remedy = f"by: {remake_command(artefact or path)}"
    return MMLError(f"{path} is damaged ({' '.join(why.split())}); make it again {remedy}")


def _other_project(path: Path) -> str | None:
    """Return the project of a file if it is not the project of the running Snakemake."""
    if not (folder := os.environ.get(PROJECT)):
        return None
    path, project = path.absolute(), Path(folder)
    if path.is_relative_to(project) or not path.is_relative_to(project.parent):
        return None
    return path.relative_to(project.parent).parts[0]


def remake_command(path: str | Path) -> str:
    """Return the command of the running study that makes an artefact again."""
    return f"snakemake {shlex.quote(str(path))} --force {os.environ.get(COMMAND, '--cores all')}".rstrip()


def set_command(arguments: Sequence[str]) -> None:
    """Set the arguments of this Snakemake for messages of this process and of its steps."""
    os.environ[COMMAND] = shlex.join(arguments)


def _digests(path: Path) -> dict[str, str]:
    """Return the SHA-256 of each file by its path relative to the parent folder of `path`."""
    return {str(file.relative_to(path.parent)): _digest(file) for file in _files(path)}


def _digest(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and file.name != IGNORED)


def _state(path: Path) -> tuple[int, int]:
    """Return the total size and the latest modification time, which change with the content."""
    states = [file.stat() for file in _files(path)]
    return sum(state.st_size for state in states), max((state.st_mtime_ns for state in states), default=0)


def seal_outputs(outputs: Iterable[str]) -> None:
    """Seal the outputs of a step if all exist. After a failure, some are missing."""
    paths = [Path(output) for output in outputs]
    if all(path.exists() for path in paths):
        for path in paths:
            seal(path)
