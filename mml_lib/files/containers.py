"""Containers: read the format version of files of each kind, and rewrite older text files."""

import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from mml_lib.errors import MMLError
from mml_lib.files.checksums import damaged, verify
from mml_lib.files.formats import FORMATS, STAMP, Format
from mml_lib.files.stored import json_text, yaml_text

UNREADABLE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)
"""Errors that readers of damaged files raise."""

PACKED_FORMAT = "format.json"
"""File in a folder of packed images that states its format."""

LARGEST_HEADER = 10**8
"""Largest header of stored weights in bytes, as in safetensors."""

_JSON_STAMP = re.compile(r'\s*\{\s*"format":\s*(\d+),\s*"needs_mml":\s*"([^"]*)"')
_COMMENT = re.compile(r"# format (\d+), needs MML (\S+)\n")


class Text:
    """Files of text of one kind.

    Args:
        load: function from a text to its content, including the stamp.
        dump: function from a content to its text, with the current stamp.
    """

    def __init__(self, load: Callable[[str], Any], dump: Callable[[Mapping[str, Any]], str]):
        self.load = load
        self.dump = dump

    def stamp(self, path: Path) -> Mapping[str, Any]:
        """Return the stamp of a file: `format` and `needs_mml`.

        Raises:
            OSError, ValueError: the file is missing or damaged.
        """
        with open(path, encoding="utf-8") as file:
            beginning = file.read(200)
            if match := _JSON_STAMP.match(beginning):
                return {"format": int(match[1]), "needs_mml": match[2]}
            content = self.load(beginning + file.read())
        if not isinstance(content, Mapping):
            raise ValueError("it has no keys")
        return _stamp_in(content)

    def rewrite(self, path: Path, beside: Path, form: Format) -> None:
        """Write the content of a file to `beside` in the current format.

        Raises:
            OSError, ValueError, KeyError, TypeError: the file is missing or damaged.
            MMLError: the file is damaged, or has a newer format.
        """
        verify(path)
        content = form.migrated(self.load(path.read_text(encoding="utf-8")), path)
        beside.write_text(self.dump(content), encoding="utf-8")


def _stamp_in(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: content[key] for key in STAMP if key in content}


def header_first(content: Mapping[str, Any]) -> str:
    """Return the text of a task description: JSON whose first line, the header, can be read alone."""
    header = json.dumps({**FORMATS["description"].stamp, "header": dict(content["header"])})
    columns = ",\n".join(f"{json.dumps(key)}: {json.dumps(column)}" for key, column in content["samples"].items())
    return f'{header[:-1]},\n"samples": {{\n{columns}\n}}}}\n'


def commented(content: Mapping[str, Any]) -> str:
    """Return the text of a study's config with its format in a comment, so that it remains a study file."""
    stamp = FORMATS["study_config"].stamp
    return f"# format {stamp['format']}, needs MML {stamp['needs_mml']}\n{content['text']}"


def _uncommented(text: str) -> dict[str, Any]:
    match = _COMMENT.match(text)
    stamp = {"format": int(match[1]), "needs_mml": match[2]} if match else {}
    return {**stamp, "text": text[match.end() :] if match else text}


def _npz_stamp(path: Path) -> dict[str, Any]:
    import numpy as np

    with np.load(path, allow_pickle=False) as arrays:
        return {key: arrays[key].item() for key in STAMP if key in arrays}


@contextmanager
def reading_arrays(path: str | Path, kind: str) -> Iterator[dict[str, Any]]:
    """Yield the arrays of an `.npz` file by name. Pickled arrays are refused. Errors in the block mean a damaged file.

    Raises:
        MMLError: the file is missing or damaged, or has a newer format.
    """
    import numpy as np

    verify(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            content = {key: array.item() if key in STAMP else array for key, array in arrays.items()}
        yield FORMATS[kind].migrated(content, path)
    except UNREADABLE as error:
        if reason := getattr(error, "strerror", None):
            raise MMLError(f"{path} cannot be read: {reason}") from error
        raise damaged(path, str(error)) from error


def _weights_stamp(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        return _stamp_in(weights_header(_header(file).get("__metadata__")))


def weights_shapes(path: Path) -> dict[str, list[int]]:
    """Return the shapes of stored weights by name, from the header of their file.

    Raises:
        OSError, ValueError, KeyError: the file is missing or damaged.
    """
    with open(path, "rb") as file:
        return {name: entry["shape"] for name, entry in _header(file).items() if name != "__metadata__"}


def _header(file: BinaryIO) -> dict[str, Any]:
    size = int.from_bytes(file.read(8), "little")
    if not 0 < size < LARGEST_HEADER:
        raise ValueError("it has no header")
    return json.loads(file.read(size))


def weights_header(metadata: Mapping[str, str] | None) -> dict[str, Any]:
    """Return the header of stored weights from their metadata.

    Raises:
        ValueError: MML did not write the weights.
    """
    if not metadata or "mml" not in metadata:
        raise ValueError("its header is not from MML")
    return json.loads(metadata["mml"])


def weights_metadata(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata of weights in the current format."""
    # A single entry, because safetensors writes several in an order that differs between processes.
    return {"mml": json.dumps({**FORMATS["parameters"].stamp, **content}, sort_keys=True)}


def _packed_stamp(folder: Path) -> dict[str, Any]:
    return _stamp_in(json.loads((folder / PACKED_FORMAT).read_text(encoding="utf-8")))


def read_packed_format(folder: Path) -> dict[str, Any]:
    """Return the format file of a folder of packed images: its stamp and, except in older folders, `pixels`.

    Raises:
        MMLError: the file is damaged, or has a newer format.
    """
    try:
        content = json.loads((folder / PACKED_FORMAT).read_text(encoding="utf-8"))
        FORMATS["packed"].version_of(_stamp_in(content), folder)
        return content
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(folder / PACKED_FORMAT, str(error), artefact=folder) from error


def _json(kind: str, indent: int | None = 2) -> Text:
    return Text(json.loads, lambda content: json_text(kind, content, indent))


def _yaml(kind: str) -> Text:
    return Text(yaml.safe_load, lambda content: yaml_text(kind, content))


_BINARY: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "predictions": _npz_stamp,
    "features": _npz_stamp,
    "resampled_metrics": _npz_stamp,
    "fisher": _npz_stamp,
    "baseline_probe": _npz_stamp,
    "parameters": _weights_stamp,
    "packed": _packed_stamp,
    "image_measures": _npz_stamp,
    "explanations": _npz_stamp,
    "neighbours": _npz_stamp,
}

TEXTS: Mapping[str, Text] = {
    **{kind: _json(kind) for kind in FORMATS if kind not in _BINARY},
    **{kind: _yaml(kind) for kind in ("pipeline", "blueprint", "run_explanation")},
    "dataset": _json("dataset", indent=None),
    "description": Text(json.loads, header_first),
    "study_config": Text(_uncommented, commented),
}
"""Container of each kind of text file. These files can be rewritten in a newer format."""


def stamp_of(kind: str, path: Path) -> Mapping[str, Any]:
    """Return the stamp of an artefact, for most kinds without reading the rest.

    Raises:
        OSError, ValueError, KeyError, TypeError: the artefact is missing or damaged.
    """
    return _BINARY[kind](path) if kind in _BINARY else TEXTS[kind].stamp(path)
