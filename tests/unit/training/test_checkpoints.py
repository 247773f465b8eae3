"""Checkpoints: the two latest are kept, and a training goes on from the latest that is usable."""

import re
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import pytest
import torch

from mml_lib.config.loading import load_study
from mml_lib.config.training_options import Sampling
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.machine.locks import is_held
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.checkpoint_files import (
    checkpoint_path,
    last_checkpoint,
    remove_checkpoints,
    sole_training,
    training_lock,
)
from mml_lib.training.checkpoints import problem_of
from mml_lib.training.module import MMLModule
from mml_lib.training.trainer import build_trainer
from tests.support.small_tasks import PRESETS, fake_task, small_model
from tests.support.workplaces import TINY

pytestmark = pytest.mark.filterwarnings("ignore:::lightning", "ignore:::torch")


def fit(images: TaskStruct, folder: Path, epochs: int = 3, resume: Path | None = None, **changes: Any) -> MMLModule:
    """Train on fold 0, and return the module."""
    trainer = {"max_epochs": epochs, "accelerator": "cpu"} | changes.pop("trainer", {})
    study = TINY | {"trainer": trainer, "lr_scheduler": None, "paths": {"presets": [str(PRESETS)]}} | changes
    model = small_model(images, metrics={})
    data = MMLDataModule(images, 0, Sampling(batch_size=5), seed=0)
    build_trainer(load_study(study), folder, {}).fit(model, data, ckpt_path=resume, weights_only=True)
    return model


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def same(one: MMLModule, other: MMLModule) -> bool:
    states = (model.network.state_dict().values() for model in (one, other))
    return one.history == other.history and all(torch.equal(*pair) for pair in zip(*states, strict=True))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> TaskStruct:
    return fake_task(tmp_path_factory.mktemp("images"), "classification")


