"""Shapes: the pixels of boxes, of outlines as COCO fills them, and of the shapes of labelme."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mml_lib.tasks.drawings.run_lengths import fill_runs

TOLERANCE = 0.5
"""Pixels by which rounded coordinates of a box may lie beyond the image."""

SCALE = 5
"""Factor by which pycocotools enlarges outlines before it finds the pixels within."""

LINE_WIDTH, POINT_RADIUS = 10, 5
"""Pixels that labelme draws lines and points with."""


class Shape(Protocol):
    """A part of an image.

    A mask is uint8 H×W, column by column in memory. Coordinates are in pixels, x to the right and y down from the upper
    left corner of the image.
    """

    def check(self) -> None:
        """Refuse a shape that fits no image.

        Raises:
            ValueError: the reason.
        """

    def draw(self, mask: np.ndarray, value: int) -> bool:
        """Set the pixels of a mask that the shape covers, and return True if there are any.

        Raises:
            ValueError: the shape does not fit the mask.
        """


@dataclass(frozen=True)
class Box:
    """Upright rectangle. It covers the pixels whose centres lie in it.

    Args:
        x, y: its left and upper edge.
        width, height: its extent.
    """

    x: float
    y: float
    width: float
    height: float

    def check(self) -> None:
        """Refuse a box without an area.

        Raises:
            ValueError: width or height is not above 0.
        """
        if not (self.width > 0 and self.height > 0):
            raise ValueError(f"the box has {self.width:g}×{self.height:g} pixels; width and height must be above 0")

    def draw(self, mask: np.ndarray, value: int) -> bool:
        """Set the pixels of a mask (uint8 H×W) whose centres lie in the box, and return True if there are any.

        Raises:
            ValueError: the box has no area, or lies outside the mask by more than half a pixel.
        """
        self.check()
        rows, columns = mask.shape
        right, lower = self.x + self.width, self.y + self.height
        if min(self.x, self.y) < -TOLERANCE or right > columns + TOLERANCE or lower > rows + TOLERANCE:
            raise ValueError(
                f"the box (x {self.x:g} to {right:g}, y {self.y:g} to {lower:g}) lies outside the image, which is "
                f"{columns} wide and {rows} high"
            )
        top, bottom, left, end = (max(0, math.ceil(edge - 0.5)) for edge in (self.y, lower, self.x, right))
        mask[top:bottom, left:end] = value
        return mask[top:bottom, left:end].size > 0


@dataclass(frozen=True)
class Polygon:
    """Closed outline of COCO, filled as pycocotools does.

    Args:
        points: x and y of each corner in turn, or a pair for each corner.
    """

    points: Sequence[float] | Sequence[Sequence[float]]

    @property
    def coordinates(self) -> list[float]:
        """x and y of each corner in turn."""
        return [value for point in self.points for value in (point if isinstance(point, Sequence) else (point,))]

    def check(self) -> None:
        """Refuse an outline that is none.

        Raises:
            ValueError: it has fewer than three points, half a point, or a coordinate that is not a finite number.
        """
        count = len(self.coordinates)
        if count % 2 or count < 6:
            numbers = f"{count // 2} points" if count % 2 == 0 else f"{count} coordinates"
            raise ValueError(f"the outline has {numbers}; it needs three points or more, x and y of each")
        if not all(map(_is_number, self.coordinates)):
            raise ValueError("the outline has a coordinate that is not a finite number")

    def draw(self, mask: np.ndarray, value: int) -> bool:
        """Set the pixels of a mask (uint8 H×W, column by column in memory) within the outline, True if there are any.

        Raises:
            ValueError: it is no outline, or lies outside the mask.
        """
        self.check()
        points = np.array(self.coordinates, dtype=np.float64).reshape(-1, 2)
        _check_inside(points, mask.shape)
        toggles = _crossings(points, *mask.shape)
        if len(toggles) % 2:
            toggles = np.append(toggles, mask.size)
        return fill_runs(mask, toggles[::2], toggles[1::2], value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _check_inside(points: np.ndarray, shape: tuple[int, int]) -> None:
    """Refuse an outline of which no part can lie in the image.

    Raises:
        ValueError: the extent of both.
    """
    (left, upper), (right, lower) = points.min(axis=0), points.max(axis=0)
    if right < 0 or lower < 0 or left > shape[1] or upper > shape[0]:
        raise ValueError(
            f"the outline (x {left:g} to {right:g}, y {upper:g} to {lower:g}) lies outside the image, which is "
            f"{shape[1]} wide and {shape[0]} high"
        )


def _crossings(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the sorted numbers of the pixels, down the columns, at which an outline is entered or left.

    This is `rleFrPoly` of pycocotools: points along the boundary of the enlarged outline, and from them the places
    where the middle of a column of pixels crosses it.
    """
    corners = np.trunc(SCALE * points + 0.5).astype(np.int64)
    start, end = corners, np.roll(corners, -1, axis=0)
    distance = np.abs(end - start)
    is_flat = distance[:, 0] >= distance[:, 1]
    along = np.where(is_flat, 0, 1)
    edges = np.arange(len(corners))
    is_backward = start[edges, along] > end[edges, along]
    low = np.where(is_backward[:, None], end, start)
    high = np.where(is_backward[:, None], start, end)
    steps = distance[edges, along]
    rise = high[edges, 1 - along] - low[edges, 1 - along]
    slope = np.divide(rise, steps, out=np.zeros(len(edges)), where=steps > 0)

    edge = np.repeat(edges, steps + 1)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(steps + 1) - (steps + 1), steps + 1)
    step = np.where(is_backward[edge], steps[edge] - step, step)
    main = step + low[edge, along[edge]]
    side = np.trunc(low[edge, 1 - along[edge]] + slope[edge] * step + 0.5).astype(np.int64)
    u, v = np.where(is_flat[edge], main, side), np.where(is_flat[edge], side, main)

    is_crossing = u[1:] != u[:-1]
    first, second = u[:-1][is_crossing], u[1:][is_crossing]
    column = (np.where(second < first, second, second - 1) + 0.5) / SCALE - 0.5
    row = (np.minimum(v[:-1], v[1:])[is_crossing] + 0.5) / SCALE - 0.5
    is_middle = (np.floor(column) == column) & (column >= 0) & (column <= width - 1)
    row = np.ceil(row[is_middle].clip(0, height))
    return np.sort(column[is_middle].astype(np.int64) * height + row.astype(np.int64))


