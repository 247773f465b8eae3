"""DICOM images packed per second, next to a bare loop over the same images that writes no file."""

import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mml_lib.config.image_options import Images
from mml_lib.images.packing import pack
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from tests.support.benchmark_figures import Figures
from tests.support.dicom_files import dicom_file

pydicom = pytest.importorskip("pydicom")

COUNT, SIDE, SIZE = 150, 512, 224
Bare = Callable[[Dataset], np.ndarray]
RESIZE = [{"name": "resize", "size": [SIZE, SIZE]}]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write CT slices without compression."""
    folder, rng = tmp_path_factory.mktemp("slices"), np.random.default_rng(0)
    rescale = {"Modality": "CT", "RescaleSlope": "1", "RescaleIntercept": "-1024", "RescaleType": "HU"}
    for number in range(COUNT):
        coarse = Image.fromarray(rng.integers(0, 4096, (16, 16)).astype(np.int32))
        values = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BILINEAR)).clip(0, 4095)
        dicom_file(folder / f"{number}.dcm", values, **rescale)
    return folder


def survey(folder: Path, **images: str) -> Dataset:
    samples = [Sample(str(number), f"{number}.dcm") for number in range(COUNT)]
    return survey_images(Delivery(samples, [], "no_task"), "slices", folder, 2, images=Images(**images))


def bare_eight_bits(dataset: Dataset) -> np.ndarray:
    """Return slices as 8-bit RGB."""
    low, high = dataset.value_range.low, dataset.value_range.high
    packed = np.empty((COUNT, SIZE, SIZE, 3), np.uint8)
    for row in range(COUNT):
        pixels = pydicom.dcmread(dataset.image_path(row)).pixel_array - 1024.0
        grey = np.rint(255 * ((pixels - low) / (high - low)).clip(0, 1)).astype(np.uint8)
        rgb = Image.fromarray(grey).convert("RGB")
        packed[row] = rgb.resize((SIZE, SIZE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return packed


def bare_sixteen_bits(dataset: Dataset) -> np.ndarray:
    """Return slices in grey of 16 bits."""
    low, high = dataset.value_range.low, dataset.value_range.high
    packed = np.empty((COUNT, SIZE, SIZE, 1), np.uint16)
    for row in range(COUNT):
        pixels = pydicom.dcmread(dataset.image_path(row)).pixel_array - np.float32(1024)
        grey = Image.fromarray(65535 * ((pixels - low) / (high - low)).clip(0, 1))
        resized = grey.resize((SIZE, SIZE), Image.Resampling.BILINEAR, reducing_gap=2.0)
        packed[row] = np.rint(np.asarray(resized)[..., None])
    return packed


@pytest.mark.benchmark
@pytest.mark.parametrize(
    ("images", "bare"),
    [
        ({"channels": "rgb", "depth": "uint8"}, bare_eight_bits),
        ({"channels": "grey", "depth": "uint16"}, bare_sixteen_bits),
    ],
    ids=["8-bit RGB", "16-bit grey"],
)
def test_dicom_is_packed_nearly_as_fast_as_a_bare_loop(
    files: Path, images: dict[str, str], bare: Bare, tmp_path: Path, figures: Figures
):
    dataset = survey(files, **images)
    seconds: dict[str, float] = {}
    for turn in range(5):
        folder = tmp_path / str(turn)
        tasks: dict[str, Callable[[], object]] = {
            "bare": partial(bare, dataset),
            "packed": partial(pack, dataset, range(COUNT), RESIZE, str(folder), 1),
        }
        for name, task in tasks.items():
            started = time.process_time()
            task()
            seconds[name] = min(seconds.get(name, math.inf), time.process_time() - started)
    packed = np.load(tmp_path / "0" / "images.npy")
    assert np.abs(packed.astype(int) - bare(dataset)).max() <= 1
    name = f"packing DICOM of 512×512 to 224×224, {dataset.pixels}"
    figures.record(name, seconds["packed"] / seconds["bare"], of="a bare loop", by="processor", at_most=1.25)
