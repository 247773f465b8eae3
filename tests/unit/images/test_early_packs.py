"""Early packs: images that are packed while they are surveyed become the same pack, or are packed as usual."""

import filecmp
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mml_lib.config.image_options import Images
from mml_lib.config.task_options import Preprocessing
from mml_lib.errors import MMLError
from mml_lib.files.atomic import part_of
from mml_lib.images import decoding, surveying
from mml_lib.images.packing import Packer, pack
from mml_lib.images.packs.early_packs import EarlyPacks, take_early_pack
from mml_lib.images.surveying import survey_images
from mml_lib.images.transforms import resolve
from mml_lib.tasks.dataset import Dataset, Delivery, Sample

RESIZE = [{"name": "resize", "size": [16, 16]}]
DRAFT = 24
"""Shortest side at which JPEGs are decoded for 16×16 pixels."""


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, pixels: np.ndarray, **options: Any) -> None:
    Image.fromarray(pixels).save(path, **options)


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    save(path, noise(30, 40, 3), exif=exif)


COLOUR = partial(save, pixels=noise(30, 20, 3))
GREY = partial(save, pixels=noise(31, 20))
GREY_RGB = partial(save, pixels=noise(32, 20, 1).repeat(3, axis=2))
OPACITY = partial(save, pixels=noise(33, 20, 4))
BLANK = partial(save, pixels=np.full((20, 20, 3), 7, np.uint8))
DEEP = partial(save, pixels=noise(20, 20).astype(np.uint16) * 200)
DRAFTED = partial(save, pixels=noise(2 * DRAFT, 2 * DRAFT, 3))
WHOLE = partial(save, pixels=noise(2 * DRAFT - 1, 3 * DRAFT, 3))

Files = dict[str, Callable[[Path], None]]


def deliver(folder: Path, files: Files) -> Delivery:
    folder.mkdir()
    for name, write in files.items():
        write(folder / name)
    return Delivery([Sample(name, name, "ab"[number % 2]) for number, name in enumerate(files)], ["a", "b"])


def survey(folder: Path, delivery: Delivery, transforms: Any = RESIZE, **stated: Any) -> Dataset:
    """Survey a data set of a folder, with an early pack beside the folder."""
    images = Images(**stated)
    with EarlyPacks({str(folder.parent / "packs/p-early"): transforms}, images) as early:
        return survey_images(delivery, "d", folder, 2, images=images, early=early)


def same_packs(tmp_path: Path, dataset: Dataset, transforms: Any = RESIZE) -> bool:
    """Take the early pack, compare it with one of decoded images, and return True if there was an early one."""
    early, taken, packed = (str(tmp_path / "packs" / name) for name in ("p-early", "p-0of1", "again"))
    is_early = take_early_pack(early, dataset, taken)
    assert not os.path.exists(early)
    if is_early:
        pack(dataset, range(len(dataset.sizes)), transforms, packed, 1)
        names = sorted(os.listdir(packed))
        assert sorted(os.listdir(taken)) == names
        assert filecmp.cmpfiles(taken, packed, names, shallow=False) == (names, [], [])
    return is_early


@pytest.mark.parametrize(
    "files",
    [
        {"a.png": COLOUR, "b.jpg": COLOUR, "c.png": GREY, "d.png": GREY_RGB, "e.png": OPACITY, "f.png": BLANK},
        {"a.png": GREY, "b.png": GREY_RGB, "c.jpg": GREY},
        {"a.jpg": WHOLE, "b.jpg": turned, "c.png": DRAFTED, "d.tif": COLOUR},
    ],
)
@pytest.mark.parametrize("preset", ["default", "pad", "crop"])
def test_early_pack_is_that_of_decoded_images(tmp_path: Path, files: Files, preset: str):
    transforms = resolve(Preprocessing(size=16) if preset == "default" else Preprocessing(id=preset, size=16))
    dataset = survey(tmp_path / "d", deliver(tmp_path / "d", files), transforms)
    assert same_packs(tmp_path, dataset, transforms)


@pytest.mark.parametrize(
    ("files", "stated"),
    [
        ({"a.png": COLOUR, "b.png": GREY}, {"channels": "luma"}),
        ({"a.png": GREY, "b.png": GREY}, {"channels": "rgb"}),
        ({"a.png": COLOUR, "b.png": COLOUR}, {"depth": "float16"}),
    ],
)
def test_early_pack_has_the_stated_pixels(tmp_path: Path, files: Files, stated: dict[str, Any]):
    dataset = survey(tmp_path / "d", deliver(tmp_path / "d", files), **stated)
    assert same_packs(tmp_path, dataset)


