"""The creator `labelme`: images with a JSON file of shapes each."""

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import summarized, warn
from mml_lib.task_types import IGNORED, TASK_TYPES
from mml_lib.tasks.creators.annotated.annotated_images import (
    BACKGROUND,
    AnnotatedImage,
    Annotation,
    annotated_delivery,
)
from mml_lib.tasks.creators.annotations.annotated_files import (
    AnnotationOptions,
    check_kind,
    check_layout,
    chosen_images,
    read_annotations,
    report_unknown_annotations,
    report_unmatched,
)
from mml_lib.tasks.creators.creator_registry import Survey, register_creator
from mml_lib.tasks.creators.file_kinds import is_system
from mml_lib.tasks.creators.folders.mask_pairs import without_suffix
from mml_lib.tasks.creators.folders.walking import ImageTree
from mml_lib.tasks.creators.own_data import ListedFolders, existing, state_of_samples
from mml_lib.tasks.creators.shared_images.creator_sharing import Sharing
from mml_lib.tasks.dataset import Delivery, Sample
from mml_lib.tasks.drawings import LabelmeShape

Unannotated = Literal["empty", "unlabelled"]

OWN_NAMES = {"__ignore__": IGNORED, "_background_": BACKGROUND}
"""Classes by the names that labelme gives them."""


@dataclass(frozen=True)
class LabelmeOptions(AnnotationOptions):
    """Options of a data set of labelme.

    Args:
        task_type, classes, layout, unknown: as of all annotated images.
        unannotated: meaning of images without a JSON file.
    """

    unannotated: Unannotated = "empty"

    def check(self) -> None:
        """Refuse options that no data fit.

        Raises:
            MMLError: the first one.
        """
        check_kind(self.kind, "labelme")
        check_layout(self.layout)


@dataclass(frozen=True)
class _LabelmeData:
    """The annotated images of a folder.

    Args:
        images: images that match the layout.
        all_images: all of them.
        unannotated: images without a JSON file.
        state: everything that decides the samples but the images themselves.
    """

    images: list[AnnotatedImage]
    all_images: list[AnnotatedImage]
    unannotated: list[str]
    state: list[Any]

    @classmethod
    def read(cls, path: str, options: LabelmeOptions) -> "_LabelmeData":
        """Read all JSON files of a folder.

        Raises:
            MMLError: the first mistake.
        """
        options.check()
        root = existing(path, "folder", "labelme")
        files = sorted(file for file in root.rglob("*.json") if not any(map(is_system, file.relative_to(root).parts)))
        if not files:
            raise MMLError(f"creator labelme: {root} holds no JSON file; name the folder of the annotations by path")
        folders = ListedFolders()
        by_image: dict[str, AnnotatedImage] = {}
        for file in files:
            image = _read_image(file, root, folders, TASK_TYPES[options.kind].has_masks)
            other = by_image.setdefault(image.sample.image, image)
            if other is not image:
                raise MMLError(f"{other.where} and {file} are annotations of one image, {image.sample.image}; keep one")
        others = [entry.path for entry in ImageTree(root).images(root) if entry.path not in by_image]
        split = "unlabelled" if options.unannotated == "unlabelled" else None
        images = [*by_image.values(), *(AnnotatedImage(_sample(file, root, split), [], file) for file in others)]
        images.sort(key=lambda image: image.sample.id)
        kept, images = chosen_images(images, options, root)
        if split:
            unlabelled = {os.path.relpath(file, root) for file in others}
            kept = [_unlabelled(image) if image.sample.id in unlabelled else image for image in kept]
        contents = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()
        state = [options.kind, contents, options.classes, options.layout, options.unannotated, *options.further_state]
        return cls(kept, images, others, state)


def _unlabelled(image: AnnotatedImage) -> AnnotatedImage:
    return replace(image, sample=replace(image.sample, split="unlabelled", fold=None))


def _sample(file: str, root: Path, split: str | None = None) -> Sample:
    return Sample(os.path.relpath(file, root), file, None, split)


