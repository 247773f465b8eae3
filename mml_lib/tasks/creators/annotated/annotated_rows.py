"""Annotated rows: rows of a table with one shape each, gathered by image."""

from collections.abc import Callable
from dataclasses import dataclass, field

from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.creators.annotated.annotated_images import (
    FOREGROUND,
    AnnotatedImage,
    Annotation,
    annotated_delivery,
)
from mml_lib.tasks.creators.columns import Columns
from mml_lib.tasks.creators.delimited import Row
from mml_lib.tasks.dataset import Delivery, Sample
from mml_lib.tasks.drawings import Shape


@dataclass(frozen=True)
class AnnotatedRows:
    """Rows of a table by their image.

    Args:
        columns: columns of the table, with those of shapes.
        images: annotated images by id, in the order of their first rows.
    """

    columns: Columns
    images: dict[str, tuple[Row, Sample, list[Annotation]]] = field(default_factory=dict)

    def add(self, row: Row, sample: Sample, missing: Callable[[str], bool], label: Callable[[Row], str]) -> None:
        """Add a row.

        Args:
            row: the row.
            sample: its image, without a target.
            missing: the test for cells without a value.
            label: returns the class of a row that needs one.

        Raises:
            MMLError: its shape is none, or it says of its image other than an earlier row.
        """
        first, stated, annotations = self.images.setdefault(sample.id, (row, sample, []))
        for name in ("split", "group", "fold"):
            before, now = getattr(stated, name), getattr(sample, name)
            if before != now:
                raise self.columns.wrong(
                    row.line,
                    f"the image '{sample.id}' has the {name} {now or 'none'}, but {before or 'none'} in line "
                    f"{first.line}; give all its rows the same",
                )
        if stated.channels != sample.channels:
            raise self.columns.wrong(
                row.line, f"the image '{sample.id}' has other channels than in line {first.line}; name the same files"
            )
        if sample.split != "unlabelled" and (annotation := self._annotation(row, missing, label)) is not None:
            annotations.append(annotation)

    def _annotation(self, row: Row, missing: Callable[[str], bool], label: Callable[[Row], str]) -> Annotation | None:
        shape: Shape | None = None
        if self.columns.shapes is not None:
            try:
                shape = self.columns.shapes.read(row.cells, missing)
            except ValueError as error:
                raise self.columns.wrong(row.line, str(error)) from error
        if shape is None and not TASK_TYPES[self.columns.kind].is_single_label:
            return None
        name = label(row) if "target" in self.columns.sources else FOREGROUND
        return Annotation(name, shape, f"{self.columns.file}, line {row.line}")

    def delivery(self) -> Delivery:
        """Return the data set.

        Raises:
            MMLError: an image has several classes where one is needed, or there are too many.
        """
        images = [
            AnnotatedImage(sample, annotations, f"{self.columns.file}, line {row.line}")
            for row, sample, annotations in self.images.values()
        ]
        return annotated_delivery(images, self.columns.kind)
