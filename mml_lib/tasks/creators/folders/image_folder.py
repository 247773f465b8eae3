"""The creator `image_folder`: images in folders, which stay where they are."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mml_lib.errors import MMLError, nearest
from mml_lib.machine.terminal import print_line, summarized, warn
from mml_lib.pipelines.digests import digest
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.creators.creator_registry import Survey, register_creator
from mml_lib.tasks.creators.file_kinds import SUFFIXES
from mml_lib.tasks.creators.folders.folder_options import FolderOptions
from mml_lib.tasks.creators.folders.mask_pairs import MaskPairs, without_suffix
from mml_lib.tasks.creators.folders.path_layout import PathLayout, fold_numbers
from mml_lib.tasks.creators.folders.walking import ImageTree, left_out_text
from mml_lib.tasks.creators.labels import SEPARATOR, check_separator, class_names, parse_label
from mml_lib.tasks.creators.own_data import existing, sampled_digests, size_of, state_of_samples
from mml_lib.tasks.creators.shared_images.creator_sharing import Sharing
from mml_lib.tasks.creators.split_names import SPLIT_FOLDERS, split_of
from mml_lib.tasks.dataset import SPLITS, Delivery, Label, Sample
from mml_lib.tasks.names import normalized


@dataclass(frozen=True)
class _Folders:
    """The folders of a task.

    Args:
        options: options of the task.
        images: folder of the images.
        masks: folder of the masks, for a segmentation.
    """

    options: FolderOptions
    images: ImageTree
    masks: ImageTree | None

    @classmethod
    def of(cls, path: str, options: FolderOptions) -> "_Folders":
        """Look the folders up.

        Raises:
            MMLError: a folder does not exist, or no masks are named for a segmentation.
        """
        options.check()
        masks, is_segmentation = options.masks, TASK_TYPES[options.kind].has_masks
        if is_segmentation and not masks:
            raise MMLError(
                "creator image_folder: a semantic_segmentation needs the key 'masks', a folder with the masks"
            )
        root = existing(path, "folder", "image_folder")
        mask_tree = None
        if masks and is_segmentation:
            mask_tree = ImageTree(existing(masks, "folder", "image_folder"), options.patterns)
        if mask_tree and os.path.realpath(root) == os.path.realpath(mask_tree.root):
            raise MMLError(
                f"creator image_folder: path and masks are the same folder, {root}: each image would be its own mask; "
                "name the folder of the masks"
            )
        return cls(options, ImageTree(root, options.patterns), mask_tree)

    @property
    def kind(self) -> str:
        return self.options.kind

    @property
    def pairs(self) -> MaskPairs | None:
        return MaskPairs(self.images, self.masks) if self.masks else None

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
            MMLError: something that is not a split lies beside `train/`, `val/` or `test/`.
        """
        root = self.root
        if not TASK_TYPES[self.kind].is_learnable:
            return [("unlabelled", root)]
        masks = self.masks and str(self.masks.root)
        names = {entry.name for entry in self.images.entries(root) if entry.is_dir() and entry.path != masks}
        lower = {name.lower() for name in names}
        split_by_name = {name: split for name in names if (split := split_of(name))}
        levels: list[tuple[str | None, Path]]
        if ("train" in lower and lower <= set(SPLIT_FOLDERS)) or len(set(split_by_name.values()) - {"unlabelled"}) > 1:
            if unknown := sorted(names - set(SPLIT_FOLDERS)):
                name = unknown[0]
                remedy = f"; rename it to '{split_by_name[name]}'" if name in split_by_name else ""
                raise MMLError(f"{root}: '{name}' lies among folders of splits, which are {', '.join(SPLITS)}{remedy}")
            if len(validation := sorted(name for name in names if SPLIT_FOLDERS[name] == "val")) > 1:
                raise MMLError(f"{root}: '{validation[0]}' and '{validation[1]}' are both the split val; merge them")
            by_split = {SPLIT_FOLDERS[name]: root / name for name in names}
            levels = [(split, by_split[split]) for split in SPLITS if split in by_split]
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
        layout = self.options.path_layout
        samples = self._by_levels() if layout is None else self._by_layout(layout)
        if self.options.leaves_targets_out:
            samples = [
                self._unlabelled(sample) if self.options.is_unknown(sample.label) else sample for sample in samples
            ]
        if self.options.classes is not None:
            samples = self._of_classes(samples, self.options.classes)
        if not samples and (counts := self.images.left_out()):
            raise MMLError(f"creator image_folder: none of the images in {self.root} is read: {self._named(counts)}")
        if not samples and (skipped := self.images.skipped()):
            raise MMLError(f"creator image_folder: there are no images; {skipped}")
        return samples

    @staticmethod
    def _unlabelled(sample: Sample) -> Sample:
        return replace(sample, label=None, split="unlabelled")

    def _by_levels(self) -> list[Sample]:
        samples: list[Sample] = []
        for split, part in self.levels():
            if split == "unlabelled":
                samples += [self._sample(entry.path, None, split) for entry in self.images.images(part)]
            elif self.pairs:
                masks = self.pairs.masks_of(self._files(part))
                samples += [self._sample(file, None, split, mask) for file, mask in masks.items()]
            else:
                samples += self._labelled(part, split)
        return samples

    def _of_classes(self, samples: Sequence[Sample], classes: Sequence[str]) -> list[Sample]:
        """Return the samples of some classes, and those without a label.

        Raises:
            MMLError: no sample has one of the classes.
        """
        present = {normalized(name): name for name in class_names(samples)}
        class_keys = set(map(normalized, classes))
        if absent := sorted(class_keys - set(present)):
            raise MMLError(f"classes: {self.root} has no class '{absent[0]}'{nearest(absent[0], present)}")
        return [sample for sample in samples if sample.label is None or normalized(str(sample.label)) in class_keys]

    def _by_layout(self, layout: PathLayout) -> list[Sample]:
        """Return the samples whose paths match a template.

        Raises:
            MMLError: no path matches, one matches in several ways, or a folder is named after no split.
        """
        files = {os.path.relpath(file, self.root): file for file in self._files(self.root)}
        fields = layout.read([*files])
        if files and not fields:
            raise MMLError(
                f"creator image_folder: no image in {self.root} matches the layout '{layout.text}'; the first image is "
                f"'{next(iter(files))}'"
            )
        numbers = fold_numbers(texts.get("fold") for texts in fields.values())
        splits = {name: self._split(name, texts) for name, texts in fields.items()}
        masked = [files[name] for name, split in splits.items() if split != "unlabelled"]
        masks = self.pairs.masks_of(masked) if self.pairs else {}
        return [
            Sample(
                name,
                files[name],
                self._label(name, texts, splits[name]),
                splits[name],
                texts.get("group"),
                numbers.get(texts.get("fold")),
                masks.get(files[name]),
            )
            for name, texts in fields.items()
        ]

    def _split(self, name: str, fields: Mapping[str, str]) -> str | None:
        if not TASK_TYPES[self.kind].is_learnable:
            return "unlabelled"
        if (text := fields.get("split")) is None:
            return None
        if (split := split_of(text)) is None:
            raise MMLError(f"layout: '{text}' of the image '{name}' is not a split; splits: {', '.join(SPLITS)}")
        return split

    def _label(self, name: str, fields: Mapping[str, str], split: str | None) -> Label:
        if split == "unlabelled" or "label" not in fields:
            return None
        where = f"the image {self.root / name}"
        return parse_label(fields["label"], self.kind, where, self.options.separator or SEPARATOR)

    def _sample(self, file: str, label: Label, split: str | None, mask: str | None = None) -> Sample:
        return Sample(file.removeprefix(os.path.join(self.root, "")), file, label, split, mask=mask)

    def _labelled(self, part: Path, split: str | None) -> Iterator[Sample]:
        for entry in self.images.entries(part):
            if part == self.root and entry.name == "unlabelled":
                continue
            if not entry.is_dir():
                raise MMLError(
                    f"creator image_folder: the image {entry.path} lies in no folder that tells its class or value; "
                    "move it into one, or below unlabelled/; for images without labels set task_type: no_task"
                )
            files = list(self.images.images(entry.path))
            if not files:
                raise self._without_images(entry.path)
            label = parse_label(entry.name, self.kind, f"the folder {entry.path}", self.options.separator or SEPARATOR)
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

    def _files(self, part: Path) -> list[str]:
        """Return the images of a split, without those of other splits and the masks."""
        skipped = [self.masks.root] if self.masks and self.root in self.masks.root.parents else []
        skipped += [self.root / "unlabelled"] if part == self.root and not self.options.layout else []
        inside = tuple(str(folder) + os.sep for folder in skipped)
        return [entry.path for entry in self.images.images(part) if not entry.path.startswith(inside)]

    # --- warnings ---------------------------------------------------------------------------------------------------

    def warnings(self, samples: Sequence[Sample]) -> list[str]:
        """Return a line for each kind of files that are not read."""
        lines = [line for tree in (self.images, self.masks) if tree and (line := tree.skipped())]
        lines += [
            f"files in {tree.root} that are not read: {left_out_text(counts, tree.root)}"
            for tree in (self.images, self.masks)
            if tree and (counts := tree.left_out())
        ]
        if self.pairs and (orphans := self.pairs.without_image(without_suffix(sample.id) for sample in samples)):
            number = len(orphans)
            subject = "1 mask has no image and is" if number == 1 else f"{number:,} masks have no image and are"
            lines.append(f"{subject} left out: {summarized(orphans)}; add the images, or remove them")
        is_by_folder = self.options.layout is None and TASK_TYPES[self.kind].is_learnable
        if is_by_folder and not TASK_TYPES[self.kind].has_masks:
            folders = list(self._half_read(samples))
            lines += [f"most images of {summarized(folders)} are not read; convert them"] if folders else []
        return lines

    def _excluded(self) -> Counter[str]:
        """Return the number of files and folders that each pattern of `exclude` leaves out."""
        counts = Counter(self.images.excluded)
        for pattern, count in (self.masks.excluded if self.masks else {}).items():
            counts[pattern] += count
        return counts

    def report(self, samples: Sequence[Sample]) -> None:
        """Print the numbers of files that options leave out and keep."""
        for pattern, count in self._excluded().items():
            if count:
                print_line(f"{self.root}: exclude: '{pattern}' leaves out {count:,} files or folders")
            else:
                warn(f"{self.root}: exclude: '{pattern}' matches no file and no folder; correct it, or leave it out")
        if self.options.classes is not None:
            print_line(f"{self.root}: classes: {len(samples):,} images are kept")
        if self.options.leaves_targets_out:
            count = sum(sample.split == "unlabelled" for sample in samples)
            report = print_line if count else warn
            report(f"{self.root}: unknown: {count:,} of {len(samples):,} images are unlabelled")
        if (layout := self.options.path_layout) is not None:
            names = [os.path.relpath(file, self.root) for file in self._files(self.root)]
            matches = layout.read(names)
            if others := [name for name in names if name not in matches]:
                print_line(
                    f"{self.root}: layout: {len(others):,} of {len(names):,} images do not match '{layout.text}' and "
                    f"are left out: {summarized(others)}"
                )

    def _half_read(self, samples: Sequence[Sample]) -> Iterator[str]:
        """Yield the folders of classes, or of values, that lose most of their files, with both numbers."""
        read = Counter(self._class_folder(s.image, s.split) for s in samples if s.split != "unlabelled")
        lost: Counter[str] = Counter()
        splits = {s.split for s in samples}
        for (_, _, folder), count in self.images.left_out().items():
            first = os.path.relpath(folder, self.root).split(os.sep)[0]
            split = SPLIT_FOLDERS.get(first)
            lost[self._class_folder(os.path.join(folder, ""), split if split in splits else None)] += count
        for folder, count in lost.items():
            if 0 < read[folder] < count:
                yield f"{folder} ({count:,} of {count + read[folder]:,})"

    def _class_folder(self, file: str, split: str | None) -> str:
        """Return the folder of the class that a file belongs to."""
        parts = os.path.relpath(os.path.dirname(file), self.root).split(os.sep)
        return os.path.join(self.root, *parts[: 1 if split is None else 2])


