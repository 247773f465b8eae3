"""Mask classes: the class of each mask value, checked file by file.

A study names classes by number (`idx_to_class`) or by colour (`colors`). Black and white masks need no names.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import summarized
from mml_lib.task_types import IGNORE, IGNORED, TASK_TYPES
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, Dataset
from mml_lib.tasks.mask_values import BITS, EMPTY, PALETTE, Color, MaskTable
from mml_lib.tasks.names import folded

ColorLists = Sequence[tuple[str, Sequence[Sequence[int]]]]
"""Colours of each class, in the order of the classes."""

MOST_LISTED = 16
"""Largest number of values that an error lists. Masks with more values have soft edges, or contain no classes."""

BINARY = ("background", "foreground")
BLACK = (0, 0, 0)


def mask_classes(
    dataset: Dataset, idx_to_class: Mapping[int, str], colors: ColorLists | None, name: str
) -> dict[int, str]:
    """Return the class of each mask value, in the order of the classes.

    A class whose colours occur in no mask has a negative value. Values of the class `ignore` are omitted.

    Args:
        dataset: data set with masks.
        idx_to_class: class of each number in the study; empty: the study names no classes by number.
        colors: colours of each class in the study.
        name: name of the task, for errors.

    Raises:
        MMLError: a mask has a value without a class, the meaning of values is unclear, or there is only one class.
    """
    masks = _Masks(dataset, name)
    if colors:
        mapping = masks.by_color(colors)
    elif masks.reason:
        raise masks.no_colors_error()
    else:
        mapping = masks.by_number(idx_to_class)
    mapping = {value: label for value, label in mapping.items() if label != IGNORED}
    if len(set(mapping.values())) < 2:
        label = next(iter(mapping.values()), IGNORED)
        raise MMLError(f"{masks.where}.idx_to_class: everything is '{label}'; two classes or more are needed")
    return mapping


def check_masks(
    dataset: Dataset, idx_to_class: Mapping[int, str] | None, name: str, colors: ColorLists | None = None
) -> list[str]:
    """Return warnings about the masks of a task; none for a data set without masks.

    Args:
        dataset: data set of the task.
        idx_to_class: class of each mask value in the study.
        name: name of the task.
        colors: colours of each class in the study.

    Raises:
        MMLError: the meaning of values is unclear, or the masks show only one class.
    """
    if not TASK_TYPES[dataset.delivery.task_type].has_masks:
        return []
    idx_to_class = {int(value): label for value, label in (idx_to_class or {}).items()}
    mapping = mask_classes(dataset, idx_to_class, colors, name)
    masks = _Masks(dataset, name)
    masks.check_shown(mapping)
    lines = [] if colors else _lines_of_numbers(masks, mapping, idx_to_class)
    unused = sorted({value for value, label in idx_to_class.items() if label == IGNORED} - {IGNORE, *masks.used})
    if unused:
        lines.append(
            f"no mask has the value {summarized(map(str, unused))}, which is to be ignored; correct or remove it"
        )
    lines += _doubtful_names(mapping.values())
    first, *others = dict.fromkeys(mapping.values())
    lines += [
        f"metrics leave out the first class, '{first}', as the background, and count '{label}'; list it first in "
        "colors, or give it the smallest number in the masks"
        for label in others
        if label.casefold() == BINARY[0]
    ]
    if absent := [label for label in (first, *others) if not masks.rows_of(mapping, label)]:
        lines.append(
            f"no mask shows {summarized(map(repr, absent))}, which will be neither learnt nor measured; leave it out, "
            "or correct its number or colour"
        )
    rare = [
        f"{masks.described(value, bool(masks.reason))} ('{label}') in {masks.file(rows[0])}"
        for value, label in mapping.items()
        if len(rows := masks.rows_with(value)) == 1 and len(masks.rows) > 2
    ]
    if rare:
        lines.append(f"values or colours in one mask only may be mistakes: {summarized(rare)}")
    return [f"{masks.where}: {line}" for line in lines]


def _lines_of_numbers(masks: "_Masks", mapping: Mapping[int, str], idx_to_class: Mapping[int, str]) -> list[str]:
    """Return warnings about numbers whose class the study does not name, or whose colours contradict their class."""
    lines = []
    if not idx_to_class and (not masks.dataset.delivery.classes or IGNORE in mapping):
        listed = ", ".join(f"{value}: {label}" for value, label in mapping.items())
        lines.append(f"masks contain only two values, read as {{{listed}}}; idx_to_class sets other names")
    if IGNORE not in {*mapping, *idx_to_class} and not masks.dataset.delivery.has_ignored_value:
        lines += masks.ignored_lines(bool(idx_to_class))
    zero = masks.color(0)
    if zero and zero != BLACK:
        lines += [
            f"palettes show {value} ('{label}') as black, 0 as {list(zero)}; if colours are meant and not numbers, "
            f"write {masks.colors_to_write()}"
            for value, label in mapping.items()
            if masks.color(value) == BLACK
        ]
    return lines


def _doubtful_names(labels: Iterable[str]) -> list[str]:
    """Return warnings about classes whose spellings nearly equal each other, or `ignore`."""
    spellings: dict[str, dict[str, None]] = {IGNORED: {}}
    for label in labels:
        spellings.setdefault(folded(label), {})[label] = None
    lines = [f"{label!r} is a class; write {IGNORED} if it is to be ignored" for label in spellings.pop(IGNORED)]
    alike = [" and ".join(map(repr, spelled)) for spelled in spellings.values() if len(spelled) > 1]
    if alike:
        lines.append(f"{summarized(alike)} are different classes; spell them alike if one is meant")
    return lines


def _masks(count: int) -> str:
    return "1 mask" if count == 1 else f"{count:,} masks"


class _Masks:
    """The masks of the samples of a data set that have labels.

    Args:
        dataset: data set with masks.
        name: name of the task, for errors.
    """

    def __init__(self, dataset: Dataset, name: str):
        self.dataset = dataset
        self.where = f"tasks.{name}"
        samples = dataset.delivery.samples
        self.counts: dict[int, Mapping[int, int]] = {
            row: values
            for row, values in enumerate(dataset.values or ())
            if values and samples[row].split != "unlabelled"
        }
        self.rows = list(self.counts)
        self.used = sorted({value for values in self.counts.values() for value in values})
        self.table = dataset.masks or MaskTable([None] * len(samples), {})

    @property
    def reason(self) -> str | None:
        """Reason why values stand for colours; None if values are the numbers in the files."""
        return self.table.by_color

    def kind(self, row: int) -> str | None:
        return self.table.kinds[row]

    def file(self, row: int) -> str:
        """Return the mask of a sample for messages: its path, or the token and the sample."""
        path = self.dataset.mask_path(row)
        return f"{path} of sample '{self.dataset.delivery.samples[row].id}'" if path == EMPTY_MASK_TOKEN else str(path)

    def color(self, value: int) -> Color | None:
        return self.table.colors.get(value)

    def rows_with(self, value: int) -> list[int]:
        """Return the samples whose masks have a value."""
        return [row for row in self.rows if value in self.counts[row]]

    def rows_of(self, mapping: Mapping[int, str], label: str) -> list[int]:
        """Return the samples whose masks show a class."""
        values = {value for value, other in mapping.items() if other == label}
        return [row for row in self.rows if values & self.counts[row].keys()]

    def described(self, value: int, by_color: bool) -> str:
        """Return a value for messages: the number, or the colour that it stands for."""
        color = self.color(value)
        return f"the colour {list(color)}" if by_color and color else f"the value {value}"

    # --- by colour ----------------------------------------------------------------------------------------------

    def by_color(self, colors: ColorLists) -> dict[int, str]:
        """Return the class of each value by its colour.

        Raises:
            MMLError: a colour has no class, or files show a value in several colours.
        """
        if self.dataset.masks is None:
            raise MMLError(
                f"{self.where}.colors: the data set was listed by an older MML, which kept no colours; list it again: "
                f"snakemake --force {self.dataset.folder}/dataset.json"
            )
        classes = {tuple(color): label for label, listed in colors for color in listed}
        for value in self.used:
            if (color := self.color(value)) is None:
                first = self.file(self.rows_with(value)[0])
                raise MMLError(
                    f"{self.where}.colors: masks of different kinds show {value} in several colours (as {first}); use "
                    "idx_to_class, or save all masks alike"
                )
            if color not in classes:
                class_list = ", ".join(f"{label}: {list(color)}" for color, label in classes.items())
                raise self._no_class_error(value, class_list, "colors")
        mapping: dict[int, str] = {}
        for number, (label, listed) in enumerate(colors, 1):
            values = sorted(value for value in self.used if self.color(value) in set(map(tuple, listed)))
            mapping |= dict.fromkeys(values or [-number], label)
        return mapping

    def no_colors_error(self) -> MMLError:
        """Return the error of masks whose values stand for colours that the study does not name."""
        if len(self.used) > MOST_LISTED:
            return MMLError(
                f"{self.where}: {self.reason}, {len(self.used)} in all masks, as JPEG compression and smoothing leave "
                "them; save masks as PNG without either, each class in one colour, and name the classes by colors"
            )
        return MMLError(f"{self.where}: {self.reason}; name the classes by colour: {self.colors_to_write()}")

    def colors_to_write(self) -> str:
        """Return the key `colors` for the colours of the masks, for messages."""
        colors = [color for value in self.used if (color := self.color(value))]
        names = ["background" if color == BLACK else f"class{number}" for number, color in enumerate(colors)]
        listed = [f"{label}: {list(color)}" for label, color in zip(names, colors, strict=True)]
        return f"colors: {{{', '.join(listed)}}}"

    # --- by number ----------------------------------------------------------------------------------------------

    def by_number(self, idx_to_class: Mapping[int, str]) -> dict[int, str]:
        """Return the class of each value by number.

        Raises:
            MMLError: a number has no class, or may have different meanings in different files.
        """
        delivered = dict(enumerate(self.dataset.delivery.classes))
        ignored = {value for value, label in idx_to_class.items() if label == IGNORED}
        if self.dataset.delivery.has_ignored_value and IGNORE not in idx_to_class:
            ignored.add(IGNORE)
        stated = dict(idx_to_class) if not ignored >= set(idx_to_class) else {}
        if not (mapping := stated or self._binary(list(delivered.values()) or BINARY, ignored) or delivered):
            raise self._no_names_error(ignored)
        mapping |= dict.fromkeys(sorted(ignored), IGNORED)
        if not all(0 <= value <= IGNORE for value in mapping):
            raise MMLError(f"{self.where}.idx_to_class: mask values are 0 to 255")
        if IGNORE in mapping and 1 not in mapping and self._only_bits(1):
            mapping[1] = mapping[IGNORE]  # white, in one bit
        for value in self.used:
            if value not in mapping and value != IGNORE:
                class_list = ", ".join(f"{index}: {label}" for index, label in mapping.items()) or "none"
                raise self._no_class_error(value, class_list, "idx_to_class")
        if IGNORE not in mapping:
            self._check_ignored(mapping)
        return mapping

    def _binary(self, classes: Sequence[str], ignored: Collection[int] = ()) -> dict[int, str]:
        """Return the classes of black and white masks, ignored values aside; empty for other masks.

        Masks of 1 bit show white as 1, others as 255.
        """
        background, foreground = classes[0], classes[-1]
        used = set(self.used).difference(ignored)
        if len(classes) != 2 or self.color(0) not in (None, BLACK) or 0 not in used:
            return {}
        if used == {0, IGNORE} or (used == {0, 1} and not self.dataset.delivery.classes):
            return {0: background, max(used): foreground}
        if used == {0, 1, IGNORE} and self._only_bits(1):
            return {0: background, 1: foreground, IGNORE: foreground}
        return {}

    def _only_bits(self, value: int) -> bool:
        """Return True if a value occurs in 1-bit masks only."""
        rows = self.rows_with(value)
        return bool(rows) and all(self.kind(row) == BITS for row in rows)

    def ignored_lines(self, is_named: bool) -> list[str]:
        """Return a warning about pixels of the value 255, which the study does not name.

        Args:
            is_named: True if the study names the other numbers. A creator that names them means 255 to be ignored.
        """
        rows, doubtful = self.rows_with(IGNORE), self.only_ignored()
        if not doubtful and not (rows and is_named):
            return []
        share = sum(self.counts[row].get(IGNORE, 0) for row in self.rows) / sum(
            sum(self.counts[row].values()) for row in self.rows
        )
        beside = f", which in {_masks(len(doubtful))} is beside 0 only ({summarized(map(self.file, doubtful))})"
        return [
            f"the value 255 is ignored, {share:.1%} of all pixels{beside if doubtful else ''}; say so by "
            f"idx_to_class, 255: {IGNORED}, or name its class"
        ]

    def only_ignored(self) -> list[int]:
        """Return the samples whose masks contain 255 and otherwise only 0."""
        return [row for row in self.rows if IGNORE in self.counts[row] and self.counts[row].keys() <= {0, IGNORE}]

    def _check_ignored(self, mapping: Mapping[int, str]) -> None:
        """Refuse masks in which 255 may be the foreground: a class has no pixels, or masks contain only 0 and 255.

        Masks that contain 255 and other numbers show that 255 surrounds classes and should be ignored.
        """
        lacking = [value for value in mapping if value not in self.used]
        if lacking and IGNORE in self.used:
            label = mapping[lacking[0]]
            raise MMLError(
                f"{self.where}.idx_to_class: no mask has a pixel of '{label}' ({lacking[0]}), but there are some of "
                f"255, which are ignored; if these are meant, write 255: {label}, if not, 255: {IGNORED}"
            )
        doubtful = [row for row in self.only_ignored() if 0 in self.counts[row]]
        if not doubtful or any(IGNORE in self.counts[row] and row not in set(doubtful) for row in self.rows):
            return
        label = [*(label for value, label in mapping.items() if value), *mapping.values()][0]
        raise MMLError(
            f"{self.where}.idx_to_class: {_masks(len(doubtful))} of {len(self.rows):,} hold no number but 0 and 255 "
            f"({summarized(map(self.file, doubtful))}); write 255: {label} if that is meant, or 255: {IGNORED} if such "
            "pixels are to be ignored"
        )

    def _no_names_error(self, ignored: Collection[int] = ()) -> MMLError:
        """Return the error of masks whose values have no names."""
        values = [value for value in self.used if value not in {IGNORE, *ignored}]
        missing = f"{self.where}.idx_to_class is missing"
        if not values or values == [0] == self.used:
            return self._uniform_error("black" if values else "255")
        if len(values) > MOST_LISTED:
            most = max(self.rows, key=lambda row: len(self.counts[row]))
            return MMLError(
                f"{missing}: masks have {len(values)} values ({self.file(most)} alone {len(self.counts[most])}), as "
                "JPEG compression and smoothing leave them; save masks as PNG without either"
            )
        doubtful = [] if IGNORE in ignored else self.only_ignored()
        if doubtful:  # 255 may be a class
            values = self.used
        others = [row for row in self.rows_with(1) if row not in doubtful] if doubtful else []
        mixed = f" ({self.file(others[0])} has 1, {self.file(doubtful[0])} 255: one class?)" if others else ""
        example = ", ".join(f"{value}: {'…' if value else 'background'}" for value in values[:3])
        palette = any(self.kind(row) == PALETTE for row in self.rows)
        colors = f"; or name the colours that are seen: {self.colors_to_write()}" if palette else ""
        note = "; 255 is ignored unless it is named" if IGNORE in self.used and IGNORE not in values else ""
        return MMLError(f"{missing}: say what the mask values {values} mean, as {{{example}}}{mixed}{note}{colors}")

    # --- both ---------------------------------------------------------------------------------------------------

    def check_shown(self, mapping: Mapping[int, str]) -> None:
        """Refuse masks that show fewer than two classes.

        Raises:
            MMLError: all pixels have one class, or are ignored.
        """
        labels = {label for value, label in mapping.items() if value in self.used}
        if len(labels) < 2 and self.rows:
            raise self._uniform_error(f"'{next(iter(labels))}'" if labels else "ignored")

    def _uniform_error(self, content: str) -> MMLError:
        empty = sum(self.kind(row) == EMPTY for row in self.rows)
        token = f" ({empty} of them {EMPTY_MASK_TOKEN})" if empty else ""
        return MMLError(
            f"{self.where}: {'all ' * (len(self.rows) > 1)}{_masks(len(self.rows))}{token} are {content} everywhere, "
            f"as {self.file(self.rows[0])}: there is nothing to learn; name the folder or column of the true masks, or "
            "correct idx_to_class or colors"
        )

    def _no_class_error(self, value: int, class_list: str, key: str) -> MMLError:
        """Return the error of a value that has no class."""
        rows = self.rows_with(value)
        count = sum(self.counts[row][value] for row in rows)
        spread = "" if len(rows) == 1 else f" (in all {_masks(len(rows))}, {count:,} pixels)"
        pixels = self.counts[rows[0]][value]
        if len(self.counts[rows[0]]) > MOST_LISTED:
            remedy = "JPEG compression and smoothing leave such values: save masks as PNG without either"
        elif key == "colors":
            remedy = f"name it, or name it {IGNORED}"
        else:
            remedy = f"add it to idx_to_class, or mark such pixels with 255, or write {value}: {IGNORED}"
        return MMLError(
            f"{self.where}.{key}: the mask {self.file(rows[0])} has {self.described(value, key == 'colors')}, which is "
            f"no class ({class_list}), in {pixels:,} {'pixel' if pixels == 1 else 'pixels'}{spread}; {remedy}"
        )
