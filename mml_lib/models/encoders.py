"""Encoders of segmentation-models-pytorch as backbones, by their names in this package."""

import warnings

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before timm)
import torch
from segmentation_models_pytorch import encoders
from torch import nn

from mml_lib.errors import MMLError, nearest


class Encoder(nn.Module):
    """An encoder of segmentation-models-pytorch: images N×C×H×W to features N×num_features, or to a pyramid of maps.

    Args:
        encoder: encoder of the package.
        settings: preprocessing of its pretrained weights: `mean`, `std`, `input_range`, `input_space`.
    """

    def __init__(self, encoder: nn.Module, settings: dict):
        super().__init__()
        self.encoder = encoder
        self.pretrained_cfg = settings
        self.pyramid_channels = list(encoder.out_channels)
        self.num_features = self.pyramid_channels[-1]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.encoder(images)[-1].mean((2, 3))

    def pyramid(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the images and their maps at reductions 2, 4, 8 …. Sides must be multiples of 32."""
        return self.encoder(images)


def smp_encoder(name: str, pretrained: bool | str = False, output_stride: int = 32, in_chans: int = 3) -> Encoder:
    """Build an encoder of segmentation-models-pytorch.

    Args:
        name: one of `segmentation_models_pytorch.encoders.get_encoder_names()`.
        pretrained: True to load weights through the hub, those of ImageNet if they exist; or the name of other weights
            of the encoder.
        output_stride: largest reduction; 8 or 16 dilate the last stages.
        in_chans: number of channels of the images, C. The package adapts the first layer of pretrained weights.

    Raises:
        MMLError: the encoder or its weights do not exist or cannot be loaded, or it cannot be dilated.
    """
    names = encoders.get_encoder_names()
    if name.startswith("tu-"):
        raise MMLError(f"arch.name: {name} is a network of timm; set arch: {{preset: timm, name: {name[3:]}}}")
    if name not in names:
        raise MMLError(f"arch.name: segmentation_models_pytorch has no encoder '{name}'{nearest(name, names)}")
    weights = _weights(name, pretrained)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # names that begin with timm-
        try:
            encoder = encoders.get_encoder(name, in_channels=in_chans, weights=weights, output_stride=output_stride)
            settings = encoders.get_preprocessing_params(name, weights) if weights else {}
        except Exception as error:
            reason = " ".join(str(error).split())
            if weights is None:
                raise MMLError(f"arch: the encoder {name} cannot be built with these arguments ({reason})") from error
            raise MMLError(
                f"arch.pretrained: the weights {weights} of {name} cannot be loaded from the hub ({reason}); connect "
                "to it, put them into the cache (HF_HOME), or set arch.pretrained: false"
            ) from error
    return Encoder(encoder, settings)


def _weights(name: str, pretrained: bool | str) -> str | None:
    if not pretrained:
        return None
    names = list(encoders.encoders[name]["pretrained_settings"] or {})
    chosen = pretrained if isinstance(pretrained, str) else "imagenet" if "imagenet" in names else next(iter(names), "")
    if chosen not in names:
        raise MMLError(
            f"arch.pretrained: {name} has no weights '{chosen}'; choose from {', '.join(names) or 'none'}, or set "
            "arch.pretrained: false"
        )
    return chosen
