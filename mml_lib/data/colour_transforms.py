"""Colour transforms: parts of an augmentation that change colours, which images without colour do not have."""

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
"""Transforms of these packages that change nothing but colours, or colours among others."""

JITTERS = ("ColorJitter", "ColorJiggle")
COLOUR_ARGUMENTS = ("saturation", "hue")
"""Transforms of brightness and contrast, and their arguments that change colours."""


def without_colours(spec: Mapping[str, Any], pixels: PixelFormat | None) -> dict[str, Any]:
    """Return a transform as it suits images of a format.

    Grey images have the same saturation and hue after any change of them, so a jitter that changes brightness or
    contrast too does the rest.

    Args:
        spec: `_target_` and its arguments.
        pixels: format of the images; None: it is not known yet.

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
    changed = [key for key in COLOUR_ARGUMENTS if spec.get(key)] if name in JITTERS else []
    if not changed:
        return dict(spec)
    rest = {key: value for key, value in spec.items() if key not in changed}
    if len(pixels.channels) == 1 and (spec.get("brightness") or spec.get("contrast")):
        logger.info("augmentations: %s leaves %s out, as images are grey", name, " and ".join(changed))
        return rest
    raise MMLError(
        f"augmentations.transforms: {spec[TARGET]} changes {' and '.join(changed)}, and the images have no colour "
        f"({pixels}); leave {' and '.join(changed)} out"
    )
