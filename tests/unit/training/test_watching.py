"""Watching: the bar in a terminal, the board in TensorBoard; and that neither changes what is trained."""

import fcntl
import os
import pty
import select
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from sklearn.metrics import confusion_matrix, multilabel_confusion_matrix
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mml_lib.config.loading import load_study
from mml_lib.config.training_options import Augmentations, Mixing, Sampling
from mml_lib.config.watching_options import TensorBoard
from mml_lib.data.augmentation import Augmentation
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.data.mixing import BatchMixing
from mml_lib.errors import MMLError
from mml_lib.task_types import IGNORE, LEARNABLE
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training import watching
from mml_lib.training.checkpoint_files import checkpoint_path
from mml_lib.training.module import MMLModule
from mml_lib.training.trainer import build_trainer
from mml_lib.training.watching import Board, ProgressBar, ValidationOutputs
from tests.support.small_tasks import PRESETS, fake_task, small_model
from tests.support.steps import training_step
from tests.support.studies import run_id, study
from tests.support.workplaces import TINY

pytestmark = pytest.mark.filterwarnings("ignore:::lightning")

MONITOR = {"lr": {"_target_": "lightning.pytorch.callbacks.LearningRateMonitor"}}
EMA = {"preset": "ema", "ema": {"decay": 0.9}}
SWA = {"preset": "swa", "swa": {"swa_epoch_start": 1, "annealing_epochs": 1, "swa_lrs": 0.01}}


def fit(
    model: MMLModule,
    struct: TaskStruct,
    folder: Path,
    watching: list[Callback],
    epochs: int = 1,
    resume_after: int | None = None,
    **changes: Any,
) -> MMLModule:
    """Train on fold 0, in 3 batches an epoch; from the checkpoint of an epoch on, if one is named."""
    trainer = {"max_epochs": epochs, "accelerator": "cpu"}
    cfg = TINY | {"trainer": trainer, "lr_scheduler": None, "paths": {"presets": [str(PRESETS)]}} | changes
    built = build_trainer(load_study(cfg), folder, {}, watching)
    checkpoint = None if resume_after is None else checkpoint_path(folder, resume_after)
    data = MMLDataModule(struct, 0, Sampling(batch_size=4), seed=0)
    built.fit(model, data, ckpt_path=checkpoint, weights_only=True)
    return model


def board(folder: Path, **config: Any) -> Board:
    return Board(folder / "board", TensorBoard(**config))


def events(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), {"images": 0, "scalars": 0})
    accumulator.Reload()
    return accumulator


def curves(folder: Path) -> dict[str, dict[int, float]]:
    """Return the values of each curve by step; fail where a step is there twice."""
    accumulator = events(folder)
    scalars = {tag: accumulator.Scalars(tag) for tag in accumulator.Tags()["scalars"]}
    curves = {tag: {point.step: point.value for point in points} for tag, points in scalars.items()}
    assert {tag: len(curve) for tag, curve in curves.items()} == {tag: len(points) for tag, points in scalars.items()}
    return curves


def pictures(folder: Path) -> dict[str, list[int]]:
    """Return the steps of each picture."""
    accumulator = events(folder)
    return {tag: [picture.step for picture in accumulator.Images(tag)] for tag in accumulator.Tags()["images"]}


# --- the bar ------------------------------------------------------------------------------------------------------


class Terminal:
    """A terminal of 100 columns."""

    def __init__(self) -> None:
        self.outside, inside = pty.openpty()
        termios.tcsetwinsize(inside, (24, 100))
        self.stream: IO[str] = open(inside, "w")

    def text(self) -> str:
        """Close the terminal, and return all that was written to it."""
        self.stream.close()
        output = b""
        with suppress(OSError):  # the end of the output
            while select.select([self.outside], [], [], 2)[0]:
                output += os.read(self.outside, 1 << 16)
        return output.decode()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setattr(watching, "INTERVAL", 0)
    screen = Terminal()
    yield screen
    screen.stream.close()


