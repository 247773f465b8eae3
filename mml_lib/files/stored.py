"""Stored objects: data classes that a JSON file holds, with the version of its format."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self

import yaml

from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_text
from mml_lib.files.checksums import damaged, verify
from mml_lib.files.formats import FORMATS


@dataclass(frozen=True)
class Stored:
    """Base of data classes that are written as JSON and read back; the same object gives the same bytes.

    `KIND` is the kind of file in `mml_lib.files.formats`. Fields in `LATER` were added without a new format: files
    without them have their defaults.
    """

    KIND: ClassVar[str]
    LATER: ClassVar[tuple[str, ...]] = ()

    def write(self, path: str | Path) -> None:
        """Write the object, whole or not at all."""
        write_text(path, json_text(self.KIND, self.content()))

    def content(self) -> dict[str, Any]:
        """Return the content of the file."""
        return asdict(self)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read an object.

        Raises:
            MMLError: the file is missing, damaged, or of a newer format.
        """
        content = read_json(path, cls.KIND)
        try:
            return cls.of_content(content)
        except KeyError as error:
            raise damaged(path, f"it has no {error.args[0]}") from error
        except (TypeError, AttributeError) as error:
            raise damaged(path, repr(error)) from error

    @classmethod
    def of_content(cls, content: Mapping[str, Any]) -> Self:
        """Return the object of a file's content."""
        names = [field.name for field in fields(cls) if field.name in content or field.name not in cls.LATER]
        return cls(**{name: content[name] for name in names})


def json_text(kind: str, content: Mapping[str, Any], indent: int | None = 2) -> str:
    """Return the text of a JSON file of a kind, which says its format first."""
    return json.dumps({**FORMATS[kind].stamp, **content}, indent=indent) + "\n"


def yaml_text(kind: str, content: Mapping[str, Any]) -> str:
    """Return the text of a YAML file of a kind, which begins with its format; a run id does not count it."""
    return yaml.safe_dump({**FORMATS[kind].stamp, **content}, sort_keys=False)


def read_json(path: str | Path, kind: str, *keys: str) -> dict[str, Any]:
    """Read a JSON file of ours as the present format has it.

    Args:
        path: path of the file.
        kind: kind of file in `mml_lib.files.formats`.
        keys: keys that the caller needs.

    Raises:
        MMLError: it is missing, damaged, lacks a key, or is of a newer format.
    """
    verify(path)
    try:
        content = FORMATS[kind].migrated(json.loads(Path(path).read_text(encoding="utf-8")), path)
        if missing := [key for key in keys if key not in content]:
            raise ValueError(f"it has no {missing[0]}")
        return content
    except OSError as error:
        raise MMLError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(path, repr(error) if isinstance(error, KeyError) else str(error)) from error
