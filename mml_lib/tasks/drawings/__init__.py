"""Drawings of masks: shapes such as boxes, outlines and run lengths, and the pixels that they cover."""

from mml_lib.tasks.drawings.drawing import Drawing, Part
from mml_lib.tasks.drawings.run_lengths import CocoRuns, RunLengths
from mml_lib.tasks.drawings.shapes import Box, LabelmeShape, Polygon, Shape

__all__ = ["Box", "CocoRuns", "Drawing", "LabelmeShape", "Part", "Polygon", "RunLengths", "Shape"]
