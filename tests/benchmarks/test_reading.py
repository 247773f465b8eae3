"""Reading: seconds for headers and pixels of JPEGs next to the fewest calls of Pillow that do the same."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from mml_lib.images.decoding import decode
from mml_lib.images.readers import read_header
from tests.support.benchmark_figures import Figures
from tests.support.timing import median_ratio, take_turns

COUNT, HEIGHT, WIDTH, SIZE = 200, 768, 1024, 224
RESIZED = [{"name": "resize", "size": [SIZE, SIZE]}]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """JPEGs of 1024×768 pixels with EXIF data, every orientation among them."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    files = [folder / f"{number}.jpg" for number in range(COUNT)]
    for number, file in enumerate(files):
        coarse = Image.fromarray(rng.integers(0, 256, (HEIGHT // 32, WIDTH // 32, 3), dtype=np.uint8))
        exif = Image.Exif()
        exif.update({0x0112: 1 + number % 8, 0x010F: "maker", 0x0132: "2024:01:01 00:00:00"})
        coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(file, quality=85, exif=exif)
    return files


def bare_size(file: Path) -> tuple[int, int]:
    with Image.open(file) as image:
        sideways = image.getexif().get(0x0112) in (5, 6, 7, 8)
        return image.size if sideways else image.size[::-1]


def bare_pixels(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        image.draft("RGB", (SIZE * 3 // 2, SIZE * 3 // 2))
        ImageOps.exif_transpose(image, in_place=True)
        return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR, reducing_gap=2.0))


def ratio(ours: Callable[[Path], object], bare: Callable[[Path], object], files: list[Path]) -> float:
    """Return how many times the processor time of Pillow's calls ours takes."""
    work = {"ours": lambda: [ours(file) for file in files], "bare": lambda: [bare(file) for file in files]}
    seconds = take_turns(work, 6)
    return median_ratio(seconds["ours"], seconds["bare"])


@pytest.mark.benchmark
def test_pixels_cost_at_most_a_tenth_more_than_pillow(photos: list[Path], figures: Figures):
    times = ratio(lambda file: decode(file, RESIZED), bare_pixels, photos)
    figures.record("decoding and resizing a JPEG", times, of="Pillow alone", by="processor", at_most=1.1)


@pytest.mark.benchmark
def test_headers_cost_little_more_than_pillow(photos: list[Path], figures: Figures):
    times = ratio(read_header, bare_size, photos)
    # 40 microseconds, of 50
    figures.record("header of a JPEG", times, of="Pillow alone", by="processor", at_most=2)
