"""Stored objects: data classes that a JSON file holds, with the version of its format."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, ClassVar, Self

from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_text


class Stored:
    """What a data class inherits to be written as JSON and read back; the same object gives the same bytes.

    `FORMAT` is the version of the file, `LATER` has fields that came later: where a file lacks them, they have their
    defaults.
    """

    FORMAT: ClassVar[int] = 1
    LATER: ClassVar[tuple[str, ...]] = ()

    def write(self, path: str | Path) -> None:
        """Write the object, whole or not at all."""
        write_text(path, json.dumps({"format": self.FORMAT, **asdict(self)}, indent=2) + "\n")

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read an object.

        Raises:
            MMLError: the file is missing, damaged, or of a newer format.
        """
        content = read_json(Path(path), cls.FORMAT)
        names = [field.name for field in fields(cls)]
        try:
            content = cls.migrated(content)
            return cls(**{name: content[name] for name in names if name in content or name not in cls.LATER})
        except (KeyError, TypeError) as error:
            raise MMLError(f"{path} is damaged ({error!r}); remove it, and the next run makes it again") from error

    @classmethod
    def migrated(cls, content: dict[str, Any]) -> dict[str, Any]:
        """Return the content of a file as the present format has it."""
        return content


def read_json(path: Path, format_version: int, oldest: int = 0) -> Any:
    """Read a JSON file of ours.

    Raises:
        MMLError: it is missing, broken, or of a format that this version does not read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MMLError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise MMLError(f"{path} is damaged ({error}); remove it, and the next run makes it again") from error
    found = content.get("format", 0) if isinstance(content, dict) else 0
    if found > format_version:
        raise MMLError(f"{path} has format {found}, newer than this version of MML reads; update MML")
    if found < oldest:
        raise MMLError(f"{path} has format {found}, older than this version reads; remove it, and it is made again")
    return content
