"""The reader `pillow`: PNG, JPEG, BMP, TIFF, WebP, GIF and PPM, of several frames the first, of TIFF any page."""

from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.images.colours import has_other_bands, to_picture
from mml_lib.images.deep_images import DeepImage, depth_of, read_deep
from mml_lib.images.findings import LEFT_OUT, PAGES
from mml_lib.images.image_files import has_other_pages, open_image
from mml_lib.images.orientation import load_upright, read_orientation, upright_size
from mml_lib.images.readers.reader_registry import Header, Picture, register_reader, split_frame
from mml_lib.tasks.creators.file_kinds import PICTURES


def read_pillow_header(file: Path | str) -> Header:
    """Return the header of an image without decoding it."""
    with open_image(*split_frame(file)) as image:
        return Header(upright_size(image), depth_of(image), read_orientation(image))


def count_pages(file: Path | str) -> int:
    """Return the number of pages of a TIFF; of other formats the first image is read.

    Raises:
        MMLError: pages have different sizes.
    """
    with open_image(file) as image:
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
def read_pillow(file: Path | str, draft: int | None = None) -> DeepImage | Picture:
    """Return an image: of 8 bits as RGB or grey, of more as its file has it; `#<page>` behind the path names a page."""
    path, page = split_frame(file)
    with open_image(path, page) as image:
        depth, other_bands = depth_of(image), has_other_bands(image)
        pages = [PAGES] if path == Path(file) and has_other_pages(image) else []
        if depth != "uint8":
            deep = read_deep(image, depth, file)
            return deep.with_findings(*pages, *([LEFT_OUT] if other_bands else []))
        if draft:
            # JPEG only: decode at the smallest of 1/1, 1/2, 1/4, 1/8 whose sides are not below this.
            image.draft("RGB", (draft, draft))
        picture, kinds = to_picture(load_upright(image), other_bands)
        return Picture(picture, [*pages, *kinds])
