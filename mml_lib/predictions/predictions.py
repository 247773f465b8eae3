"""Predictions: outputs of one network for one split, as plain arrays."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

import numpy as np

from mml_lib.files.atomic import write_whole
from mml_lib.files.containers import reading_arrays
from mml_lib.files.formats import FORMATS
from mml_lib.task_types import TASK_TYPES

FORMAT = FORMATS["predictions"]


@dataclass(frozen=True)
class Predictions:
    """Outputs for whole images.

    Args:
        logits: logits, N×classes, or values of a regression, N×1 (float32).
        targets: class indices (int64, N; -1 if unlabelled), probabilities (float32, N×classes; NaN if unknown) or
            values (float32, N; NaN if unlabelled).
        ids: ids of the samples, N.
        task_type: task type of the predictions.
        weights: weight of each sample in metrics, N; None: equal weights. Files do not contain it.
    """

    logits: np.ndarray
    targets: np.ndarray
    ids: np.ndarray
    task_type: str = "classification"
    weights: np.ndarray | None = None

    @property
    def labelled(self) -> np.ndarray:
        """True for samples with a label, N (bool)."""
        return is_labelled(self.task_type, self.targets)

    def take(self, rows: np.ndarray) -> "Predictions":
        """Return the predictions of samples, by their indices or by a mask."""
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, logits=self.logits[rows], targets=self.targets[rows], ids=self.ids[rows], weights=weights)

    def write(self, path: str | Path) -> None:
        """Write the predictions as `.npz`, atomically. `read_predictions` reads them."""
        _save(path, self.task_type, self.ids, logits=self.logits, targets=self.targets)


@dataclass(frozen=True)
class MaskPredictions:
    """The most probable class of each pixel, for images of any sizes.

    Args:
        masks: predicted classes of all P pixels, image by image, P (uint8).
        targets: true classes of the pixels, P (uint8); 255 is ignored.
        sizes: height and width of each image in pixels, N×2.
        ids: ids of the samples, N.
        classes: number of classes.
        weights: weight of each image in metrics, N; None: equal weights. Files do not contain it.
    """

    masks: np.ndarray
    targets: np.ndarray
    sizes: np.ndarray
    ids: np.ndarray
    classes: int
    weights: np.ndarray | None = None
    task_type = "semantic_segmentation"

    @classmethod
    def of(
        cls, masks: Sequence[np.ndarray], targets: Sequence[np.ndarray], ids: np.ndarray, classes: int
    ) -> "MaskPredictions":
        """Return the predictions of masks and targets, H×W each."""
        sizes = np.array([mask.shape for mask in masks], dtype=np.int64)
        predicted, true = (np.concatenate([plane.ravel() for plane in planes]) for planes in (masks, targets))
        return cls(predicted, true, sizes, ids, classes)

    def images(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield predicted and true mask of each image, H×W."""
        start = 0
        for height, width in self.sizes.tolist():
            end = start + height * width
            yield self.masks[start:end].reshape(height, width), self.targets[start:end].reshape(height, width)
            start = end

    def take(self, rows: np.ndarray) -> "MaskPredictions":
        """Return the predictions of images, by their indices."""
        images = list(self.images())
        masks, targets = ([images[row][side] for row in rows] for side in (0, 1))
        weights = None if self.weights is None else self.weights[rows]
        return replace(MaskPredictions.of(masks, targets, self.ids[rows], self.classes), weights=weights)

    def write(self, path: str | Path) -> None:
        """Write the masks as compressed `.npz`, atomically. `read_predictions` reads them."""
        arrays = {"masks": self.masks, "targets": self.targets, "sizes": self.sizes, "classes": np.int64(self.classes)}
        _save(path, self.task_type, self.ids, compress=True, **arrays)


def is_labelled(task_type: str, targets: np.ndarray) -> np.ndarray:
    """Return True for samples with a label, or with at least one known label of several, N (bool)."""
    if TASK_TYPES[task_type].is_single_label:
        return targets >= 0
    missing = np.isnan(targets)
    return ~(missing.all(axis=1) if missing.ndim == 2 else missing)


AnyPredictions = Predictions | MaskPredictions
P = TypeVar("P", bound="Predictions | MaskPredictions")


def weighed(predictions: P, weights: Mapping[str, float] | None) -> P:
    """Return predictions whose samples have weights in metrics.

    Args:
        predictions: predictions of any samples.
        weights: weight of each sample of the task, by id; None: equal weights.
    """
    if weights is None:
        return predictions
    return replace(predictions, weights=np.array([weights[id_] for id_ in predictions.ids.tolist()], dtype=float))


def are_masks(predictions: Sequence[AnyPredictions]) -> TypeGuard[Sequence[MaskPredictions]]:
    """Return True for predictions of masks."""
    return bool(predictions) and isinstance(predictions[0], MaskPredictions)


def pool(predictions: Sequence[AnyPredictions]) -> AnyPredictions:
    """Return the concatenated predictions of several networks."""
    first = predictions[0]
    names: tuple[str, ...] = ("logits", "targets", "ids")
    if isinstance(first, MaskPredictions):
        names = ("masks", "targets", "sizes", "ids")
    names += ("weights",) if first.weights is not None else ()
    joined: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in predictions]) for name in names}
    return replace(first, **joined)


def _save(path: str | Path, task_type: str, ids: np.ndarray, compress: bool = False, **arrays: Any) -> None:
    save = np.savez_compressed if compress else np.savez
    with write_whole(path) as temporary:
        save(temporary, **FORMAT.stamp, task_type=np.str_(task_type), ids=ids.astype(np.str_), **arrays)


def read_predictions(path: str | Path) -> AnyPredictions:
    """Read predictions. Pickled arrays are refused.

    Raises:
        MMLError: the file is missing, damaged, or of another format.
    """
    with reading_arrays(path, "predictions") as content:
        kind = str(content.pop("task_type"))
        if kind == MaskPredictions.task_type:
            return MaskPredictions(**content | {"classes": int(content["classes"])})
        return Predictions(**content, task_type=kind)
