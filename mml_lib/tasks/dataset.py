"""Data sets: what was delivered, as a list of samples in a fixed order."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_text

FORMAT = 1
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Sample:
    """One image and what is known of it.

    Args:
        id: unique name within the data set.
        image: the file, absolute or relative to the data set's folder.
        label: name of its class.
        split: train, val or test, where the data set brings its own splits.
        group: what must not be split up (a patient, a video).
        fold: cross-validation fold, where the data set brings its own.
    """

    id: str
    image: str
    label: str
    split: str | None = None
    group: str | None = None
    fold: int | None = None


@dataclass(frozen=True)
class Delivery:
    """What a creator delivers: samples, the classes in the order of their indices, and what is said of them."""

    samples: list[Sample]
    classes: list[str]
    task_type: str = "classification"
    modalities: dict[str, str] = field(default_factory=lambda: {"image": "unknown"})
    keywords: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Dataset:
    """A data set on disk: its manifest `dataset.json`, image sizes included."""

    name: str
    delivery: Delivery
    sizes: list[tuple[int, int]]
    folder: Path

    def image_path(self, row: int) -> Path:
        """Return the image file of a sample."""
        return self.folder / self.delivery.samples[row].image

    def write(self, path: Path) -> None:
        """Write the manifest: samples as columns, sizes as [height, width] in pixels."""
        fields = list(Sample.__dataclass_fields__)
        content = {
            "format": FORMAT,
            "name": self.name,
            "task_type": self.delivery.task_type,
            "classes": self.delivery.classes,
            "modalities": self.delivery.modalities,
            "keywords": self.delivery.keywords,
            "samples": {name: [getattr(sample, name) for sample in self.delivery.samples] for name in fields},
            "sizes": self.sizes,
        }
        write_text(path, json.dumps(content))

    @classmethod
    def read(cls, path: str | Path) -> "Dataset":
        """Read a manifest.

        Raises:
            MMLError: the file is not a manifest of this format.
        """
        path = Path(path)
        content = read_json(path, FORMAT)
        columns = content["samples"]
        samples = [Sample(*row) for row in zip(*(columns[name] for name in Sample.__dataclass_fields__), strict=True)]
        delivery = Delivery(
            samples, content["classes"], content["task_type"], content["modalities"], content["keywords"]
        )
        return cls(content["name"], delivery, [tuple(size) for size in content["sizes"]], path.parent)


def read_json(path: Path, format_version: int) -> Any:
    """Read a JSON file of ours.

    Raises:
        MMLError: it is missing, broken, or of a newer format.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MMLError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise MMLError(f"{path} is damaged ({error}); remove it, and the next run makes it again") from error
    if content.get("format", 0) > format_version:
        raise MMLError(f"{path} has format {content['format']}, newer than this version of MML reads; update MML")
    return content


def check_delivery(delivery: Delivery, name: str) -> None:
    """Refuse what no task can be made of.

    Raises:
        MMLError: no samples, a duplicate id, an image in two splits, an unknown label or split.
    """
    if not delivery.samples:
        raise MMLError(f"{name}: there are no images; see config/README.md for the layouts that are understood")
    classes, ids, images = set(delivery.classes), {}, {}
    for sample in delivery.samples:
        if sample.id in ids:
            other = ids[sample.id]
            where = "is listed twice" if other.split == sample.split else f"is in {other.split} and in {sample.split}"
            raise MMLError(f"{name}: sample '{sample.id}' {where} ({other.image}, {sample.image}); keep it once")
        if sample.image in images and images[sample.image].split != sample.split:
            splits = f"{images[sample.image].split} and {sample.split}"
            raise MMLError(f"{name}: image {sample.image} is in two splits, {splits}; keep it in one")
        if sample.label not in classes:
            raise MMLError(
                f"{name}: sample '{sample.id}' has the label '{sample.label}', which is not a class; "
                f"classes: {', '.join(delivery.classes)}"
            )
        if sample.split is not None and sample.split not in SPLITS:
            raise MMLError(f"{name}: sample '{sample.id}' is in split '{sample.split}'; splits: {', '.join(SPLITS)}")
        ids[sample.id] = images[sample.image] = sample
    if len(delivery.classes) < 2:
        raise MMLError(f"{name}: there is only the class '{delivery.classes[0]}'; a classification needs two or more")
    _check_groups(delivery, name)


def _check_groups(delivery: Delivery, name: str) -> None:
    splits: dict[str, str | None] = {}
    for sample in delivery.samples:
        if sample.group is not None and splits.setdefault(sample.group, sample.split) != sample.split:
            raise MMLError(
                f"{name}: group '{sample.group}' is in the splits {splits[sample.group]} and {sample.split}; "
                "a group must not cross splits"
            )


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Return a sort key that puts 'img2' before 'img10'."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]
