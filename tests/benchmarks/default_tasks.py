"""Tasks on which the defaults are tried: two real data sets, and generated ones for the other task types."""

import gzip
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mml_lib.images.packing import pack
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.dataset import Delivery, Sample
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.splits.splitting import Splitting, assign
from mml_lib.tasks.struct import TaskStruct
from mml_lib.tasks.targets import Targets

FASHION = Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
"""Where Debian's package dataset-fashion-mnist puts its files."""


@dataclass(frozen=True)
class Material:
    """Images and labels of a data set.

    Args:
        task_type: what is to be learned.
        images: uint8, N×H×W×3.
        labels: class names or values of all images; of a segmentation masks, uint8, N×H×W.
        train: how many of the images, the first ones, are divided into five folds; the others are the test split.
    """

    task_type: str
    images: np.ndarray
    labels: Sequence[str] | Sequence[float] | np.ndarray
    train: int

    @property
    def splits(self) -> list[str]:
        """The split of each image."""
        return ["train" if row < self.train else "test" for row in range(len(self.images))]


def digits(train: int = 450, seed: int = 0) -> Material:
    """Return the 1,797 handwritten digits of scikit-learn in random order, 8×8 pixels."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng([seed, 0]).permutation(len(data.target))
    images = (data.images[order] * (255 / 16)).round().astype(np.uint8)
    return Material("classification", _grey(images), [str(label) for label in data.target[order]], train)


def fashion(folder: Path = FASHION, train: int = 2000, test: int = 2000) -> Material:
    """Return the first images of Fashion-MNIST, 28×28 pixels."""
    images, labels = [], []
    for prefix, count in (("train", train), ("t10k", test)):
        for name, header, rows in ((f"{prefix}-images-idx3", 16, images), (f"{prefix}-labels-idx1", 8, labels)):
            with gzip.open(folder / f"{name}-ubyte.gz") as file:
                size = 784 if "images" in name else 1
                rows.append(np.frombuffer(file.read(header + size * count)[header:], np.uint8))
    pixels = np.concatenate(images).reshape(-1, 28, 28)
    return Material("classification", _grey(pixels), [str(label) for label in np.concatenate(labels)], train)


def lesions(train: int = 320, test: int = 300, size: int = 128, seed: int = 0) -> Material:
    """Return generated skin with one dark blot of irregular outline and varying contrast, and its mask.

    Hairs, uneven light and blots of no interest (small and round) make it hard.
    """
    rng = np.random.default_rng([seed, 1])
    pairs = [_lesion(rng, size) for _ in range(train + test)]
    images, masks = (np.stack(arrays) for arrays in zip(*pairs, strict=True))
    return Material("semantic_segmentation", images, masks, train)


def cells(train: int = 320, test: int = 500, size: int = 128, seed: int = 0) -> Material:
    """Return generated images of overlapping cells of varying size and brightness, and how many there are."""
    rng = np.random.default_rng([seed, 2])
    pairs = [_cells(rng, size) for _ in range(train + test)]
    return Material("regression", np.stack([image for image, _ in pairs]), [float(n) for _, n in pairs], train)


MATERIALS: Mapping[str, Callable[[], Material]] = {
    "digits": digits,
    "fashion": fashion,
    "lesions": lesions,
    "cells": cells,
}


def _grey(images: np.ndarray) -> np.ndarray:
    return np.repeat(images[..., None], 3, axis=3)


def _noise(rng: np.random.Generator, size: int, scale: int) -> np.ndarray:
    """Return smooth noise of mean 0 and deviation 1, size×size, with structures of about `scale` pixels."""
    coarse = rng.normal(size=(size // scale + 3, size // scale + 3)).astype(np.float32)
    smooth = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return (smooth - smooth.mean()) / smooth.std()


def _lesion(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    center, radius = rng.uniform(0.3, 0.7, 2) * size, rng.uniform(0.08, 0.28) * size
    distance = np.hypot((rows - center[0]) * rng.uniform(0.7, 1.4), columns - center[1])
    mask = distance + radius * 0.35 * _noise(rng, size, size // 8) < radius
    skin = np.array([205, 160, 140]) + rng.normal(0, 15, 3)
    colour = np.array([-70, -75, -60]) + rng.normal(0, 15, 3)
    image = skin + 10 * _noise(rng, size, 4)[..., None] + 15 * _noise(rng, size, size // 2)[..., None]
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), rng.uniform(0.8, 3))
    image = image + rng.uniform(0.2, 1.0) * soft[..., None] * (colour + 8 * _noise(rng, size, 6)[..., None])
    for _ in range(rng.integers(0, 6)):  # moles
        place, dot = rng.uniform(0, size, 2), rng.uniform(1.5, 5)
        spot = np.exp(-((np.hypot(rows - place[0], columns - place[1]) / dot) ** 4))
        image = image - 50 * spot[..., None]
    canvas = np.ascontiguousarray(image.clip(0, 255).astype(np.uint8))
    for _ in range(rng.integers(0, 8)):  # hairs
        ends = rng.integers(0, size, (2, 2))
        cv2.line(canvas, tuple(map(int, ends[0])), tuple(map(int, ends[1])), (60, 45, 40), 1, cv2.LINE_AA)
    noisy = canvas + rng.normal(0, 8, canvas.shape)
    return noisy.clip(0, 255).astype(np.uint8), mask.astype(np.uint8)


def _cells(rng: np.random.Generator, size: int) -> tuple[np.ndarray, int]:
    number = int(rng.integers(0, 31))
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    stain = np.zeros((size, size), np.float32)
    for _ in range(number):
        place, radius = rng.uniform(0.05, 0.95, 2) * size, rng.uniform(3, 9)
        distance = np.hypot((rows - place[0]) * rng.uniform(0.7, 1.4), columns - place[1])
        stain += rng.uniform(0.3, 1.0) / (1 + np.exp((distance - radius) * 1.5))
    light = 0.8 + 0.1 * _noise(rng, size, size // 2)
    image = light[..., None] * (1 - np.array([0.35, 0.55, 0.25]) * (1 - np.exp(-1.2 * stain))[..., None])
    return ((image * 235) + rng.normal(0, 10, (size, size, 3))).clip(0, 255).astype(np.uint8), number


def task(name: str, material: Material, size: int, folder: Path, threads: int = 1) -> TaskStruct:
    """Return a task whose images are packed at one size; folds and test split are the same for all sizes.

    Args:
        name: name of the task.
        material: its images and labels.
        size: side of packed images, in pixels.
        folder: where everything goes.
        threads: how many to pack with.
    """
    raw = folder / name
    raw.mkdir(parents=True, exist_ok=True)
    segmentation = material.task_type == "semantic_segmentation"
    splits = material.splits
    if not (raw / "train.npy").exists():
        np.save(raw / "train.npy", material.images)
        if segmentation:
            np.save(raw / "masks.npy", material.labels)
    samples = [
        Sample(
            f"{row}",
            f"train.npy#{row}",
            None if segmentation else material.labels[row],
            split=splits[row],
            mask=f"masks.npy#{row}" if segmentation else None,
        )
        for row in range(len(material.images))
    ]
    classes = sorted(set(material.labels)) if material.task_type == "classification" else []
    classes = ["background", "lesion"] if segmentation else classes
    delivery = Delivery(samples, classes, material.task_type)
    dataset = survey_images(delivery, f"DSET_{name}", raw, threads)
    mapping = {0: "background", 1: "lesion"} if segmentation else None
    targets = Targets.of(dataset, mapping, name)
    splitting = Splitting(5, test_fraction=0.0)
    description = TaskDescription.of({"name": name}, dataset, targets, assign(samples, targets, name, splitting))
    paths = {key: raw / file for key, file in (("description", f"{name}.json"), ("dataset", "dataset.json"))}
    paths["packed"] = raw / f"packed-{size}"
    dataset.write(paths["dataset"])
    description.write(paths["description"])
    if not paths["packed"].exists():
        transforms = [{"name": "resize", "size": [size, size]}]
        pack(dataset, range(len(samples)), transforms, str(paths["packed"]), threads)
    return TaskStruct(name, paths)
