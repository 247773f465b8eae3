"""Colour transforms: parts of an augmentation that change colours, and grey images."""

import logging
from collections.abc import Mapping
from typing import Any

from mml_lib.config.factories import TARGET
from mml_lib.errors import MMLError
from mml_lib.tasks.pixel_format import PixelFormat

logger = logging.getLogger(__name__)

PACKAGES = ("kornia", "torchvision")

OF_COLOURS = (
    *("RandomHue", "RandomSaturation", "RandomGrayscale", "RandomRGBShift", "RandomPlanckianJitter"),
    *("RandomChannelShuffle", "RandomChannelPermutation", "RandomPhotometricDistort", "Grayscale", "RGB"),
)
"""Transforms of these packages that always change colours."""

JITTERS = ("ColorJitter", "ColorJiggle")
COLOUR_ARGUMENTS = ("saturation", "hue")
"""Transforms of brightness and contrast, and their arguments that change colours."""


def without_colours(spec: Mapping[str, Any], pixels: PixelFormat | None) -> dict[str, Any]:
    """Return the spec of a transform for images of a format.

    For grey images, a jitter of brightness or contrast loses its saturation and hue, which have no effect on them.

    Args:
        spec: `_target_` and its arguments.
        pixels: format of the images; None if it is not known yet.

    Raises:
        MMLError: the transform changes colours, and the images have none.
    """
    package, name = spec[TARGET].partition(".")[0], spec[TARGET].rpartition(".")[2]
    if pixels is None or pixels.is_colour or package not in PACKAGES:
        return dict(spec)
    if name in OF_COLOURS:
        raise MMLError(
            f"augmentations.transforms: {spec[TARGET]} changes colours, and the images have none ({pixels}); leave it "
            "out, or take kornia.augmentation.ColorJitter with brightness and contrast"
        )
    colour_keys = [key for key in COLOUR_ARGUMENTS if spec.get(key)] if name in JITTERS else []
    if not colour_keys:
        return dict(spec)
    without = {key: value for key, value in spec.items() if key not in colour_keys}
    if len(pixels.channels) == 1 and (spec.get("brightness") or spec.get("contrast")):
        logger.info("augmentations: %s leaves %s out, as images are grey", name, " and ".join(colour_keys))
        return without
    raise MMLError(
        f"augmentations.transforms: {spec[TARGET]} changes {' and '.join(colour_keys)}, and the images have no colour "
        f"({pixels}); leave {' and '.join(colour_keys)} out"
    )