@dataclass(frozen=True)
class LabelmeShape:
    """Shape of labelme, drawn by Pillow as labelme does.

    Args:
        kind: polygon, rectangle, circle, line, linestrip, point or mask.
        points: corners; centre and a point on the rim of a circle; two corners of a rectangle or mask.
        bitmap: PNG of a mask in base64.
    """

    kind: str
    points: Sequence[tuple[float, float]]
    bitmap: str | None = None

    def check(self) -> None:
        if self.kind not in NUMBERS_OF_POINTS:
            raise ValueError(f"'{self.kind}' is not a shape that MML reads; shapes: {', '.join(NUMBERS_OF_POINTS)}")
        least, exact = NUMBERS_OF_POINTS[self.kind]
        count = len(self.points)
        if count < least or (exact and count != least):
            needed = f"{least} points" if exact else f"{least} points or more"
            raise ValueError(f"the {self.kind} has {count} points; it needs {needed}")
        if not all(_is_number(value) for point in self.points for value in point):
            raise ValueError(f"the {self.kind} has a coordinate that is not a finite number")
        if self.kind == "mask" and not (self.bitmap and isinstance(self.bitmap, str)):
            raise ValueError("the mask has no picture")

    def draw(self, mask: np.ndarray, value: int) -> bool:
        from PIL import Image, ImageDraw

        self.check()
        if self.kind == "mask":
            return self._draw_bitmap(mask, value)
        _check_inside(np.array(self.points, dtype=np.float64), mask.shape)
        canvas = Image.new("L", (mask.shape[1], mask.shape[0]))
        self._outline(ImageDraw.Draw(canvas))
        covered = np.asarray(canvas) > 0
        mask[covered] = value
        return bool(covered.any())

    def _outline(self, draw) -> None:
        points = [(float(x), float(y)) for x, y in self.points]
        x, y = points[0]
        if self.kind == "circle":
            radius = math.dist(*points)
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], outline=1, fill=1)
        elif self.kind == "rectangle":
            corners = sorted(x for x, _ in points), sorted(y for _, y in points)
            draw.rectangle([(corners[0][0], corners[1][0]), (corners[0][1], corners[1][1])], outline=1, fill=1)
        elif self.kind in ("line", "linestrip"):
            draw.line(points, fill=1, width=LINE_WIDTH)
        elif self.kind == "point":
            draw.ellipse([x - POINT_RADIUS, y - POINT_RADIUS, x + POINT_RADIUS, y + POINT_RADIUS], outline=1, fill=1)
        else:
            draw.polygon(points, outline=1, fill=1)

    def _draw_bitmap(self, mask: np.ndarray, value: int) -> bool:
        from PIL import Image

        try:
            with Image.open(io.BytesIO(base64.b64decode(self.bitmap or "", validate=True)), formats=["PNG"]) as image:
                covered = np.asarray(image.convert("L")) > 0
        except Exception as error:  # decoders raise whatever the bytes lead them to
            raise ValueError("the picture of the mask is damaged") from error
        left, upper = (math.floor(coordinate) for coordinate in self.points[0])
        rows, columns = covered.shape
        if left < 0 or upper < 0 or upper + rows > mask.shape[0] or left + columns > mask.shape[1]:
            raise ValueError(f"the mask of {rows}×{columns} pixels at x {left}, y {upper} lies outside the image")
        mask[upper : upper + rows, left : left + columns][covered] = value
        return bool(covered.any())


NUMBERS_OF_POINTS = {
    "polygon": (3, False),
    "rectangle": (2, True),
    "circle": (2, True),
    "line": (2, True),
    "linestrip": (2, False),
    "point": (1, True),
    "mask": (2, True),
}
"""Least number of points of each shape of labelme, and whether it is the only one."""
