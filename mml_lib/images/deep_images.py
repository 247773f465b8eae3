"""Deep images: those whose samples have more than 8 bits, or are signed or floating-point numbers.

Pillow reads one channel of such samples without change (except PPM, which it scales), and colours only with 8 bits.
OpenCV reads the others.
"""

import functools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.images.orientation import load, load_upright, read_orientation, turn_samples, turned_by_tag
from mml_lib.images.value_mapping import WholeRescale
from mml_lib.tasks.pixel_format import ValueRange

BITS, PHOTOMETRIC, PLANAR, EXTRA_SAMPLES, SAMPLE_FORMAT = 258, 262, 284, 338, 339
"""Tags of TIFF."""

KINDS = {1: "uint", 2: "int", 3: "float"}
"""Kinds of samples by the tag SampleFormat."""

COLOURS = ("RGB", "RGBA")


@dataclass(frozen=True)
class DeepImage:
    """An upright image with the values of its file.

    Args:
        stored: stored samples, H×W or H×W×C.
        inverted: True if the least value is white.
        alpha: opacity, H×W (uint8), 255 is opaque; None without opacity.
        findings: kinds of findings.
        own_range: values for black and white that the file states; None without them.
        is_calibrated: True if a value has the same meaning in all images, such as Hounsfield units.
        padding: True for pixels outside the image, which become black, H×W (bool); None without padding.
        channels: names of the channels; empty if the file does not state them.
        rescale: function from stored samples to values; None: stored samples are the values.
    """

    stored: np.ndarray
    inverted: bool = False
    alpha: np.ndarray | None = None
    findings: tuple[str, ...] = ()
    own_range: ValueRange | None = None
    is_calibrated: bool = False
    padding: np.ndarray | None = None
    channels: tuple[str, ...] = ()
    rescale: WholeRescale | None = None

    @functools.cached_property
    def values(self) -> np.ndarray:
        """Values of the pixels, H×W or H×W×C."""
        return self.rescale.of(self.stored) if self.rescale else self.stored

    def with_values(self, values: np.ndarray) -> "DeepImage":
        """Return the image with other values."""
        return replace(self, stored=values, rescale=None)

    def with_findings(self, *findings: str) -> "DeepImage":
        """Return the image with these kinds of findings."""
        return replace(self, findings=findings)


def depth_of(image: Image.Image) -> str:
    """Return the dtype of the samples of an image that Pillow has opened, such as `uint8`, `uint16` or `float32`.

    It is `uint8` for less than 8 bits, which Pillow converts to 8 bits without loss.
    """
    if image.format == "PNG":
        return "uint16" if image.tile and "16" in image.tile[0].args else "uint8"
    if image.format == "PPM":
        return "float32" if image.mode == "F" else "uint16" if _largest(image) > 255 else "uint8"
    if image.format != "TIFF":
        return "uint8"
    bits = max(_tuple(image.tag_v2.get(BITS, 1)))
    kind = KINDS.get(_tuple(image.tag_v2.get(SAMPLE_FORMAT, 1))[0], "uint")
    size = next(size for size in (8, 16, 32, 64) if bits <= size)
    return f"{kind}{size}"


def _largest(image: Image.Image) -> int:
    """Return the largest possible value that a PPM states."""
    args = image.tile[0].args if image.tile else ""
    return args[1] if isinstance(args, tuple) else 65535 if "16" in args else 255


def _tuple(value: object) -> tuple:
    return value if isinstance(value, tuple) else (value,)


def read_deep(image: Image.Image, depth: str, file: Path | str) -> DeepImage:
    """Read an image that Pillow has opened and not yet loaded.

    Args:
        image: opened image.
        depth: dtype of its samples, result of `depth_of`.
        file: file of the image, for messages.

    Raises:
        MMLError: the kind of colours is not supported, or values are not numbers.
    """
    inverted = image.format == "TIFF" and image.tag_v2.get(PHOTOMETRIC) == 0
    transparent = image.info.get("transparency") if image.format == "PNG" else None
    if image.mode in COLOURS or (image.format == "PPM" and image.mode == "I"):  # which Pillow scales
        deep = _read_by_opencv(image, depth, file)
    elif image.mode in ("L", "I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(load_upright(image))
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        # Pillow always reads 8 bits as unsigned, and 32 bits as signed.
        values = values.view(depth) if values.itemsize == np.dtype(depth).itemsize else values
        deep = DeepImage(values, inverted)
    else:
        raise MMLError(f"the image {file} has {depth} samples of {image.mode}; save it with 8 bits, or as RGB")
    if deep.values.dtype.kind == "f" and not np.isfinite(deep.values).all():
        raise MMLError(f"the image {file} has values that are not numbers (NaN or infinite); write finite ones")
    if transparent is not None and deep.alpha is None:
        is_clear = (np.atleast_3d(deep.values) == np.atleast_1d(transparent)).all(axis=2)
        return replace(deep, alpha=np.where(is_clear, 0, 255).astype(np.uint8))
    return deep


def _read_by_opencv(image: Image.Image, depth: str, file: Path | str) -> DeepImage:
    import cv2

    orientation = 1 if turned_by_tag(image) else read_orientation(image)  # OpenCV, too, rotates TIFFs by their tag
    alpha = image.mode == "RGBA"
    if image.format == "TIFF":
        extra, planar = _tuple(image.tag_v2.get(EXTRA_SAMPLES, ())), image.tag_v2.get(PLANAR) == 2
        alpha = 2 in extra
        if planar or 1 in extra:
            kind = "planes of colours (PlanarConfiguration 2)" if planar else "premultiplied alpha"
            raise MMLError(f"the image {file} has {depth} samples and {kind}; save it as interleaved RGB, or as PNG")
    stream, page = image.fp, image.tell()
    image = load(image)  # raises an error for missing pixels, which OpenCV would leave black
    stream = image.fp or stream
    stream.seek(0)
    cv2.setNumThreads(1)  # images are already decoded in parallel
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # errors are raised here, with the file's name
    content = stream.read() + b"\n"  # which OpenCV needs after numbers in plain text
    samples = _decode_page(np.frombuffer(content, np.uint8), page)
    if samples is None or samples.dtype != np.uint16 or samples.shape[1::-1] != image.size:
        raise MMLError(f"the image {file} has an unsupported kind of {depth} samples; save it as PNG")
    samples = turn_samples(samples, orientation)
    if samples.ndim == 2:
        return DeepImage(np.ascontiguousarray(samples))
    opacity = np.rint(samples[..., 3] / 257).astype(np.uint8) if alpha and samples.shape[2] == 4 else None
    return DeepImage(np.ascontiguousarray(samples[..., 2::-1]), alpha=opacity)


def _decode_page(content: np.ndarray, page: int) -> np.ndarray | None:
    import cv2

    if page == 0:
        return cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    is_decoded, pages = cv2.imdecodemulti(content, cv2.IMREAD_UNCHANGED, range=(page, page + 1))
    return pages[0] if is_decoded and pages else None
