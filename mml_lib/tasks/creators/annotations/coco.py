"""The creator `coco`: images with outlines, run lengths or boxes in a JSON file of COCO."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mml_lib.errors import MMLError, nearest
from mml_lib.machine.terminal import print_line, summarized, warn
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.creators.annotated.annotated_images import (
    AnnotatedImage,
    Annotation,
    annotated_delivery,
    occurring,
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
from mml_lib.tasks.creators.own_data import ListedFolders, existing, only_file, state_of_samples
from mml_lib.tasks.creators.shared_images.creator_sharing import Sharing
from mml_lib.tasks.creators.split_names import split_of
from mml_lib.tasks.creators.tables.unknown_classes import is_unknown_class
from mml_lib.tasks.dataset import SPLITS, Delivery, Sample
from mml_lib.tasks.drawings import Box, CocoRuns, Polygon, Shape

Paths = str | dict[str, str] | None
"""A path, or one for each split."""

ROBOFLOW = "_annotations.coco.json"
"""File that Roboflow exports into the folder of each split."""


@dataclass(frozen=True)
class CocoOptions(AnnotationOptions):
    """Options of a data set of COCO.

    Args:
        task_type, classes, layout, unknown: as of all annotated images.
        annotations: JSON file, or one for each split.
        image_path: folder of the images, or one for each split; None: that of the JSON file.
        boxes: boxes are filled in place of outlines.
    """

    annotations: Paths = None
    image_path: Paths = None
    boxes: bool = False

    def check(self) -> None:
        """Refuse options that no data fit.

        Raises:
            MMLError: the first one.
        """
        check_kind(self.kind, "coco")
        check_layout(self.layout)
        for key, paths in (("annotations", self.annotations), ("image_path", self.image_path)):
            for split in paths if isinstance(paths, dict) else ():
                if split not in SPLITS:
                    raise MMLError(f"{key}: there is no split '{split}'{nearest(split, SPLITS)}")
        if isinstance(self.image_path, dict):
            splits = set(self.annotations) if isinstance(self.annotations, dict) else set()
            if set(self.image_path) != splits:
                raise MMLError("image_path: it has other splits than annotations; name a folder for each of them")

    def files(self, path: str) -> tuple[Path, dict[str | None, Path]]:
        """Return the root folder, and the JSON file of each split; None is the split of data that bring none.

        Raises:
            MMLError: a file does not exist.
        """
        place = Path(path).expanduser().absolute()
        if isinstance(self.annotations, dict):
            root = existing(path, "folder", "coco")
            return root, {split: existing(str(root / name), "file", "coco") for split, name in self.annotations.items()}
        if self.annotations is not None:
            root = existing(path, "folder", "coco")
            return root, {None: existing(str(root / self.annotations), "file", "coco")}
        if place.is_dir() and not any(place.glob("*.json")):
            exported = {split: file for file in place.glob(f"*/{ROBOFLOW}") if (split := split_of(file.parent.name))}
            if exported:
                return place, {split: exported[split] for split in SPLITS if split in exported}
        file = only_file(path, ".json", "coco")
        return file.parent, {None: file}

    def folder(self, split: str | None, root: Path, file: Path) -> Path:
        """Return the folder of the images of a split."""
        path = self.image_path.get(str(split)) if isinstance(self.image_path, dict) else self.image_path
        return file.parent if path is None else existing(str(root / path), "folder", "coco")


@dataclass(frozen=True)
class _CocoFile:
    """One JSON file of COCO.

    Args:
        file: its path.
        images: entries of images by id.
        categories: names of categories by id.
        annotations: entries of annotations.
    """

    file: Path
    images: Mapping[Any, Mapping[str, Any]]
    categories: Mapping[Any, str]
    annotations: Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, file: Path) -> "_CocoFile":
        """Read a file.

        Raises:
            MMLError: it is none of COCO, or an entry lacks its id or name.
        """
        content = read_annotations(file, "COCO", "images", "annotations", "categories")
        images = _by_id(content["images"], "file_name", f"{file}, images")
        categories = _by_id(content["categories"], "name", f"{file}, categories")
        names = {key: str(categories[key]["name"]) for key in sorted(categories, key=lambda key: (str(type(key)), key))}
        return cls(file, images, names, content["annotations"])

    def by_image(self, options: CocoOptions) -> dict[Any, list[Annotation]]:
        """Return the annotations of each image that has some.

        Raises:
            MMLError: an annotation names no image or category, or has no pixels where these are needed.
        """
        by_image: dict[Any, list[Annotation]] = {}
        for number, entry in enumerate(self.annotations):
            if not isinstance(entry, dict):
                raise MMLError(f"{self.file}, annotation number {number}: it has no keys; export the file again")
            where = f"{self.file}, annotation {entry.get('id', f'number {number}')}"
            image, category = (_key_of(entry, name) for name in ("image_id", "category_id"))
            if image not in self.images:
                raise MMLError(f"{where}: there is no image with the id {image!r}; correct or remove it")
            if category not in self.categories:
                raise MMLError(
                    f"{where}: there is no category with the id {category!r}; categories: "
                    f"{summarized((f'{key} ({name})' for key, name in self.categories.items()), 6)}"
                )
            is_crowd = bool(entry.get("iscrowd"))
            annotations = by_image.setdefault(image, [])
            annotations += [
                Annotation(self.categories[category], shape, where, is_crowd)
                for shape in self._shapes(entry, options, where)
            ]
        return by_image

    def _shapes(self, entry: Mapping[str, Any], options: CocoOptions, where: str) -> Iterable[Shape | None]:
        """Return the shapes of an annotation: the parts of an outline, run lengths, or a box."""
        if not (TASK_TYPES[options.kind].has_masks and self._is_read(entry, options)):
            return [None]
        try:
            return _boxes(entry) if options.boxes else _outlines(entry)
        except (ValueError, TypeError, KeyError) as error:
            raise MMLError(f"{where}: {error}; correct or remove it") from error

    def _is_read(self, entry: Mapping[str, Any], options: CocoOptions) -> bool:
        name = self.categories[entry["category_id"]]
        return options.classes is None or name in options.classes or is_unknown_class(name, options.unknown)


def _key_of(entry: Mapping[str, Any], name: str) -> int | str | None:
    """Return the id that an annotation names, None where it is none."""
    key = entry.get(name)
    return key if isinstance(key, int | str) else None


def _by_id(entries: Sequence[Any], name: str, where: str) -> dict[Any, Mapping[str, Any]]:
    by_id: dict[Any, Mapping[str, Any]] = {}
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), int | str) or not entry.get(name):
            raise MMLError(f"{where}: entry {number} has no 'id' or no '{name}'; export the file again")
        if entry["id"] in by_id:
            raise MMLError(f"{where}: the id {entry['id']!r} appears twice; export the file again")
        by_id[entry["id"]] = entry
    return by_id


def _boxes(entry: Mapping[str, Any]) -> list[Shape]:
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(number, int | float) for number in box):
        raise ValueError("it has no 'bbox' of four numbers")
    return [Box(*box)]


def _outlines(entry: Mapping[str, Any]) -> list[Shape]:
    outline = entry.get("segmentation")
    if isinstance(outline, dict):
        size, counts = outline.get("size") or [], outline.get("counts") or []
        if not (_are_whole(size) and len(size) == 2 and (isinstance(counts, str) or _are_whole(counts))):
            raise ValueError("its run lengths need 'size', height and width, and 'counts', whole numbers or a text")
        return [CocoRuns((size[0], size[1]), counts)]
    if not outline or not isinstance(outline, list):
        box = "; write boxes: true in the task to fill its box" if entry.get("bbox") else ""
        raise ValueError(f"it has no outline and no run lengths ('segmentation'){box}")
    parts = [outline] if isinstance(outline[0], int | float) else outline
    if not all(isinstance(part, list) for part in parts):
        raise ValueError("its outline ('segmentation') is not a list of numbers")
    return [Polygon(part) for part in parts]


def _are_whole(numbers: Any) -> bool:
    return isinstance(numbers, list) and bool(numbers) and all(isinstance(number, int) for number in numbers)


@dataclass(frozen=True)
class _CocoData:
    """The annotated images of all files, and their categories in order."""

    images: list[AnnotatedImage]
    all_images: list[AnnotatedImage]
    categories: list[str]
    state: list[Any]

    @classmethod
    def read(cls, path: str, options: CocoOptions) -> "_CocoData":
        """Read the files and look their images up.

        Raises:
            MMLError: the first mistake.
        """
        options.check()
        root, files = options.files(path)
        images: list[AnnotatedImage] = []
        categories: dict[str, None] = {}
        for split, file in files.items():
            document = _CocoFile.read(file)
            categories |= dict.fromkeys(document.categories.values())
            images += _images(document, split, root, options)
        kept, images = chosen_images(images, options, root)
        contents = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files.values()]
        state = [options.kind, contents, options.classes, options.layout, options.boxes, *options.further_state]
        return cls(kept, images, list(categories), state)


def _images(document: _CocoFile, split: str | None, root: Path, options: CocoOptions) -> list[AnnotatedImage]:
    folder = options.folder(split, root, document.file)
    folders = ListedFolders()
    by_image = document.by_image(options)
    images = []
    for key, entry in document.images.items():
        name = str(entry["file_name"])
        file = folders.find(str(folder), name)
        if file is None:
            raise MMLError(f"{document.file}, image {key}: the file {folder / name} does not exist{_hint(root, name)}")
        height, width = entry.get("height"), entry.get("width")
        size = (height, width) if isinstance(height, int) and isinstance(width, int) else None
        sample = Sample(_relative(file, root), file, None, split)
        images.append(AnnotatedImage(sample, by_image.get(key, []), f"{document.file}, image {key}", size))
    return images


def _relative(file: str, root: Path) -> str:
    return file.removeprefix(f"{root}/")


def _hint(root: Path, name: str) -> str:
    """Return the line to write if a folder below the root has an image."""
    for folder in sorted(entry for entry in [root, *root.glob("*"), *root.glob("*/*")] if entry.is_dir()):
        if (folder / name).is_file():
            return f"; write image_path: {folder.relative_to(root)}"
    return "; name its folder by image_path"


def _survey_coco(path: str = "", downloaded: bool = False, **arguments: Any) -> Survey:
    options = CocoOptions(**arguments)
    if downloaded:
        options.check()
        splits = set(options.annotations) if isinstance(options.annotations, dict) else set()
        return Survey.of_splits(splits, task_type=options.kind)
    data = _CocoData.read(path, options)
    samples = annotated_delivery(data.images, options.kind, data.categories).samples
    return Survey.of_samples(
        samples, options.kind, state_of_samples(data.state, [image.sample for image in data.images])
    )


@register_creator("coco", survey=_survey_coco, sharing=Sharing(("task_type", "layout")))
def coco(
    folder: Path,
    path: str,
    annotations: str | dict[str, str] | None = None,
    image_path: str | dict[str, str] | None = None,
    task_type: str | None = None,
    classes: list[str] | None = None,
    layout: str | None = None,
    boxes: bool = False,
    unknown: list[str] | None = None,
) -> Delivery:
    """Images with outlines, run lengths or boxes in a JSON file of COCO (`instances.json`).

    Args:
        folder: folder of the drawn masks.
        path: the JSON file, or a folder that `annotations` and `image_path` are relative to.
        annotations: the JSON file, or one for each split: {train: instances_train.json, val: instances_val.json}.
        image_path: folder of the images, or one for each split; unset: that of the JSON file.
        task_type: unset: segmentation; multilabel_classification: the categories that occur; classification: the only
            category that occurs.
        classes: the categories that are read.
        layout: template of the images' paths with {split}, {group} and {fold}, `{group}_*.png`.
        boxes: fill boxes in place of outlines.
        unknown: categories that stand for no target, `[unsure]`: pixels of masks are ignored, and otherwise images
            have no target.
    """
    options = CocoOptions(task_type, classes, layout, unknown, annotations, image_path, boxes)
    data = _CocoData.read(path, options)
    report_unmatched(data.all_images, data.images, layout)
    report_unknown_annotations(path, data.all_images, unknown)
    present = set(occurring(data.images))
    read = [name for name in data.categories if not is_unknown_class(name, unknown)]
    unused = [name for name in read if name not in present and (classes is None or name in classes)]
    if unused and TASK_TYPES[options.kind].is_learnable:
        warn(f"{path}: categories that occur in no image, and are no classes: {summarized(unused, 6)}")
    delivery = annotated_delivery(data.images, options.kind, data.categories)
    if TASK_TYPES[options.kind].has_masks:
        empty = sum(not image.annotations for image in data.images)
        print_line(f"{path}: masks of {len(data.images):,} images are drawn, {empty:,} of them without annotations")
    return delivery
