"""Names of classes and groups: merges spellings of one name, and warns about similar names."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import summarized
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.dataset import Delivery, Label, Sample, merged_probability
from mml_lib.tasks.missing import is_missing


def normalized(name: str) -> str:
    """Return a name in composed Unicode (NFC) with single spaces. Its appearance does not change."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def visible_form(name: str) -> str:
    """Return the visible form of a name: names that look alike have the same form."""
    visible = "".join(char for char in normalized(name) if unicodedata.category(char) != "Cf")
    return normalized(visible)


def folded(name: str) -> str:
    """Return the key of a name; different spellings of one name have the same key.

    The key ignores differences of case, of full-width forms, between spaces, `_` and `-`, of leading zeros, and between
    `7` and `7.0`.
    """
    text = visible_form(unicodedata.normalize("NFKC", visible_form(name)).casefold())
    if re.fullmatch(r"[+-]?\d+[.,]0*", text):
        text = re.split("[.,]", text)[0]
    text = re.sub(r"(?<![\d.,])0+(?=\d)", "", text)
    return re.sub(r"(?<=.)[\s_-]+(?=.)", "-", text)


def one_spelling(classes: Sequence[str]) -> dict[str, str]:
    """Return the name of each class: the first of the classes that look alike, in composed Unicode."""
    first: dict[str, str] = {}
    return {name: first.setdefault(visible_form(name), normalized(name)) for name in classes}


def merged_classes(classes: Sequence[str], idx_to_class: Mapping[int, str], kind: str, task: str) -> dict[int, str]:
    """Return the class of each delivered class index, with classes merged by `idx_to_class`.

    Args:
        classes: delivered classes.
        idx_to_class: class of each delivered index in the study; empty: classes keep their names.
        kind: name of the task type, any but segmentation.
        task: name of the task, for errors.

    Raises:
        MMLError: `idx_to_class` does not name a class for each index, or leaves only one class.
    """
    delivered, where = dict(enumerate(classes)), f"tasks.{task}.idx_to_class"
    if not idx_to_class:
        return delivered
    if not delivered:
        raise MMLError(f"{where}: a {kind} has no classes; leave it out")
    if set(idx_to_class) != set(delivered):
        listed = ", ".join(f"{index}: {label}" for index, label in delivered.items())
        raise MMLError(f"{where}: name a class for each of {listed}, and no other")
    if len(set(idx_to_class.values())) < 2 and not TASK_TYPES[kind].is_multilabel:
        raise MMLError(f"{where}: everything is '{next(iter(idx_to_class.values()))}'; two classes or more are needed")
    return dict(sorted(idx_to_class.items()))


def join_spellings(delivery: Delivery) -> tuple[Delivery, list[str]]:
    """Return a data set with one spelling of each class and group, and warnings about other spellings.

    Classes that look alike are merged; classes that are equal only when `folded` get a warning. Groups that are equal
    when `folded` are merged, so that samples of one group never lie in different splits.

    Raises:
        MMLError: spellings of one group lie in different splits or folds.
    """
    delivery, class_warnings = _join_classes(delivery)
    delivery, group_warnings = _join_groups(delivery)
    return delivery, [*class_warnings, *group_warnings]


def _spellings(key: Callable[[str], str], names: Iterable[str]) -> dict[str, list[str]]:
    spellings: dict[str, list[str]] = {}
    for name in names:
        spellings.setdefault(key(name), []).append(name)
    return spellings


def _join_classes(delivery: Delivery) -> tuple[Delivery, list[str]]:
    if not TASK_TYPES[delivery.task_type].has_probabilities:
        return delivery, []
    names = one_spelling(delivery.classes)
    joined = [spelled for spelled in _spellings(visible_form, delivery.classes).values() if len(spelled) > 1]
    warnings = [
        f"the class '{names[spelled[0]]}' is spelled in {len(spelled)} ways that look alike "
        f"({summarized(map(ascii, spelled))}); they are one class"
        for spelled in joined
    ]
    classes = list(dict.fromkeys(names.values()))
    if len(alike := [spelled for spelled in _spellings(folded, classes).values() if len(spelled) > 1]):
        pairs = summarized(" and ".join(f"'{name}'" for name in spelled) for spelled in alike)
        warnings.append(
            f"classes are spelled nearly alike: {pairs}; they are different classes; spell them alike if one is meant"
        )
    warnings += _missing_classes(classes)
    if all(name == other for name, other in names.items()):
        return delivery, warnings
    samples = [replace(sample, label=_renamed(sample.label, names)) for sample in delivery.samples]
    return replace(delivery, classes=classes, samples=samples), warnings


def _missing_classes(classes: Iterable[str]) -> list[str]:
    missing = [name for name in classes if is_missing(name)]
    text = f"the class {summarized(map(repr, missing))} is named like a missing value"
    return [f"{text}; if its images have no class, put them into 'unlabelled'"] if missing else []


def _renamed(label: Label, names: Mapping[str, str]) -> Label:
    if isinstance(label, str):
        return names.get(label, label)
    if not isinstance(label, Mapping):
        return label
    renamed: dict[str, list[float | None]] = {}
    for name, probability in label.items():
        renamed.setdefault(names.get(name, name), []).append(probability)
    return {name: merged_probability(probabilities) for name, probabilities in renamed.items()}


def _join_groups(delivery: Delivery) -> tuple[Delivery, list[str]]:
    spellings = _spellings(
        folded, dict.fromkeys(sample.group for sample in delivery.samples if sample.group is not None)
    )
    several = {key: names for key, names in spellings.items() if len(names) > 1}
    if not several:
        return delivery, []
    names = {name: spelled[0] for spelled in several.values() for name in spelled}
    _refuse_divided(delivery.samples, names)
    counts = Counter(sample.group for sample in delivery.samples if sample.group in names)
    pairs = summarized(" and ".join(f"'{name}' ({counts[name]:,})" for name in spelled) for spelled in several.values())
    warning = (
        f"groups are spelled in several ways: {pairs}; each is one group: if different ones are meant, rename them"
    )
    samples = [replace(s, group=names[s.group]) if s.group in names else s for s in delivery.samples]
    return replace(delivery, samples=samples), [warning]


def _refuse_divided(samples: Iterable[Sample], names: Mapping[str, str]) -> None:
    homes: dict[str, Sample] = {}
    for sample in samples:
        if sample.group is None or sample.group not in names or sample.split == "unlabelled":
            continue
        first = homes.setdefault(names[sample.group], sample)
        if first.group == sample.group or (first.split, first.fold) == (sample.split, sample.fold):
            continue
        places = [s.split or (f"fold {s.fold}" if s.fold is not None else "no fold") for s in (first, sample)]
        if first.split == sample.split and first.fold is not None and sample.fold is not None:
            places = [f"fold {first.fold}", f"fold {sample.fold}"]
        raise MMLError(
            f"the groups '{first.group}' ({first.id}, {places[0]}) and '{sample.group}' ({sample.id}, {places[1]}) "
            "differ in spelling only and lie in different splits or folds; if they are one, spell them alike and keep "
            "them together, else rename one"
        )
