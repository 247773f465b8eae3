"""Pictures of images with any depth and number of channels, for figures and pages."""

import numpy as np

from mml_lib.tasks.pixel_format import FULL_SCALE


def displayed(image: np.ndarray) -> np.ndarray:
    """Return a picture, H×W×3 (uint8), of an image, H×W×C of a dtype of `PixelFormat`.

    One channel is grey; two are red and green; three are red, green and blue. Further channels are left out.
    """
    eight_bits = image
    if image.dtype != np.uint8:
        share = image.astype(np.float32) / FULL_SCALE[image.dtype.name]
        eight_bits = np.rint(255 * share.clip(0, 1)).astype(np.uint8)
    channels = eight_bits.shape[2]
    if channels == 1:
        return np.repeat(eight_bits, 3, axis=2)
    if channels == 2:
        return np.concatenate([eight_bits, np.zeros_like(eight_bits[..., :1])], axis=2)
    return eight_bits[..., :3]
