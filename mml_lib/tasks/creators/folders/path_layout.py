"""Layouts of folders: the meaning of each level and file name, `{split}/{label}/{group}_*.png`."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mml_lib.errors import MMLError, nearest
from mml_lib.tasks.dataset import natural_key

FIELDS = ("split", "label", "group", "fold")
"""Properties of an image that a part of its path may state."""


@dataclass(frozen=True)
class PathLayout:
    """A template of paths. `{field}` is a text without `/` that is not empty, `*` any text without `/`.

    Args:
        text: the template.
        pieces: literal texts, `*` and `{field}`, in turn.
    """

    text: str
    pieces: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "PathLayout":
        """Parse a template.

        Raises:
            MMLError: a field does not exist or appears twice, or nothing separates two parts.
        """
        pieces = tuple(piece for piece in re.split(r"(\{[^{}]*\}|\*)", text) if piece)
        fields = [piece[1:-1] for piece in pieces if _is_field(piece)]
        for field in fields:
            if field not in FIELDS:
                raise MMLError(f"layout: '{text}' has {{{field}}}, which is not a field{nearest(field, FIELDS)}")
            if fields.count(field) > 1:
                raise MMLError(f"layout: '{text}' has {{{field}}} twice; write * in place of one")
        literals = [piece for piece in pieces if not _is_open(piece)]
        if not fields or any(mark in literal for literal in literals for mark in "{}"):
            raise MMLError(f"layout: '{text}' is not a template of paths; write one such as {{label}}/{{group}}_*.png")
        if text.startswith(("/", "./", "../")) or text.endswith("/"):
            raise MMLError(f"layout: '{text}' must describe files relative to 'path', such as {{label}}/*.png")
        for first, second in pairwise(pieces):
            if _is_open(first) and _is_open(second):
                raise MMLError(f"layout: '{text}': nothing separates {first} from {second}; write a text between them")
        return cls(text, pieces)

    @property
    def fields(self) -> list[str]:
        return [piece[1:-1] for piece in self.pieces if _is_field(piece)]

    def read(self, paths: Sequence[str]) -> dict[str, Mapping[str, str]]:
        """Return the fields of the paths that match.

        Raises:
            MMLError: a path matches in several ways that give different fields.
        """
        shortest, longest = (re.compile(_expression(self.pieces, lazy)) for lazy in ("?", ""))
        readings: dict[str, Mapping[str, str]] = {}
        for path in paths:
            first, last = shortest.fullmatch(path), longest.fullmatch(path)
            if first is None or last is None:
                continue
            readings[path] = first.groupdict()
            if first.regs != last.regs:
                self._check_unambiguous(path)
        return readings

    def _check_unambiguous(self, path: str) -> None:
        first, *others = _readings(self.pieces, path)
        for other in others:
            for field in self.fields:
                if first[field] != other[field]:
                    raise MMLError(
                        f"layout: '{path}' matches '{self.text}' in several ways: its {field} is '{first[field]}' or "
                        f"'{other[field]}'; write further * and the text between them, or use the creator path_pattern"
                    )


def _is_field(piece: str) -> bool:
    return piece[0] == "{" and piece[-1] == "}"


def _is_open(piece: str) -> bool:
    return piece == "*" or _is_field(piece)


def _expression(pieces: Iterable[str], lazy: str) -> str:
    """Return the regular expression of a template."""
    return "".join(_piece_expression(piece, lazy) for piece in pieces)


def _piece_expression(piece: str, lazy: str) -> str:
    if _is_field(piece):
        return f"(?P<{piece[1:-1]}>[^/]+{lazy})"
    return f"([^/]*{lazy})" if piece == "*" else re.escape(piece)


def _readings(pieces: Sequence[str], path: str) -> Iterator[dict[str, str]]:
    """Yield the fields of a path for each way in which it matches."""
    if not pieces:
        if not path:
            yield {}
        return
    piece, rest = pieces[0], pieces[1:]
    if not _is_open(piece):
        if path.startswith(piece):
            yield from _readings(rest, path[len(piece) :])
        return
    name, _, _ = path.partition("/")
    for end in range(0 if piece == "*" else 1, len(name) + 1):
        for reading in _readings(rest, path[end:]):
            yield {piece[1:-1]: path[:end], **reading} if _is_field(piece) else reading


@dataclass(frozen=True)
class NamePattern:
    """A pattern of file and folder names: `*` is any text without `/`, everything else stands for itself.

    Args:
        text: with a `/` before its end, it is compared with the path below the root, otherwise with the name.
    """

    text: str

    def matches(self, path: str) -> bool:
        """Return True if a path below the root, or its last part, matches."""
        text = self.text.rstrip("/")
        if "/" not in text:
            path = path.rpartition("/")[2]
        return re.fullmatch("[^/]*".join(map(re.escape, text.lstrip("/").split("*"))), path) is not None


def fold_numbers(names: Iterable[str | None]) -> dict[str | None, int]:
    """Return the number of each fold by its name, in their natural order from 0 on."""
    order = sorted({name for name in names if name is not None}, key=natural_key)
    return {name: number for number, name in enumerate(order)}