def _read_image(file: Path, root: Path, folders: ListedFolders, has_masks: bool) -> AnnotatedImage:
    """Return the image of a JSON file with its shapes; those of no class are left out where there are no masks."""
    content = read_annotations(file, "labelme", "shapes")
    image = _image_of(file, str(content.get("imagePath") or ""), folders)
    height, width = content.get("imageHeight"), content.get("imageWidth")
    size = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    annotations = []
    for number, shape in enumerate(content["shapes"], 1):
        where = f"{file}, shape {number}"
        label = shape.get("label") if isinstance(shape, dict) else None
        if not isinstance(label, str) or not label.strip():
            raise MMLError(f"{where} has no label; give it one, or remove it")
        try:
            points = [(x, y) for x, y in shape["points"]]
        except (KeyError, TypeError, ValueError) as error:
            raise MMLError(f"{where} has no points with two coordinates each; correct or remove it") from error
        drawn = LabelmeShape(str(shape.get("shape_type") or "polygon"), points, shape.get("mask"))
        if has_masks or label not in OWN_NAMES:
            annotations.append(Annotation(OWN_NAMES.get(label, label), drawn, where))
    return AnnotatedImage(_sample(image, root), annotations, str(file), size)


def _image_of(file: Path, name: str, folders: ListedFolders) -> str:
    """Return the image of a JSON file: the one that it names, or that of the same name beside it.

    Raises:
        MMLError: there is none.
    """
    path = folders.find(str(file.parent), name) if name else None
    if path is None:
        images = [image for image in folders.images(str(file.parent)) if without_suffix(image) == file.stem]
        if len(images) != 1:
            raise MMLError(
                f"{file}: its image '{name}' does not exist, and {len(images)} images beside it are named "
                f"'{file.stem}'; put the image there, or remove the file"
            )
        path = os.path.join(file.parent, images[0])
    return os.path.normpath(path)


def _survey_labelme(path: str = "", downloaded: bool = False, **arguments: Any) -> Survey:
    options = LabelmeOptions(**arguments)
    if downloaded:
        options.check()
        return Survey(task_type=options.kind)
    data = _LabelmeData.read(path, options)
    samples = annotated_delivery(data.images, options.kind).samples
    return Survey.of_samples(
        samples, options.kind, state_of_samples(data.state, [image.sample for image in data.images])
    )


@register_creator("labelme", survey=_survey_labelme, sharing=Sharing(("task_type", "layout")))
def labelme(
    folder: Path,
    path: str,
    task_type: str | None = None,
    classes: list[str] | None = None,
    layout: str | None = None,
    unannotated: Unannotated = "empty",
    unknown: list[str] | None = None,
) -> Delivery:
    """Images with one labelme JSON file each: polygons and other shapes.

    Args:
        folder: folder of the drawn masks.
        path: folder of the JSON files and their images, at any depth.
        task_type: unset: segmentation; multilabel_classification: the labels that occur; classification: the only
            label that occurs.
        classes: the labels that are read.
        layout: template of the images' paths with {split}, {group} and {fold}, `{split}/{group}_*.png`.
        unannotated: images without a JSON file are empty or unlabelled.
        unknown: labels that stand for no target, `[unsure]`: pixels of masks are ignored, and otherwise images have no
            target.
    """
    options = LabelmeOptions(task_type, classes, layout, unknown, unannotated)
    data = _LabelmeData.read(path, options)
    report_unmatched(data.all_images, data.images, layout)
    report_unknown_annotations(path, data.all_images, unknown)
    if data.unannotated and unannotated == "empty" and TASK_TYPES[options.kind].is_learnable:
        warn(
            f"{len(data.unannotated):,} of {len(data.all_images):,} images have no JSON file and count as empty: "
            f"{summarized(data.unannotated)}; write unannotated: unlabelled if nobody has looked at them"
        )
    return annotated_delivery(data.images, options.kind)