@pytest.mark.parametrize(
    ("files", "transforms", "stated"),
    [
        ({"a.png": COLOUR, "b.png": DEEP}, RESIZE, {}),
        ({"a.png": DEEP, "b.png": COLOUR}, RESIZE, {}),
        ({"a.png": GREY, "b.png": GREY, "c.png": COLOUR}, RESIZE, {}),
        ({"a.jpg": COLOUR, "b.jpg": DRAFTED}, RESIZE, {}),
        ({"a.png": COLOUR}, RESIZE, {"channels": [0]}),
        ({"a.png": COLOUR}, [], {}),
        ({"a.png": GREY}, [*RESIZE, {"name": "color_constancy"}], {}),
        ({"a.png": COLOUR}, [*RESIZE, {"_target_": "unknown.function"}], {}),
    ],
    ids=["deep", "deep first", "colour late", "draft", "picked", "own sizes", "colours", "own function"],
)
def test_early_pack_is_given_up_where_it_may_differ(
    tmp_path: Path, files: Files, transforms: list[dict[str, Any]], stated: dict[str, Any]
):
    dataset = survey(tmp_path / "d", deliver(tmp_path / "d", files), transforms, **stated)
    assert dataset.digests == survey_images(dataset.delivery, "d", tmp_path / "d", 1, images=Images(**stated)).digests
    assert not (tmp_path / "packs").exists()
    assert not same_packs(tmp_path, dataset, transforms)


def test_masks_are_left_to_the_packing_step(tmp_path: Path):
    delivery = deliver(tmp_path / "d", {"a.png": COLOUR, "mask.png": GREY})
    samples = [Sample("a", "a.png", mask="mask.png")]
    (tmp_path / "d/mask.png").unlink()
    save(tmp_path / "d/mask.png", noise(30, 20) % 2)
    dataset = survey(tmp_path / "d", Delivery(samples, ["a", "b"], "semantic_segmentation"))
    assert (delivery.task_type, same_packs(tmp_path, dataset)) == ("classification", False)


def test_damaged_image_leaves_nothing(tmp_path: Path):
    delivery = deliver(tmp_path / "d", {"a.png": COLOUR, "b.png": COLOUR})
    content = (tmp_path / "d/b.png").read_bytes()
    (tmp_path / "d/b.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(MMLError, match=r"b\.png"):
        survey(tmp_path / "d", delivery)
    assert not (tmp_path / "packs").exists()


def test_full_disk_fails_no_survey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Packer, "write", full)
    dataset = survey(tmp_path / "d", deliver(tmp_path / "d", {"a.png": COLOUR}))
    assert (len(dataset.sizes), (tmp_path / "packs").exists()) == (1, False)


def test_early_pack_of_other_images_is_removed(tmp_path: Path):
    survey(tmp_path / "d", deliver(tmp_path / "d", {"a.png": COLOUR}))
    assert (tmp_path / "packs/p-early").is_dir()
    other = survey_images(deliver(tmp_path / "other", {"a.png": GREY_RGB}), "d", tmp_path / "other", 1)
    assert not same_packs(tmp_path, other)


def test_new_survey_replaces_early_packs(tmp_path: Path):
    unfinished = part_of(tmp_path / "packs/p-early")  # of a killed process
    unfinished = unfinished.with_name(unfinished.name.replace(str(os.getpid()), str(2**22 + 1)))
    unfinished.mkdir(parents=True)
    for name, file in (("d", COLOUR), ("e", OPACITY)):
        dataset = survey(tmp_path / name, deliver(tmp_path / name, {"a.png": file}))
    assert os.listdir(tmp_path / "packs") == ["p-early"]
    assert same_packs(tmp_path, dataset)


def test_each_image_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    decoded, read = [], surveying.read_samples

    def counted(file: Path, **options: Any) -> Any:
        decoded.append(file)
        return read(file, **options)

    for module in (surveying, decoding):
        monkeypatch.setattr(module, "read_samples", counted)
    dataset = survey(tmp_path / "d", deliver(tmp_path / "d", {f"{number}.jpg": COLOUR for number in range(5)}))
    assert take_early_pack(str(tmp_path / "packs/p-early"), dataset, str(tmp_path / "p-0of1"))
    assert len(decoded) == len(set(decoded)) == 5
