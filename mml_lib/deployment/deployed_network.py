"""Deployed networks: stored networks in evaluation mode."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before torch modules that need torchvision)
import numpy as np
import torch
from torch import nn

from mml_lib.config.training_options import Patches
from mml_lib.data.merging import merge_outputs
from mml_lib.data.sliding_window import SlidingWindow
from mml_lib.deployment.preparation import Prepared
from mml_lib.evaluation.calibration.calibration_methods import Calibration
from mml_lib.images.restoring import restore
from mml_lib.inference.delivered_masks import enlarged_mask
from mml_lib.inference.merged_views import MergedViews
from mml_lib.models.network import Network, load_network
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.task_types import TASK_TYPES
from mml_lib.training.image_outputs import ImageOutputs


class DeployedNetwork(ImageOutputs, nn.Module):
    """A stored network for one of its tasks, with the normalisation of its training.

    Args:
        network: the network.
        header: header of its weights.
        task: the task.
        window: sliding window over images; None: the network takes whole images.
    """

    def __init__(self, network: Network, header: Mapping[str, Any], task: str, window: SlidingWindow | None = None):
        super().__init__()
        network.requires_grad_(False)
        self.network = network.eval()
        self.task = task
        self.classes: list[str] = list(header.get("classes", {}).get(task, ()))
        self.window = window
        self.register_buffer("mean", torch.tensor(header["mean"]).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(header["std"]).view(1, -1, 1, 1), persistent=False)

    @classmethod
    def read(cls, weights: str | Path, pipeline: Pipeline) -> Self:
        """Return the network of a run for its own task.

        Raises:
            MMLError: the weights are missing or damaged.
        """
        network, header = load_network(weights)
        content = pipeline.content
        patches = Patches(**content["patches"]) if content.get("patches") else None
        window = SlidingWindow.of(patches, content["sampling"]["batch_size"]) if patches else None
        return cls(network, header, pipeline.task["name"], window)


@dataclass(frozen=True)
class NetworkGroup:
    """Networks of one run whose answers are merged: the mean of probabilities or values.

    Args:
        networks: networks with the same preparation of images.
        calibrations: calibration of the logits of each network; None: no calibration.
        tta: test-time augmentation; None: none.
    """

    networks: Sequence[DeployedNetwork]
    calibrations: Sequence[Calibration | None]
    tta: MergedViews | None = None

    @property
    def task_type(self) -> str:
        return self.networks[0].task_type

    @property
    def device(self) -> torch.device:
        return self.networks[0].mean.device

    def logits(self, images: torch.Tensor) -> np.ndarray:
        """Return merged logits, or values, of packed images N×C×H×W: float32, N×outputs."""
        outputs = [self._see(network)(images).float() for network in self.networks]
        return self.merged([output.cpu().numpy() for output in outputs])

    def logits_by_windows(self, image: np.ndarray) -> np.ndarray:
        """Return merged logits, or values, of a packed image H×W×C that is seen by windows: float32, outputs."""
        outputs = []
        for network in self.networks:
            assert network.window is not None, "windows are for networks of patches"
            merged = network.window.mean_of(image, self._see(network), self.device, self.task_type)
            outputs.append(merged.cpu().numpy()[None])
        return self.merged(outputs)[0]

    def masks(self, images: torch.Tensor) -> np.ndarray:
        """Return the best class of each pixel of packed images N×C×H×W: uint8, N×H×W."""
        outputs = [self._see(network)(images) for network in self.networks]
        several = len(outputs) > 1
        scores = torch.stack(list(map(self._probabilities, outputs))).mean(0) if several else outputs[0]
        return scores.max(1).indices.to(torch.uint8).cpu().numpy()

    def mask_by_windows(self, prepared: Prepared, transforms: Sequence[Mapping[str, Any]] | None) -> np.ndarray:
        """Return the best class of each pixel of an image that is seen by windows: uint8, H×W.

        Args:
            prepared: the image.
            transforms: transforms to invert, so that the mask has the size of the image; None: masks keep the packed
                size.
        """
        bands = zip(*map(partial(self._bands, prepared.pixels), self.networks), strict=True)
        scores = (torch.stack(of_all).mean(0) for of_all in bands)
        packed = prepared.pixels.shape[0], prepared.pixels.shape[1]
        if transforms is not None:
            return enlarged_mask(scores, transforms, prepared.size, packed)
        return np.concatenate([band.argmax(0).to(torch.uint8).cpu().numpy() for band in scores])

    def _bands(self, image: np.ndarray, network: DeployedNetwork) -> Iterator[torch.Tensor]:
        see = self._see(network)
        assert network.window is not None, "windows are for networks of patches"
        return network.window.rows_of(image, lambda windows: self._probabilities(see(windows)), self.device)

    def _probabilities(self, outputs: torch.Tensor) -> torch.Tensor:
        return outputs if self.tta else outputs.float().softmax(1)  # test-time augmentation returns probabilities

    def _see(self, network: DeployedNetwork) -> Callable[[torch.Tensor], torch.Tensor]:
        return partial(self.tta, network) if self.tta else network

    def merged(self, logits: Sequence[np.ndarray]) -> np.ndarray:
        """Return the calibrated and merged logits, or values, of the logits of each network, N×outputs."""
        maps = zip(self.calibrations, logits, strict=True)
        mapped = [calibration.apply(output) if calibration else output for calibration, output in maps]
        if len(mapped) == 1:
            return mapped[0]
        return merge_outputs(torch.from_numpy(np.stack(mapped)), self.task_type, "mean").numpy()


def restored_mask(mask: np.ndarray, prepared: Prepared, transforms: Sequence[Mapping[str, Any]] | None) -> np.ndarray:
    """Return a mask at the size of its delivered image; at the packed size without transforms."""
    return mask if transforms is None else restore(mask, transforms, prepared.size)


def has_masks(task_type: str) -> bool:
    """Return True if networks of a task type predict masks."""
    return TASK_TYPES[task_type].has_masks
