"""Frames: the images of files that hold several become samples, and patients become groups."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from mml_lib.config.task_options import Images
from mml_lib.errors import MMLError
from mml_lib.images.image_files import errors_named
from mml_lib.images.readers.reader_registry import Contents
from mml_lib.images.readers.reading import reader_of
from mml_lib.machine.terminal import warn
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, Delivery, Sample, check_delivery


def read_contents(file: Path | str, with_pages: bool = False) -> Contents:
    """Return the contents of an image file.

    Args:
        file: its path.
        with_pages: count images of which otherwise the first is read.

    Raises:
        MMLError: the file is missing or damaged.
    """
    with errors_named(file):
        reader = reader_of(file)
        if reader.contents:
            return reader.contents(file)
        return Contents(reader.pages(file)) if with_pages and reader.pages else Contents()


def expand_frames(delivery: Delivery, name: str, folder: Path, threads: int, images: Images | None = None) -> Delivery:
    """Return a delivery in which each image of a file is a sample, `<id>#<frame>`, and a patient's samples are a group.

    Frames of one file are a group too, unless the delivery has groups.

    Args:
        delivery: as a creator made it.
        name: of the data set, for messages.
        folder: of the data set.
        threads: number of threads that read files.
        images: options of the study.

    Raises:
        MMLError: a file is damaged, images of a series do not belong together, a mask has other frames than its image,
            or a patient is in two splits.
    """
    images = images or Images()
    samples = delivery.samples
    all_pages = images.frames == "all"
    with ThreadPoolExecutor(threads) as pool:
        contents = list(pool.map(lambda sample: read_contents(folder / sample.image, all_pages), samples))
        masks = list(pool.map(lambda sample: _mask_frames(sample, folder, all_pages), samples))
    _check_series(samples, contents, name)
    groups = _groups(samples, contents, name, images)
    if all(content.frames == 1 for content in contents) and groups == [sample.group for sample in samples]:
        return delivery
    expanded: list[Sample] = []
    for sample, content, group, mask_frames in zip(samples, contents, groups, masks, strict=True):
        frames = 1 if images.frames == "first" else content.frames
        if mask_frames not in (None, content.frames):
            raise MMLError(
                f"{name}: the image {sample.image} has {content.frames} frames, its mask {sample.mask} {mask_frames}; "
                "give both the same number"
            )
        expanded += _frames_of(replace(sample, group=group), frames)
    delivery = replace(delivery, samples=expanded)
    check_delivery(delivery, name)
    return delivery


def _frames_of(sample: Sample, frames: int) -> Iterable[Sample]:
    """Yield a sample for each frame of its file."""
    if frames == 1:
        yield sample
        return
    for frame in range(frames):
        mask = sample.mask if sample.mask in (None, EMPTY_MASK_TOKEN) else f"{sample.mask}#{frame}"
        group = sample.id if sample.group is None else sample.group
        yield replace(sample, id=f"{sample.id}#{frame}", image=f"{sample.image}#{frame}", mask=mask, group=group)


def _mask_frames(sample: Sample, folder: Path, all_pages: bool) -> int | None:
    if sample.mask is None or sample.mask == EMPTY_MASK_TOKEN:
        return None
    return read_contents(folder / sample.mask, all_pages).frames


def _check_series(samples: Sequence[Sample], contents: Sequence[Contents], name: str) -> None:
    """Refuse series of two patients, and volumes whose images have two sizes."""
    first: dict[str, tuple[Sample, Contents]] = {}
    for sample, content in zip(samples, contents, strict=True):
        if not content.series:
            continue
        other, reference = first.setdefault(content.series, (sample, content))
        if reference.patient != content.patient:
            raise MMLError(
                f"{name}: {other.image} and {sample.image} are of one series and of two patients (PatientID); correct "
                "the files"
            )
        if reference.size and content.size and reference.size != content.size:
            sizes = ["×".join(map(str, size)) for size in (reference.size, content.size)]
            raise MMLError(
                f"{name}: {other.image} and {sample.image} are slices of one series with {sizes[0]} and {sizes[1]} "
                "pixels; remove those that are not part of the volume"
            )


def _groups(samples: Sequence[Sample], contents: Sequence[Contents], name: str, images: Images) -> list[str | None]:
    """Return the group of each sample: its own, or the number of its patient.

    Patients are numbered in the order of the samples: digests of their identities could be found by trying all.
    """
    own = [sample.group for sample in samples]
    if any(group is not None for group in own) or images.group == "file":
        return own
    numbers: dict[str, int] = {}
    for content in contents:
        if content.patient:
            numbers.setdefault(content.patient, len(numbers) + 1)
    if len(numbers) == 1 and len(samples) > 1 and all(content.patient for content in contents):
        warn(
            f"{name}: all {len(samples):,} files have the same PatientID, which therefore forms no groups; if they are "
            "of several patients, state them in the column group of a table"
        )
        return own
    groups = [f"patient-{numbers[content.patient]}" if content.patient else None for content in contents]
    splits: dict[str, Sample] = {}
    for sample, group in zip(samples, groups, strict=True):
        if group is None or sample.split == "unlabelled":
            continue
        other = splits.setdefault(group, sample)
        if other.split != sample.split:
            raise MMLError(
                f"{name}: {other.image} and {sample.image} are of one patient (PatientID), but in the splits "
                f"{other.split or 'none'} and {sample.split or 'none'}; put them into one split, or set images: "
                "{group: file} if the PatientID is wrong"
            )
    return groups