def _survey_folder(path: str = "", downloaded: bool = False, **arguments: Any) -> Survey:
    """Look at names and sizes of all images and the content of some: cheap enough for every planning."""
    options = FolderOptions(**arguments)
    if downloaded:
        options.check()
        return Survey(task_type=options.task_type or "classification")
    folders = _Folders.of(path, options)
    samples = folders.samples()
    if options.layout or options.classes or options.leaves_targets_out:
        return Survey.of_samples(samples, options.kind, state_of_samples([options.kind, *options.meaning], samples))
    file_states: list[Any] = []
    for root, entries in folders.files():
        inside = os.path.join(root, "")
        file_states.append([[entry.path.removeprefix(inside), size_of(entry.path)] for entry in entries])
        file_states.append(sampled_digests([entry.path for entry in entries]))
    file_states += [[], []] if folders.masks is None else []
    state = [options.kind, *file_states, *([options.separator] if options.separator else [])]
    return Survey.of_samples(samples, options.kind, digest(state))


@register_creator(
    "image_folder",
    survey=_survey_folder,
    version=2,
    sharing=Sharing(("task_type", "separator", "layout", "classes", "exclude", "unknown")),
)
def image_folder(
    folder: Path,
    path: str,
    masks: str | None = None,
    task_type: str | None = None,
    separator: str | None = None,
    layout: str | None = None,
    classes: list[str] | None = None,
    exclude: str | list[str] | None = None,
    unknown: list[str | int | float | list[int]] | None = None,
) -> Delivery:
    """Folders of images, optionally below `train/`, `val/`, `test/`, `unlabelled/`.

    Args:
        folder: unused, the images stay where they are.
        path: classification: a sub-folder a class; multi-label: `a|b/` is a sub-folder for both labels; regression:
            a sub-folder is named by its value; segmentation and unlabelled images: at any depth.
        masks: for segmentation, a folder with a mask of class numbers for each image: same path, any image suffix.
        task_type: unset: segmentation with masks, else classification.
        separator: multi-label: separator of the labels in place of `|`.
        layout: template of the images' paths in place of these folders, `{split}/{label}/{group}_*.png`.
        classes: the classes of a classification that are read.
        exclude: files and folders that are passed over, `"*_thumb.png"`.
        unknown: classes, labels or values whose images have no target, `[unsure]`. Of masks, numbers and colours of
            pixels that are ignored, `[255, 7]`.
    """
    folders = _Folders.of(path, FolderOptions(masks, task_type, separator, layout, classes, exclude, unknown))
    samples = folders.samples()
    warnings = folders.warnings(samples)
    warnings += check_separator(samples, folders.kind, f"the folders of {folders.root}", separator)
    for line in warnings:
        warn(line)
    folders.report(samples)
    return Delivery(samples, class_names(samples), folders.kind)
