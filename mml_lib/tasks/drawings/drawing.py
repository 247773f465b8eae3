"""Drawings: the shapes of one mask, each with the value of its class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.tasks.drawings.shapes import Shape


@dataclass(frozen=True)
class Part:
    """One shape of a mask.

    Args:
        value: mask value of its class, 0 to 255.
        shape: the shape.
        where: file and row that state it, for errors.
    """

    value: int
    shape: Shape
    where: str


class DrawnMask(NamedTuple):
    """Mask of an image, uint8 H×W, and the shapes that cover none of its pixels, by file and row."""

    pixels: np.ndarray
    unseen: tuple[str, ...]


@dataclass(frozen=True)
class Drawing:
    """The shapes of a mask; later ones lie above earlier ones, and 0 is where none is.

    Args:
        parts: shapes in their order.
        size: height and width of the image as its annotations state them; None: they do not.
    """

    parts: Sequence[Part]
    size: tuple[int, int] | None = None

    def draw(self, size: tuple[int, int]) -> DrawnMask:
        """Return the mask of an image.

        Args:
            size: height and width of the image.

        Raises:
            MMLError: the image has another size than stated, or a shape does not fit it.
        """
        if self.size is not None and tuple(self.size) != tuple(size):
            (height, width), (rows, columns) = self.size, size
            turned = "; it is turned by its orientation (EXIF): save it upright" if self.size == size[::-1] else ""
            where = self.parts[0].where if self.parts else "the annotations"
            raise MMLError(
                f"{where}: the image is said to have {height}×{width} pixels, it has {rows}×{columns}{turned}"
            )
        mask = np.zeros(size, dtype=np.uint8, order="F")
        unseen = []
        for part in self.parts:
            try:
                if not part.shape.draw(mask, part.value):
                    unseen.append(part.where)
            except ValueError as error:
                raise MMLError(f"{part.where}: {error}; correct or remove it") from error
        return DrawnMask(mask, tuple(unseen))
