"""Findings: images that show nothing, and alpha that is no opacity, are named; a data set full of them is refused."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.images.packing import join, pack, shard_rows
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.dataset import Dataset, Delivery, Sample

RNG = np.random.default_rng(0)
RESIZED = [{"name": "resize", "size": [8, 8]}]


def dataset_of(folder: Path, blank: int, unseen: int, count: int) -> Dataset:
    """Return a data set whose first images are blank, the next ones unseen, and the others as they should be."""
    samples = []
    for number in range(count):
        array = RNG.integers(0, 256, (16, 16, 4), dtype=np.uint8)
        array[..., 3] = 255
        if number < blank:
            array[:] = 255
        elif number < blank + unseen:
            array[..., 3] = 0
        file = folder / f"{number:02}.png"
        Image.fromarray(array).save(file)
        samples.append(Sample(str(number), str(file)))
    return survey_images(Delivery(samples, [], "no_task"), "data", folder, 1)


def packed(dataset: Dataset, folder: Path, shards: int, transforms: list) -> Path:
    parts = []
    for number in range(shards):
        name = f"{number}of{shards}"
        parts.append(str(folder / name))
        pack(dataset, shard_rows(len(dataset.sizes), name), transforms, parts[-1], threads=2)
    join(parts, str(folder / "packed"))
    return folder / "packed"


def warnings(capsys: pytest.CaptureFixture) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]


@pytest.mark.parametrize("transforms", [RESIZED, []], ids=["packed", "none"])
@pytest.mark.parametrize("shards", [1, 3])
def test_odd_images_are_named_in_one_line_a_kind(tmp_path: Path, capsys, transforms: list, shards: int):
    packed(dataset_of(tmp_path, blank=1, unseen=5, count=12), tmp_path, shards, transforms)
    blank, unseen = warnings(capsys)
    assert "1 image has one colour everywhere" in blank
    assert str(tmp_path / "00.png") in blank
    assert "5 images have an alpha channel" in unseen
    assert str(tmp_path / "01.png") in unseen
    assert "and 2 more" in unseen


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize(("second", "warned"), [((16, 16), 1), ((8, 8), 0), (None, 0)])
def test_further_pages_of_a_tiff_are_warned_of(
    tmp_path: Path, capsys, order: str, kind: type, second: tuple[int, int] | None, warned: int
):
    pages = [RNG.integers(0, 256, size).astype(kind) for size in ((16, 16), second) if size]
    with tifffile.TiffWriter(tmp_path / "0.tif", byteorder=order) as writer:
        for page in pages:
            writer.write(page, photometric="minisblack", metadata=None)
    samples = [Sample("0", str(tmp_path / "0.tif"))]
    dataset = survey_images(Delivery(samples, [], "no_task"), "data", tmp_path, 1)
    images = np.load(packed(dataset, tmp_path, 1, [{"name": "resize", "size": [16, 16]}]) / "images.npy")
    assert kind == np.uint16 or (images[0, ..., 0] == pages[0]).all()
    assert sum("1 image has further pages" in line for line in warnings(capsys)) == warned


def test_sound_images_are_not_warned_of(tmp_path: Path, capsys):
    folder = packed(dataset_of(tmp_path, blank=0, unseen=0, count=4), tmp_path, 2, RESIZED)
    assert warnings(capsys) == []
    assert not list(folder.rglob("findings.json"))


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("transforms", [RESIZED, []], ids=["packed", "none"])
def test_data_set_that_shows_nothing_is_refused(tmp_path: Path, transforms: list, shards: int):
    dataset = dataset_of(tmp_path, blank=7, unseen=0, count=12)
    with pytest.raises(MMLError, match=r"7 of 12 images.*00\.png.*remove them"):
        packed(dataset, tmp_path, shards, transforms)
    assert not (tmp_path / "packed").exists()


def test_images_of_different_single_colours_are_warned_of(tmp_path: Path, capsys):
    files = [tmp_path / f"{number}.png" for number in range(4)]
    for number, file in enumerate(files):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(file)
    samples = [Sample(file.stem, str(file)) for file in files]
    packed(survey_images(Delivery(samples, [], "no_task"), "data", tmp_path, 1), tmp_path, 2, RESIZED)
    (line,) = warnings(capsys)
    assert "4 images have one colour everywhere" in line


def test_shard_of_blank_images_among_others_is_not_refused(tmp_path: Path):
    packed(dataset_of(tmp_path, blank=4, unseen=0, count=12), tmp_path, 3, RESIZED)
