"""The reader `pillow`: PNG, JPEG, BMP, TIFF (any page), WebP, GIF and PPM; the first frame of animations."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from mml_lib.errors import MMLError
from mml_lib.images.colours import has_other_bands, to_picture
from mml_lib.images.deep_images import DeepImage, depth_of, read_deep
from mml_lib.images.findings import LEFT_OUT, PAGES
from mml_lib.images.image_files import has_other_pages, open_image
from mml_lib.images.orientation import load_upright, read_orientation, upright_size
from mml_lib.images.readers.channel_tiffs import (
    has_channel_axis,
    is_tiff,
    read_channels,
    read_channels_header,
    read_stack,
)
from mml_lib.images.readers.reader_registry import Header, Picture, register_reader, split_frame
from mml_lib.tasks.creators.file_kinds import PICTURES


def read_pillow_header(file: Path | str, all_channels: bool = False) -> Header:
    """Return the header of an image without decoding it."""
    path, page = split_frame(file)
    with suppress(_OfTifffile), _opened(path, page, all_channels) as image:
        return Header(upright_size(image), depth_of(image), read_orientation(image))
    return read_channels_header(path)


class _OfTifffile(Exception):
    """The file is a TIFF with channels that Pillow does not read."""


@contextmanager
def _opened(path: Path, page: int, all_channels: bool) -> Iterator[Image.Image]:
    """Open an image with Pillow.

    Raises:
        _OfTifffile: channels are kept and the image has more than Pillow reads, or Pillow cannot read it.
    """
    try:
        if page and all_channels:  # the first page determines the reader
            with _opened(path, 0, all_channels):
                pass
        with open_image(path, page) as image:
            if all_channels and not page and (has_other_bands(image) or has_channel_axis(image)):
                raise _OfTifffile
            yield image
    except UnidentifiedImageError:
        if is_tiff(path) and find_spec("tifffile"):
            raise _OfTifffile from None
        raise


def count_pages(file: Path | str, all_channels: bool = False) -> int:
    """Return the number of pages of a TIFF; 1 for other formats.

    Args:
        file: path of the file.
        all_channels: True if pages that are channels of an image are not counted.

    Raises:
        MMLError: pages have different sizes.
    """
    with suppress(_OfTifffile), _opened(Path(file), 0, all_channels) as image:
        return _count_pages(image, file)
    return len(read_stack(Path(file)).values)


def _count_pages(image: Image.Image, file: Path | str) -> int:
    if image.format != "TIFF":
        return 1
    size, pages = image.size, image.n_frames
    for page in range(1, pages):
        image.seek(page)
        if image.size != size:
            raise MMLError(
                f"the image {file} has pages of different sizes ({size[1]}×{size[0]} and "
                f"{image.height}×{image.width}); save pages of one size, or set images: {{frames: first}}"
            )
    return pages


@register_reader("pillow", suffixes=sorted(PICTURES), header=read_pillow_header, pages=count_pages)
def read_pillow(file: Path | str, draft: int | None = None, all_channels: bool = False) -> DeepImage | Picture:
    """Return an image: RGB or grey for 8 bits, the stored values for more. `#<page>` after the path selects a page.

    Args:
        file: path of the file.
        draft: least length of sides at which a JPEG may be decoded; None: the full size.
        all_channels: True to keep channels besides grey and colours.
    """
    path, page = split_frame(file)
    with suppress(_OfTifffile), _opened(path, page, all_channels) as image:
        return _read_opened(image, file, path == Path(file), draft)
    return read_channels(path, page)


def _read_opened(image: Image.Image, file: Path | str, is_whole: bool, draft: int | None) -> DeepImage | Picture:
    depth, other_bands = depth_of(image), has_other_bands(image)
    pages = [PAGES] if is_whole and has_other_pages(image) else []
    if depth != "uint8":
        deep = read_deep(image, depth, file)
        return deep.with_findings(*pages, *([LEFT_OUT] if other_bands else []))
    if draft:
        # JPEG only: decode at the smallest of 1/1, 1/2, 1/4, 1/8 whose sides are not below this.
        image.draft("RGB", (draft, draft))
    picture, kinds = to_picture(load_upright(image), other_bands)
    return Picture(picture, [*pages, *kinds], isinstance(image, JpegImageFile))
