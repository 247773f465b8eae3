"""Data-set classes of torchvision that the creator `torchvision` reads, and how each states its splits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

VOC = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""Classes of the masks of Pascal VOC in the order of their values."""


@dataclass(frozen=True)
class TorchvisionClass:
    """A data-set class of torchvision.

    Args:
        splits: arguments of the class by split; empty: it has no splits.
        masks: names of the mask values 0, 1, 2 …; empty: it has labels.
        values: mask value of each value in its files; empty: they are the same.
        arguments: further arguments of the class.
    """

    splits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    masks: tuple[str, ...] = ()
    values: Mapping[int, int] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def task_type(self) -> str:
        return "semantic_segmentation" if self.masks else "classification"


def _train_test(*names: str) -> dict[str, TorchvisionClass]:
    splits = {"train": {"train": True}, "test": {"train": False}}
    return dict.fromkeys(names, TorchvisionClass(splits))


def _words(words: Mapping[str, str], *names: str, key: str = "split", **further: Any) -> dict[str, TorchvisionClass]:
    splits = {split: {key: word} for split, word in words.items()}
    return dict.fromkeys(names, TorchvisionClass(splits, **further))


_TWO = {"train": "train", "test": "test"}
_THREE = {"train": "train", "val": "val", "test": "test"}

CLASSES: Mapping[str, TorchvisionClass] = {
    **_train_test("CIFAR10", "CIFAR100", "EMNIST", "FashionMNIST", "KMNIST", "MNIST", "USPS"),
    **_words(_TWO, "FER2013", "Food101", "GTSRB", "STL10", "SVHN", "StanfordCars"),
    **_words(_THREE, "Country211", "DTD", "FGVCAircraft", "Flowers102", "PCAM", "RenderedSST2"),
    **_words({"train": "train", "val": "val"}, "ImageNet", "Imagenette"),
    **_words({"train": "trainval", "test": "test"}, "OxfordIIITPet"),
    **_words({"train": "train", "val": "val"}, "VOCSegmentation", key="image_set", masks=VOC),
    **dict.fromkeys(("Caltech101", "Caltech256", "EuroSAT", "SEMEION", "SUN397"), TorchvisionClass()),
}
"""Classes by name; those with labels and masks are read with labels unless the task type says otherwise."""

WITH_MASKS: Mapping[str, TorchvisionClass] = {
    # 1 is the pet, 2 the background, 3 the border.
    **_words(
        {"train": "trainval", "test": "test"},
        "OxfordIIITPet",
        masks=("background", "pet"),
        values={1: 1, 2: 0, 3: 255},
        arguments={"target_types": "segmentation"},
    ),
}
"""Classes with labels and masks, read with masks."""
