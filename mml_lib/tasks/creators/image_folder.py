"""The creator `image_folder`: images in folders, which stay where they are."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import summarized, warn
from mml_lib.pipelines.digests import digest
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.creators.columns import SPLIT_WORDS
from mml_lib.tasks.creators.creator_registry import Survey, register_creator
from mml_lib.tasks.creators.file_kinds import SUFFIXES, may_be_dicom, suffix_of
from mml_lib.tasks.creators.labels import SEPARATOR, check_separator, class_names, parse_label
from mml_lib.tasks.creators.own_data import existing, sampled_digests, size_of
from mml_lib.tasks.creators.walking import ImageTree, left_out_text
from mml_lib.tasks.dataset import SPLITS, Delivery, Label, Sample
from mml_lib.tasks.names import normalized

_FILLERS = frozenset({"set", "sets", "data", "dataset", "images", "image", "imgs", "img", "seg", "split", "files"})
"""Words beside that of a split in the names of folders: `training_set`, `seg_test`."""


@dataclass(frozen=True)
class _Folders:
    """The folders of a task.

    Args:
        kind: the task type.
        images: folder of the images.
        masks: folder of the masks, for a segmentation.
        separator: separator of labels in the name of a folder.
    """

    kind: str
    images: ImageTree
    masks: ImageTree | None
    separator: str | None

    @classmethod
    def of(
        cls, path: str, masks: str | None = None, task_type: str | None = None, separator: str | None = None
    ) -> "_Folders":
        """Look the folders up.

        Raises:
            MMLError: a folder does not exist, or no masks are named for a segmentation.
        """
        kind = task_type or ("semantic_segmentation" if masks else "classification")
        if TASK_TYPES[kind].has_masks and not masks:
            raise MMLError(
                "creator image_folder: a semantic_segmentation needs the key 'masks', a folder with the masks"
            )
        root = existing(path, "folder", "image_folder")
        is_segmentation = TASK_TYPES[kind].has_masks
        mask_tree = ImageTree(existing(masks, "folder", "image_folder")) if masks and is_segmentation else None
        if mask_tree and os.path.realpath(root) == os.path.realpath(mask_tree.root):
            raise MMLError(
                f"creator image_folder: path and masks are the same folder, {root}: each image would be its own mask; "
                "name the folder of the masks"
            )
        return cls(kind, ImageTree(root), mask_tree, separator)

    @property
    def root(self) -> Path:
        return self.images.root

    def files(self) -> Iterator[tuple[Path, list[os.DirEntry]]]:
        """Yield each folder with all its image files."""
        for tree in filter(None, (self.images, self.masks)):
            yield tree.root, list(tree.images(tree.root))

    def levels(self) -> list[tuple[str | None, Path]]:
        """Return the folders of the splits that have images, or the folder itself and `unlabelled/`.

        Raises:
            MMLError: something that is no split lies beside `train/`, `val/` or `test/`.
        """
        root = self.root
        if not TASK_TYPES[self.kind].is_learnable:
            return [("unlabelled", root)]
        masks = self.masks and str(self.masks.root)
        names = {entry.name for entry in self.images.entries(root) if entry.is_dir() and entry.path != masks}
        lower = {name.lower() for name in names}
        meant = {name: split for name in names if (split := _split_of(name))}
        if ("train" in lower and lower <= set(SPLITS)) or len(set(meant.values()) - {"unlabelled"}) > 1:
            if unknown := sorted(names - set(SPLITS)):
                name = unknown[0]
                remedy = f"; rename it to '{meant[name]}'" if name in meant else ""
                raise MMLError(f"{root}: '{name}' lies among folders of splits, which are {', '.join(SPLITS)}{remedy}")
            levels: list[tuple[str | None, Path]] = [(split, root / split) for split in SPLITS if split in names]
        else:
            levels = [(None, root)] + [("unlabelled", root / "unlabelled")] * ("unlabelled" in names)
        return [(split, part) for split, part in levels if split is None or self._has_images(part)]

    def _has_images(self, part: Path) -> bool:
        """Return True if a split has images.

        Raises:
            MMLError: it has image-like files only.
        """
        if any(self.images.images(part)):
            return True
        if counts := self.images.left_out(part):
            raise MMLError(f"creator image_folder: none of the images in {part} is read: {self._named(counts)}")
        return False

    def _named(self, counts: Counter[tuple[str, str, str]]) -> str:
        return left_out_text(counts, self.root)

    # --- samples ----------------------------------------------------------------------------------------------------

    def samples(self) -> list[Sample]:
        """Return the samples.

        Raises:
            MMLError: the first mistake in the layout.
        """
        samples: list[Sample] = []
        for split, part in self.levels():
            if split == "unlabelled":
                samples += [self._sample(entry.path, None, split) for entry in self.images.images(part)]
            elif self.masks:
                samples += self._masked(part, split, self.masks)
            else:
                samples += self._labelled(part, split)
        if not samples and (counts := self.images.left_out()):
            raise MMLError(f"creator image_folder: none of the images in {self.root} is read: {self._named(counts)}")
        if not samples and (skipped := self.images.skipped()):
            raise MMLError(f"creator image_folder: there are no images; {skipped}")
        return samples

    def _sample(self, file: str, label: Label, split: str | None, mask: str | None = None) -> Sample:
        return Sample(file.removeprefix(os.path.join(self.root, "")), file, label, split, mask=mask)

    def _labelled(self, part: Path, split: str | None) -> Iterator[Sample]:
        for entry in self.images.entries(part):
            if part == self.root and entry.name == "unlabelled":
                continue
            if not entry.is_dir():
                raise MMLError(
                    f"creator image_folder: the image {entry.path} lies in no folder that tells its class or value; "
                    "move it into one, or below unlabelled/"
                )
            files = list(self.images.images(entry.path))
            if not files:
                raise self._without_images(entry.path)
            label = parse_label(entry.name, self.kind, f"the folder {entry.path}", self.separator or SEPARATOR)
            yield from (self._sample(file.path, label, split) for file in files)

    def _without_images(self, folder: str) -> MMLError:
        if counts := self.images.left_out(folder):
            return MMLError(
                f"creator image_folder: no image of the class folder {folder} is read: {self._named(counts)}"
            )
        suffixes = ", ".join(sorted(SUFFIXES))
        return MMLError(
            f"creator image_folder: the class folder {folder} holds no image ({suffixes}); fill or remove it"
        )

    def _masked(self, part: Path, split: str | None, masks: ImageTree) -> Iterator[Sample]:
        by_stem = self._mask_files(masks)
        skipped = [masks.root] if self.root in masks.root.parents else []
        skipped += [self.root / "unlabelled"] if part == self.root else []
        inside = tuple(str(folder) + os.sep for folder in skipped)
        files = [entry.path for entry in self.images.images(part) if not entry.path.startswith(inside)]
        stems = {file: _stem(file, self.root) for file in files}
        if missing := [file for file, stem in stems.items() if normalized(stem) not in by_stem]:
            raise self._without_mask(missing, masks, by_stem)
        for file, stem in stems.items():
            yield self._sample(file, None, split, by_stem[normalized(stem)])

    def _without_mask(self, missing: Sequence[str], masks: ImageTree, by_stem: Mapping[str, str]) -> MMLError:
        stem = _stem(missing[0], self.root)
        more = f" ({len(missing):,} images have none)" if len(missing) > 1 else ""
        counts = masks.left_out()
        details = [_near_stem(stem, by_stem)]
        if orphans := self._masks_without_image(
            _stem(entry.path, self.root) for entry in self.images.images(self.root)
        ):
            details.append(f"; masks without an image: {summarized(orphans)}")
        if counts:
            details.append(f"; masks that are not read: {left_out_text(counts, masks.root)}")
        return MMLError(
            f"creator image_folder: the image {missing[0]} has no mask {masks.root / stem}.png (or another image "
            f"suffix){more}; add it, or put the image below unlabelled/{''.join(details)}"
        )

    def _masks_without_image(self, stems: Iterable[str]) -> list[str]:
        """Return the masks whose image is none of those with these paths, without suffix."""
        if self.masks is None:
            return []
        names = set(map(normalized, stems))
        return [file for stem, file in self._mask_files(self.masks).items() if stem not in names]

    def _mask_files(self, masks: ImageTree) -> dict[str, str]:
        """Return the masks by their paths below the folder of the masks, without suffix."""
        by_stem: dict[str, str] = {}
        images = str(self.root) + os.sep
        images_are_inside = masks.root in self.root.parents
        for entry in masks.images(masks.root):
            if images_are_inside and entry.path.startswith(images):
                continue
            stem = normalized(_stem(entry.path, masks.root))
            if by_stem.setdefault(stem, entry.path) != entry.path:
                raise MMLError(
                    f"creator image_folder: {by_stem[stem]} and {entry.path} are masks of one image; keep one"
                )
        return by_stem

    # --- warnings ---------------------------------------------------------------------------------------------------

    def warnings(self, samples: Sequence[Sample]) -> list[str]:
        """Return a line for each kind of files that are not read."""
        lines = [line for tree in (self.images, self.masks) if tree and (line := tree.skipped())]
        lines += [
            f"files in {tree.root} that are not read: {left_out_text(counts, tree.root)}"
            for tree in (self.images, self.masks)
            if tree and (counts := tree.left_out())
        ]
        if orphans := self._masks_without_image(_without_suffix(sample.id) for sample in samples):
            number = len(orphans)
            what = "1 mask has no image and is" if number == 1 else f"{number:,} masks have no image and are"
            lines.append(f"{what} left out: {summarized(orphans)}; add the images, or remove them")
        if TASK_TYPES[self.kind].is_learnable and not TASK_TYPES[self.kind].has_masks:
            folders = list(self._half_read(samples))
            lines += [f"most images of {summarized(folders)} are not read; convert them"] if folders else []
        return lines

    def _half_read(self, samples: Sequence[Sample]) -> Iterator[str]:
        """Yield the folders of classes, or of values, that lose most of their files, with both numbers."""
        read = Counter(self._class_folder(s.image, s.split) for s in samples if s.split != "unlabelled")
        lost: Counter[str] = Counter()
        splits = {s.split for s in samples}
        for (_, _, folder), count in self.images.left_out().items():
            first = os.path.relpath(folder, self.root).split(os.sep)[0]
            lost[self._class_folder(os.path.join(folder, ""), first if first in splits else None)] += count
        for folder, count in lost.items():
            if 0 < read[folder] < count:
                yield f"{folder} ({count:,} of {count + read[folder]:,})"

    def _class_folder(self, file: str, split: str | None) -> str:
        """Return the folder of the class that a file belongs to."""
        parts = os.path.relpath(os.path.dirname(file), self.root).split(os.sep)
        return os.path.join(self.root, *parts[: 1 if split is None else 2])


def _split_of(name: str) -> str | None:
    """Return the split that a folder is named after, `train` for `Training` and `train_set`; None for other names."""
    words = (re.sub(r"(?<=.)(set|data)$", "", word) for word in re.findall(r"[^\W\d_]+", name.lower()))
    telling = [word for word in words if word not in _FILLERS]
    return SPLIT_WORDS.get(telling[0]) if len(telling) == 1 else None


def _stem(file: str, root: Path) -> str:
    """Return the path of a file below a folder, without suffix."""
    return _without_suffix(os.path.relpath(file, root))


def _without_suffix(name: str) -> str:
    suffix = suffix_of(name)
    if may_be_dicom(suffix):  # the last number of a UID
        return name
    return name[: -len(suffix)] if suffix == ".nii.gz" else os.path.splitext(name)[0]


def _near_stem(stem: str, stems: Iterable[str]) -> str:
    near = [other for other in stems if other.casefold() == normalized(stem).casefold()]
    return f"; there is a mask '{near[0]}', which is spelled otherwise" if near else ""


def _survey_folder(path: str, **arguments: str | None) -> Survey:
    """Look at names and sizes of all images and the content of some: cheap enough for every planning."""
    folders = _Folders.of(path, **arguments)
    seen: list[Any] = []
    for root, entries in folders.files():
        inside = os.path.join(root, "")
        seen.append([[entry.path.removeprefix(inside), size_of(entry.path)] for entry in entries])
        seen.append(sampled_digests([entry.path for entry in entries]))
    seen += [[], []] if folders.masks is None else []
    state = [folders.kind, *seen, *([folders.separator] if folders.separator else [])]
    return Survey.of_samples(folders.samples(), folders.kind, digest(state))


@register_creator("image_folder", survey=_survey_folder, version=2)
def image_folder(
    folder: Path, path: str, masks: str | None = None, task_type: str | None = None, separator: str | None = None
) -> Delivery:
    """Folders of images, optionally below `train/`, `val/`, `test/`, `unlabelled/`.

    Args:
        folder: unused, the images stay where they are.
        path: classification: a sub-folder a class; multi-label: `a|b/` is a sub-folder for both labels; regression:
            a sub-folder is named by its value; segmentation and unlabelled images: at any depth.
        masks: for segmentation, a folder with a mask of class numbers for each image: same path, any image suffix.
        task_type: unset: segmentation with masks, else classification.
        separator: multi-label: separator of the labels in place of `|`.
    """
    folders = _Folders.of(path, masks, task_type, separator)
    samples = folders.samples()
    warnings = folders.warnings(samples)
    warnings += check_separator(samples, folders.kind, f"the folders of {folders.root}", separator)
    for line in warnings:
        warn(line)
    return Delivery(samples, class_names(samples), folders.kind)
