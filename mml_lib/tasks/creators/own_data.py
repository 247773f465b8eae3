"""Own data without code: folders of images. The images stay where they are."""

import filecmp
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mml_lib.config.identity import digest
from mml_lib.errors import MMLError
from mml_lib.tasks.creators.registry import Survey, register_creator
from mml_lib.tasks.dataset import SPLITS, Delivery, Label, Sample, natural_key

NEAR_SPLITS = {"val", "valid", "validation", "test", "testing"}
"""What lies beside `train/` where that means a split and not a class."""

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}


def existing(path: str, kind: str, creator: str) -> Path:
    """Return the absolute path of a file or folder of own data.

    Raises:
        MMLError: it is not there.
    """
    found = Path(path).expanduser().absolute()
    if not (found.is_dir() if kind == "folder" else found.is_file()):
        state = f"is not a {kind}" if found.exists() else "does not exist"
        raise MMLError(f"creator {creator}: the path {found} {state}")
    return found


def only_file(path: str, suffix: str, creator: str) -> Path:
    """Return the absolute path of a file of own data, or of the only one with a suffix in a folder.

    Raises:
        MMLError: it is not there, or it is not the only one.
    """
    folder = Path(path).expanduser().absolute()
    if not folder.is_dir():
        return existing(path, "file", creator)
    files = sorted(file for file in folder.glob(f"*{suffix}") if file.name[0] != ".")
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise MMLError(
            f"creator {creator}: {folder} must hold one {suffix} file, it has {names}; name the file by path"
        )
    return files[0]


def images_below(folder: Path) -> Iterator[os.DirEntry]:
    """Yield the image files at any depth below a folder, hidden ones left out.

    Raises:
        MMLError: a folder cannot be read, or a name is not text.
    """
    for entry in _entries(folder):
        if entry.is_dir():
            yield from images_below(Path(entry.path))
        elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:
            yield entry


def _entries(folder: Path) -> list[os.DirEntry]:
    """Return what lies in a folder in natural order, hidden things left out."""
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if entry.name[0] != "."]
        for entry in found:
            entry.name.encode()
    except OSError as error:
        raise MMLError(f"the folder {folder} cannot be read: {error.strerror}") from error
    except UnicodeEncodeError as error:
        raise MMLError(f"the file name {os.fsencode(error.object)!r} in {folder} is not UTF-8; rename it") from error
    return sorted(found, key=lambda entry: natural_key(entry.name))


