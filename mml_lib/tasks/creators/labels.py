"""Labels as texts: cells of tables and names of folders."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import summarized
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.dataset import WEIGHTS, Label, Sample, is_weight, label_names, natural_key
from mml_lib.tasks.missing import is_missing

SEPARATOR = "|"
"""Separator of the labels of one image if a task sets no `separator`."""

OTHER_SEPARATORS = (",", ";", "|", "/", "+", "&", "\t", " ")
"""Separators of labels in other tables; spaces are last because names contain spaces too."""

WHOLE = re.compile(r"[+-]?\d{1,400}")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def number_of(text: str) -> int | float | None:
    """Return the number that a text states, a whole one exactly; None if it states none."""
    if not NUMBER.fullmatch(text):
        return None
    return int(text) if WHOLE.fullmatch(text) else float(text)


def parse_label(
    text: str,
    kind: str,
    where: str,
    separator: str = SEPARATOR,
    missing: Callable[[str], bool] = is_missing,
) -> Label:
    """Parse the target of an image: a class; labels `a|b`, with probabilities `a:0.7|b:0.2`; a number.

    Args:
        text: a cell, or the name of a folder.
        kind: the task type.
        where: place of the text, for errors.
        separator: separator of labels.
        missing: the test for missing values.

    Raises:
        MMLError: no number where one is needed; the same label twice.
    """
    if TASK_TYPES[kind].has_values:
        return _number(text, where)
    if not TASK_TYPES[kind].is_multilabel:
        return text
    if re.fullmatch(r"""[\[({]\s*(['"].*['"])?\s*[\])}]""", text):
        raise MMLError(f"{where}: '{text}' is a list of a program; write labels joined by {_quoted(separator)}")
    labels: dict[str, float] = {}
    for part in map(str.strip, text.split(separator)):
        if missing(part):
            continue
        name, probability = _probability(part, where)
        if name in labels:
            raise MMLError(f"{where}: the label '{name}' appears twice")
        labels[name] = probability
    return labels


def _number(text: str, where: str) -> float:
    """Read a number as tables write it; `inf` is left to the check of values."""
    text = text.strip()
    if NUMBER.fullmatch(text) or text.lower().lstrip("+-") in ("inf", "infinity", "nan"):
        return float(text)
    if re.fullmatch(r"[+-]?\d+,\d+", text):
        raise MMLError(f"{where}: '{text}' has a decimal comma; write {text.replace(',', '.')}")
    if re.fullmatch(r"[+-]?\d{1,3}([., ']\d{3})+([.,]\d+)?", text):
        raise MMLError(f"{where}: '{text}' has separators of thousands; write digits and one decimal point only")
    raise MMLError(f"{where}: '{text}' is not a number, which a regression needs")


def parse_weight(text: str) -> float:
    """Return the weight of a sample in the loss.

    Raises:
        ValueError: the text is no weight.
    """
    if NUMBER.fullmatch(text) and is_weight(float(text)):
        return float(text)
    state = f"has '{text}', which is not a weight" if text else "has no weight"
    raise ValueError(f"{state}; write {WEIGHTS}, or columns: {{weight: null}} if it holds no weights of the loss")


def weight_lines(file: Path, weights: Iterable[float | None]) -> list[str]:
    """Return a line about weights of a column that no key of the task names."""
    numbers = [weight for weight in weights if weight is not None]
    if not numbers:
        return []
    return [
        f"{file}: the column 'weight' ({min(numbers):g} to {max(numbers):g}) weighs samples in the loss; write "
        "columns: {weight: weight} if that is meant, or {weight: null} if not"
    ]


def _probability(part: str, where: str) -> tuple[str, float]:
    """Split `name:0.7`; a name may have a colon of its own."""
    name, colon, number = (piece.strip() for piece in part.rpartition(":"))
    if not colon or not name:
        return part, 1.0
    if NUMBER.fullmatch(number) or number.lower() in ("inf", "nan"):
        return name, float(number)
    if re.fullmatch(r"\d+,\d+|\d+([.,]\d+)?\s*%", number):
        raise MMLError(f"{where}: the probability '{number}' of '{name}' is not a number; write it as 0.7")
    return part, 1.0


def class_names(samples: Sequence[Sample]) -> list[str]:
    """Return the classes that samples have, in natural order: the `classes` of most deliveries.

    Args:
        samples: samples with labels; numbers name no class.

    Example:
        >>> class_names([Sample("1", "1.png", "b"), Sample("2", "2.png", "a")])
        ['a', 'b']
    """
    return sorted({name for sample in samples for name in label_names(sample.label)}, key=natural_key)


def missed_separator(names: Iterable[str]) -> tuple[str, str] | None:
    """Return the separator that joins labels to one, and a label that it joins; None where labels look whole.

    Labels are joined where the parts of at least half of those that a separator divides are labels themselves, or where
    few parts make up many labels. Names of several words, `basal cell carcinoma`, are whole.
    """
    names = set(names)
    for separator in OTHER_SEPARATORS:
        divided = {name: _parts(name, separator) for name in names}
        divided = {name: parts for name, parts in divided.items() if len(parts) > 1}
        if not divided:
            continue
        whole = names - set(divided)
        composed = [name for name, parts in divided.items() if all(part in whole for part in parts)]
        parts_of_all = {part for parts in divided.values() for part in parts}
        permuted = len({tuple(sorted(parts)) for parts in divided.values()}) < len(divided)
        if 2 * len(composed) >= len(divided) or permuted or 2 * len(parts_of_all) <= len(divided):
            return separator, next(iter(sorted(composed or divided)))
        labels = [*whole, *(part for parts in divided.values() for part in set(parts))]
        if separator in ",;" and len(set(labels)) < len(labels):
            return separator, min(divided)
    return None


def _parts(name: str, separator: str) -> tuple[str, ...]:
    """Return the labels that a separator divides a text into, their probabilities left out."""
    parts = (re.sub(r":\s*[\d.]+$", "", part).strip() for part in name.split(separator))
    return tuple(part for part in parts if part)


def check_separator(samples: Sequence[Sample], kind: str, where: str, separator: str | None) -> list[str]:
    """Refuse labels with another separator; return a warning of classes that look like joined labels.

    Args:
        samples: of the data set.
        kind: the task type.
        where: the column or folder, for errors.
        separator: separator in the task; labels that seem to have another one are then warned of.

    Raises:
        MMLError: it names the separator to write.
    """
    if not TASK_TYPES[kind].has_probabilities:
        return []
    if any(len(label_names(sample.label)) > 1 for sample in samples):
        return []
    names = class_names(samples)
    if (missed := missed_separator(names)) is None:
        return []
    mark, name = missed
    if TASK_TYPES[kind].is_single_label:
        if separator is not None:
            return []
        return [
            f"{where}: classes such as '{name}' look like several labels joined by {mark!r}; for several labels an "
            f"image set task_type: multilabel_classification and separator: {_quoted(mark)}"
        ]
    joined = summarized((f"'{other}'" for other in names if mark in other), 2)
    line = (
        f"{where}: labels such as {joined} look like several ones joined by {mark!r}, and none is separated by "
        f"'{separator or SEPARATOR}'; write separator: {_quoted(mark)}"
    )
    if separator is not None:
        return [line]
    raise MMLError(f"{line} (or separator: {_quoted(SEPARATOR)}, if they are whole)")


def _quoted(mark: str) -> str:
    return '"\\t"' if mark == "\t" else f'"{mark}"'
