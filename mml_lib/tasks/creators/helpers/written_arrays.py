"""Arrays that become image files and masks of a data set."""

from pathlib import Path
from typing import TYPE_CHECKING

from mml_lib.errors import MMLError
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN

if TYPE_CHECKING:
    import numpy as np


def write_image(folder: str | Path, name: str, pixels: "np.ndarray") -> str:
    """Write an image without loss; return the file for `Sample.image`.

    Args:
        folder: folder of the data set, the first argument of the creator.
        name: path below the folder without suffix, `images/p1_004`.
        pixels: H×W or H×W×C of any numeric type. uint8 with one or three channels and uint16 with one become PNG files,
            all others `.npy` files.

    Raises:
        MMLError: the array is no image, or the name leads out of the folder.

    Example:
        >>> Sample("p1_004", write_image(folder, "images/p1_004", pixels), label="a")
    """
    import numpy as np
    from PIL import Image

    pixels = np.asarray(pixels)
    if pixels.ndim not in (2, 3) or pixels.size == 0 or pixels.dtype.kind not in "uif":
        raise MMLError(f"the image '{name}' is {pixels.dtype} {pixels.shape}; it must be numbers H×W or H×W×C")
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    is_picture = (pixels.dtype == np.uint8 and (pixels.ndim == 2 or pixels.shape[2] == 3)) or (
        pixels.dtype == np.uint16 and pixels.ndim == 2
    )
    file = _place(folder, f"{name}.png" if is_picture else f"{name}.npy")
    if is_picture:
        Image.fromarray(np.ascontiguousarray(pixels)).save(file, format="PNG")
    else:
        np.save(file, pixels, allow_pickle=False)
    return str(file.relative_to(Path(folder).absolute()))


def write_mask(folder: str | Path, name: str, mask: "np.ndarray") -> str:
    """Write a mask as a PNG file; return the file for `Sample.mask`, or `EMPTY_MASK_TOKEN` where all values are 0.

    Args:
        folder: folder of the data set, the first argument of the creator.
        name: path below the folder without suffix, `masks/p1_004`.
        mask: H×W, booleans or class numbers from 0 to 255; 255 is ignored.

    Raises:
        MMLError: the array is no mask, or the name leads out of the folder.

    Example:
        >>> Sample("a", "images/a.png", mask=write_mask(folder, "masks/a", pixels > 0.5))
    """
    import numpy as np
    from PIL import Image

    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.size == 0 or mask.dtype.kind not in "iub":
        raise MMLError(f"the mask '{name}' is {mask.dtype} {mask.shape}; it must be H×W of booleans or whole numbers")
    if mask.dtype.kind != "b" and (mask.min() < 0 or mask.max() > 255):
        raise MMLError(f"the mask '{name}' has values from {mask.min()} to {mask.max()}; they must lie in 0 to 255")
    if not mask.any():
        return EMPTY_MASK_TOKEN
    file = _place(folder, f"{name}.png")
    Image.fromarray(np.ascontiguousarray(mask.astype(np.uint8))).save(file, format="PNG")
    return str(file.relative_to(Path(folder).absolute()))


def _place(folder: str | Path, name: str) -> Path:
    """Return the absolute path of a file below a folder, whose parent exists."""
    root = Path(folder).absolute()
    file = root / name
    if ".." in file.parts or not file.is_relative_to(root):
        raise MMLError(f"the name '{name}' leads out of the data set's folder; write a path below it")
    file.parent.mkdir(parents=True, exist_ok=True)
    return file