def test_bar_shows_how_far_a_training_is_and_leaves_nothing_behind(tmp_path: Path, terminal: Terminal):
    struct = fake_task(tmp_path, "regression")
    fit(small_model(struct), struct, tmp_path, [ProgressBar(terminal.stream, "t fold 0")], epochs=2)
    *drawn, wiped, rest = terminal.text().lstrip("\r").split("\r")
    assert len(drawn) == 6
    assert drawn[0].startswith("t fold 0: epoch 1 of 2, batch 1 of 3, loss ")
    assert " s/batch |" in drawn[3]
    assert drawn[3].startswith("t fold 0: epoch 2 of 2, batch 1 of 3, loss ")
    assert "| 67% " in drawn[3]
    assert (wiped.strip(), rest) == ("", "")
    assert max(map(len, drawn)) <= len(wiped) < 100


def test_bar_goes_where_a_training_fails(tmp_path: Path, terminal: Terminal):
    class Failing(Callback):
        def on_validation_start(self, *_) -> None:
            raise KeyboardInterrupt

    struct = fake_task(tmp_path, "regression")
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(small_model(struct), struct, tmp_path, [ProgressBar(terminal.stream, "t"), Failing()])
    *_, drawn, wiped, rest = terminal.text().split("\r")
    assert drawn.startswith("t: epoch 1")
    assert (wiped.strip(), rest) == ("", "")


def test_trainings_side_by_side_share_one_line(tmp_path: Path, terminal: Terminal):
    class Ending(Callback):
        """Another training, which ends with the second epoch."""

        def on_train_epoch_start(self, trainer: Any, *_) -> None:
            if trainer.current_epoch == 1:
                other.close()

    other = open(os.ttyname(terminal.stream.fileno()), "w")
    fcntl.flock(other, fcntl.LOCK_EX)
    struct = fake_task(tmp_path, "regression")
    fit(small_model(struct), struct, tmp_path, [Ending(), ProgressBar(terminal.stream, "t")], epochs=2)
    assert terminal.text().lstrip("\r").startswith("t: epoch 2 of 2, batch 1 of 3")


def test_training_goes_on_without_its_terminal(tmp_path: Path, terminal: Terminal):
    class Leaving(Callback):
        def on_train_epoch_start(self, trainer: Any, *_) -> None:
            if trainer.current_epoch == 1:
                os.close(terminal.outside)

    struct = fake_task(tmp_path, "regression")
    model = fit(small_model(struct), struct, tmp_path, [Leaving(), ProgressBar(terminal.stream, "t")], epochs=2)
    assert len(model.history) == 2


def test_step_draws_a_bar_in_a_terminal_only(tmp_path: Path, terminal: Terminal):
    paths = {"results": str(tmp_path), "presets": [str(PRESETS)]}
    config = TINY | {"paths": paths, "tensorboard": True}
    folders = {"checkpoints": str(tmp_path / "checkpoints"), "tensorboard": str(tmp_path / "board")}
    step = training_step(config, params=folders, task="stripes", run="0a1b2c3d", fold="1")
    step.cfg, step.terminal = load_study(config), terminal.stream
    _, bar, curves, *_ = step.create_trainer().callbacks
    assert (type(bar), bar.label) == (ProgressBar, "stripes fold 1")
    assert curves.folder == tmp_path / "board"
    with open(tmp_path / "log", "w") as step.terminal:
        assert not [callback for callback in step.create_trainer().callbacks if isinstance(callback, ProgressBar)]


# --- the board ----------------------------------------------------------------------------------------------------


def test_curves_are_those_of_the_history(tmp_path: Path):
    struct = fake_task(tmp_path, "regression")
    model = fit(small_model(struct), struct, tmp_path, [board(tmp_path)], epochs=2)
    logged = curves(tmp_path / "board")
    assert sum(logged.pop("seconds").values()) == pytest.approx(model.seconds)
    assert set(logged) == set(model.history[0]) - {"epoch"}
    assert all(curve[0] == pytest.approx(model.history[0][tag]) for tag, curve in logged.items())
    assert all(curve[1] == pytest.approx(model.history[1][tag]) for tag, curve in logged.items())
    assert pictures(tmp_path / "board") == {}


