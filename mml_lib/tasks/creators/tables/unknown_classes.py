"""Unknown classes: samples of a class that stands for no target become unlabelled."""

from collections.abc import Sequence
from dataclasses import replace

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import print_line, summarized, warn
from mml_lib.tasks.creators.indicators import CellValue, PartialLabels
from mml_lib.tasks.dataset import Sample
from mml_lib.tasks.missing import is_missing


def is_unknown_class(name: str, unknown: Sequence[CellValue] | None) -> bool:
    """Return True if a class is one of the values of the key `unknown`, numbers as numbers, texts in any case."""
    return PartialLabels(tuple(unknown or ())).is_unknown(name, is_missing)


def without_unknown(samples: Sequence[Sample], unknown: Sequence[CellValue] | None) -> list[Sample]:
    """Return samples of single classes, those of unknown classes without a target."""
    return [unlabelled(sample) if _is_unknown(sample, unknown) else sample for sample in samples]


def _is_unknown(sample: Sample, unknown: Sequence[CellValue] | None) -> bool:
    return isinstance(sample.label, str) and is_unknown_class(sample.label, unknown)


def unlabelled(sample: Sample) -> Sample:
    """Return a sample without its target, in the split of unlabelled ones."""
    return replace(sample, label=None, mask=None, split="unlabelled", fold=None)


def check_unknown(unknown: Sequence[CellValue] | None, classes: Sequence[str] | None) -> None:
    """Refuse a class that is to be read and is unknown.

    Raises:
        MMLError: the first one.
    """
    if named := next((name for name in classes or () if is_unknown_class(name, unknown)), None):
        raise MMLError(f"unknown: '{named}' is one of classes too; name it in one of them")


def report_unknown(where: str, unknown: Sequence[CellValue], names: Sequence[str], count: int, total: int) -> None:
    """Print how many images `unknown` is about, and its values that no image has.

    Args:
        where: the file or folder of the data.
        unknown: values of the key.
        names: all classes as delivered.
        count: images with an unknown class.
        total: all images.
    """
    print_line(f"{where}: unknown: {count:,} of {total:,} images have an unknown class")
    if unused := [value for value in unknown if not any(is_unknown_class(name, [value]) for name in names)]:
        warn(f"{where}: unknown: no image has {summarized(map(repr, unused))}; correct it, or leave it out")
