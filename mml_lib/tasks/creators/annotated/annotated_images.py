"""Annotated images: shapes with classes become masks, or labels of the image."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from mml_lib.errors import MMLError, nearest
from mml_lib.machine.terminal import summarized
from mml_lib.task_types import IGNORE, IGNORED, TASK_TYPES
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, Delivery, Label, Sample, natural_key
from mml_lib.tasks.drawings import Drawing, Part, Shape

BACKGROUND, FOREGROUND = "background", "foreground"
"""Class of pixels without a shape, and of shapes where nothing states their class."""

MASKS = "masks"
"""Folder of the drawn masks in that of a data set."""


@dataclass(frozen=True)
class Annotation:
    """A class that occurs in an image, and where.

    Args:
        label: name of the class; `ignore` stands for pixels of no class.
        shape: its pixels; None: nothing states them.
        where: file and row, for errors.
        is_ignored: the pixels are ignored, as in a crowd; they lie below all others.
    """

    label: str
    shape: Shape | None
    where: str
    is_ignored: bool = False


@dataclass(frozen=True)
class AnnotatedImage:
    """An image with its annotations.

    Args:
        sample: the image, without a target.
        annotations: annotations in the order in which they are drawn.
        where: file and row that state the image, for errors.
        size: height and width that the annotations state.
    """

    sample: Sample
    annotations: Sequence[Annotation] = field(default_factory=list)
    where: str = ""
    size: tuple[int, int] | None = None


def of_classes(
    images: Sequence[AnnotatedImage], classes: Sequence[str] | None, where: str, further: Sequence[str] = ()
) -> list[AnnotatedImage]:
    """Return images with the annotations of some classes.

    Args:
        images: annotated images.
        classes: names of the classes that are kept; None: all of them.
        where: file or folder, for errors.
        further: names of classes that are kept where they occur.

    Raises:
        MMLError: a class does not occur.
    """
    if classes is None:
        return list(images)
    present = occurring(images)
    if absent := [name for name in classes if name not in present]:
        raise MMLError(
            f"classes: no annotation in {where} has the class '{absent[0]}'{nearest(absent[0], present)}; "
            f"classes: {summarized(present, 8)}"
        )
    kept = {*classes, *further, IGNORED}
    return [
        replace(image, annotations=[annotation for annotation in image.annotations if annotation.label in kept])
        for image in images
    ]


def occurring(images: Iterable[AnnotatedImage]) -> list[str]:
    """Return the classes of all annotations, in natural order."""
    names = {annotation.label for image in images for annotation in image.annotations}
    return sorted(names - {IGNORED}, key=natural_key)


def annotated_delivery(images: Sequence[AnnotatedImage], kind: str, order: Sequence[str] | None = None) -> Delivery:
    """Return the data set of annotated images.

    Segmentation: 0 is the background, the classes follow in their order, 255 is ignored. Multi-label classification:
    the classes that occur in an image. Classification: the only class that does.

    Args:
        images: annotated images.
        kind: the task type.
        order: order of the classes; None: the natural one.

    Raises:
        MMLError: an annotation has no shape that fits an image, there are too many classes, or an image has none or
            several where one is needed.

    Example:
        >>> lesion = Annotation("lesion", Box(3, 4, 5, 6), "labels.csv, line 2")
        >>> annotated_delivery([AnnotatedImage(Sample("1", "1.png"), [lesion])], "semantic_segmentation")
    """
    present = occurring(image for image in images if image.sample.split != "unlabelled")
    classes = present if order is None else [name for name in order if name in set(present)]
    if TASK_TYPES[kind].has_masks:
        return _with_masks(images, classes, kind)
    samples = [
        image.sample if image.sample.split == "unlabelled" else replace(image.sample, label=_label(image, kind))
        for image in images
    ]
    return Delivery(samples, classes if TASK_TYPES[kind].is_learnable else [], kind)


def _label(image: AnnotatedImage, kind: str) -> Label:
    names = dict.fromkeys(annotation.label for annotation in image.annotations if annotation.label != IGNORED)
    if TASK_TYPES[kind].is_multilabel:
        return dict.fromkeys(names, 1.0)
    if len(names) != 1:
        several = f"has the classes {summarized(names, 3)}" if names else "has no class"
        raise MMLError(
            f"{image.where}: the image '{image.sample.id}' {several}; a classification needs one: correct it, or set "
            "task_type: multilabel_classification"
        )
    return next(iter(names))


def _with_masks(images: Sequence[AnnotatedImage], classes: Sequence[str], kind: str) -> Delivery:
    names = [BACKGROUND, *(name for name in classes if name != BACKGROUND)]
    if len(names) > IGNORE:
        raise MMLError(
            f"{images[0].where}: there are {len(names) - 1} classes, more than the {IGNORE - 1} that masks can have; "
            "name those to learn by classes, or set task_type: multilabel_classification"
        )
    values = {name: value for value, name in enumerate(names)} | {IGNORED: IGNORE}
    samples, drawings = [], {}
    for number, image in enumerate(images):
        if image.sample.split == "unlabelled":
            samples.append(image.sample)
            continue
        drawing = _drawing(image, values)
        file = f"{MASKS}/{number:06d}.png" if drawing.parts else EMPTY_MASK_TOKEN
        samples.append(replace(image.sample, mask=file))
        if drawing.parts:
            drawings[file] = drawing
    return Delivery(samples, names, kind, drawings=drawings, has_ignored_value=True)


def _drawing(image: AnnotatedImage, values: dict[str, int]) -> Drawing:
    """Return the shapes of an image, those that are ignored first.

    Raises:
        MMLError: a shape fits no image.
    """
    parts = []
    for annotation in sorted(image.annotations, key=lambda annotation: not annotation.is_ignored):
        if annotation.shape is None:
            continue
        try:
            annotation.shape.check()
        except ValueError as error:
            raise MMLError(f"{annotation.where}: {error}; correct or remove it") from error
        value = IGNORE if annotation.is_ignored else values[annotation.label]
        parts.append(Part(value, annotation.shape, annotation.where))
    return Drawing(parts, image.size)
