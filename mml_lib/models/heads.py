"""Heads: layers that compute the outputs of a task from the features of a backbone."""

import inspect
from collections.abc import Mapping
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before timm)
import torch
from torch import nn

from mml_lib.config.factories import TARGET, import_target, instantiate
from mml_lib.errors import MMLError
from mml_lib.models.pyramids import LEVELS, Pyramid
from mml_lib.models.token_maps import TokenMaps


class LinearHead(nn.Linear):
    """A linear layer: logits, N×outputs, for pooled features, N×features."""

    maps = False


class ValueHead(nn.Module):
    """One value per sample, in the unit of the targets. A linear layer predicts the standardised value.

    Args:
        features: number of features of the backbone.
        mean, std: mean and standard deviation of the training targets. They are no buffers, because half precision
            would round them.
    """

    maps = False

    def __init__(self, features: int, mean: float, std: float):
        super().__init__()
        self.linear = nn.Linear(features, 1)
        self.mean = mean
        self.std = std

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return values, N×1, at least in single precision: half precision would round years, or weights in grams."""
        values = self.linear(features)
        return values.to(torch.promote_types(values.dtype, torch.float32)) * self.std + self.mean

    def standardise(self, values: torch.Tensor) -> torch.Tensor:
        """Return values standardised by the mean and standard deviation of the training targets."""
        return (values - self.mean) / self.std


class MaskHead(nn.Module):
    """Logits of each pixel, N×classes×H×W, by a decoder of the backbone's feature maps.

    Args:
        backbone: a network of timm, an encoder, or any backbone with a pyramid (`mml_lib.models.pyramids`).
        classes: number of classes.
        decoder: spec of a decoder of segmentation_models_pytorch, or of another module that takes a list of maps. It
            receives the channels and the number of maps. `depth` is the number of maps besides the image,
            `output_stride` the largest reduction of the backbone, and `least_side` the least side of the smallest map.
        channels: number of channels of the images.

    Raises:
        MMLError: the backbone has no such feature maps, or the decoder does not fit them.
    """

    maps = True

    def __init__(self, backbone: nn.Module, classes: int, decoder: Mapping[str, Any], channels: int = 3):
        from segmentation_models_pytorch.base.initialization import initialize_decoder, initialize_head

        super().__init__()
        self.name = decoder[TARGET].rpartition(".")[2]
        parameters = _parameters(decoder)
        if "encoder_has_prefix_tokens" in parameters:
            depth = len(decoder.get("intermediate_channels", LEVELS[:4]))
            self.reader: TokenMaps | Pyramid = TokenMaps.of(backbone, depth)
        else:
            stride = decoder.get("output_stride", LEVELS[-1])
            self.reader = Pyramid.of(backbone, decoder.get("depth", len(LEVELS)), stride, channels)
        levels = len(self.reader.channels) - 1
        if "n_blocks" in parameters and "decoder_channels" in parameters:
            _check_widths(decoder.get("decoder_channels"), levels)
        offered = {
            "encoder_channels": list(self.reader.channels),
            "in_channels": self.reader.channels[-1],
            "n_blocks": levels,
            "encoder_depth": levels,
            "encoder_out_channels": self.reader.channels,
            "encoder_output_strides": self.reader.reductions,
            "encoder_has_prefix_tokens": bool(getattr(self.reader, "prefix", 0)),
        }
        self.least_side = decoder.get("least_side", 1) * self.reader.reductions[-1]
        own_keys = [key for key in ("depth", "output_stride", "least_side") if key not in parameters]
        spec = {key: value for key, value in decoder.items() if key not in own_keys}
        try:
            self.decoder = instantiate(
                spec, nn.Module, **{key: value for key, value in offered.items() if key in parameters}
            )
            width = self._width()
        except (MMLError, RuntimeError, ValueError, IndexError) as error:
            raise MMLError(f"decoder: {self.name} does not fit the maps of the network: {error}") from error
        self.classifier = nn.Conv2d(width, classes, kernel_size=3, padding=1)
        initialize_decoder(self.decoder)
        initialize_head(self.classifier)

    def _decode(self, maps: Any) -> torch.Tensor:
        return self.decoder(*maps) if isinstance(maps, tuple) else self.decoder(maps)

    @torch.no_grad()
    def _width(self) -> int:
        """Return the number of channels of the decoder's output, without drawing random numbers."""
        self.decoder.eval()
        width = self._decode(self.reader.examples()).shape[1]
        self.decoder.train()
        return width

    def missing(self, side: int) -> int:
        """Return the number of pixels to pad a side to a multiple of the largest reduction, and to the least side."""
        side_needed = max(side, self.least_side)
        return side_needed + -side_needed % self.reader.multiple - side

    def read(self, backbone: nn.Module, images: torch.Tensor) -> Any:
        """Return the feature maps of normalised images, N×C×H×W."""
        return self.reader.maps(backbone, images)

    def forward(self, maps: Any, size: tuple[int, int]) -> torch.Tensor:
        """Return logits N×classes×H×W for the maps of `read`, with `size` = (H, W).

        Raises:
            MMLError: the batch has one image, for which the decoder cannot normalise its pooled features.
        """
        try:
            logits = self.classifier(self._decode(maps))
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise MMLError(
                f"decoder: {self.name} cannot be trained on a batch of one image; set sampling.drop_last: true, or "
                "another sampling.batch_size"
            ) from error
        if logits.shape[-2:] == size:
            return logits
        return nn.functional.interpolate(logits, size, mode="bilinear")


def _parameters(decoder: Mapping[str, Any]) -> list[str]:
    return list(inspect.signature(import_target(decoder[TARGET])).parameters)


def _check_widths(widths: Any, levels: int) -> None:
    if not isinstance(widths, list) or len(widths) != levels or not all(width > 0 for width in widths):
        raise MMLError(
            f"decoder.decoder_channels is {widths}; write {levels} numbers above 0, one for each level of the backbone"
        )