@pytest.mark.long
@pytest.mark.parametrize("task_type", LEARNABLE)
def test_watched_training_ends_as_an_unwatched_one_and_so_does_a_resumed_one(tmp_path: Path, task_type: str):
    struct = fake_task(tmp_path, task_type, num_classes=3)
    augmented = {"transforms": [{"_target_": "kornia.augmentation.RandomHorizontalFlip", "p": 0.5}]}
    parts = {"augmentation": Augmentation(Augmentations(**augmented))}
    if task_type == "classification":
        parts["mixing"] = BatchMixing(Mixing(mixup=0.2), 3)
    plain = fit(small_model(struct, **parts), struct, tmp_path / "plain", [], epochs=2)

    everything = {"images": 1, "predictions": 1, "confusion_matrix": True}
    watched = fit(small_model(struct, **parts), struct, tmp_path, [board(tmp_path, **everything)], epochs=2)
    assert_same(watched, plain)
    resumed = fit(small_model(struct, **parts), struct, tmp_path, [board(tmp_path, **everything)], 2, resume_after=0)
    assert_same(resumed, plain)

    assert {tuple(curve) for curve in curves(tmp_path / "board").values()} == {(0, 1)}
    drawn = pictures(tmp_path / "board")
    assert drawn == {"images/t": [0, 1], "predictions/t": [0, 1], "confusion_matrix/t": [0, 1]}


def assert_same(model: MMLModule, other: MMLModule) -> None:
    assert str(model.history) == str(other.history)
    states = zip(model.network.state_dict().values(), other.network.state_dict().values(), strict=True)
    assert all(torch.equal(*pair) for pair in states)


@pytest.mark.parametrize("callbacks", [EMA, SWA], ids=["ema", "swa"])
def test_averaging_callbacks_can_be_watched(tmp_path: Path, terminal: Terminal, callbacks: dict[str, Any]):
    struct = fake_task(tmp_path, "classification")
    plain = fit(small_model(struct), struct, tmp_path / "plain", [], 2, callbacks=callbacks)
    watchers = [board(tmp_path, images=1, predictions=1), ProgressBar(terminal.stream, "t")]
    assert_same(fit(small_model(struct), struct, tmp_path, watchers, 2, callbacks=callbacks), plain)
    epochs = len(plain.history)
    assert pictures(tmp_path / "board")["predictions/t"] == [*range(epochs)]
    assert f"t: epoch {epochs} of {epochs}, batch 3 of 3" in terminal.text()


def test_pictures_are_drawn_every_n_epochs(tmp_path: Path):
    struct = fake_task(tmp_path, "regression")
    callback = board(tmp_path, images=1, confusion_matrix=True, every_n_epochs=2)
    fit(small_model(struct), struct, tmp_path, [callback], epochs=4)
    assert pictures(tmp_path / "board") == {"images/t": [1, 3], "confusion_matrix/t": [1, 3]}


def test_observer_is_shown_what_the_network_sees(tmp_path: Path):
    class Seen:
        def observe_batch(self, task: str, images: torch.Tensor, targets: torch.Tensor) -> None:
            seen.append(images)

        def observe_outputs(self, *_) -> None:
            pass

    struct = fake_task(tmp_path, "classification", num_classes=2)
    augmented = {"transforms": [{"_target_": "kornia.augmentation.RandomBrightness", "brightness": [1.1, 1.5]}]}
    mixing = BatchMixing(Mixing(mixup=0.2), 2)
    model = small_model(struct, augmentation=Augmentation(Augmentations(**augmented)), mixing=mixing)
    model.observer = Seen()
    seen, inputs = [], []
    model.network.register_forward_pre_hook(lambda _, taken: inputs.append(taken[0]) if model.training else None)
    fit(model, struct, tmp_path, [])
    assert len(inputs) == 3
    assert all(torch.equal(model.normalise(s), i) for s, i in zip(seen, inputs, strict=True))


