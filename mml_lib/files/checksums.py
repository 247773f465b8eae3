"""Checksums: a step seals its outputs, and later readers check that they are unchanged.

The SHA-256 of `x.json` stands in `.x.json.sha256` beside it, of all files of a folder in one such file, as `sha256sum`
writes and checks it: `find . -name '.*.sha256' -execdir sha256sum --quiet -c {} +`.
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
"""Files that Snakemake writes into folders."""

_verified: dict[Path, tuple[int, int]] = {}


def checksum_path(path: str | Path) -> Path:
    """Return where the checksum of a file or folder stands."""
    path = Path(path)
    return path.with_name(f".{path.name}.sha256")


def seal(path: str | Path) -> None:
    """Write the checksum of a file, or of a folder's files; remove an unfinished one of a killed process."""
    path, sealed = Path(path), checksum_path(path)
    lines = (f"{digest}  {name}\n" for name, digest in _digests(path).items())
    remove_leftovers(sealed)
    write_text(sealed, "".join(lines))


def fingerprint(path: str | Path) -> str:
    """Return the SHA-256 of a file: the one beside it, or a new one where there is none."""
    sealed = checksum_path(path)
    return sealed.read_text(encoding="utf-8").partition("  ")[0] if sealed.exists() else _digest(Path(path))


def verify(*paths: str | Path, artefact: str | Path | None = None) -> None:
    """Refuse files and folders that have changed since they were made; those without a checksum pass.

    Within a process, a file of the same size and time as before is not read again.

    Args:
        paths: files and folders.
        artefact: what a step makes, where these are by-products of it.

    Raises:
        MMLError: a file is damaged, or is missing in a folder or there without being part of it.
    """
    for path in map(Path, paths):
        sealed = checksum_path(path)
        if not sealed.exists() or not path.exists():  # its reader reports a missing file
            continue
        state = _state(path)
        if _verified.get(path) != state:
            if changed := _changed(path, sealed):
                why = f"its SHA-256 is not the one in {sealed}"
                raise damaged(path.parent / changed[0], why, artefact=artefact or path)
            _verified[path] = state


def _changed(path: Path, sealed: Path) -> list[str]:
    """Return the files whose checksum is not the one that was written, those that are there first."""
    digests = _digests(path)
    lines = sealed.read_bytes().decode(errors="replace").splitlines()
    stored = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    changed = [name for name in stored.keys() | digests.keys() if stored.get(name) != digests.get(name)]
    return sorted(changed, key=lambda name: (name not in digests, name))


def damaged(path: str | Path, why: str, artefact: str | Path | None = None) -> MMLError:
    """Return the error for a file that cannot be used, with the command that makes it again.

    Args:
        path: the file.
        why: what is wrong with it.
        artefact: what a step makes, where the file is a part of it.
    """
    if other := _other_project(Path(artefact or path)):
        again = f"in the project {other}, by a study of it"
    else:
        again = f"by: {remake_command(artefact or path)}"
    return MMLError(f"{path} is damaged ({' '.join(why.split())}); make it again {again}")


def _other_project(path: Path) -> str | None:
    """Return the project of a file, if it is another one than that of the running Snakemake."""
    if not (named := os.environ.get(PROJECT)):
        return None
    path, project = path.absolute(), Path(named)
    if path.is_relative_to(project) or not path.is_relative_to(project.parent):
        return None
    return path.relative_to(project.parent).parts[0]


def remake_command(path: str | Path) -> str:
    """Return the command by which the running study makes an artefact again."""
    return f"snakemake {shlex.quote(str(path))} --force {os.environ.get(COMMAND, '--cores all')}".rstrip()


def name_command(arguments: Sequence[str]) -> None:
    """Set the arguments of this Snakemake, for messages of this process and of the steps that it starts."""
    os.environ[COMMAND] = shlex.join(arguments)


def _digests(path: Path) -> dict[str, str]:
    """Return the SHA-256 of each file, by its path relative to the folder that `path` lies in."""
    return {str(file.relative_to(path.parent)): _digest(file) for file in _files(path)}


def _digest(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and file.name != IGNORED)


def _state(path: Path) -> tuple[int, int]:
    """Return sizes and the latest modification time, which change with the content."""
    states = [file.stat() for file in _files(path)]
    return sum(state.st_size for state in states), max((state.st_mtime_ns for state in states), default=0)


def seal_outputs(outputs: Iterable[str]) -> None:
    """Seal the outputs of a step if all exist: a failed step has no outputs."""
    paths = [Path(output) for output in outputs]
    if all(path.exists() for path in paths):
        for path in paths:
            seal(path)
