"""Images of files of annotations: where they lie, and the split, group and fold that their paths state."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import print_line, summarized
from mml_lib.task_types import IGNORED, TASK_TYPES
from mml_lib.tasks.creators.annotated.annotated_images import AnnotatedImage, occurring, of_classes
from mml_lib.tasks.creators.folders.path_layout import PathLayout, fold_numbers
from mml_lib.tasks.creators.split_names import split_of
from mml_lib.tasks.creators.tables.unknown_classes import check_unknown, is_unknown_class, report_unknown, unlabelled
from mml_lib.tasks.dataset import SPLITS
from mml_lib.tasks.delivery_checks import ListedImages


def read_annotations(file: Path, format_name: str, *keys: str) -> dict[str, Any]:
    """Return the content of a JSON file.

    Args:
        file: the file.
        format_name: name of its format, for errors.
        keys: keys of lists that it must have.

    Raises:
        MMLError: it cannot be read, is not JSON, or lacks a key.
    """
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise MMLError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise MMLError(f"{file} is not JSON ({error}); export it again") from error
    for key in keys:
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise MMLError(
                f"{file} has no list '{key}', so it is not a {format_name} file; export it again, or leave it out"
            )
    return content


@dataclass(frozen=True)
class AnnotationOptions:
    """Options that creators of annotated images share.

    Args:
        task_type: name of the task type; None: segmentation.
        classes: names that are read; None: all.
        layout: template of the images' paths.
        unknown: names of classes that stand for no target.
    """

    task_type: str | None = None
    classes: Sequence[str] | None = None
    layout: str | None = None
    unknown: Sequence[str] | None = None

    @property
    def kind(self) -> str:
        """Name of the task type."""
        return self.task_type or "semantic_segmentation"

    @property
    def further_state(self) -> list[Any]:
        """Options that decide the samples and are no part of the digest of data without them."""
        return [list(self.unknown)] if self.unknown else []


def chosen_images(
    images: Sequence[AnnotatedImage], options: AnnotationOptions, root: Path
) -> tuple[list[AnnotatedImage], list[AnnotatedImage]]:
    """Return the images that match the layout, with the annotations of the classes that are read, and all images.

    Raises:
        MMLError: an image is listed twice; a class is unknown too, or does not occur; no path matches the layout.
    """
    check_unknown(options.unknown, options.classes)
    further = [name for name in occurring(images) if is_unknown_class(name, options.unknown)]
    every = of_classes(images, options.classes, str(root), further)
    kept = with_layout(every, check_layout(options.layout), root)
    listed = ListedImages(root)
    for image in kept:
        listed.add(image.sample, image.where)
    return with_unknown(kept, options.unknown, options.kind), every


def with_unknown(images: Sequence[AnnotatedImage], unknown: Sequence[str] | None, kind: str) -> list[AnnotatedImage]:
    """Return images whose annotations of unknown classes leave out pixels of masks, or otherwise the image's target.

    Args:
        images: annotated images.
        unknown: names of the classes.
        kind: the task type.
    """
    if not unknown:
        return list(images)
    changed = []
    for image in images:
        is_unknown = [is_unknown_class(annotation.label, unknown) for annotation in image.annotations]
        if TASK_TYPES[kind].has_masks:
            pairs = zip(image.annotations, is_unknown, strict=True)
            kept = [replace(annotation, label=IGNORED) if out else annotation for annotation, out in pairs]
            changed.append(replace(image, annotations=kept))
        else:
            changed.append(replace(image, sample=unlabelled(image.sample)) if any(is_unknown) else image)
    return changed


def check_kind(kind: str, creator: str) -> str:
    """Return the task type of annotated images, a segmentation where none is named.

    Raises:
        MMLError: it is one of values.
    """
    if TASK_TYPES[kind].has_values:
        raise MMLError(f"creator {creator}: annotations have classes, no values for a {kind}; set another task_type")
    return kind


def check_layout(layout: str | None) -> PathLayout | None:
    """Return the parsed layout of images whose annotations have the classes.

    Raises:
        MMLError: it is none, or states a label.
    """
    if layout is None:
        return None
    parsed = PathLayout.of(layout)
    if "label" in parsed.fields:
        raise MMLError(f"layout: '{layout}' has {{label}}, but the annotations state the classes; write * in its place")
    return parsed


def with_layout(images: Sequence[AnnotatedImage], layout: PathLayout | None, root: Path) -> list[AnnotatedImage]:
    """Return images with the split, group and fold that their paths below a folder state.

    Without a layout, folders `train/`, `val/`, `test/` and `unlabelled/` are splits if all images lie in them.

    Raises:
        MMLError: no path matches the layout, or a folder is not a split.
    """
    paths = {image.sample.id: os.path.relpath(image.sample.image, root) for image in images}
    if layout is None and all(image.sample.split is None for image in images):
        tops = {path: split_of(path.split(os.sep)[0]) if os.sep in path else None for path in paths.values()}
        if None in tops.values() or len(set(tops.values())) < 2:
            return list(images)
        return [replace(image, sample=replace(image.sample, split=tops[paths[image.sample.id]])) for image in images]
    if layout is None:
        return list(images)
    fields = layout.read([*paths.values()])
    if paths and not fields:
        raise MMLError(
            f"layout: no image in {root} matches '{layout.text}'; the first image is '{next(iter(paths.values()))}'"
        )
    numbers = fold_numbers(texts.get("fold") for texts in fields.values())
    matched = []
    for image in images:
        path = paths[image.sample.id]
        if (texts := fields.get(path)) is None:
            continue
        split = image.sample.split
        if (text := texts.get("split")) is not None and (split := split_of(text)) is None:
            raise MMLError(f"layout: '{text}' of the image '{path}' is not a split; splits: {', '.join(SPLITS)}")
        sample = replace(image.sample, split=split, group=texts.get("group"), fold=numbers.get(texts.get("fold")))
        matched.append(replace(image, sample=sample))
    return matched


def report_unknown_annotations(where: str, images: Sequence[AnnotatedImage], unknown: Sequence[str] | None) -> None:
    """Print how many images have annotations of unknown classes, and unknown classes that do not occur."""
    if unknown:
        count = sum(any(is_unknown_class(a.label, unknown) for a in image.annotations) for image in images)
        report_unknown(where, unknown, occurring(images), count, len(images))


def report_unmatched(images: Sequence[AnnotatedImage], kept: Sequence[AnnotatedImage], layout: str | None) -> None:
    """Print the images that a layout leaves out."""
    ids = {image.sample.id for image in kept}
    if others := [image.sample.id for image in images if image.sample.id not in ids]:
        print_line(
            f"layout: {len(others):,} of {len(images):,} images do not match '{layout}' and are left out: "
            f"{summarized(others)}"
        )