@pytest.mark.parametrize("task_type", LEARNABLE)
def test_confusion_is_counted_over_all_batches(tmp_path: Path, task_type: str):
    struct = fake_task(tmp_path, task_type, num_classes=3)
    model, answers = small_model(struct).eval(), ValidationOutputs(0, struct, compares=True)
    outputs, targets = [], []
    for batch in MMLDataModule(struct, 0, Sampling(batch_size=3), seed=0).val_dataloader():
        with torch.no_grad():
            logits = model(batch["image"])
        answers.add(batch["image"], batch["target"], logits)
        outputs.append(logits)
        targets.append(batch["target"])
    logits, true = torch.cat(outputs).numpy(), torch.cat(targets).numpy()
    (compared,) = [np.concatenate([part.numpy() for part in answers.compared], axis=-1)]
    if task_type == "regression":
        assert compared == pytest.approx(np.stack([true, logits[:, 0]]))
    elif task_type == "multilabel_classification":
        assert (compared.reshape(-1, 2, 2) == multilabel_confusion_matrix(true >= 0.5, logits >= 0)).all()
    else:
        counted = true != IGNORE
        expected = confusion_matrix(true[counted], logits.argmax(axis=1)[counted], labels=range(3))
        assert (compared.reshape(3, 3) == expected).all()


def test_shown_predictions_are_spread_over_the_validation_split(tmp_path: Path):
    struct = fake_task(tmp_path, "regression")
    answers = ValidationOutputs(4, struct, compares=False)
    for batch in torch.arange(100.0).split(7):
        answers.add(torch.zeros(len(batch), 3, 2, 2, dtype=torch.uint8), batch, batch[:, None])
    kept = [int(target) for _, target, _ in answers.selected()]
    assert kept == [0, 16, 48, 80]


# --- callbacks that log themselves --------------------------------------------------------------------------------


def test_learning_rate_monitor_draws_on_the_board(tmp_path: Path):
    struct = fake_task(tmp_path, "regression")
    for epochs, resume_after in ((2, None), (3, 0)):
        fit(small_model(struct), struct, tmp_path, [board(tmp_path)], epochs, resume_after, callbacks=MONITOR)
        time.sleep(1)  # TensorBoard reads files of the same second in the order of a counter as text: 10 before 9
    logged = curves(tmp_path / "board/batches")
    assert set(logged) == {"lr-AdamW"}
    assert logged["lr-AdamW"] == pytest.approx(dict.fromkeys(range(9), 0.01))
    assert set(curves(tmp_path / "board")["lr"]) == {0, 1, 2}


def test_learning_rate_monitor_does_without_a_board(tmp_path: Path):
    struct = fake_task(tmp_path, "regression")
    model = fit(small_model(struct), struct, tmp_path, [], callbacks=MONITOR)
    assert_same(model, fit(small_model(struct), struct, tmp_path / "plain", []))


# --- what a study says --------------------------------------------------------------------------------------------


def test_true_and_false_stand_for_a_number_of_samples():
    options = load_study(study(tensorboard={"images": True, "predictions": 3})).tensorboard
    assert (options.images, options.predictions, options.every_n_epochs) == (8, 3, 1)
    assert load_study(study(tensorboard=True)).tensorboard == TensorBoard()
    assert load_study(study(tensorboard=False)).tensorboard is None


def test_watching_is_no_part_of_a_run():
    assert run_id(study(tensorboard={"images": True})) == run_id(study())


def test_missing_tensorboard_is_said_while_planning(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MMLError, match=r"tensorboard: .*pip install 'mml\[tensorboard\]'"):
        load_study(study(tensorboard=True))
