"""Packing: every image decoded once, in any number of shards."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.files.containers import PACKED_FORMAT
from mml_lib.files.manager import SHARDS
from mml_lib.images.decoding import decode_row
from mml_lib.images.packing import IMAGES, MASKS, MOMENTS, join, pack, shard_rows
from mml_lib.images.stores.sized_store import MASK_PIXELS, OFFSETS, PIXELS, SIZES, SizedPixels
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, Dataset, Delivery, Sample

RESIZE = [{"name": "resize", "size": [8, 6]}]
MEMORY = """
import re, sys, threading
from pathlib import Path
from mml_lib.images.packing import pack
from mml_lib.tasks.dataset import Dataset

def kilobytes(kind):
    return int(re.search(rf"{kind}:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

def watch():
    while not done.wait(0.002):
        peak[0] = max(peak[0], kilobytes("VmRSS"))

dataset = Dataset.read(sys.argv[1])
resize = [{"name": "resize", "size": [128, 128]}]
pack(dataset, range(8), resize, sys.argv[2] + "-first", threads=2)
before, peak, done = kilobytes("VmRSS"), [0], threading.Event()
watcher = threading.Thread(target=watch)
watcher.start()
pack(dataset, range(int(sys.argv[3])), resize, sys.argv[2], threads=2)
done.set()
watcher.join()
print(peak[0] - before)
"""


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Dataset]:
    """Return a function that makes a data set of random images, with masks where some are given."""

    def build(count: int, masks: list[str | None] | None = None, side: int = 10) -> Dataset:
        rng = np.random.default_rng(0)
        (tmp_path / "raw").mkdir()
        for number in range(count):
            pixels = rng.integers(0, 256, (side, side + 2 * (number % 2), 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"raw/{number}.png")
            Image.fromarray(pixels[..., 0] % 3).save(tmp_path / f"raw/{number}-mask.png")
        names = masks or [None] * count
        samples = [Sample(str(n), f"raw/{n}.png", mask=name and name.format(n)) for n, name in enumerate(names)]
        values = [name and {0: 1, 1: 1, 2: 1} for name in names] if masks else None
        kind = "semantic_segmentation" if masks else "classification"
        sizes = [(side, side + 2 * (number % 2)) for number in range(count)]
        return Dataset("d", Delivery(samples, ["a", "b", "c"], kind), sizes, tmp_path, values)

    return build


@pytest.mark.parametrize("count", [1, 7, 100])
@pytest.mark.parametrize("shards", [1, 3, 8, 64])
def test_shards_share_all_rows_evenly(count: int, shards: int):
    parts = [shard_rows(count, f"{number}of{shards}") for number in range(shards)]
    assert [row for part in parts for row in part] == list(range(count))
    assert {len(part) for part in parts} <= {count // shards, -(-count // shards)}


@pytest.mark.parametrize("threads", [1, 3])
def test_images_are_packed_in_their_order_with_their_moments(build: Callable, tmp_path: Path, threads: int):
    dataset = build(40)
    pack(dataset, range(5, 40), RESIZE, str(tmp_path / "out"), threads)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [PACKED_FORMAT, IMAGES, MOMENTS]
    images, moments = (np.load(tmp_path / "out" / name, mmap_mode="r") for name in (IMAGES, MOMENTS))
    for place, row in enumerate(range(5, 40)):
        whole = Image.open(dataset.image_path(row))
        assert (images[place] == np.asarray(whole.resize((6, 8), Image.Resampling.BILINEAR, reducing_gap=2.0))).all()
    assert images.dtype == np.uint8
    assert np.allclose(moments[:, 0], (images / 255).mean((1, 2)))
    assert np.allclose(moments[:, 1], ((images / 255) ** 2).mean((1, 2)))


def test_masks_are_packed_beside_and_what_is_in_none_is_told_from_classes(build: Callable, tmp_path: Path):
    dataset = build(3, ["raw/{}-mask.png", EMPTY_MASK_TOKEN, None])
    pack(dataset, range(3), [{"name": "center_crop", "size": [12, 12]}], str(tmp_path / "out"), 1)
    masks = np.load(tmp_path / "out" / MASKS)
    assert (masks[0, 1:-1, 1:-1] == np.asarray(Image.open(tmp_path / "raw/0.png"))[..., 0] % 3).all()
    assert (masks[0, [0, -1]] == 255).all()
    assert (masks[1, 1:-1] == 0).all()
    assert (masks[2] == 255).all()
    dataset.values[0][255] = 1
    pack(dataset, range(3), [{"name": "center_crop", "size": [12, 12]}], str(tmp_path / "class 255"), 1)
    assert (np.load(tmp_path / "class 255" / MASKS) == np.where(masks == 255, 254, masks)).all()


def test_images_that_keep_their_sizes_are_packed_at_them(build: Callable, tmp_path: Path):
    dataset = build(40, ["raw/{}-mask.png", None] * 20)
    pack(dataset, range(40), [], str(tmp_path / "out"), 3)
    files = [PACKED_FORMAT, MASK_PIXELS, MOMENTS, OFFSETS, PIXELS, SIZES]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == files
    assert np.load(tmp_path / "out" / SIZES).tolist() == [list(size) for size in dataset.sizes]
    images, masks = SizedPixels(tmp_path / "out" / PIXELS), SizedPixels(tmp_path / "out" / MASK_PIXELS)
    for row in range(40):
        whole = np.asarray(Image.open(dataset.image_path(row)))
        assert (images[row] == whole).all()
        assert (masks[row] == (255 if row % 2 else whole[..., 0] % 3)).all()


@pytest.fixture
def dawdling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let images be decoded after times that have nothing to do with their order."""

    def late(dataset: Dataset, row: int, *args: Any) -> Any:
        time.sleep(0.02 * (7 * row % 3))
        return decode_row(dataset, row, *args)

    monkeypatch.setattr("mml_lib.images.packing.decode_row", late)


@pytest.mark.usefixtures("dawdling")
def test_packs_do_not_depend_on_the_order_of_threads(build: Callable, tmp_path: Path):
    dataset = build(12, ["raw/{}-mask.png"] * 12)
    for threads in (1, 4):
        pack(dataset, range(12), [], str(tmp_path / str(threads)), threads)
    for path in (tmp_path / "1").iterdir():
        assert path.read_bytes() == (tmp_path / "4" / path.name).read_bytes()


@pytest.mark.usefixtures("dawdling")
def test_damaged_image_beside_slower_ones_is_the_one_that_is_named(build: Callable, tmp_path: Path):
    dataset = build(9)
    dataset.image_path(3).write_bytes(b"")
    with pytest.raises(MMLError, match=dataset.image_path(3).name):
        pack(dataset, range(9), [], str(tmp_path / "out"), 4)


def test_images_larger_than_the_disk_are_refused_with_a_bound(build: Callable, tmp_path: Path):
    dataset = build(2)
    dataset.sizes[1] = (2_000_000, 3_000_000)
    with pytest.raises(MMLError, match=r"18000\.0 GB as pixels.*resize_longest"):
        pack(dataset, range(2), [], str(tmp_path / "out"), 1)
    pack(dataset, range(2), [{"name": "resize_longest", "size": 8}], str(tmp_path / "out"), 1)
    assert np.load(tmp_path / "out" / SIZES).tolist() == [[8, 8], [7, 8]]


@pytest.mark.parametrize("transforms", [RESIZE, []])
@pytest.mark.parametrize("shards", [1, 3, 9])
def test_joined_shards_are_one_pack_byte_for_byte(build: Callable, tmp_path: Path, transforms: list, shards: int):
    dataset = build(7, [EMPTY_MASK_TOKEN, *["raw/{}-mask.png"] * 5, None])
    pack(dataset, range(7), transforms, str(tmp_path / "one"), 2)
    parts = [tmp_path / "shards" / f"{number}of{shards}" for number in range(shards)]
    for part in parts:
        pack(dataset, shard_rows(7, part.name), transforms, str(part), 1)
    (tmp_path / "joined").mkdir()
    join(list(map(str, parts)), str(tmp_path / "joined"))
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert sorted([*names, SHARDS]) == sorted(path.name for path in (tmp_path / "joined").iterdir())
    assert (tmp_path / "joined" / SHARDS).read_text() == f"{shards}\n"
    assert len(names) == (4 if transforms else 6)
    for name in names:
        assert (tmp_path / "joined" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
        taken_over = (parts[0] / name).exists() and os.path.samefile(tmp_path / "joined" / name, parts[0] / name)
        assert taken_over == (shards == 1 and name != PACKED_FORMAT)


@pytest.mark.parametrize("kind", ["image", "mask"])
@pytest.mark.parametrize("threads", [1, 3])
def test_damaged_file_leaves_nothing(build: Callable, tmp_path: Path, kind: str, threads: int):
    dataset = build(40, ["raw/{}-mask.png"] * 40)
    file = tmp_path / ("raw/33.png" if kind == "image" else "raw/33-mask.png")
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(MMLError, match=f"the {kind} {file} is truncated or damaged"):
        pack(dataset, range(40), RESIZE, str(tmp_path / "out/packed"), threads)
    assert list((tmp_path / "out").iterdir()) == []


def cut(image: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    return image[:-1], mask


def test_transform_that_changes_a_known_size_is_refused(build: Callable, tmp_path: Path):
    with pytest.raises(MMLError, match=r"the transforms make 7×6 pixels of .*0\.png, not 8×6 as of the others; end"):
        pack(build(2), range(2), [*RESIZE, {"_target_": f"{__name__}.cut"}], str(tmp_path / "out/packed"), 1)
    assert list((tmp_path / "out").iterdir()) == []


def test_memory_does_not_grow_with_the_number_of_images(build: Callable, tmp_path: Path):
    build(400, side=20).write(tmp_path / "dataset.json")
    grown = {}
    for count in (100, 400):
        arguments = [str(tmp_path / "dataset.json"), str(tmp_path / str(count)), str(count)]
        done = subprocess.run([sys.executable, "-c", MEMORY, *arguments], check=True, capture_output=True, text=True)
        grown[count] = int(done.stdout)
    packed = 300 * 128 * 128 * 3 / 1024
    assert grown[400] - grown[100] < packed / 10, "kilobytes, shared ones included"


@pytest.mark.parametrize("is_damaged", [False, True])
def test_memory_that_pillow_keeps_is_given_back(build: Callable, tmp_path: Path, is_damaged: bool):
    dataset, before = build(3), Image.core.get_stats()["blocks_cached"]
    if is_damaged:
        (tmp_path / "raw/2.png").write_bytes(b"damaged")
    reused = Image.core.get_stats()["reused_blocks"]
    with pytest.raises(MMLError) if is_damaged else nullcontext():
        pack(dataset, range(3), RESIZE, str(tmp_path / "out"), threads=1)
    stats = Image.core.get_stats()
    assert stats["reused_blocks"] > reused
    assert (stats["blocks_cached"], Image.core.get_blocks_max()) == (before, 0)
