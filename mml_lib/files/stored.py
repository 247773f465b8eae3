"""Stored objects: data classes in JSON files with the version of their format."""

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
    """Base of data classes that are stored as JSON. Equal objects give equal bytes.

    `KIND` is the kind of file in `mml_lib.files.formats`. Fields in `LATER` were added without a new format; in files
    without them, they have their defaults.
    """

    KIND: ClassVar[str]
    LATER: ClassVar[tuple[str, ...]] = ()

    def write(self, path: str | Path) -> None:
        """Write the object to a file, whole or not at all."""
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
    """Return the text of a JSON file of a kind. Its first keys state the format."""
    return json.dumps({**FORMATS[kind].stamp, **content}, indent=indent) + "\n"


def yaml_text(kind: str, content: Mapping[str, Any]) -> str:
    """Return the text of a YAML file of a kind. Its first keys state the format; run ids do not depend on them."""
    return yaml.safe_dump({**FORMATS[kind].stamp, **content}, sort_keys=False)


def read_json(path: str | Path, kind: str, *keys: str) -> dict[str, Any]:
    """Read a JSON file of MML, migrated to the current format.

    Args:
        path: path of the file.
        kind: kind of file in `mml_lib.files.formats`.
        keys: keys that the caller needs.

    Raises:
        MMLError: the file is missing or damaged, lacks a key, or has a newer format.
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
