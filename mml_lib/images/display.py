"""Pictures of images with any depth and number of channels, for figures and pages."""

import numpy as np

from mml_lib.tasks.pixel_format import FULL_SCALE


def displayed(image: np.ndarray) -> np.ndarray:
    """Return a picture, uint8 H×W×3, of an image H×W×C of a type of `PixelFormat`.

    One channel is shown in grey, three in red, green and blue. Of two channels the first is shown in red, the second in
    green; of more than three the first three.
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
