"""Files of features, and the store of an interrupted extraction."""

from pathlib import Path

import numpy as np
import pytest

from mml_lib.errors import MMLError
from mml_lib.features.feature_files import Features
from mml_lib.features.part_store import PartStore
from mml_lib.files.checksums import seal

KEY = {"extractor": "resnet18-0a1b2c3d", "task_id": "0a1b2c3d"}


def features(**changes: object) -> Features:
    values = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    parts = {"ids": ["a", "b", "ü"], "splits": ["train", "test", "train"], "folds": np.array([0, -1, 1], np.int32)}
    return Features(**{**parts, "values": values, "extractor": "resnet18-0a1b2c3d", "task": "t", **changes})


def test_features_are_read_as_they_were_written(tmp_path: Path):
    written = features()
    written.save(tmp_path / "f.npz")
    read = Features.load(tmp_path / "f.npz")
    assert (read.ids, read.splits, read.extractor, read.task) == (written.ids, written.splits, written.extractor, "t")
    assert read.folds.tolist() == [0, -1, 1]
    assert (read.values.dtype, read.values.tolist()) == (np.float32, written.values.tolist())
    assert read.of_split("train").tolist() == [0, 2]


def test_a_memory_map_is_written_as_it_is(tmp_path: Path):
    values = np.lib.format.open_memmap(tmp_path / "v.npy", "w+", dtype=np.float32, shape=(3, 2))
    values[:] = [[1, 2], [3, 4], [5, 6]]
    features(values=values).save(tmp_path / "f.npz")
    assert Features.load(tmp_path / "f.npz").values.tolist() == values.tolist()


def test_damaged_features_are_refused(tmp_path: Path):
    path = tmp_path / "f.npz"
    features().save(path)
    seal(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(MMLError, match="is damaged"):
        Features.load(path)


def test_features_without_a_value_for_each_sample_are_refused(tmp_path: Path):
    features(values=np.zeros((2, 4), np.float32)).save(tmp_path / "f.npz")
    with pytest.raises(MMLError, match="different numbers of samples"):
        Features.load(tmp_path / "f.npz")


def test_a_store_goes_on_with_what_it_has(tmp_path: Path):
    store = PartStore(tmp_path / "parts", KEY, 5)
    store.add(np.array([3, 1]), np.array([[3.0, 30.0], [1.0, 10.0]]))
    store.flush()
    store.add(np.array([0]), np.array([[7.0, 7.0]]))  # not yet on the disk when the process is killed
    again = PartStore(tmp_path / "parts", KEY, 5)
    assert again.num_done == 2
    assert again.is_done(np.array([1, 3]))
    assert not again.is_done(np.array([0, 1]))
    assert again.values[[1, 3]].tolist() == [[1.0, 10.0], [3.0, 30.0]]


@pytest.mark.parametrize("other", [{"extractor": "resnet18-ffffffff"}, {"task_id": "ffffffff"}, {"count": 4}])
def test_a_store_of_another_extraction_is_emptied(tmp_path: Path, other: dict):
    store = PartStore(tmp_path / "parts", KEY, 5)
    store.add(np.arange(5), np.ones((5, 2)))
    store.flush()
    count = other.pop("count", 5)
    assert PartStore(tmp_path / "parts", KEY | other, count).num_done == 0
    assert not (tmp_path / "parts").exists()


def test_a_store_that_a_kill_left_half_made_is_none(tmp_path: Path):
    store = PartStore(tmp_path / "parts", KEY, 5)
    store.add(np.arange(5), np.ones((5, 2)))
    (tmp_path / "parts/state.json").unlink()
    assert PartStore(tmp_path / "parts", KEY, 5).num_done == 0
