"""Views of images for test-time augmentation: how an image is changed, and how that is undone for masks.

A view is a class with `do(images)`, which returns other images, of any size, for floats N×C×H×W in 0..1, and with
`undo(maps, size)`, which brings what a network says of their pixels, probabilities N×classes×H'×W', back to the
pixels of the images: N×classes×H×W, `size` being (H, W). Segmentations alone need `undo`. Nothing in a view is random.

Planning builds views to check their arguments, so torch is imported where it is used.
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
    """Protocol of a view."""

    def do(self, images: "Tensor") -> "Tensor": ...


class View(Change, Protocol):
    def undo(self, maps: "Tensor", size: Size) -> "Tensor": ...


class Flip:
    """Images mirrored.

    Args:
        horizontal: left and right change places.
        vertical: up and down change places.
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
    """Images turned counter-clockwise; an odd number of quarters swaps height and width.

    Args:
        quarters: of a full turn, 1 to 3.
        mirrored: left and right change places first.
    """

    def __init__(self, quarters: int, mirrored: bool = False):
        if quarters not in (1, 2, 3):
            raise ValueError("quarters has to be 1, 2 or 3")
        self.quarters = quarters
        self.mirrored = mirrored

    def do(self, images: "Tensor") -> "Tensor":
        return (images.flip(-1) if self.mirrored else images).rot90(self.quarters, (-2, -1))

    def undo(self, maps: "Tensor", size: Size) -> "Tensor":
        turned_back = maps.rot90(-self.quarters, (-2, -1))
        return turned_back.flip(-1) if self.mirrored else turned_back


class Scale:
    """Images made smaller or larger, bilinearly and without aliasing.

    Args:
        factor: of height and width.
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
        MMLError: it cannot be built, or is no view.
    """
    try:
        target = import_target(spec[TARGET])
        if isinstance(target, type) and not callable(getattr(target, "do", None)):
            raise MMLError(f"{spec[TARGET]} has no method do(images); see mml_lib.data.tta for what a view is")
        return instantiate(spec, Change)
    except MMLError as error:
        raise MMLError(f"tta.transforms: {error}") from error
