"""Data sets: the delivered samples in a fixed order."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mml_lib.files.atomic import write_text
from mml_lib.files.checksums import damaged
from mml_lib.files.stored import json_text, read_json
from mml_lib.tasks.channel_files import ChannelFiles, ImageFile
from mml_lib.tasks.drawings import Drawing
from mml_lib.tasks.mask_values import Color, MaskTable
from mml_lib.tasks.pixel_format import Conversion, PixelFormat, ValueRange

SPLITS = ("train", "val", "test", "unlabelled")

EMPTY_MASK_TOKEN = "EMPTY_MASK_TOKEN"
"""Placeholder for a mask file whose values would all be 0."""

Label = str | Mapping[str, float | None] | float | None


def label_names(label: Label) -> list[str]:
    """Return the class names in a label. A number has none."""
    if isinstance(label, str):
        return [label]
    return list(label) if isinstance(label, Mapping) else []


def merged_probability(probabilities: Sequence[float | None]) -> float | None:
    """Return the largest probability of merged labels, None if one is unknown and all others are below 0.5."""
    largest = max((probability for probability in probabilities if probability is not None), default=0.0)
    return None if None in probabilities and largest < 0.5 else largest


@dataclass(frozen=True, slots=True)
class Sample:
    """One image with its label, split and group.

    Creators in plugins may use `Path` objects and NumPy numbers.

    Args:
        id: unique name within the data set.
        image: path of the image file, absolute or relative to the data set's folder; `<file>.npy#<row>` is a row of an
            array.
        label: classification: name of the class. Multi-label classification: probability (0..1) of each label by its
            name, None if unknown; omitted labels have the probability 0. Regression: a number. None: no label.
        split: train, val, test or unlabelled, if the data set defines splits.
        group: name of the patient, video or other unit whose samples stay in one split and one fold.
        fold: cross-validation fold, from 0, if the data set defines folds.
        mask: segmentation: path of the file of class numbers, or `EMPTY_MASK_TOKEN`.
        weight: weight in the loss, 0 or 1e-12..1e12; None: 1 if other samples have weights.
        channels: path of each channel's file by the channel's name, if channels are in separate files; `image` is the
            first of them. None: the image is in one file.
    """

    id: str
    image: str
    label: Label = None
    split: str | None = None
    group: str | None = None
    fold: int | None = None
    mask: str | None = None
    weight: float | None = None
    channels: Mapping[str, str] | None = None

    @property
    def image_files(self) -> tuple[str, ...]:
        """Files of the image: one file, or one per channel."""
        return tuple(self.channels.values()) if self.channels else (self.image,)

    @property
    def files(self) -> tuple[str, ...]:
        """Files of the image, and the mask file if there is one."""
        return self.image_files if self.mask in (None, EMPTY_MASK_TOKEN) else (*self.image_files, str(self.mask))


OPTIONAL_COLUMNS = ("weight", "channels")
"""Fields that a manifest contains only if a sample has a value."""

LEAST_WEIGHT, LARGEST_WEIGHT = 1e-12, 1e12
WEIGHTS = "0, or a number from 1e-12 to 1e12"
"""Valid weights of samples, for messages."""


@dataclass(frozen=True)
class About:
    """Description of a data set, for the task description and reports. The keys of a study take precedence.

    Args:
        modalities: modality of the images, `{"image": "microscopy"}`.
        keywords: domain of the data set.
        license: licence as its publishers state it.
        reference: publication to cite.
        url: home page.
        release: version or date.

    Example:
        >>> About({"image": "x-ray"}, ["medical", "chest"], license="CC BY 4.0")
    """

    modalities: dict[str, str] = field(default_factory=lambda: {"image": "unknown"})
    keywords: list[str] = field(default_factory=list)
    license: str = "unknown"
    reference: str = ""
    url: str = ""
    release: str = ""


@dataclass(frozen=True)
class Delivery:
    """Result of a creator: samples, the classes in the order of their indices, and their description.

    Segmentation: `classes` names the mask values 0, 1, 2 …; it is empty if the study names them by `idx_to_class`.

    Args:
        samples: samples in a fixed order.
        classes: classes in the order of their indices.
        task_type: name of the task type.
        about: description of the data set.
        drawings: masks to draw, by the path in `Sample.mask`: a PNG file relative to the data set's folder.
        has_ignored_value: True if the creator declares that pixels of the mask value 255 are ignored.

    Example:
        >>> Delivery([Sample("1", "1.png", "a"), Sample("2", "2.png", "b")], classes=["a", "b"])
    """

    samples: list[Sample]
    classes: list[str]
    task_type: str = "classification"
    about: About = field(default_factory=About)
    drawings: Mapping[str, Drawing] = field(default_factory=dict)
    has_ignored_value: bool = False

    @property
    def splits(self) -> set[str]:
        """The splits that the data define."""
        return {sample.split for sample in self.samples if sample.split is not None}

    @property
    def weights(self) -> list[float] | None:
        """Weight of each sample; None if no sample has one."""
        if all(sample.weight is None for sample in self.samples):
            return None
        return [1.0 if sample.weight is None else float(sample.weight) for sample in self.samples]


@dataclass(frozen=True)
class Dataset:
    """A data set on disk: its manifest `dataset.json`.

    Args:
        name: name of its folder.
        delivery: its samples.
        sizes: height and width of each image, in pixels.
        folder: folder of its manifest.
        values: segmentation: number of pixels of each value in each mask; None for a sample without a mask.
        conversion: how image files become pixels.
        masks: segmentation: kinds of the mask files, and colours of the mask values.
        digests: content digest of each image; None in older manifests.
    """

    name: str
    delivery: Delivery
    sizes: list[tuple[int, int]]
    folder: Path
    values: list[dict[int, int] | None] | None = None
    conversion: Conversion = field(default_factory=Conversion)
    masks: MaskTable | None = None
    digests: list[str] | None = None

    @property
    def pixels(self) -> PixelFormat:
        """Type and channels of the packed images."""
        return self.conversion.pixels

    @property
    def value_range(self) -> ValueRange | None:
        """Values that become black and white; None if all images have 8 bits."""
        return self.conversion.value_range

    def image_path(self, row: int) -> ImageFile:
        """Return the image file of a sample, or its files by channel."""
        sample = self.delivery.samples[row]
        if sample.channels:
            return ChannelFiles({name: self.folder / file for name, file in sample.channels.items()})
        return self.folder / sample.image

    def mask_path(self, row: int) -> Path | str | None:
        """Return the mask file of a sample, `EMPTY_MASK_TOKEN`, or None without a mask."""
        mask = self.delivery.samples[row].mask
        return mask if mask in (None, EMPTY_MASK_TOKEN) else self.folder / mask

    @property
    def mask_colors(self) -> list[Color] | None:
        """Colour of each mask value, in the order of the values; None if mask values are the numbers in the files."""
        if self.masks is None or self.masks.by_color is None:
            return None
        return [color for _, color in sorted(self.masks.colors.items()) if color is not None]

    def write(self, path: Path) -> None:
        """Write the manifest: samples as columns, sizes as [height, width] in pixels."""
        content: dict[str, Any] = {
            "name": self.name,
            "task_type": self.delivery.task_type,
            "classes": self.delivery.classes,
            "about": asdict(self.delivery.about),
            "samples": _as_columns(self.delivery.samples),
            "sizes": self.sizes,
            "values": self.values,
            **self.conversion.to_json(),
            "masks": self.masks and asdict(self.masks),
            "digests": self.digests,
        }
        if self.delivery.has_ignored_value:  # other manifests omit the key
            content["has_ignored_value"] = True
        write_text(path, json_text("dataset", content, indent=None))

    @classmethod
    def read(cls, path: str | Path) -> "Dataset":
        """Read a manifest.

        Raises:
            MMLError: the file is not a manifest of this format.
        """
        path = Path(path)
        content = read_json(path, "dataset")
        try:
            absent = dict.fromkeys(OPTIONAL_COLUMNS, [None] * len(content["samples"]["id"]))
            columns = [{**absent, **content["samples"]}[name] for name in Sample.__dataclass_fields__]
            samples = [Sample(*row) for row in zip(*columns, strict=True)]
            about, has_ignored_value = About(**content["about"]), content.get("has_ignored_value", False)
            delivery = Delivery(
                samples, content["classes"], content["task_type"], about, has_ignored_value=has_ignored_value
            )
            values = content["values"] and [
                counts and {int(value): count for value, count in counts.items()} for counts in content["values"]
            ]
            sizes = [tuple(size) for size in content["sizes"]]
            conversion = Conversion.of_json(content)
            masks = content["masks"] and MaskTable.of_json(content["masks"])
            digests = content["digests"]
            if digests is not None and len(digests) != len(samples):
                raise ValueError(f"{len(digests)} digests of {len(samples)} images")
            return cls(content["name"], delivery, sizes, path.parent, values, conversion, masks, digests)
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(path, repr(error)) from error


def _as_columns(samples: Sequence[Sample]) -> dict[str, list[Any]]:
    columns = {name: [getattr(sample, name) for sample in samples] for name in Sample.__dataclass_fields__}
    absent = [name for name in OPTIONAL_COLUMNS if all(value is None for value in columns[name])]
    return {name: column for name, column in columns.items() if name not in absent}


def is_weight(number: float) -> bool:
    """Return True for a valid weight of a sample: 0, or a number from 1e-12 to 1e12.

    Sums of such weights are accurate in single precision.
    """
    return number == 0 or LEAST_WEIGHT <= number <= LARGEST_WEIGHT


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Return a sort key that puts 'img2' before 'img10'."""
    parts = [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]
    return [*parts, (-1, 0, text)]  # '1' and '01' have an order too
