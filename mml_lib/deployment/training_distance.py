"""Distances of new images to the images of a training, as a warning of inputs unlike them.

- `features`: distance to the k-th nearest training image, of features of the network that are scaled to length 1 (Sun
  et al. 2022, Out-of-distribution detection with deep nearest neighbors).
- `confidence`: how far the network is from certain, 1 less the largest probability (Hendrycks and Gimpel 2017); of
  labels the mean over labels, of masks the mean over pixels.

Distances of held-out images, on which the network was not trained, are the reference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from mml_lib.data.datamodule import TaskImages, by_size, images_of
from mml_lib.deployment.deployed_network import DeployedNetwork
from mml_lib.deployment.predictor import tensor_of
from mml_lib.deployment.preparation import Prepared
from mml_lib.errors import MMLError
from mml_lib.predictions.scores import sigmoid, softmax
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.struct import TaskStruct

NEIGHBOURS = 10
"""k: the distance of the k-th nearest training image counts."""

TRAINING_IMAGES, HELD_OUT_IMAGES = 2000, 1000
"""Most training images that are compared with, and most held-out images; of more, a draw."""

BATCH = 64
"""Number of images in a batch."""


@dataclass(frozen=True)
class TrainingDistance:
    """Distances of images to the training of a network.

    Args:
        network: the network.
        kind: `features` or `confidence`.
        training: features of training images scaled to length 1, N×D; empty by confidence.
        held_out: distances of held-out images of the task, ascending.
    """

    network: DeployedNetwork
    kind: str
    training: np.ndarray
    held_out: np.ndarray

    @classmethod
    @torch.inference_mode()
    def of(cls, network: DeployedNetwork, kind: str, struct: TaskStruct, fold: int) -> Self:
        """Return the distances by the images of a task.

        Args:
            network: the network.
            kind: `features` or `confidence`.
            struct: its task with the packed images.
            fold: fold that it was not trained on.

        Raises:
            MMLError: the network has no features of whole images.
        """
        generator = np.random.default_rng(0)
        parts = {"train": TRAINING_IMAGES, "val": HELD_OUT_IMAGES}
        draws = {
            part: images_of(struct, np.sort(generator.permutation(struct.select(part, fold))[:limit]), masks=False)
            for part, limit in parts.items()
        }
        training = np.zeros((0, 1), np.float32)
        if kind == "features":
            training = _of_images(lambda images: features_of(network, images), draws["train"], network)
        distance = cls(network, kind, training, np.zeros(0))
        held_out = _of_images(lambda images: distance.of_pixels(images)[:, None], draws["val"], network)
        return cls(network, kind, training, np.sort(held_out[:, 0]))

    @torch.inference_mode()
    def __call__(self, images: Sequence[Prepared]) -> np.ndarray:
        """Return the distance of each prepared image of one size, N."""
        return self.of_pixels(tensor_of(images))

    def of_pixels(self, images: torch.Tensor) -> np.ndarray:
        """Return the distance of each packed image, N×C×H×W."""
        if self.kind == "features":
            return _to_neighbour(features_of(self.network, images), self.training)
        whole = self.network.outputs_of_whole(images.to(self.network.mean.device))
        if TASK_TYPES[self.network.task_type].has_masks:
            return 1 - whole.softmax(1).amax(1).mean((1, 2)).cpu().numpy()
        outputs = whole.cpu().numpy()
        if TASK_TYPES[self.network.task_type].is_multilabel:
            probabilities = sigmoid(outputs)
            return np.minimum(probabilities, 1 - probabilities).mean(axis=1)
        return 1 - softmax(outputs).max(axis=1)

    def ranks(self, distances: np.ndarray) -> np.ndarray:
        """Return the share of held-out images of the task that are nearer, in 0..1."""
        return np.searchsorted(self.held_out, distances, side="left") / max(1, len(self.held_out))


def features_of(network: DeployedNetwork, images: torch.Tensor) -> np.ndarray:
    """Return the pooled features of packed images N×C×H×W, scaled to length 1: float32, N×D.

    For networks of patches, they are means over windows.

    Raises:
        MMLError: the network has none.
    """

    def see(pixels: torch.Tensor) -> torch.Tensor:
        normalised = network.normalise(network.scale(pixels.to(network.mean.device)))
        features = network.network.run_backbone(network.network.backbone, normalised)
        if not isinstance(features, torch.Tensor) or features.ndim != 2:
            raise MMLError(
                f"apply.distance: {network.network.arch_name} has no features of whole images; set it to confidence or "
                "none"
            )
        return features.float()

    if network.window is None:
        features = see(images)
    else:
        arrays = images.permute(0, 2, 3, 1).cpu().numpy()
        windows = [[see(batch) for _, batch in network.window.batches(array)] for array in arrays]
        features = torch.stack([torch.cat(of_image).mean(0) for of_image in windows])
    values = features.cpu().numpy()
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


def _of_images(see: Callable[[torch.Tensor], np.ndarray], images: TaskImages, network: DeployedNetwork) -> np.ndarray:
    """Apply a function to the images of a task, a batch at a time, in any order."""
    size = BATCH if network.window is None else 1
    return np.concatenate([see(images[batch]["image"]) for batch in by_size(images.sizes, size)])


def _to_neighbour(features: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Return the Euclidean distance of each row to its k-th nearest training row."""
    place = min(NEIGHBOURS, len(training)) - 1
    squares = np.maximum(2 - 2 * (features @ training.T), 0)  # of rows of length 1
    return np.sqrt(np.partition(squares, place, axis=1)[:, place])
