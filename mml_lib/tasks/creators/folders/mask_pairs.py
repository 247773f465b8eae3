"""Pairs of images and masks: files with the same path in two folders, whatever their image suffix."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import summarized
from mml_lib.tasks.creators.file_kinds import may_be_dicom, suffix_of
from mml_lib.tasks.creators.folders.walking import ImageTree, left_out_text
from mml_lib.tasks.names import normalized


@dataclass(frozen=True)
class MaskPairs:
    """The masks of a folder of images.

    Args:
        images: folder of the images.
        masks: folder of the masks.
    """

    images: ImageTree
    masks: ImageTree

    def masks_of(self, files: Sequence[str]) -> dict[str, str]:
        """Return the mask of each image.

        Raises:
            MMLError: an image has no mask, or two.
        """
        by_stem = self._mask_files()
        stems = {file: _stem(file, self.images.root) for file in files}
        if missing := [file for file, stem in stems.items() if normalized(stem) not in by_stem]:
            raise self._without_mask(missing, by_stem)
        return {file: by_stem[normalized(stem)] for file, stem in stems.items()}

    def without_image(self, stems: Iterable[str]) -> list[str]:
        """Return the masks whose image is none of those with these paths, without suffix."""
        names = set(map(normalized, stems))
        return [file for stem, file in self._mask_files().items() if stem not in names]

    def _without_mask(self, missing: Sequence[str], by_stem: Mapping[str, str]) -> MMLError:
        stem = _stem(missing[0], self.images.root)
        more = f" ({len(missing):,} images have none)" if len(missing) > 1 else ""
        details = [_near_stem(stem, by_stem)]
        images = (_stem(entry.path, self.images.root) for entry in self.images.images(self.images.root))
        if orphans := self.without_image(images):
            details.append(f"; masks without an image: {summarized(orphans)}")
        if counts := self.masks.left_out():
            details.append(f"; masks that are not read: {left_out_text(counts, self.masks.root)}")
        return MMLError(
            f"creator image_folder: the image {missing[0]} has no mask {self.masks.root / stem}.png (or another image "
            f"suffix){more}; add it, or put the image below unlabelled/{''.join(details)}"
        )

    def _mask_files(self) -> dict[str, str]:
        """Return the masks by their paths below the folder of the masks, without suffix."""
        by_stem: dict[str, str] = {}
        root = self.masks.root
        images = str(self.images.root) + os.sep
        images_are_inside = root in self.images.root.parents
        for entry in self.masks.images(root):
            if images_are_inside and entry.path.startswith(images):
                continue
            stem = normalized(_stem(entry.path, root))
            if by_stem.setdefault(stem, entry.path) != entry.path:
                raise MMLError(
                    f"creator image_folder: {by_stem[stem]} and {entry.path} are masks of one image; keep one"
                )
        return by_stem


def without_suffix(name: str) -> str:
    """Return the name of an image file without suffix."""
    suffix = suffix_of(name)
    if may_be_dicom(suffix):  # the last number of a UID
        return name
    return name[: -len(suffix)] if suffix == ".nii.gz" else os.path.splitext(name)[0]


def _stem(file: str, root: Path) -> str:
    """Return the path of a file below a folder, without suffix."""
    return without_suffix(os.path.relpath(file, root))


def _near_stem(stem: str, stems: Iterable[str]) -> str:
    near = [other for other in stems if other.casefold() == normalized(stem).casefold()]
    return f"; there is a mask '{near[0]}', which is spelled otherwise" if near else ""
