"""Outputs of a network for packed images: scaling, normalisation, and the sliding window."""

import torch

from mml_lib.data.sliding_window import SlidingWindow
from mml_lib.models.network import Network
from mml_lib.models.normalization import scaled


class ImageOutputs:
    """Outputs of one task of a network; a mixin for `torch.nn.Module`s with these attributes.

    Attributes:
        network: the network.
        task: task whose outputs are returned.
        mean, std: mean and standard deviation per channel of the network, 1×C×1×1, for images in 0..1.
        window: sliding window for whole images; None: whole images are one input.
    """

    network: Network
    task: str
    mean: torch.Tensor
    std: torch.Tensor
    window: SlidingWindow | None

    @property
    def task_type(self) -> str:
        """Task type of the head."""
        return self.network.heads[self.task]["task_type"]

    def scale(self, images: torch.Tensor) -> torch.Tensor:
        """Return floats in 0..1, N×C×H×W with the channels of the network, for images of a dtype of `PixelFormat`.

        Raises:
            MMLError: the channels of the images do not fit the network.
        """
        return scaled(images, self.mean.shape[1], self.mean.dtype, self.task)

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """Return the normalised inputs of the network for floats N×C×H×W in 0..1."""
        return (images - self.mean) / self.std

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return outputs for packed images N×C×H×W: N×outputs, or N×classes×H×W for masks."""
        return self.network(self.normalise(self.scale(images)), self.task)

    def outputs_of_whole(self, images: torch.Tensor) -> torch.Tensor:
        """Return outputs for whole images, as `forward` (float32), with the sliding window if there is one."""
        if self.window is None:
            return self.forward(images).float()
        return self.window.outputs_of(images, self.forward, self.task_type)
