"""Folders of images: each is listed once, in natural order, without the litter of systems and tools."""

import functools
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import summarized
from mml_lib.tasks.creators.file_kinds import (
    LEFT_OUT,
    REMEDIES,
    SUFFIXES,
    has_image_bytes,
    has_preamble,
    is_system,
    may_be_dicom,
    may_be_image,
    suffix_of,
)
from mml_lib.tasks.creators.folders.path_layout import NamePattern
from mml_lib.tasks.dataset import natural_key

UNNAMED = "images without an image suffix"
"""Files that only their first bytes show to be images."""


class ImageTree:
    """The image files below a folder.

    Args:
        root: the folder.
        exclude: patterns of files and folders that are passed over.
    """

    def __init__(self, root: Path, exclude: Sequence[NamePattern] = ()):
        self.root = root
        self.excluded = Counter({pattern.text: 0 for pattern in exclude})
        self._exclude = exclude
        self._listed: dict[str, list[os.DirEntry]] = {}
        self._folders: dict[tuple[int, int], str] = {}
        self._skipped: Counter[str] = Counter()
        self._others: dict[str, list[str]] = {}
        self._has_image_bytes = functools.cache(has_image_bytes)

    def entries(self, folder: Path | str) -> list[os.DirEntry]:
        """Return folders and image files that lie in a folder, in natural order.

        Raises:
            MMLError: the folder cannot be read, a name is not text, or a link leads nowhere or to a folder that is read
                already.
        """
        folder = str(folder)
        if folder not in self._listed:
            self._listed[folder] = self._list(folder)
        return self._listed[folder]

    def images(self, folder: Path | str) -> Iterator[os.DirEntry]:
        """Yield the image files at any depth below a folder."""
        for entry in self.entries(folder):
            if entry.is_dir():
                yield from self.images(entry.path)
            else:
                yield entry

    def _list(self, folder: str) -> list[os.DirEntry]:
        try:
            with os.scandir(folder) as scanned:
                entries = list(scanned)
            self._check_reached_once(folder)
            for entry in entries:
                entry.name.encode()
            candidates = [entry for entry in entries if not (self._is_skipped(entry) or self._is_excluded(entry))]
            images = [entry for entry in candidates if self._is_read(entry, folder)]
        except OSError as error:
            raise MMLError(f"the folder {folder} cannot be read: {error.strerror}") from error
        except UnicodeEncodeError as error:
            raise MMLError(
                f"the file name {os.fsencode(error.object)!r} in {folder} is not UTF-8; rename it"
            ) from error
        return sorted(images, key=lambda entry: natural_key(entry.name))

    def _is_skipped(self, entry: os.DirEntry) -> bool:
        if not is_system(entry.name):
            return False
        if suffix_of(entry.name) in SUFFIXES and not entry.is_dir():
            self._skipped["hidden image files"] += 1
        elif entry.is_dir(follow_symlinks=False):
            self._skipped[entry.name] += 1
        return True

    def _is_excluded(self, entry: os.DirEntry) -> bool:
        if not self._exclude:
            return False
        path = os.path.relpath(entry.path, self.root)
        pattern = next((pattern for pattern in self._exclude if pattern.matches(path)), None)
        if pattern is not None:
            self.excluded[pattern.text] += 1
        return pattern is not None

    def _is_read(self, entry: os.DirEntry, folder: str) -> bool:
        """Return True if an entry is a folder or an image; what is neither is remembered for `left_out`."""
        suffix = suffix_of(entry.name)
        if entry.is_symlink() and not os.path.exists(entry.path):
            if suffix not in SUFFIXES and not may_be_image(suffix):
                return False
            raise MMLError(
                f"the file {entry.path} cannot be read: it is a link to {os.readlink(entry.path)}, which leads "
                "nowhere; correct or remove the link"
            )
        if entry.is_dir():
            return True
        if suffix in SUFFIXES:
            if not entry.is_file():
                raise MMLError(f"the image {entry.path} is not a regular file; remove it")
            return True
        if ".dcm" in SUFFIXES and may_be_dicom(suffix) and entry.is_file() and has_preamble(entry.path):
            return True
        if entry.is_file() and (suffix in LEFT_OUT or may_be_image(suffix)):
            self._others.setdefault(folder, []).append(entry.name)
        return False

    def _check_reached_once(self, folder: str) -> None:
        """Refuse a folder that links lead to twice, or in a circle.

        Raises:
            MMLError: it names the link.
        """
        state = os.stat(folder)
        first = self._folders.setdefault((state.st_dev, state.st_ino), folder)
        if first == folder or os.path.realpath(first) != os.path.realpath(folder):
            return
        link = self._link_in(folder) or self._link_in(first)
        if link is None:  # one folder mounted in two places
            return
        if folder.startswith(first + os.sep):
            raise MMLError(f"the link {link} leads back to {first}, in which it lies; remove the link")
        raise MMLError(
            f"the link {link} makes {first} and {folder} one folder, whose images would appear twice; keep one"
        )

    def _link_in(self, folder: str) -> str | None:
        """Return the innermost link on the way from the root to a folder."""
        path = folder
        while len(path) > len(str(self.root)):
            if os.path.islink(path):
                return path
            path = os.path.dirname(path)
        return None

    # --- what is not read -------------------------------------------------------------------------------------------

    def skipped(self) -> str | None:
        """Return a line that names the folders of systems and tools that were passed over, None without any."""
        if not self._skipped:
            return None
        names = [f"{name} ({count:,})" if count > 1 else name for name, count in self._skipped.most_common()]
        return f"{self.root}: folders and files of systems and tools are skipped: {summarized(names, 8)}"

    def left_out(self, folder: Path | str | None = None) -> Counter[tuple[str, str, str]]:
        """Count image-like files below a folder that are not read, by kind, suffix and folder."""
        top = str(self.root if folder is None else folder)
        counts: Counter[tuple[str, str, str]] = Counter()
        for place, names in self._others.items():
            if place != top and not place.startswith(top + os.sep):
                continue
            for name in names:
                suffix = suffix_of(name)
                if place == str(self.root) and (suffix == ".pdf" or LEFT_OUT.get(suffix) == "archives"):
                    continue  # what a data set came with
                if suffix in LEFT_OUT:
                    counts[LEFT_OUT[suffix], suffix, place] += 1
                elif may_be_dicom(suffix) and has_preamble(os.path.join(place, name)):
                    counts["DICOM", suffix or "no suffix", place] += 1
                elif self._has_image_bytes(os.path.join(place, name)):
                    counts[UNNAMED, suffix or "no suffix", place] += 1
        return counts


def left_out_text(counts: Counter[tuple[str, str, str]], root: Path, most: int = 6) -> str:
    """Return image-like files that are not read as a text: `30 .dcm in malignant (DICOM: export them as PNG)`."""
    by_suffix: dict[tuple[str, str], Counter[str]] = {}
    for (kind, suffix, folder), count in counts.items():
        by_suffix.setdefault((kind, suffix), Counter())[os.path.relpath(folder, root)] += count
    parts = []
    for (kind, suffix), folders in sorted(by_suffix.items(), key=lambda item: -item[1].total()):
        remedy = REMEDIES.get(kind, "give them the suffix of their format")
        places = summarized(name for name, _ in folders.most_common())
        parts.append(f"{folders.total():,} {suffix} in {places} ({kind}: {remedy})")
    return summarized(parts, most)
