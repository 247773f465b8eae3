"""Pickles: none is ever loaded, wherever one is planted; loading it would leave a trace."""

import ast
import io
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before torch modules that need torchvision)
import numpy as np
import pytest
import torch
import yaml

from mml_lib.config.reading.origins import Origins
from mml_lib.config.reading.presets import resolve_presets
from mml_lib.config.reading.study_files import parse_values, read_study
from mml_lib.data.datamodule import PackedImages
from mml_lib.errors import MMLError
from mml_lib.files.containers import stamp_of
from mml_lib.images.readers import read_header
from mml_lib.models.model_selection import Selection
from mml_lib.models.model_storage import ModelStorage
from mml_lib.models.network import load_network
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.predictions.predictions import read_predictions
from mml_lib.tasks.creators.creator_registry import create
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription
from mml_lib.training.checkpoint_files import last_checkpoint
from mml_lib.training.checkpoints import problem_of
from mml_lib.training.tuning import Tuning
from tests.support.places import REPOSITORY


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "trace"


def bare(trap: Trap) -> bytes:
    return pickle.dumps(trap)


def array(trap: Trap) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([trap], dtype=object), allow_pickle=True)
    return stream.getvalue()


def arrays(*names: str) -> Callable[[Trap], bytes]:
    def save(trap: Trap) -> bytes:
        stream = io.BytesIO()
        np.savez(stream, **{name: np.array([trap], dtype=object) for name in names})
        return stream.getvalue()

    return save


def checkpoint(trap: Trap) -> bytes:
    stream = io.BytesIO()
    torch.save({"state_dict": trap}, stream)
    return stream.getvalue()


def old_checkpoint(trap: Trap) -> bytes:
    stream = io.BytesIO()
    torch.save({"state_dict": trap}, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def tagged(trap: Trap) -> bytes:
    return f"format: !!python/object/apply:os.mkdir ['{trap.trace}']\n".encode()


def tagged_json(trap: Trap) -> bytes:
    return f'{{"py/reduce": [{{"py/function": "os.mkdir"}}, {{"py/tuple": ["{trap.trace}"]}}]}}'.encode()


def preset(file: Path) -> object:
    folder = file.parent / "presets/optimizer"
    folder.mkdir(parents=True)
    shutil.copyfile(file, folder / "mine.yaml")
    return resolve_presets({"optimizer": "mine"}, [folder.parent])


def line_of(file: Path) -> object:
    Origins({}, [file]).of(("format",))
    raise ValueError("no object was made")


def row(file: Path) -> object:
    return read_header(f"{file}#0")


def packed(name: str) -> Callable[[Path], object]:
    def read(file: Path) -> object:
        images = PackedImages.__new__(PackedImages)
        images.folder = file.parent
        os.replace(file, file.with_name(f"{name}.npy"))
        return getattr(images, name)

    return read


def medmnist(file: Path) -> object:
    return create("medmnist", {"path": str(file), "name": "breastmnist"}, file.parent / "raw")


def table(file: Path) -> object:
    return create("csv", {"path": str(file)}, file.parent / "raw")


def idx(file: Path) -> object:
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        shutil.copyfile(file, file.with_name(name))
    return create("idx", {"path": str(file.parent)}, file.parent / "raw")


def resumed(file: Path) -> object:
    if problem := problem_of(file):
        raise MMLError(problem)
    return last_checkpoint(file.parent, problem_of)


def stamp(kind: str) -> Callable[[Path], object]:
    return partial(stamp_of, kind)


MEMBERS = ("format", "needs_mml", "task_type", "ids", "logits", "targets")
MEDMNIST = [f"{split}_{part}" for split in ("train", "val", "test") for part in ("images", "labels")]

PLACES = {
    "predictions: object arrays": ("x.npz", arrays(*MEMBERS), read_predictions),
    "predictions: a pickle": ("x.npz", bare, read_predictions),
    "predictions: their version": ("x.npz", arrays(*MEMBERS), stamp("predictions")),
    "packed images": ("x.npy", array, packed("images")),
    "packed images: a pickle": ("x.npy", bare, packed("images")),
    "packed masks": ("x.npy", array, packed("masks")),
    "array of a data set": ("x.npy", array, row),
    "array of a data set: a pickle": ("x.npy", bare, row),
    "MedMNIST": ("x.npz", arrays(*MEDMNIST), medmnist),
    "MedMNIST: a pickle": ("x.npz", bare, medmnist),
    "idx files": ("x", bare, idx),
    "table": ("x.csv", bare, table),
    "checkpoint": ("epoch=000001.ckpt", checkpoint, resumed),
    "checkpoint of old": ("epoch=000001.ckpt", old_checkpoint, resumed),
    "checkpoint: a pickle": ("epoch=000001.ckpt", bare, resumed),
    "weights: a pickle": ("x.safetensors", bare, load_network),
    "weights: a checkpoint": ("x.safetensors", checkpoint, load_network),
    "weights: their version": ("x.safetensors", bare, stamp("parameters")),
    "model storage": ("x.json", bare, ModelStorage.read),
    "model storage with words of jsonpickle": ("x.json", tagged_json, ModelStorage.read),
    "selection": ("x.json", bare, Selection.read),
    "tuning": ("x.json", tagged_json, Tuning.read),
    "data set": ("x.json", bare, Dataset.read),
    "task description": ("x.json", tagged_json, TaskDescription.read),
    "pipeline": ("0a0b0c0d.yaml", tagged, Pipeline.read),
    "pipeline: a pickle": ("0a0b0c0d.yaml", bare, Pipeline.read),
    "blueprint: its version": ("x.yaml", tagged, stamp("blueprint")),
    "study": ("x.yaml", tagged, read_study),
    "study: the line of a key": ("x.yaml", tagged, line_of),
    "value of --config": ("x.yaml", tagged, lambda file: parse_values([f"seed={file.read_text()}"])),
    "preset": ("x.yaml", tagged, preset),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_pickle_is_refused_where_files_are_read(tmp_path: Path, trace: Path, place: str):
    name, plant, read = PLACES[place]
    file = tmp_path / "place" / name
    file.parent.mkdir()
    file.write_bytes(plant(Trap(trace)))
    with pytest.raises((MMLError, ValueError, KeyError, TypeError, yaml.YAMLError, zipfile.BadZipFile)):
        read(file)
    assert not trace.exists()


@pytest.mark.parametrize("load", [pickle.loads, lambda content: np.load(io.BytesIO(content), allow_pickle=True)])
def test_the_trap_leaves_a_trace_where_it_is_loaded(trace: Path, load: Callable[[bytes], object]):
    load(bare(Trap(trace)))
    assert trace.is_dir()


FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}


@pytest.mark.parametrize("folder", ["mml_lib", "scripts"])
def test_no_module_can_unpickle(folder: str):
    for file in (REPOSITORY / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not FORBIDDEN & {name.split(".")[0] for name in imported}, file
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            keywords = {word.arg: ast.unparse(word.value) for word in node.keywords}
            assert keywords.get("allow_pickle", "False") == "False", f"{file}, line {node.lineno}"
            called = ast.unparse(node.func)
            assert called not in ("yaml.load", "yaml.unsafe_load", "yaml.full_load"), f"{file}, line {node.lineno}"
            assert called != "torch.load" or keywords.get("weights_only") == "True", f"{file}, line {node.lineno}"
            assert not called.endswith("read_pickle"), f"{file}, line {node.lineno}"
