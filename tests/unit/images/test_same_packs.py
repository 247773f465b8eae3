"""Same packs: data sets with the same images take the room of one on the disk, and none changes another."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mml_lib.images.packing import IMAGES, MOMENTS, copy_packed, join, pack
from mml_lib.images.stores.same_packs import SMALLEST, other_packs, same_images
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.creators.creator_registry import CREATORS
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.pixel_format import Conversion, PixelFormat

RESIZE = [{"name": "resize", "size": [48, 48]}]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("images")
    delivery = CREATORS["fake"].function(folder, num_samples=12, size=48, image_seed=0)
    return survey_images(delivery, "d", folder, 1)


def packed(root: Path, dataset: Dataset, name: str, shards: int = 1) -> tuple[Path, list[Path]]:
    """Pack a data set under a name; return its folder, and the packs that it shares files with."""
    count, parts = len(dataset.sizes), []
    for number in range(shards):
        parts.append(str(root / name / f"p-{number}of{shards}"))
        pack(dataset, range(number * count // shards, (number + 1) * count // shards), RESIZE, parts[-1], 1)
    shared = join(parts, str(root / name / "p"), other_packs(root / name / "p", root))
    for part in parts:
        shutil.rmtree(part)
    return root / name / "p", shared


@pytest.mark.parametrize("shards", [1, 3])
def test_pack_of_the_same_images_is_linked(tmp_path: Path, dataset: Dataset, shards: int):
    first, none = packed(tmp_path, dataset, "a")
    content = (first / IMAGES).read_bytes()
    assert len(content) > SMALLEST
    second, shared = packed(tmp_path, dataset, "b", shards)
    assert (none, shared) == ([], [first])
    assert os.path.samefile(first / IMAGES, second / IMAGES)
    assert not os.path.samefile(first / MOMENTS, second / MOMENTS)
    assert [path.name for path in second.iterdir() if path.name.endswith(".link")] == []
    shutil.rmtree(first)
    assert (second / IMAGES).read_bytes() == content


def test_pack_of_other_images_stays_on_its_own(tmp_path: Path, dataset: Dataset):
    first, _ = packed(tmp_path, dataset, "a")
    images = np.load(first / IMAGES)
    images[-1, -1, -1] += 1
    np.save(first / IMAGES, images)
    second, shared = packed(tmp_path, dataset, "b")
    assert shared == []
    assert not os.path.samefile(first / IMAGES, second / IMAGES)


def test_file_systems_without_links_keep_both(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch):
    packed(tmp_path, dataset, "a")

    def refuse(*_: object) -> None:
        raise OSError("no links")

    monkeypatch.setattr(os, "link", refuse)
    second, shared = packed(tmp_path, dataset, "b")
    assert shared == []
    assert (second / IMAGES).stat().st_nlink == 1


def test_images_that_another_data_set_has_packed_are_copied(tmp_path: Path, dataset: Dataset):
    first, _ = packed(tmp_path, dataset, "a")
    (tmp_path / "raw").mkdir()
    manifests = f"{tmp_path}/raw/{{dataset}}.json"
    dataset.write(manifests.format(dataset="a"))
    assert same_images(dataset, [first], manifests) == first
    copy_packed(first, range(4, 9), str(tmp_path / "part"))
    pack(dataset, range(4, 9), RESIZE, str(tmp_path / "packed"), 1)
    names = {path.name for path in (tmp_path / "packed").iterdir()}
    assert {path.name for path in (tmp_path / "part").iterdir()} == names
    for name in names:
        assert (tmp_path / "part" / name).read_bytes() == (tmp_path / "packed" / name).read_bytes(), name


def other_digest(dataset: Dataset) -> Dataset:
    return replace(dataset, digests=["0" * 8, *(dataset.digests or [])[1:]])


def other_format(dataset: Dataset) -> Dataset:
    first, *others = dataset.delivery.samples
    samples = [replace(first, image=f"{first.image}.bmp"), *others]
    return replace(dataset, delivery=replace(dataset.delivery, samples=samples))


def other_depth(dataset: Dataset) -> Dataset:
    return replace(dataset, conversion=Conversion(PixelFormat("uint16", ("red", "green", "blue"))))


def with_masks(dataset: Dataset) -> Dataset:
    return replace(dataset, values=[{0: 1}] * len(dataset.sizes))


@pytest.mark.parametrize("change", [other_digest, other_format, other_depth, with_masks])
def test_images_that_differ_are_decoded(tmp_path: Path, dataset: Dataset, change: Callable[[Dataset], Dataset]):
    first, _ = packed(tmp_path, dataset, "a")
    dataset.write(tmp_path / "a.json")
    assert same_images(change(dataset), [first], f"{tmp_path}/{{dataset}}.json") is None
    assert same_images(dataset, [first], f"{tmp_path}/{{dataset}}-gone.json") is None


def test_only_packs_of_the_same_preprocessing_are_compared(tmp_path: Path):
    for name in ("a/p", "a/q", "b/p", "c[1]/p"):
        (tmp_path / name).mkdir(parents=True)
    assert other_packs(tmp_path / "a/p", tmp_path) == [tmp_path / "b/p", tmp_path / "c[1]/p"]