def sampled_digests(files: Sequence[Path | str], count: int = 32) -> list[str]:
    """Return digests of the first 64 KB of at most `count` files, evenly spread over the list."""
    chosen = [files[position * len(files) // count] for position in range(count)] if len(files) > count else files
    return [hashlib.sha256(_head(file)).hexdigest()[:16] for file in chosen]


def _head(file: Path | str) -> bytes:
    with _readable(file), open(file, "rb") as stream:
        return stream.read(65536)


@contextmanager
def _readable(file: Path | str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MMLError(f"the file {file} cannot be read: {error.strerror}") from error


def size_of(file: Path | str) -> int:
    """Return the size of a file.

    Raises:
        MMLError: it cannot be looked at: a link may lead nowhere.
    """
    with _readable(file):
        return os.stat(file).st_size


def _survey_folder(path: str, masks: str | None = None, task_type: str | None = None) -> Survey:
    """Look at names and sizes of all images and the content of some: cheap enough for every planning."""
    kind, root, mask_root = _layout(path, masks, task_type)
    seen = []
    for folder in (root, mask_root):
        entries = list(images_below(folder)) if folder else []
        seen.append([[os.path.relpath(entry.path, folder), size_of(entry.path)] for entry in entries])
        seen.append(sampled_digests([entry.path for entry in entries]))
    splits = {split for split, _ in _levels(root, kind, mask_root) if split}
    return Survey.of_splits(splits, fingerprint=digest([kind, *seen]), task_type=kind)


def _layout(path: str, masks: str | None, task_type: str | None) -> tuple[str, Path, Path | None]:
    """Return what is learned, the folder of the images, and that of the masks.

    Raises:
        MMLError: a folder does not exist, or no masks are named for a segmentation.
    """
    kind = task_type or ("semantic_segmentation" if masks else "classification")
    segmented = kind == "semantic_segmentation"
    if segmented and not masks:
        raise MMLError("creator image_folder: a semantic_segmentation needs the key 'masks', a folder with the masks")
    root = existing(path, "folder", "image_folder")
    return kind, root, existing(masks, "folder", "image_folder") if segmented else None


def _levels(root: Path, kind: str, masks: Path | None) -> list[tuple[str | None, Path]]:
    """Return the folders of the splits that have images, or the folder itself and `unlabelled/`.

    Raises:
        MMLError: something that is no split lies beside `train/`, `val/` or `test/`.
    """
    if kind == "no_task":
        return [("unlabelled", root)]
    names = {entry.name for entry in _entries(root) if entry.is_dir() and Path(entry.path) != masks}
    lower = {name.lower() for name in names}
    if "train" in lower and (lower <= set(SPLITS) or lower & NEAR_SPLITS):
        if unknown := sorted(names - set(SPLITS)):
            raise MMLError(f"{root}: '{unknown[0]}' lies among folders of splits, which are {', '.join(SPLITS)}")
        levels = [(split, root / split) for split in SPLITS if split in names]
    else:
        levels = [(None, root)] + [("unlabelled", root / "unlabelled")] * ("unlabelled" in names)
    return [(split, part) for split, part in levels if split is None or any(images_below(part))]


@register_creator("image_folder", survey=_survey_folder)
def image_folder(folder: Path, path: str, masks: str | None = None, task_type: str | None = None) -> Delivery:
    """Read images below an optional level `train/`, `val/`, `test/`, `unlabelled/`.

    Args:
        folder: unused, the images stay where they are.
        path: classification: a sub-folder a class; multi-label: `a|b/` is a sub-folder for both labels; regression:
            a sub-folder is named by its value; segmentation and unlabelled images: at any depth.
        masks: for segmentation, a folder with a mask of class numbers for each image: same path, any image suffix.
        task_type: unset: segmentation with masks, else classification.
    """
    kind, root, mask_root = _layout(path, masks, task_type)
    samples = []
    for split, part in _levels(root, kind, mask_root):
        if split == "unlabelled":
            samples += [_sample(root, file, None, split) for file in _files(part)]
        elif mask_root:
            samples += _masked(root, part, split, mask_root)
        else:
            samples += _labelled(root, part, split, kind)
    if kind == "classification":
        _refuse_copies(samples)
    return Delivery(samples, class_names(samples, kind), kind)


def _files(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in images_below(folder)]


def _sample(root: Path, file: Path, label: Label, split: str | None, mask: str | None = None) -> Sample:
    return Sample(str(file.relative_to(root)), str(file), label, split, mask=mask)


def _labelled(root: Path, part: Path, split: str | None, kind: str) -> Iterator[Sample]:
    for entry in _entries(part):
        if part == root and entry.name == "unlabelled":
            continue
        if not entry.is_dir():
            if os.path.splitext(entry.name)[1].lower() in SUFFIXES:
                raise MMLError(
                    f"creator image_folder: the image {entry.path} lies in no folder that tells its class or value; "
                    "move it into one, or below unlabelled/"
                )
            continue
        files = _files(Path(entry.path))
        if not files:
            raise MMLError(
                f"creator image_folder: the class folder {entry.path} holds no image "
                f"({', '.join(sorted(SUFFIXES))}); fill or remove it"
            )
        label = parse_label(entry.name, kind, f"the folder {entry.path}")
        yield from (_sample(root, file, label, split) for file in files)


def _masked(root: Path, part: Path, split: str | None, masks: Path) -> Iterator[Sample]:
    by_stem: dict[str, str] = {}
    for entry in images_below(masks):
        stem = os.path.splitext(os.path.relpath(entry.path, masks))[0]
        if by_stem.setdefault(stem, entry.path) != entry.path:
            raise MMLError(f"creator image_folder: {by_stem[stem]} and {entry.path} are masks of one image; keep one")
    for file in _files(part):
        relative = file.relative_to(root)
        if (part == root and relative.parts[0] == "unlabelled") or masks in file.parents:
            continue
        stem = str(relative.with_suffix(""))
        if stem not in by_stem:
            raise MMLError(
                f"creator image_folder: the image {file} has no mask {masks / stem}.png (or another image suffix); "
                "add it, or put the image below unlabelled/"
            )
        yield _sample(root, file, None, split, by_stem[stem])


def parse_label(text: str, kind: str, where: str) -> Label:
    """Return what a text says of an image: a class; labels `a|b`, with probabilities `a:0.7|b:0.2`; a number.

    Raises:
        MMLError: no number where one is needed; the same label twice.
    """
    if kind == "regression":
        try:
            return float(text)
        except ValueError as error:
            raise MMLError(f"{where}: '{text}' is not a number, which a regression needs") from error
    if kind != "multilabel_classification":
        return text
    labels: dict[str, float] = {}
    for part in filter(None, map(str.strip, text.split("|"))):
        name, probability = _probability(part)
        if name in labels:
            raise MMLError(f"{where}: the label '{name}' is there twice")
        labels[name] = probability
    return labels


def _probability(part: str) -> tuple[str, float]:
    """Split `name:0.7`; a name may have a colon of its own."""
    name, colon, number = part.rpartition(":")
    try:
        return (name.strip(), float(number)) if colon and name.strip() else (part, 1.0)
    except ValueError:
        return part, 1.0


def class_names(samples: Sequence[Sample], kind: str) -> list[str]:
    """Return the classes that samples have, in natural order."""
    if kind == "classification":
        found = {sample.label for sample in samples if sample.label is not None}
    elif kind == "multilabel_classification":
        found = {label for sample in samples for label in sample.label or ()}
    else:
        found = set()
    return sorted(found, key=natural_key)


def _refuse_copies(samples: Sequence[Sample]) -> None:
    """Refuse an image that lies under the same name, with the same content, in two splits.

    Raises:
        MMLError: the first one.
    """
    seen: dict[tuple[str, str], Sample] = {}
    for sample in samples:
        if sample.label is None:
            continue
        other = seen.setdefault((sample.label, os.path.basename(sample.image)), sample)
        if other.split != sample.split and filecmp.cmp(other.image, sample.image, shallow=False):
            raise MMLError(
                f"creator image_folder: the sample {other.image} is in {sample.image} too; keep it in one split"
            )
