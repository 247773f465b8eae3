"""Views of images for test-time augmentation, and their inverses for masks.

A view is a class with two deterministic methods. `do(images)` returns transformed images, of any size, for floats
N×C×H×W in 0..1. `undo(maps, size)` maps probabilities of their pixels, N×classes×H'×W', back to the pixels of the
original images: N×classes×H×W with `size` = (H, W). Only segmentations need `undo`.

Planning builds views to check their arguments, so torch is imported only where it is used.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from mml_lib.config.factories import TARGET, import_target, instantiate
from mml_lib.errors import MMLError

if TYPE_CHECKING:
    from torch import Tensor

Size = tuple[int, int]


@runtime_checkable
class Change(Protocol):
    """Protocol of a view without masks."""

    def do(self, images: "Tensor") -> "Tensor": ...


class View(Change, Protocol):
    """Protocol of a view."""

    def undo(self, maps: "Tensor", size: Size) -> "Tensor": ...


class Flip:
    """Mirrored images.

    Args:
        horizontal: True to exchange left and right.
        vertical: True to exchange top and bottom.
    """

    def __init__(self, horizontal: bool = False, vertical: bool = False):
        self.axes = [axis for axis, flipped in ((-1, horizontal), (-2, vertical)) if flipped]
        if not self.axes:
            raise ValueError("nothing would be mirrored; set horizontal: true, vertical: true, or both")

    def do(self, images: "Tensor") -> "Tensor":
        return images.flip(self.axes)

    def undo(self, maps: "Tensor", size: Size) -> "Tensor":
        return maps.flip(self.axes)


class Turn:
    """Images rotated counter-clockwise. An odd number of quarters swaps height and width.

    Args:
        quarters: number of quarter turns, 1 to 3.
        mirrored: True to exchange left and right first.
    """

    def __init__(self, quarters: int, mirrored: bool = False):
        if quarters not in (1, 2, 3):
            raise ValueError("quarters has to be 1, 2 or 3")
        self.quarters = quarters
        self.mirrored = mirrored

    def do(self, images: "Tensor") -> "Tensor":
        return (images.flip(-1) if self.mirrored else images).rot90(self.quarters, (-2, -1))

    def undo(self, maps: "Tensor", size: Size) -> "Tensor":
        rotated = maps.rot90(-self.quarters, (-2, -1))
        return rotated.flip(-1) if self.mirrored else rotated


class Scale:
    """Images resized bilinearly with antialiasing.

    Args:
        factor: factor of height and width, above 0.
    """

    def __init__(self, factor: float):
        if not 0 < factor < math.inf:
            raise ValueError("factor has to be a number above 0")
        self.factor = factor

    def do(self, images: "Tensor") -> "Tensor":
        height, width = (max(1, round(side * self.factor)) for side in images.shape[-2:])
        return _resize(images, (height, width))

    def undo(self, maps: "Tensor", size: Size) -> "Tensor":
        return _resize(maps, size)


def _resize(images: "Tensor", size: Size) -> "Tensor":
    from torch.nn.functional import interpolate

    return interpolate(images, size, mode="bilinear", antialias=True)


def build_view(spec: Mapping[str, Any]) -> View:
    """Return the view of a `_target_` with its arguments.

    Raises:
        MMLError: the view cannot be built, or has no method `do`.
    """
    try:
        target = import_target(spec[TARGET])
        if isinstance(target, type) and not callable(getattr(target, "do", None)):
            raise MMLError(f"{spec[TARGET]} has no method do(images); see mml_lib.data.tta for what a view is")
        return instantiate(spec, Change)
    except MMLError as error:
        raise MMLError(f"tta.transforms: {error}") from error
