"""Own data without code: folders of images, and tables of them. The images stay where they are."""

import csv
import filecmp
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mml_lib.config.identity import digest
from mml_lib.errors import MMLError, nearest
from mml_lib.tasks.creators.registry import Survey, register_creator
from mml_lib.tasks.dataset import SPLITS, Delivery, Sample, natural_key

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}


def _existing(path: str, kind: str) -> Path:
    found = Path(path).expanduser().absolute()
    if not (found.is_dir() if kind == "folder" else found.is_file()):
        state = f"is not a {kind}" if found.exists() else "does not exist"
        raise MMLError(f"creator {'image_folder' if kind == 'folder' else 'csv'}: the path {found} {state}")
    return found


def _images(folder: Path) -> Iterator[os.DirEntry]:
    """Yield the image files at any depth below a folder, hidden ones left out."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: natural_key(entry.name)):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _images(Path(entry.path))
            elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:
                yield entry


def _evenly(files: Sequence[Path], count: int = 32) -> list[str]:
    """Return digests of the first 64 KB of at most `count` files, evenly spread over the list."""
    chosen = [files[position * len(files) // count] for position in range(count)] if len(files) > count else files
    return [hashlib.sha256(_head(file)).hexdigest()[:16] for file in chosen]


def _head(file: Path) -> bytes:
    try:
        with open(file, "rb") as stream:
            return stream.read(65536)
    except OSError as error:
        raise MMLError(f"the image {file} cannot be read: {error.strerror}") from error


def _survey_folder(path: str) -> Survey:
    """Look at names and sizes of all images and the content of some: cheap enough for every planning."""
    root = _existing(path, "folder")
    entries = list(_images(root))
    names = [[os.path.relpath(entry.path, root), entry.stat().st_size] for entry in entries]
    fingerprint = digest([names, _evenly([Path(entry.path) for entry in entries])])
    splits = [split for split, _ in _levels(root) if split]
    return Survey(fingerprint, 1 if "val" in splits else None, "test" in splits if splits else None)


def _levels(root: Path) -> list[tuple[str | None, Path]]:
    """Return the split folders of an image folder, or the folder itself."""
    names = {entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith(".")}
    has_splits = "train" in names and names <= set(SPLITS)
    return [(split, root / split) for split in SPLITS if split in names] if has_splits else [(None, root)]


@register_creator("image_folder", survey=_survey_folder)
def image_folder(folder: Path, path: str) -> Delivery:
    """Read a class from each sub-folder of `path`, below an optional level `train/`, `val/`, `test/`."""
    root = _existing(path, "folder")
    samples, classes = [], set()
    for split, part in _levels(root):
        for label in sorted((e.name for e in os.scandir(part) if e.is_dir() and e.name[0] != "."), key=natural_key):
            files = [Path(entry.path) for entry in _images(part / label)]
            if not files:
                raise MMLError(
                    f"creator image_folder: the class folder {part / label} holds no image "
                    f"({', '.join(sorted(SUFFIXES))}); fill or remove it"
                )
            classes.add(label)
            samples += [Sample(str(file.relative_to(root)), str(file), label, split) for file in files]
    _refuse_copies(samples)
    return Delivery(samples, sorted(classes, key=natural_key))


def _refuse_copies(samples: Sequence[Sample]) -> None:
    """Refuse an image that lies under the same name, with the same content, in two splits.

    Raises:
        MMLError: the first one.
    """
    seen: dict[tuple[str, str], Path] = {}
    for sample in samples:
        file = Path(sample.image)
        other = seen.setdefault((sample.label, file.name), file)
        if other is not file and filecmp.cmp(other, file, shallow=False) and sample.split:
            raise MMLError(f"creator image_folder: the sample {other} is in {file} too; keep it in one split")


def _survey_table(path: str) -> Survey:
    """Look at the table and the content of some of its images."""
    file = _existing(path, "file")
    samples = list(_rows(file))
    images = [Path(sample.image) for sample in samples]
    fingerprint = digest([hashlib.sha256(file.read_bytes()).hexdigest(), _evenly(images)])
    splits = {sample.split for sample in samples} - {None}
    folds = {sample.fold for sample in samples if sample.split != "test"} - {None}
    has_test = "test" in splits if splits else any(sample.fold is None for sample in samples) if folds else None
    return Survey(fingerprint, len(folds | ({0} if "val" in splits else set())) or None, has_test)


@register_creator("csv", survey=_survey_table)
def table(folder: Path, path: str) -> Delivery:
    """Read the columns `image` (relative to the file) and `label`, and optional `split`, `group`, `fold`."""
    samples = list(_rows(_existing(path, "file")))
    return Delivery(samples, sorted({sample.label for sample in samples}, key=natural_key))


def _rows(file: Path) -> Iterator[Sample]:
    """Yield the samples of a table."""
    try:
        with open(file, newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            columns = reader.fieldnames or []
            for column in ("image", "label"):
                if column not in columns:
                    raise MMLError(f"{file}: there is no column '{column}'{nearest(column, columns)}")
            for number, row in enumerate(reader, start=2):
                yield _sample(file, number, row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise MMLError(f"{file} is not a UTF-8 table with commas: {error}") from error


def _sample(file: Path, number: int, row: dict[str, str]) -> Sample:
    cells = {key: (value or "").strip() for key, value in row.items() if isinstance(key, str)}
    image, label = cells["image"], cells["label"]
    if not image or not label:
        raise MMLError(f"{file}, line {number}: the column '{'label' if image else 'image'}' is empty")
    fold = cells.get("fold") or None
    if fold is not None and not fold.isdigit():
        raise MMLError(f"{file}, line {number}: the fold '{fold}' is not a number 0, 1, 2 …")
    path = file.parent / image
    if not path.is_file():
        raise MMLError(f"{file}, line {number}: the image {path} does not exist")
    return Sample(image, str(path), label, cells.get("split") or None, cells.get("group") or None, fold and int(fold))
