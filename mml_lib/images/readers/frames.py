"""Frames: the images of a file become samples, and patients become groups."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mml_lib.config.image_options import Images
from mml_lib.errors import MMLError
from mml_lib.images.image_files import errors_named
from mml_lib.images.readers.reader_registry import Contents
from mml_lib.images.readers.reading import reader_of
from mml_lib.machine.terminal import summarized, warn
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, Delivery, Sample
from mml_lib.tasks.delivery_checks import check_delivery
from mml_lib.tasks.names import folded

ELEMENTS = {"patient": "PatientID", "study": "StudyInstanceUID"}
"""Elements of DICOM that identify groups of files, by kind of group."""


class Subject(NamedTuple):
    """Patient or study, whose files stay together."""

    kind: str
    identity: str


def read_contents(file: Path | str, with_pages: bool = False, **options: bool) -> Contents:
    """Return the contents of an image file.

    Args:
        file: path of the file.
        with_pages: True to count all images, instead of the first one only.
        options: arguments of readers.

    Raises:
        MMLError: the file is missing or damaged.
    """
    with errors_named(file):
        return reader_of(file).read_contents(file, with_pages, **options)


def expand_frames(delivery: Delivery, name: str, folder: Path, threads: int, images: Images | None = None) -> Delivery:
    """Return a delivery in which each image of a file is a sample, `<id>#<frame>`, and a patient's samples are a group.

    Frames that are channels become one sample. Unless the delivery has groups, the frames of a file are a group.

    Args:
        delivery: delivery of a creator.
        name: name of the data set, for messages.
        folder: folder of the data set.
        threads: number of threads that read files.
        images: options of the study.

    Raises:
        MMLError: a file is damaged; images of a series have different sizes or patients; a mask has other frames than
            its image; or a patient is in two splits or folds.
    """
    images = images or Images()
    samples = delivery.samples
    all_pages = images.frames in ("all", "channels")
    options = {"all_channels": images.keeps_all_channels}
    with ThreadPoolExecutor(threads) as pool:
        contents = list(pool.map(lambda sample: _read_image_contents(sample, folder, all_pages, options), samples))
        masks = list(pool.map(lambda sample: _read_mask_contents(sample, folder, all_pages), samples))
    if images.frames == "channels":
        _refuse_two_kinds_of_channels(samples, name)
        contents = _stacked(samples, contents, name)
    _check_masks(samples, contents, masks, name)
    patients = _patients(contents)
    _check_series(samples, contents, patients, name)
    groups = _groups(samples, contents, patients, name, images)
    if all(content.frames == 1 for content in contents) and groups == [sample.group for sample in samples]:
        return delivery
    expanded: list[Sample] = []
    for sample, content, group in zip(samples, contents, groups, strict=True):
        frames = 1 if images.frames == "first" else content.frames
        expanded += _frames_of(replace(sample, group=group), frames)
    delivery = replace(delivery, samples=expanded)
    check_delivery(delivery, name)
    return delivery


def _refuse_two_kinds_of_channels(samples: Sequence[Sample], name: str) -> None:
    if sample := next((sample for sample in samples if sample.channels), None):
        raise MMLError(
            f"{name}: images.frames: channels: the image {sample.image} has its channels in {len(sample.image_files)} "
            "files already; leave it out"
        )


def _read_image_contents(sample: Sample, folder: Path, all_pages: bool, options: Mapping[str, bool]) -> Contents:
    """Return the contents of an image; those of its first file if each channel has a file.

    Raises:
        MMLError: the files of channels have different frames or patients.
    """
    contents = [read_contents(folder / file, all_pages, **options) for file in sample.image_files]
    first = contents[0]
    for file, content in zip(sample.image_files, contents, strict=True):
        if content.frames != first.frames:
            raise MMLError(
                f"the image {sample.image} has {first.frames} frames, its channel {file} {content.frames}; give all "
                "channels of an image the same number"
            )
        if content.axes and first.axes and content.axes[2] != first.axes[2]:
            raise MMLError(
                f"slices of {sample.image} and of its channel {file} follow each other in different directions (axes "
                f"{first.axes} and {content.axes}); save all channels with the same axes"
            )
    if len({folded(content.patient) for content in contents if content.patient}) > 1:
        raise MMLError(
            f"the channels {summarized(sample.image_files)} of one image are of two patients (PatientID); correct the "
            "table or the files"
        )
    return next((content for content in contents if content.patient), first)


def _stacked(samples: Sequence[Sample], contents: Sequence[Contents], name: str) -> list[Contents]:
    """Return the contents of files whose frames, or volumes, are channels of one image.

    Raises:
        MMLError: all files have one frame.
    """
    if all(content.frames == 1 for content in contents):
        raise MMLError(
            f"{name}: images.frames: channels is for files of several frames, and all have one ({samples[0].image}); "
            "leave it out"
        )
    return [
        replace(content, frames=content.frames // content.volumes if content.volumes > 1 else 1) for content in contents
    ]


def _frames_of(sample: Sample, frames: int) -> Iterable[Sample]:
    """Yield a sample for each frame of its file."""
    if frames == 1:
        yield sample
        return
    for frame in range(frames):
        mask = sample.mask if sample.mask in (None, EMPTY_MASK_TOKEN) else f"{sample.mask}#{frame}"
        group = sample.id if sample.group is None else sample.group
        channels = sample.channels and {name: f"{file}#{frame}" for name, file in sample.channels.items()}
        file = f"{sample.image}#{frame}"
        yield replace(sample, id=f"{sample.id}#{frame}", image=file, mask=mask, group=group, channels=channels)


def _read_mask_contents(sample: Sample, folder: Path, all_pages: bool) -> Contents | None:
    if sample.mask is None or sample.mask == EMPTY_MASK_TOKEN:
        return None
    return read_contents(folder / sample.mask, all_pages)


def _check_masks(
    samples: Sequence[Sample], contents: Sequence[Contents], masks: Sequence[Contents | None], name: str
) -> None:
    """Refuse masks with other slices than their images, and warn about masks with other axes."""
    turned = []
    for sample, image, mask in zip(samples, contents, masks, strict=True):
        if mask is None:
            continue
        if mask.frames != image.frames:
            raise MMLError(
                f"{name}: the image {sample.image} has {image.frames} frames, its mask {sample.mask} {mask.frames}; "
                "give both the same number"
            )
        if image.axes and mask.axes and image.axes[2] != mask.axes[2]:
            raise MMLError(
                f"{name}: slices of {sample.image} and of its mask {sample.mask} follow each other in different "
                f"directions (axes {image.axes} and {mask.axes}); save both with the same axes"
            )
        if image.axes and image.axes != mask.axes:
            turned.append(f"{sample.mask}: {mask.axes or 'none'}, {sample.image}: {image.axes}")
    if turned:
        warn(
            f"{name}: {len(turned)} masks have other axes than their images ({summarized(turned)}), and each file is "
            "turned by its own; see whether both match (mode info draws them)"
        )


def _check_series(
    samples: Sequence[Sample], contents: Sequence[Contents], patients: Sequence[Subject | None], name: str
) -> None:
    """Refuse series of several patients, and volumes whose images have different sizes."""
    sizes: dict[str, tuple[Sample, tuple[int, int]]] = {}
    owners: dict[str, tuple[Sample, Subject]] = {}
    for sample, content, patient in zip(samples, contents, patients, strict=True):
        if not content.series:
            continue
        if patient:
            other, owner = owners.setdefault(content.series, (sample, patient))
            if owner != patient:
                raise MMLError(
                    f"{name}: {other.image} and {sample.image} are of one series and of two patients (PatientID); "
                    "correct the files"
                )
        if content.size:
            other, size = sizes.setdefault(content.series, (sample, content.size))
            if size != content.size:
                pixels = ["×".join(map(str, ends)) for ends in (size, content.size)]
                raise MMLError(
                    f"{name}: {other.image} and {sample.image} are slices of one series with {pixels[0]} and "
                    f"{pixels[1]} pixels; remove those that are not part of the volume"
                )


def _patients(contents: Sequence[Contents]) -> list[Subject | None]:
    """Return the patient of each file; None without one.

    Spellings of an ID that differ in case or spaces are one patient, as for groups in a table. Issuers distinguish
    patients only if all files with an ID state one.
    """
    issuers: dict[str, set[str]] = {}
    for content in contents:
        issuers.setdefault(folded(str(content.patient)), set()).add(folded(str(content.issuer or "")))
    patients: list[Subject | None] = []
    for content in contents:
        patient, issuer = folded(str(content.patient)), folded(str(content.issuer or ""))
        subject = Subject("patient", f"{patient}\\{'' if '' in issuers[patient] else issuer}")
        patients.append(subject if content.patient else None)
    return patients


def _subjects(contents: Sequence[Contents], patients: Sequence[Subject | None]) -> list[Subject | None]:
    """Return the patient of each file, or the patient of its study, or its study if this has several files."""
    pairs = list(zip(contents, patients, strict=True))
    study_patients = {content.study: patient for content, patient in pairs if content.study and patient}
    counts = Counter(content.study for content in contents if content.study)
    subjects: list[Subject | None] = []
    for content, patient in pairs:
        study = Subject("study", content.study) if content.study and counts[content.study] > 1 else None
        subjects.append(patient or study_patients.get(content.study or "") or study)
    return subjects


def _groups(
    samples: Sequence[Sample],
    contents: Sequence[Contents],
    patients: Sequence[Subject | None],
    name: str,
    images: Images,
) -> list[str | None]:
    """Return the group of each sample: its own, or the number of its patient or study.

    Patients are numbered in the order of samples, because digests of their ids could be inverted by trying all ids.
    """
    own = [sample.group for sample in samples]
    if images.group == "file":
        return own
    if any(group is not None for group in own):
        _warn_about_divided(samples, patients, name)
        return own
    if len(samples) > 1 and all(patients) and len(set(patients)) == 1:
        warn(
            f"{name}: all {len(samples):,} files have the same PatientID, which therefore forms no groups; if they are "
            "of several patients, state them in the column group of a table"
        )
        patients = [None] * len(samples)
    subjects = _subjects(contents, patients)
    if len(samples) > 1 and len(set(subjects)) == 1:
        return own
    numbers: dict[Subject, int] = {}
    for subject in subjects:
        if subject:
            numbers.setdefault(subject, sum(other.kind == subject.kind for other in numbers) + 1)
    _check_divided(samples, subjects, name)
    return [f"{subject.kind}-{numbers[subject]}" if subject else None for subject in subjects]


def _warn_about_divided(samples: Sequence[Sample], patients: Sequence[Subject | None], name: str) -> None:
    """Warn about patients whose files are in several groups of the data."""
    files: dict[Subject, dict[str, str]] = {}
    for sample, patient in zip(samples, patients, strict=True):
        if patient and sample.split != "unlabelled":
            home = f"file {sample.image}" if sample.group is None else f"group {sample.group}"
            files.setdefault(patient, {}).setdefault(home, sample.image)
    divided = [" and ".join(list(homes.values())[:2]) for homes in files.values() if len(homes) > 1]
    if divided and len(set(patients)) > 1:
        warn(
            f"{name}: the groups of the data divide {len(divided)} of {len(files)} patients (PatientID), so that one "
            f"may be trained on and tested ({summarized(divided)}); correct the groups, or set images: {{group: file}} "
            "if the PatientID is wrong"
        )


def _check_divided(samples: Sequence[Sample], subjects: Sequence[Subject | None], name: str) -> None:
    """Refuse patients and studies in two splits or folds."""
    first: dict[Subject, Sample] = {}
    for sample, subject in zip(samples, subjects, strict=True):
        if subject is None or sample.split == "unlabelled":
            continue
        other = first.setdefault(subject, sample)
        for part, ours, theirs in (("split", sample.split, other.split), ("fold", sample.fold, other.fold)):
            if ours != theirs:
                raise MMLError(
                    f"{name}: {other.image} and {sample.image} are of one {subject.kind} ({ELEMENTS[subject.kind]}), "
                    f"but in the {part}s {'none' if theirs is None else theirs} and "
                    f"{'none' if ours is None else ours}; put them into one {part}, or set images: {{group: file}} if "
                    f"the {ELEMENTS[subject.kind]} is wrong"
                )
