"""Pixels of a data set: depth and channels that a study states, next to values computed here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from mml_lib.config.image_options import Images
from mml_lib.config.loading import load_study
from mml_lib.errors import MMLError
from mml_lib.images.decoding import decode_row
from mml_lib.images.packing import IMAGES, MOMENTS, join, pack
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.pixel_format import FULL_SCALE, GREY, RGB, PixelFormat
from tests.support.messages import mentions
from tests.support.studies import study

RNG = np.random.default_rng(0)
EIGHT = RNG.integers(0, 256, (12, 10), dtype=np.uint8)
COLOURS = RNG.integers(0, 256, (12, 10, 3), dtype=np.uint8)
DEEP = RNG.integers(100, 4000, (12, 10), dtype=np.uint16)
FLOATS = RNG.normal(size=(12, 10)).astype(np.float32)


def survey(folder: Path, *arrays: np.ndarray, **images: Any) -> Dataset:
    """Return the data set of arrays: pictures of 8 bits as PNG, others as `.npy`."""
    samples = []
    for number, array in enumerate(arrays):
        is_picture = array.dtype == np.uint8 and (array.ndim == 2 or array.shape[2] == 3)
        file = folder / f"{number}.{'png' if is_picture else 'npy'}"
        Image.fromarray(array).save(file) if is_picture else np.save(file, array)
        samples.append(Sample(str(number), str(file)))
    return survey_images(Delivery(samples, [], "no_task"), "data", folder, 2, images=Images(**images))


def decoded(dataset: Dataset, row: int = 0) -> np.ndarray:
    pixels = decode_row(dataset, row)[0]
    assert pixels.dtype == dataset.pixels.depth
    assert pixels.shape == (*dataset.sizes[row], len(dataset.pixels.channels))
    return pixels


def spread(values: np.ndarray, low: float, high: float, depth: str) -> np.ndarray:
    """Return values as pixels of a type, computed in one step."""
    pixels = FULL_SCALE[depth] * ((values.astype(np.float64) - low) / (float(high) - float(low))).clip(0, 1)
    return (np.rint(pixels) if depth.startswith("u") else pixels).astype(depth)


DEPTHS = {"uint8": EIGHT, "uint16": DEEP, "float32": FLOATS}


@pytest.mark.parametrize("depth", DEPTHS)
def test_depth_follows_the_data_where_channels_are_stated(tmp_path: Path, depth: str):
    values = DEPTHS[depth]
    dataset = survey(tmp_path, values, channels="grey")
    assert dataset.pixels == PixelFormat(depth, GREY)
    expected = values if depth == "uint8" else spread(values, values.min(), values.max(), depth)
    assert (decoded(dataset)[..., 0] == expected).all()


@pytest.mark.parametrize("depth", ["uint8", "uint16", "float16", "float32"])
@pytest.mark.parametrize("values", [EIGHT, COLOURS, DEEP, FLOATS], ids=["grey", "colours", "deep", "floats"])
def test_stated_depth_is_kept(tmp_path: Path, depth: str, values: np.ndarray):
    dataset = survey(tmp_path, values, depth=depth, channels="all")
    assert dataset.pixels == PixelFormat(depth, RGB if values.ndim == 3 else GREY)
    ends = (0, 255) if values.dtype == np.uint8 else (values.min(), values.max())
    expected = spread(np.atleast_3d(values), *ends, depth)
    assert np.allclose(decoded(dataset).astype(float), expected.astype(float), rtol=1e-6)


def test_mixed_depths_have_the_larger(tmp_path: Path):
    whole = (EIGHT.astype(np.uint16) * 257)[::-1]
    dataset = survey(tmp_path, EIGHT, whole, channels="grey")
    assert dataset.pixels.depth == "uint16"
    assert (decoded(dataset, 0)[..., 0] == EIGHT.astype(np.uint16) * 257).all()
    assert (decoded(dataset, 1)[..., 0] == whole).all()
    few = survey(tmp_path, EIGHT, EIGHT.astype(np.uint16)[::-1], channels="grey")
    assert few.pixels.depth == "uint8", "values of 8 bits, stored with 16"


@pytest.mark.parametrize(("files", "names"), [([EIGHT, EIGHT[::-1]], GREY), ([EIGHT, COLOURS], RGB)])
def test_channels_follow_the_data_where_a_depth_is_stated(tmp_path: Path, files: Sequence, names: tuple[str, ...]):
    grey_in_colours = np.repeat(EIGHT[:, ::-1, None], 3, axis=2)
    dataset = survey(tmp_path, *files, grey_in_colours, depth="uint8")
    assert dataset.pixels == PixelFormat("uint8", names)
    assert (decoded(dataset, 2) == grey_in_colours[..., : len(names)]).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("count", [2, 4, 5])
def test_arrays_of_any_channels_are_kept_and_picked(tmp_path: Path, dtype: type, count: int):
    values = RNG.integers(0, 256, (12, 10, count)).astype(dtype)
    values[0, 0], values[0, 1] = 0, 255
    depth = np.dtype(dtype).name
    dataset = survey(tmp_path, values, channels="all", depth=depth)
    assert dataset.pixels.channels == tuple(f"channel {number}" for number in range(count))
    assert (decoded(dataset) == spread(values, 0, 255, depth)).all()
    picked = survey(tmp_path, values, channels=[count - 1, 0], depth=depth)
    assert picked.pixels.channels == (f"channel {count - 1}", "channel 0")
    assert (decoded(picked) == spread(values[..., [count - 1, 0]], 0, 255, depth)).all()


def test_colours_become_luma_as_pillow_makes_it(tmp_path: Path, capsys: pytest.CaptureFixture):
    dataset = survey(tmp_path, COLOURS, channels="luma")
    assert dataset.pixels == PixelFormat("uint8", GREY)
    assert (decoded(dataset)[..., 0] == np.asarray(Image.fromarray(COLOURS).convert("L"))).all()
    assert "warning: " not in capsys.readouterr().out
    deep = survey(tmp_path, COLOURS.astype(np.uint16) * 257, channels="luma")
    expected = 257 * (COLOURS @ np.array([0.299, 0.587, 0.114]))
    assert np.abs(decoded(deep)[..., 0] - expected).max() <= 0.5


def test_slight_colour_of_grey_images_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture):
    smooth = np.asarray(Image.fromarray(EIGHT).resize((80, 96), Image.Resampling.BICUBIC))
    colours = np.repeat(smooth[..., None], 3, axis=2)
    Image.fromarray(colours // 2 + np.array([3, 0, 1], np.uint8)).save(tmp_path / "x.jpg", quality=60)
    samples = [Sample("x", str(tmp_path / "x.jpg"))]
    dataset = survey_images(Delivery(samples, [], "no_task"), "data", tmp_path, 1, images=Images(channels="grey"))
    assert dataset.pixels == PixelFormat("uint8", GREY)
    assert mentions(capsys.readouterr().out, "warning: ", "images.channels", "1 of 1", "x.jpg", "luma")


@pytest.mark.parametrize(("depth", "factor"), [("uint8", 1), ("uint16", 257), ("float32", 1 / 255)])
def test_colour_where_grey_is_stated_is_refused(tmp_path: Path, depth: str, factor: float):
    grey = EIGHT.repeat(8, 0).repeat(8, 1)[..., None].astype(np.float64) * factor
    image = np.repeat(grey, 3, axis=2).astype(depth)
    dataset = survey(tmp_path, image, channels="grey")
    assert dataset.pixels.channels == GREY
    image[:3, :4] = image.max(), 0, 0  # 12 of 7,680 pixels, such as a marker on a radiograph
    with pytest.raises(MMLError) as error:
        survey(tmp_path, image, channels="grey")
    name = "0.png" if depth == "uint8" else "0.npy"
    assert mentions(str(error.value), "data: images.channels: ", name, "{channels: luma}", "{channels: rgb}")


def test_grey_is_repeated_in_colours(tmp_path: Path):
    dataset = survey(tmp_path, DEEP, channels="rgb")
    assert dataset.pixels == PixelFormat("uint16", RGB)
    assert (decoded(dataset) == spread(DEEP, DEEP.min(), DEEP.max(), "uint16")[..., None]).all()


def test_windows_become_channels(tmp_path: Path):
    values = RNG.integers(-1000, 2000, (12, 10)).astype(np.int16)
    windows = [{"center": 40, "width": 400}, {"center": 300.5, "width": 1500}, {"center": -600, "width": 1000}]
    dataset = survey(tmp_path, values, window=windows)
    assert dataset.pixels == PixelFormat("uint16", ("window 40/400", "window 300.5/1500", "window -600/1000"))
    for channel, (low, high) in enumerate([(-160, 240), (-449.5, 1050.5), (-1100, -100)]):
        assert (decoded(dataset)[..., channel] == spread(values, low, high, "uint16")).all()


def test_pixels_are_printed_and_kept_in_the_manifest(tmp_path: Path, capsys: pytest.CaptureFixture):
    dataset = survey(tmp_path, RNG.integers(0, 4096, (12, 10, 4), dtype=np.uint16), channels=[3, 1])
    assert "data: images become uint16, channel 3, channel 1; values " in capsys.readouterr().out
    dataset.write(tmp_path / "dataset.json")
    assert Dataset.read(tmp_path / "dataset.json") == dataset


# --- packs -----------------------------------------------------------------------------------------------------------

RESIZED = [{"name": "resize", "size": [6, 5]}]


@pytest.mark.parametrize("depth", ["uint8", "uint16", "float16", "float32"])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_packs_have_type_channels_and_moments_of_the_data_set(tmp_path: Path, depth: str, count: int):
    arrays = [RNG.random((12, 10, count)).astype(np.float32) for _ in range(5)]
    dataset = survey(tmp_path, *arrays, channels="all", depth=depth, range=(0, 1))
    pack(dataset, range(2), RESIZED, str(tmp_path / "a"), 1)
    pack(dataset, range(2, 5), RESIZED, str(tmp_path / "b"), 2)
    (tmp_path / "whole").mkdir()
    join([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "whole"))
    images, moments = (np.load(tmp_path / "whole" / name) for name in (IMAGES, MOMENTS))
    assert (images.dtype, images.shape) == (np.dtype(depth), (5, 6, 5, count))
    tolerance = 0.006 if depth == "uint8" else 0.001
    for row in range(5):
        assert (images[row] == decode_row(dataset, row, RESIZED)[0]).all()
        means = [Image.fromarray(arrays[row][..., n]).resize((5, 6), Image.Resampling.BILINEAR) for n in range(count)]
        assert np.abs(images[row] / FULL_SCALE[depth] - np.stack(means, axis=-1)).max() < tolerance
    scaled = images.astype(np.float64) / FULL_SCALE[depth]
    assert moments.shape == (5, 2, count)
    assert np.allclose(moments[:, 0], scaled.mean((1, 2)))
    assert np.allclose(moments[:, 1], (scaled**2).mean((1, 2)))


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrays", "images", "words"),
    [
        ([EIGHT], {"channels": [0, 1]}, ["images.channels", "0.png", "no channel 1", "only channel is 0"]),
        ([COLOURS], {"channels": [7]}, ["images.channels", "0.png", "no channel 7", "0 … 2"]),
        ([np.dstack([DEEP] * 5)], {"channels": "rgb"}, ["5 channels", "{channels: all}"]),
        ([np.dstack([DEEP] * 5)], {"channels": "grey"}, ["5 channels", "{channels: all}"]),
        ([np.dstack([DEEP] * 5)], {"channels": "luma"}, ["5 channels", "{channels: all}"]),
        ([np.dstack([DEEP] * 40)], {}, ["40 channels", "{channels: all}"]),
        ([np.dstack([DEEP] * 5), np.dstack([DEEP] * 4)], {"channels": "all"}, ["0.npy has 5", "1.npy 4"]),
        ([np.dstack([DEEP] * 5), np.dstack([DEEP] * 4)], {"channels": [0]}, ["0.npy has 5", "1.npy 4"]),
        ([COLOURS], {"window": [{"center": 1, "width": 2}]}, ["images.window", "0.png has 3"]),
        ([EIGHT], {"window": [{"center": 1, "width": 2}]}, ["images.window", "8 bits", "keep"]),
        ([DEEP], {"window": [{"center": 1, "width": 2}]}, ["images.window", "values of"]),
        ([DEEP], {"window": {"center": 1, "width": 2}}, ["images.window", "values of"]),
        ([EIGHT, DEEP], {"channels": "grey"}, ["1 images have 8 bits", "{range: [low, high]}"]),
    ],
)
def test_files_that_do_not_have_what_is_stated_are_refused(tmp_path: Path, arrays: list, images: dict, words: list):
    with pytest.raises(MMLError) as error:
        survey(tmp_path, *arrays, **images)
    assert mentions(str(error.value), "data: ", *words)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("images", "key"),
    [
        ({"channels": []}, "channels"),
        ({"channels": [-1]}, "channels"),
        ({"channels": [1, 1]}, "channels"),
        ({"channels": [True]}, "channels"),
        ({"channels": "green"}, "channels"),
        ({"channels": 3}, "channels"),
        ({"depth": "int16"}, "depth"),
        ({"depth": 16}, "depth"),
        ({"window": []}, "window"),
        ({"window": [{"center": 1}]}, "window"),
        ({"window": [{"center": 1, "width": 2}] * 2}, "window"),
        ({"window": [{"center": 1, "width": 2}], "channels": "grey"}, "window"),
        ({"frames": "channels", "channels": "luma"}, "frames"),
    ],
)
def test_options_that_make_no_sense_are_refused(images: dict, key: str):
    with pytest.raises(ValidationError, match=key):
        Images(**images)


def test_colours_of_images_without_any_are_not_balanced(tmp_path: Path):
    dataset = survey(tmp_path, DEEP, channels="grey")
    with pytest.raises(MMLError, match=r"color_constancy .*\{channels: rgb\}"):
        pack(dataset, range(1), [*RESIZED, {"name": "color_constancy", "power": 6}], str(tmp_path / "out/packed"), 1)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ({"channels": [0, 0]}, ["tasks.t.images.channels: ", "0 appears twice"]),
        ({"channels": []}, ["tasks.t.images.channels is empty", "at least one"]),
        ({"window": {"center": 1, "width": 0}}, ["tasks.t.images.window.width: ", "greater than 0"]),
        ({"window": []}, ["tasks.t.images.window is empty", "at least one"]),
    ],
)
def test_mistakes_of_lists_are_named_as_such(images: dict, words: list[str]):
    with pytest.raises(MMLError) as error:
        load_study(study(tasks={"t": {"creator": "csv", "path": "t.csv", "images": images}}))
    assert mentions(str(error.value), *words)
