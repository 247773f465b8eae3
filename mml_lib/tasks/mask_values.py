"""Mask values: the numbers that stand for classes in the masks of a data set, and the colours that files show.

Files with one channel contain numbers. If a file has colours instead, or if palettes show one number in several
colours, the values of the whole data set stand for colours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.task_types import IGNORE, IGNORED

KINDS = EMPTY, BITS, GREY, PALETTE, COLOR = ("empty", "1-bit", "grey", "palette", "color")
"""Kinds of mask files: `EMPTY_MASK_TOKEN`, black and white as 0 and 1, one channel of numbers, palette, colours."""

Color = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""


@dataclass(frozen=True)
class MaskContent:
    """The content of one mask file.

    Args:
        size: height and width in pixels.
        kind: one of `KINDS`.
        tally: number of pixels of each number; for the kind `COLOR`, of each colour as R·65536 + G·256 + B.
        color_codes: colour of each of these numbers, as R·65536 + G·256 + B.
        zero_is_white: True for a TIFF whose smallest value is white (WhiteIsZero).
        lossy: True if the file has lossy compression.
    """

    size: tuple[int, int]
    kind: str
    tally: Mapping[int, int]
    color_codes: Mapping[int, int]
    zero_is_white: bool = False
    lossy: bool = False

    @property
    def pixels_of_colors(self) -> dict[int, int]:
        """Number of pixels of each colour."""
        pixels: dict[int, int] = {}
        for number, count in self.tally.items():
            code = self.color_codes[number]
            pixels[code] = pixels.get(code, 0) + count
        return pixels


@dataclass(frozen=True)
class MaskTable:
    """The kinds of the mask files of a data set, and the colours of their values.

    Args:
        kinds: kind of each mask file; None for a sample without a mask.
        colors: colour of each value; None if files show the value in several colours.
        by_color: reason why values stand for colours; None: values are the numbers in the files.
    """

    kinds: Sequence[str | None]
    colors: Mapping[int, Color | None]
    by_color: str | None = None

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> "MaskTable":
        """Return the table in a manifest."""
        colors = {int(value): color and tuple(color) for value, color in content["colors"].items()}
        return cls(content["kinds"], colors, content["by_color"])


def tabulate(
    contents: Sequence[MaskContent | None], files: Sequence[Any]
) -> tuple[list[dict[int, int] | None], MaskTable]:
    """Return the number of pixels of each value in each mask, and the meaning of the values.

    Args:
        contents: content of each mask; None for a sample without a mask.
        files: path of each mask, for errors.

    Raises:
        MMLError: the masks have more than 255 colours.
    """
    kinds = [content.kind if content else None for content in contents]
    reason = _reason_for_colors(contents, files)
    if reason is None:
        return [dict(content.tally) if content else None for content in contents], MaskTable(
            kinds, _colors_of_numbers(contents)
        )
    codes = sorted({code for content in contents if content for code in content.color_codes.values()})
    if len(codes) > IGNORE:
        numbers = [len(content.color_codes) if content else 0 for content in contents]
        raise MMLError(
            f"the masks have {len(codes)} colours, more than classes can have; {files[numbers.index(max(numbers))]} "
            f"alone has {max(numbers)}: save masks as PNG without smoothing, each class in one colour"
        )
    place = {code: value for value, code in enumerate(codes)}
    values = [
        {place[code]: count for code, count in sorted(content.pixels_of_colors.items())} if content else None
        for content in contents
    ]
    return values, MaskTable(kinds, {value: as_color(code) for code, value in place.items()}, reason)


def _reason_for_colors(contents: Sequence[MaskContent | None], files: Sequence[Any]) -> str | None:
    """Return the reason why the numbers in the files cannot stand for classes; None if they can."""
    first: dict[int, tuple[int, Any]] = {}
    for content, file in zip(contents, files, strict=True):
        if content and content.kind == COLOR:
            return f"{file} has colours"
        if content and content.kind == PALETTE:
            for number, code in content.color_codes.items():
                other, other_file = first.setdefault(number, (code, file))
                if other != code:
                    return _clash(number, (other_file, other), (file, code))
    # Without a palette, 0 is black.
    zero, file = first.get(0, (0, None))
    pairs = zip(contents, files, strict=True)
    plain = [name for content, name in pairs if content and content.kind in (EMPTY, BITS, GREY) and 0 in content.tally]
    return _clash(0, (plain[0], 0), (file, zero)) if plain and zero != 0 else None


def _clash(number: int, *colored_files: tuple[Any, int]) -> str:
    """Return the reason that two files show a number in two colours."""
    (file, color), (other, other_color) = colored_files
    return f"{file} and {other} show {number} as {list(as_color(color))} and as {list(as_color(other_color))}"


def _colors_of_numbers(contents: Sequence[MaskContent | None]) -> dict[int, Color | None]:
    """Return the colour of each number; None if files show it in several colours."""
    codes: dict[int, set[int]] = {}
    for content in contents:
        for number, code in content.color_codes.items() if content else ():
            codes.setdefault(number, set()).add(code)
    return {
        number: as_color(next(iter(colors))) if len(colors) == 1 else None for number, colors in sorted(codes.items())
    }


def as_color(code: int) -> Color:
    """Return red, green and blue of a colour code R·65536 + G·256 + B."""
    return code >> 16, code >> 8 & 255, code & 255


# --- unknown pixels: values and colours of the key `unknown` mean the same as those named `ignore` ------------------

ColorsByClass = Mapping[str, Sequence[Sequence[int]]]


def with_unknown_values(
    name: str, unknown: Sequence[object], idx_to_class: Mapping[int, str] | None, colors: ColorsByClass | None
) -> Mapping[int, str] | None:
    """Return the class of each mask value of a task. Values in `unknown` have the class `ignore`.

    Args:
        name: name of the task, for errors.
        unknown: the key `unknown` of the task: numbers are mask values, lists are colours, texts are cells of tables.
        idx_to_class: class of each mask value in the study.
        colors: colours of each class in the study.

    Raises:
        MMLError: a value is not a mask value, has a class, or should be a colour.
    """
    values = [value for value in unknown if not isinstance(value, str | list)]
    if not values:
        return idx_to_class
    if colors is not None:
        raise MMLError(
            f"tasks.{name}.unknown: the masks are read by colour, so write colours in place of {values[0]!r}: "
            "unknown: [[224, 224, 192]]"
        )
    classes = dict(idx_to_class or {})
    for value in values:
        if not isinstance(value, int) or not 0 <= value <= 255:
            raise MMLError(f"tasks.{name}.unknown: {value!r} is not a mask value; write numbers from 0 to 255")
        if classes.setdefault(value, IGNORED) != IGNORED:
            raise MMLError(
                f"tasks.{name}.unknown: the mask value {value} has the class '{classes[value]}' in idx_to_class; leave "
                "it out of one of them"
            )
    return classes


def with_unknown_colors(name: str, unknown: Sequence[object], colors: ColorsByClass | None) -> ColorsByClass | None:
    """Return the colours of each class of a task. Colours in `unknown` belong to the class `ignore`.

    Args:
        name: name of the task, for errors.
        unknown: the key `unknown` of the task; lists are colours.
        colors: colours of each class in the study.

    Raises:
        MMLError: a list is not a colour, a colour has a class, or the study names no colours of classes.
    """
    listed = [value for value in unknown if isinstance(value, list)]
    if not listed:
        return colors
    if colors is None:
        raise MMLError(
            f"tasks.{name}.unknown: {listed[0]} is a colour, and the colours of classes have no names; write colors: "
            "{background: [0, 0, 0], …}"
        )
    classes = {tuple(color): label for label, class_colors in colors.items() for color in class_colors}
    for color in listed:
        if len(color) != 3 or not all(0 <= channel <= 255 for channel in color):
            raise MMLError(
                f"tasks.{name}.unknown: {color} is not a colour; write [red, green, blue], each from 0 to 255"
            )
        if classes.setdefault(tuple(color), IGNORED) != IGNORED:
            raise MMLError(
                f"tasks.{name}.unknown: {color} is the colour of '{classes[tuple(color)]}' in colors; leave it out of "
                "one of them"
            )
    ignored = sorted(color for color, label in classes.items() if label == IGNORED)
    return {**colors, IGNORED: ignored}
