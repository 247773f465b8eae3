"""Surveying: sizes, depths and values of the images of a data set, and the values of its masks."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mml_lib.config.image_options import Images
from mml_lib.errors import MMLError
from mml_lib.images.colours import has_clear_colours, samples_to_rgb
from mml_lib.images.conversion.choosing import ImageChannels, choose_conversion, describe
from mml_lib.images.conversion.measuring import BINS, Bins, Extent, measure_extent
from mml_lib.images.decoding import read_deep_image
from mml_lib.images.deep_images import DeepImage
from mml_lib.images.image_digests import digest_deep, digest_pixels, digest_slice, without_colours
from mml_lib.images.image_files import kept_memory
from mml_lib.images.mask_files import read_mask, survey_mask
from mml_lib.images.orientation import SIDEWAYS
from mml_lib.images.readers import Header, Picture, read_header, read_samples
from mml_lib.images.readers.reading import reader_of
from mml_lib.machine.terminal import print_line, summarized, warn
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.channel_files import ChannelFiles, ImageFile
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, Dataset, Delivery, Sample
from mml_lib.tasks.mask_values import MaskContent, tabulate
from mml_lib.tasks.pixel_format import Conversion
from mml_lib.tasks.splits.copies import copied_rows

if TYPE_CHECKING:
    from mml_lib.images.packs.early_packs import EarlyPacks

COUNTED = 16
"""Images whose values a thread counts before it reports, so that counts, and not images, wait in memory."""


def survey_images(
    delivery: Delivery,
    name: str,
    folder: Path,
    threads: int,
    data_path: Path | None = None,
    images: Images | None = None,
    early: "EarlyPacks | None" = None,
) -> Dataset:
    """Return a data set with size and digest of each image, their conversion to pixels, and the values in each mask.

    Each image is decoded once, for copies of it are known by their pixels, and one range of values holds for all that
    have more than 8 bits. So are masks, for folds are balanced over what they show. Files below the data set's own
    folder, or elsewhere below the data root, are named relative to it, so that both can be moved.

    Args:
        delivery: what a creator delivered.
        name: of the data set.
        folder: of the data set.
        threads: how many to read with.
        data_path: the data root.
        images: what the study states of the values and channels of images.
        early: packs the images meanwhile.

    Raises:
        MMLError: a file is missing or damaged, a mask has another size than its image, or values or channels of images
            cannot be compared.
    """
    images = images or Images()
    roots = _roots(folder, data_path)
    samples = [_with_relative_files(sample, roots) for sample in delivery.samples]
    dataset = Dataset(name, replace(delivery, samples=samples), [], folder)
    rows = range(len(samples))
    with kept_memory(threads), ThreadPoolExecutor(threads) as pool:
        surveys = list(pool.map(partial(_survey_row, dataset, images=images, early=early), rows))
        headers = [survey.header for survey in surveys]
        digests = [survey.digest for survey in surveys]
        dataset = replace(dataset, sizes=[header.size for header in headers], digests=digests)
        dataset = replace(dataset, conversion=_choose_conversion(dataset, surveys, images, pool))
        if early is not None:
            early.finish(dataset)
        if not TASK_TYPES[delivery.task_type].has_masks:
            return dataset
        contents = list(pool.map(lambda row: _survey_mask(dataset, row), rows))
    _check_sizes(dataset, [content.size if content else None for content in contents])
    files = [dataset.mask_path(row) for row in rows]
    _warn_of_masks(contents, files)
    _warn_of_contrary_masks(dataset)
    _warn_of_turned_images(dataset, headers)
    values, masks = tabulate(contents, files)
    return replace(dataset, values=values, masks=masks)


def _roots(folder: Path, data_path: Path | None) -> dict[str, str]:
    """Return replacements of the beginnings of paths, the innermost folder first."""
    roots = {f"{folder.absolute()}{os.sep}": ""}
    if data_path is not None:
        up = os.path.relpath(data_path.absolute(), folder.absolute())
        if os.path.realpath(folder / up) == os.path.realpath(data_path):  # no link leads elsewhere on the way
            roots[f"{data_path.absolute()}{os.sep}"] = f"{up}{os.sep}"
    return roots


def _with_relative_files(sample: Sample, roots: Mapping[str, str]) -> Sample:
    channels = sample.channels and {name: _relative(file, roots) for name, file in sample.channels.items()}
    mask = sample.mask and _relative(sample.mask, roots)
    return replace(sample, image=_relative(sample.image, roots), mask=mask, channels=channels)


def _relative(file: str, roots: Mapping[str, str]) -> str:
    for root, instead in roots.items():
        if file.startswith(root):
            return instead + file.removeprefix(root)
    return file


class ImageSurvey(NamedTuple):
    """Header, content digest, channels, and, where it has more than 8 bits, extent of the values of one image."""

    header: Header
    digest: str
    channels: ImageChannels
    extent: Extent | None = None


def _survey_row(dataset: Dataset, row: int, images: Images, early: "EarlyPacks | None") -> ImageSurvey:
    use = partial(early.add, dataset, row) if early is not None else None
    return survey_image(dataset.image_path(row), dataset.delivery.samples[row].image, images, use)


def survey_image(
    file: ImageFile,
    name: str,
    images: Images | None = None,
    use: Callable[[ImageChannels, DeepImage | Picture], None] | None = None,
) -> ImageSurvey:
    """Return header, digest, channels and extent of an image.

    Args:
        file: as for `decode`.
        name: of the image in its data set.
        images: what the study states.
        use: gets the channels of the image, and the image as its reader gives it.

    Raises:
        MMLError: the file is missing or damaged, or its header states another size or type than its pixels have.
    """
    images = images or Images()
    header, image = read_header(file, **_reading(images)), read_samples(file, **_reading(images))
    survey = _survey(header, image, file, name, images)
    if use is not None:
        use(survey.channels, image)
    return survey


def _survey(header: Header, image: DeepImage | Picture, file: ImageFile, name: str, images: Images) -> ImageSurvey:
    values = np.asarray(image.image) if isinstance(image, Picture) else image.values
    is_deep = values.dtype != np.uint8
    if header.size != values.shape[:2] or is_deep != (header.depth != "uint8"):
        raise MMLError(
            f"the image {file} has {values.dtype} values of the shape {values.shape}, its header states {header.depth} "
            f"of {header.size[0]}×{header.size[1]}; correct the reader '{reader_of(file).name}', or replace the file"
        )
    if isinstance(image, Picture) or not is_deep:
        pixels = values
        if isinstance(image, DeepImage) and image.alpha is not None:
            pixels = np.asarray(samples_to_rgb(values, image.alpha)[0])
        digest = digest_slice(pixels, name) or digest_pixels(pixels)
        return ImageSurvey(header, digest, _channels_of(image, pixels, file, images.channels))
    digest = digest_slice(values, name) or digest_deep(image)
    extent = measure_extent(_with_picked(image, images), header.depth, file, _named_channels(image, file, images))
    return ImageSurvey(header, digest, _channels_of(image, values, file, images.channels), extent)


def _reading(images: Images) -> dict[str, bool]:
    """Return the options of readers that what a study states asks for."""
    return {"all_channels": images.keeps_all_channels, "stacks_frames": images.frames == "channels"}


def _channels_of(
    image: DeepImage | Picture, values: np.ndarray, file: ImageFile, stated: str | list[int] | None
) -> ImageChannels:
    count = 1 if values.ndim == 2 else values.shape[2]
    has_colour = count == 3 and without_colours(values).ndim == 3
    names = image.channels if isinstance(image, DeepImage) else ()
    is_coloured = has_colour and stated == "grey" and has_clear_colours(values)
    return ImageChannels(str(file), count, has_colour, names, is_coloured, values.shape[:2])


def _with_picked(image: DeepImage, images: Images) -> DeepImage:
    """Return an image with the channels that a study keeps; with all where one is missing, which is refused later."""
    count = 1 if image.values.ndim == 2 else image.values.shape[2]
    if images.picked is None or count == 1 or max(images.picked) >= count:
        return image
    return image.with_values(image.values[..., list(images.picked)])


def _named_channels(image: DeepImage | Picture, file: ImageFile, images: Images) -> list[Path | str]:
    """Return the file of each channel that a study keeps, where channels have names: stains, sequences, not frames."""
    files: list[Path | str] = []
    if isinstance(file, ChannelFiles):
        files = [*file.files.values()]
    elif isinstance(image, DeepImage) and images.frames != "channels" and not _are_numbered(image.channels):
        files = [f"{file} (channel {name})" for name in image.channels]
    if images.picked is None or max(images.picked) >= len(files):
        return files
    return [files[number] for number in images.picked]


def _are_numbered(channels: Sequence[str]) -> bool:
    return all(name == f"channel {number}" for number, name in enumerate(channels))


def digest_images(dataset: Dataset, threads: int) -> list[str]:
    """Return the content digest of each image of a data set, from its manifest if it contains them.

    Raises:
        MMLError: a file is missing or damaged.
    """
    if dataset.digests is not None:
        return list(dataset.digests)
    rows = range(len(dataset.delivery.samples))
    with kept_memory(threads), ThreadPoolExecutor(threads) as pool:
        samples = dataset.delivery.samples
        surveys = pool.map(lambda row: survey_image(dataset.image_path(row), samples[row].image), rows)
        return [survey.digest for survey in surveys]


def with_digests(dataset: Dataset, threads: int) -> Dataset:
    """Return a data set with the content digest of each image. Manifests of an older MML contain none.

    Raises:
        MMLError: a file is missing or damaged.
    """
    return replace(dataset, digests=digest_images(dataset, threads))


def _choose_conversion(
    dataset: Dataset, surveys: Sequence[ImageSurvey], images: Images, pool: ThreadPoolExecutor
) -> Conversion:
    """Return the conversion of a data set, and print it."""
    extents = [survey.extent for survey in surveys if survey.extent]
    files = [dataset.image_path(row) for row, survey in enumerate(surveys) if survey.extent]

    def values(file: ImageFile, channel: int | None) -> np.ndarray:
        image = _with_picked(read_deep_image(file, **_reading(images)), images)
        kept = image.values if channel is None else image.values[..., channel]
        return kept if image.padding is None else kept[~image.padding]

    def histogram(bins: Bins, channel: int | None = None) -> np.ndarray:
        def counts(chunk: Sequence[ImageFile]) -> np.ndarray:
            return bins.counts_of(values(file, channel) for file in chunk)

        chunks = [files[start : start + COUNTED] for start in range(0, len(files), COUNTED)]
        return sum(pool.map(counts, chunks), np.zeros(BINS, np.int64))

    channels = range(len(extents[0].parts)) if extents else ()
    histograms = [partial(histogram, channel=channel) for channel in channels]
    try:
        conversion = choose_conversion([survey.channels for survey in surveys], extents, images, histogram, histograms)
    except MMLError as error:
        raise MMLError(f"{dataset.name}: {error}") from error
    print_line(f"{dataset.name}: {describe(conversion, extents, len(surveys) - len(extents))}")
    return conversion


def _survey_mask(dataset: Dataset, row: int) -> MaskContent | None:
    mask = dataset.mask_path(row)
    return None if mask is None else survey_mask(mask, dataset.sizes[row])


def _check_sizes(dataset: Dataset, mask_sizes: Sequence[tuple[int, int] | None]) -> None:
    """Refuse masks of another size than their image.

    Raises:
        MMLError: the first one.
    """
    for row, (size, mask_size) in enumerate(zip(dataset.sizes, mask_sizes, strict=True)):
        if mask_size is not None and tuple(mask_size) != tuple(size):
            turned = " (one lies on its side)" if tuple(mask_size) == tuple(size)[::-1] else ""
            raise MMLError(
                f"the mask {dataset.mask_path(row)} has {mask_size[0]}×{mask_size[1]} pixels, "
                f"its image {dataset.image_path(row)} {size[0]}×{size[1]}; give both the same height and width{turned}"
            )


def _warn_of_turned_images(dataset: Dataset, headers: Sequence[Header]) -> None:
    """Warn of images that are turned while their masks are not, as masks may have been drawn on the stored pixels.

    A mask that fits an image on its side shows that the masks were drawn on upright images.
    """
    turned = [
        row
        for row, header in enumerate(headers)
        if header.orientation != 1
        and (mask := dataset.mask_path(row)) is not None
        and mask != EMPTY_MASK_TOKEN
        and read_header(mask).orientation == 1
    ]
    if not turned or any(
        headers[row].orientation in SIDEWAYS and headers[row].size[0] != headers[row].size[1] for row in turned
    ):
        return
    warn(
        f"{dataset.name}: {len(turned)} of {len(headers)} images are turned by their orientation (EXIF or XMP), their "
        f"masks are not: {summarized(str(dataset.image_path(row)) for row in turned)}; see whether both match (mode "
        "info draws them), and remove the orientation of the images if masks were drawn without it"
    )


def _warn_of_contrary_masks(dataset: Dataset) -> None:
    """Warn of identical images whose masks are not."""
    contrary = []
    for rows in copied_rows(dataset.digests or []):
        masks = [(row, file) for row in rows if (file := dataset.mask_path(row)) is not None]
        pixels = [read_mask(file, dataset.sizes[row]).pixels for row, file in masks]
        if not all(np.array_equal(values, pixels[0]) for values in pixels):
            contrary.append(" = ".join(str(dataset.image_path(row)) for row, _ in masks))
    if contrary:
        warn(
            f"{dataset.name}: {len(contrary)} image{'s have' if len(contrary) > 1 else ' has'} different masks in "
            f"identical copies: {summarized(contrary)}; correct the masks, or leave the copies out"
        )


def _warn_of_masks(contents: Sequence[MaskContent | None], files: Sequence[Any]) -> None:
    """Warn of masks whose files may mean other numbers than they hold."""
    pairs = [(content, file) for content, file in zip(contents, files, strict=True) if content]
    if lossy := [file for content, file in pairs if content.lossy]:
        warn(
            f"masks that are compressed with a loss ({summarized(lossy)}) may have other numbers than were drawn; "
            "export them as PNG"
        )
    if inverted := [file for content, file in pairs if content.zero_is_white]:
        warn(
            f"masks that say that zero is white ({summarized(inverted)}) are read as they are shown, white as the "
            "larger number; save them as PNG if that is not meant"
        )