@pytest.fixture(scope="module")
def whole(images: TaskStruct, tmp_path_factory: pytest.TempPathFactory) -> MMLModule:
    """An uninterrupted training of three epochs."""
    return fit(images, tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def sound(images: TaskStruct, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a training that was interrupted after its second epoch."""
    folder = tmp_path_factory.mktemp("begun")
    fit(images, folder, epochs=2)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def begun(sound: dict[str, bytes], tmp_path: Path) -> Path:
    """The folder of a training that was interrupted after its second epoch."""
    for name, content in sound.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


# --- what is kept -------------------------------------------------------------------------------------------------

SWA = {"preset": "swa", "swa": {"swa_epoch_start": 2, "annealing_epochs": 2, "swa_lrs": 0.01}}
PARTS: dict[str, tuple[dict[str, Any], int]] = {
    "plain": ({}, 3),
    "validated every other epoch": ({"trainer": {"check_val_every_n_epoch": 2, "max_epochs": 4}}, 4),
    "validated twice an epoch": ({"trainer": {"val_check_interval": 0.5}}, 3),
    "validated after batches of several epochs": (
        {"trainer": {"val_check_interval": 2, "check_val_every_n_epoch": None}},
        3,
    ),
    "accumulated over more than an epoch has": ({"trainer": {"accumulate_grad_batches": 8}}, 3),
    "swa": ({"callbacks": SWA}, 4),
    "ema": ({"callbacks": {"preset": "ema", "ema": {"decay": 0.9}}}, 3),
    "max_time": ({"trainer": {"max_time": {"microseconds": 1}}}, 1),
}


@pytest.mark.parametrize("part", PARTS)
def test_two_latest_checkpoints_are_kept_and_go_when_a_training_is_finished(
    tmp_path: Path, images: TaskStruct, part: str
):
    changes, epochs = PARTS[part]
    folder = tmp_path / "CHECKPOINTS/t/0a1b2c3d-fold0"
    fit(images, folder, **changes)
    assert kept(folder) == [f"epoch={epoch:06d}.ckpt" for epoch in range(max(epochs - 2, 0), epochs)]
    assert all(problem_of(path) is None for path in folder.iterdir())
    remove_checkpoints(folder)
    assert kept(tmp_path) == []


def test_folder_of_an_older_version_with_one_checkpoint_goes_on(begun: Path, images: TaskStruct, whole: MMLModule):
    path = checkpoint_path(begun, 1)
    rewrite(path, lambda checkpoint: checkpoint["mml"].pop("torch"))
    checkpoint_path(begun, 0).unlink()
    assert last_checkpoint(begun, problem_of) == path
    assert same(fit(images, begun, resume=path), whole)
    assert kept(begun) == ["epoch=000001.ckpt", "epoch=000002.ckpt"]


# --- what is not usable -------------------------------------------------------------------------------------------


def rewrite(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    checkpoint = torch.load(path, weights_only=True)
    change(checkpoint)
    torch.save(checkpoint, path)


def cut(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(content)


def directory(path: Path) -> int:
    """Return where the directory of a zip file begins."""
    with zipfile.ZipFile(path) as archive:
        return archive.start_dir


def largest_entry(path: Path) -> zipfile.ZipInfo:
    with zipfile.ZipFile(path) as archive:
        return max(archive.infolist(), key=lambda entry: entry.file_size)


def middle_of_the_largest_entry(path: Path) -> int:
    entry = largest_entry(path)
    return entry.header_offset + entry.file_size // 2


def attributes_of_the_largest_entry(path: Path) -> int:
    """Return where the directory has the attributes of an entry: 8 bytes before its name."""
    return path.read_bytes().index(largest_entry(path).filename.encode(), directory(path)) - 8


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "empty": (lambda path: cut(path, 0), "is empty"),
    "half-written": (lambda path: cut(path, path.stat().st_size // 2), "is cut off or damaged"),
    "last byte missing": (lambda path: cut(path, -1), "is cut off or damaged"),
    "bit of a tensor": (lambda path: flip(path, middle_of_the_largest_entry(path)), "is damaged"),
    "mark of the directory": (lambda path: flip(path, directory(path)), "is cut off or damaged"),
    "name in the directory": (lambda path: flip(path, directory(path) + 50), "is damaged"),
    "attribute of a tensor": (lambda path: flip(path, attributes_of_the_largest_entry(path)), "is damaged"),
    "text": (lambda path: path.write_text("epoch 3"), "is cut off or damaged"),
    "weights only": (
        lambda path: rewrite(path, lambda checkpoint: checkpoint.pop("optimizer_states")),
        "is not a checkpoint of a training",
    ),
    "no dictionary": (lambda path: torch.save(torch.ones(2), path), "is not a checkpoint of a training"),
    "code": (lambda path: torch.save(print, path), r"cannot be read \(Weights only load failed"),
    "other torch": (
        lambda path: rewrite(path, lambda checkpoint: checkpoint["mml"].update(torch="1.13.1+cu117")),
        rf"is of torch 1\.13\.1\+cu117, not {torch.__version__[:3]}",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_training_goes_on_from_the_one_before_and_says_so(begun: Path, damage: str, capfd: pytest.CaptureFixture[str]):
    spoil, words = DAMAGE[damage]
    latest, before = checkpoint_path(begun, 1), checkpoint_path(begun, 0)
    assert last_checkpoint(begun, problem_of) == latest
    assert capfd.readouterr().out == ""
    spoil(latest)
    assert last_checkpoint(begun, problem_of) == before
    output = rf"{re.escape(str(latest))} {words}.*: this training continues from the previous one, epoch=000000\.ckpt"
    assert all(re.fullmatch(output, line) for line in capfd.readouterr().out.splitlines() or [""])


def test_training_without_a_usable_checkpoint_begins_and_says_so(begun: Path, capfd: pytest.CaptureFixture[str]):
    for name in kept(begun):
        cut(begun / name, 100)
    assert last_checkpoint(begun, problem_of) is None
    damage = "; ".join(f"{checkpoint_path(begun, epoch)} is cut off or damaged" for epoch in (1, 0))
    assert f"{damage}: this training starts from the beginning\n" in capfd.readouterr().out


@pytest.mark.parametrize("damaged", [[1], [0, 1]])
def test_training_that_goes_on_from_an_earlier_epoch_ends_bit_identical_and_leaves_no_damaged_checkpoint(
    begun: Path, images: TaskStruct, whole: MMLModule, damaged: list[int]
):
    for epoch in damaged:
        cut(checkpoint_path(begun, epoch), 1000)
    assert same(fit(images, begun, resume=last_checkpoint(begun, problem_of)), whole)
    assert kept(begun) == ["epoch=000001.ckpt", "epoch=000002.ckpt"]
    assert all(problem_of(path) is None for path in begun.iterdir())


def test_first_checkpoint_of_a_training_that_begins_again_takes_the_place_of_the_damaged_ones(
    begun: Path, images: TaskStruct
):
    for name in kept(begun):
        cut(begun / name, 0)
    fit(images, begun, epochs=1)
    assert kept(begun) == ["epoch=000000.ckpt"]


def test_a_training_waits_for_another_one_with_the_same_checkpoints(tmp_path: Path):
    folder = tmp_path / "CHECKPOINTS/mine/0a1b2c3d-fold0"
    begun, ended = threading.Event(), threading.Event()

    def train() -> None:
        with sole_training(folder) as waited:
            assert not waited
            begun.set()
            ended.wait(10)

    other = threading.Thread(target=train)
    other.start()
    assert begun.wait(10)
    assert is_held(training_lock(folder))
    threading.Timer(0.2, ended.set).start()
    with sole_training(folder) as waited:
        assert waited
        assert ended.is_set()
    other.join()
    assert not is_held(training_lock(folder))
    assert not folder.parent.parent.exists(), "no empty folders are left"
