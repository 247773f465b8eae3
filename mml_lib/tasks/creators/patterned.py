"""The creators `path_pattern` and `file_lists`: images whose paths, or lines in lists, follow a regular expression."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mml_lib.errors import MMLError, nearest
from mml_lib.tasks.creators.creator_registry import Survey, register_creator
from mml_lib.tasks.creators.folders.path_layout import fold_numbers
from mml_lib.tasks.creators.folders.walking import ImageTree
from mml_lib.tasks.creators.indicators import CellValue
from mml_lib.tasks.creators.labels import class_names
from mml_lib.tasks.creators.own_data import existing, state_of_samples
from mml_lib.tasks.creators.shared_images.creator_sharing import Sharing
from mml_lib.tasks.creators.tables.unknown_classes import report_unknown, without_unknown
from mml_lib.tasks.dataset import SPLITS, Delivery, Sample

UNSPLIT = "all"
"""Split in messages of data that bring no splits."""


@dataclass(frozen=True)
class _Templates:
    """Templates of a sample's properties, with the groups of the regular expression in braces: `{label}-{track}`.

    Args:
        values: template of each property.
    """

    values: Mapping[str, str]

    @classmethod
    def of(cls, creator: str, expression: re.Pattern[str], stated: Mapping[str, str | None]) -> "_Templates":
        """Return the templates: those that the task states, otherwise the group of the same name.

        Raises:
            MMLError: a template names a group that the expression lacks.
        """
        groups = expression.groupindex
        values = {key: f"{{{key}}}" for key in ("label", "group", "fold") if key in groups}
        values |= {key: value for key, value in stated.items() if value}
        for key, template in values.items():
            for name in re.findall(r"\{(\w*)\}", template):
                if name not in groups:
                    raise MMLError(
                        f"creator {creator}: {key}: the regular expression '{expression.pattern}' has no group "
                        f"(?P<{name}>…){nearest(name, groups)}"
                    )
        return cls(values)

    def fill(self, key: str, groups: Mapping[str, str | None]) -> str | None:
        """Return a property of a sample, None where there is no template of it, or nothing to fill it with."""
        if key not in self.values:
            return None
        return re.sub(r"\{(\w+)\}", lambda match: groups[match[1]] or "", self.values[key]) or None


def _by_split(creator: str, key: str, value: str | Mapping[str, str]) -> dict[str | None, str]:
    """Return a value of each split; None is the split of data that bring none.

    Raises:
        MMLError: a split that does not exist.
    """
    pairs = [(None, value)] if isinstance(value, str) else value.items()
    by_split: dict[str | None, str] = dict(pairs)
    for split in by_split:
        if split not in (None, *SPLITS):
            raise MMLError(f"creator {creator}: {key}: there is no split '{split}'{nearest(str(split), SPLITS)}")
    return by_split


def _expression(creator: str, key: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise MMLError(f"creator {creator}: {key}: '{text}' is not a regular expression ({error})") from error


def _splits(value: str | Mapping[str, str]) -> set[str]:
    return set() if isinstance(value, str) else set(value)


# --- paths ------------------------------------------------------------------------------------------------------------


def _survey_paths(
    path: str,
    pattern: str | dict[str, str],
    label: str | None = None,
    group: str | None = None,
    unknown: Sequence[CellValue] | None = None,
    downloaded: bool = False,
) -> Survey:
    if downloaded:
        return Survey.of_splits(_splits(pattern))
    samples = without_unknown(_path_samples(path, pattern, {"label": label, "group": group}), unknown)
    return Survey.of_samples(samples, "classification", state_of_samples([pattern, label, group], samples))


@register_creator("path_pattern", survey=_survey_paths, sharing=Sharing(("pattern", "label", "group", "unknown")))
def path_pattern(
    folder: Path,
    path: str,
    pattern: str | dict[str, str],
    label: str | None = None,
    group: str | None = None,
    unknown: list[str | int | float] | None = None,
) -> Delivery:
    r"""Images for a classification whose paths match a regular expression.

    Args:
        folder: unused, the images stay where they are.
        path: the folder that the paths are relative to.
        pattern: regular expression of a whole path, `(?P<label>[^/]+)/[^/]+\.png`, or one for each split. Its groups
            `label`, `group` and `fold` are properties of the image. Other images are left out.
        label: template of the class, `{alphabet}-{letter}`; unset: the expression's `label`.
        group: template of the group; unset: the expression's `group`.
        unknown: classes whose images have no target, `[unsure]`.
    """
    return _delivery(path, _path_samples(path, pattern, {"label": label, "group": group}), unknown)


def _delivery(path: str, samples: list[Sample], unknown: Sequence[CellValue] | None) -> Delivery:
    """Return the data set of a classification, images of unknown classes without a target."""
    kept = without_unknown(samples, unknown)
    if unknown:
        count = sum(sample.label is not None for sample in samples) - sum(sample.label is not None for sample in kept)
        report_unknown(path, unknown, class_names(samples), count, len(samples))
    return Delivery(kept, class_names(kept))


def _path_samples(path: str, pattern: str | dict[str, str], stated: dict[str, str | None]) -> list[Sample]:
    root = existing(path, "folder", "path_pattern")
    texts = _by_split("path_pattern", "pattern", pattern)
    expressions = {split: _expression("path_pattern", "pattern", text) for split, text in texts.items()}
    templates = {split: _Templates.of("path_pattern", expr, stated) for split, expr in expressions.items()}
    names = [os.path.relpath(entry.path, root) for entry in ImageTree(root).images(root)]
    samples: list[Sample] = []
    folds: dict[str, str | None] = {}
    for split, expression in expressions.items():
        matches = [match for name in names if (match := expression.fullmatch(name))]
        if not matches:
            example = f"; the first image is '{names[0]}'" if names else ", which holds no image"
            raise MMLError(
                f"creator path_pattern: no image in {root} matches '{expression.pattern}' ({split or UNSPLIT}){example}"
            )
        fill = templates[split].fill
        for match in matches:
            label, group, fold = (fill(key, match.groupdict()) for key in ("label", "group", "fold"))
            if label is None and split != "unlabelled":
                raise MMLError(f"creator path_pattern: '{match[0]}' has no label; write (?P<label>…) or label")
            folds[match[0]] = fold
            samples.append(Sample(match[0], str(root / match[0]), label, split, group))
    numbers = fold_numbers(folds.values())
    return [replace(sample, fold=numbers.get(folds[sample.id])) for sample in samples]


# --- lists ------------------------------------------------------------------------------------------------------------


def _survey_lists(
    path: str,
    lists: dict[str, str],
    line: str,
    image: str,
    label: str | None = None,
    mask: str | None = None,
    group: str | None = None,
    unknown: Sequence[CellValue] | None = None,
    downloaded: bool = False,
) -> Survey:
    kind = "semantic_segmentation" if mask else "classification"
    if downloaded:
        return Survey.of_splits(set(lists), task_type=kind)
    samples = _listed_samples(path, lists, line, {"image": image, "label": label, "mask": mask, "group": group})
    samples = without_unknown(samples, unknown)
    return Survey.of_samples(samples, kind, state_of_samples([lists, line, image, label, mask, group], samples))


@register_creator("file_lists", survey=_survey_lists, sharing=Sharing(("label", "group", "unknown")))
def file_lists(
    folder: Path,
    path: str,
    lists: dict[str, str],
    line: str,
    image: str,
    label: str | None = None,
    mask: str | None = None,
    group: str | None = None,
    unknown: list[str | int | float | list[int]] | None = None,
) -> Delivery:
    """Images listed in text files, one file per split.

    Args:
        folder: unused, the images stay where they are.
        path: the folder that all paths are relative to.
        lists: the text file of each split: {train: lists/train.txt, test: lists/test.txt}.
        line: regular expression of a line, `(?P<name>[^ ]+) (?P<label>.+)`. Empty lines, and those that begin with
            `#`, are skipped.
        image: template of the image's path, `images/{name}.jpg`.
        label: template of the class; unset: the expression's `label`.
        mask: for a segmentation, template of the mask's path.
        group: template of the group; unset: the expression's `group`.
        unknown: classes whose images have no target, `[unsure]`. Of masks, numbers and colours of pixels that are
            ignored.
    """
    templates = {"image": image, "label": label, "mask": mask, "group": group}
    samples = _listed_samples(path, lists, line, templates)
    return Delivery(samples, [], "semantic_segmentation") if mask else _delivery(path, samples, unknown)


def _listed_samples(path: str, lists: dict[str, str], line: str, stated: dict[str, str | None]) -> list[Sample]:
    root = existing(path, "folder", "file_lists")
    expression = _expression("file_lists", "line", line)
    templates = _Templates.of("file_lists", expression, stated)
    if "label" not in templates.values and "mask" not in templates.values:
        raise MMLError("creator file_lists: neither the label nor the mask is stated; write label or mask")
    samples = []
    for split, name in _by_split("file_lists", "lists", lists).items():
        file = existing(str(root / name), "file", "file_lists")
        for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if not text.strip() or text.startswith("#"):
                continue
            match = expression.fullmatch(text.strip())
            if match is None:
                raise MMLError(f"creator file_lists: {file}, line {number}: '{text.strip()}' does not match '{line}'")
            samples.append(_listed_sample(root, templates, split, match.groupdict(), f"{file}, line {number}"))
    return samples


def _listed_sample(
    root: Path, templates: _Templates, split: str | None, groups: Mapping[str, str | None], where: str
) -> Sample:
    image, mask = templates.fill("image", groups), templates.fill("mask", groups)
    for file in filter(None, (image, mask)):
        if not (root / file).is_file():
            raise MMLError(f"creator file_lists: {where}: the file {root / file} does not exist")
    label, group = (templates.fill(key, groups) for key in ("label", "group"))
    return Sample(
        str(image),
        str(root / str(image)),
        None if mask else label,
        split,
        group,
        mask=mask and str(root / mask),
    )
