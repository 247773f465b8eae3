"""Loggers of Lightning that a study names: what they get, and that they change and stop nothing."""

import csv
import sys
from pathlib import Path
from typing import Any, ClassVar

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import pytest
import torch
import yaml
from lightning.pytorch import Callback
from lightning.pytorch.loggers.logger import Logger

from mml_lib.config.loading import load_study
from mml_lib.config.training_options import Sampling
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.errors import MMLError
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.checkpoint_files import checkpoint_path
from mml_lib.training.module import MMLModule
from mml_lib.training.run_logging import RunLogging
from mml_lib.training.trainer import build_trainer
from tests.support.small_tasks import PRESETS, fake_task, small_model
from tests.support.steps import training_step
from tests.support.studies import run_id, study
from tests.support.workplaces import TINY

pytestmark = pytest.mark.filterwarnings("ignore:::lightning")

CSV = "lightning.pytorch.loggers.CSVLogger"
NAMES = {"project": "moles", "task": "a", "run": "0a1b2c3d", "fold": 1}
PIPELINE = {"optimizer": {"lr": 0.1}}


class FailingLogger(Logger):
    """A logger whose methods fail, and that draws random numbers before.

    Args:
        fails_in: the method that fails.
    """

    attempts: ClassVar[list[str]] = []

    def __init__(self, fails_in: str):
        super().__init__()
        self.fails_in = fails_in
        self._attempt("__init__")

    def _attempt(self, method: str) -> None:
        torch.rand(3)
        self.attempts.append(method)
        if method == self.fails_in:
            raise ConnectionError("no route to the service")

    @property
    def name(self) -> str:
        return "failing"

    @property
    def version(self) -> int:
        return 0

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self._attempt("log_metrics")

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        self._attempt("log_hyperparams")

    def save(self) -> None:
        self._attempt("save")

    def finalize(self, status: str) -> None:
        self._attempt("finalize")


def fit(struct: TaskStruct, folder: Path, watching: list[Callback], epochs: int = 2, resume: bool = False) -> MMLModule:
    """Train on fold 0; from the first checkpoint on, if that is wanted."""
    model = small_model(struct)
    trainer = {"max_epochs": epochs, "accelerator": "cpu"}
    cfg = TINY | {"trainer": trainer, "lr_scheduler": None, "paths": {"presets": [str(PRESETS)]}}
    built = build_trainer(load_study(cfg), folder, {}, watching)
    checkpoint = checkpoint_path(folder, 0) if resume else None
    built.fit(model, MMLDataModule(struct, 0, Sampling(batch_size=4), seed=0), ckpt_path=checkpoint, weights_only=True)
    return model


def logging(folder: Path, **spec: Any) -> RunLogging:
    return RunLogging({"_target_": CSV, **spec}, NAMES, folder / "log", PIPELINE)


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_csv_has_the_history_and_the_pipeline(tmp_path: Path):
    model = fit(fake_task(tmp_path, "regression"), tmp_path, [logging(tmp_path)])
    logged = rows(tmp_path / "log/metrics.csv")
    assert [int(row["step"]) for row in logged] == [0, 1]
    assert [float(row["val/loss"]) for row in logged] == pytest.approx([row["val/loss"] for row in model.history])
    assert yaml.safe_load((tmp_path / "log/hparams.yaml").read_text()) == {"optimizer.lr": 0.1}


def test_a_resumed_training_reports_each_epoch_once(tmp_path: Path):
    struct = fake_task(tmp_path, "regression")
    fit(struct, tmp_path, [logging(tmp_path)], epochs=1)
    fit(struct, tmp_path, [logging(tmp_path)], epochs=3, resume=True)
    assert [int(row["step"]) for row in rows(tmp_path / "log/metrics.csv")] == [0, 1, 2]


def test_names_of_the_training_stand_in_its_arguments(tmp_path: Path):
    logger = logging(tmp_path, save_dir=str(tmp_path), name="{project}/{task}-{fold}", version="{run}").build()
    assert logger.log_dir == str(tmp_path / "moles/a-1/0a1b2c3d")


@pytest.mark.parametrize("method", ["__init__", "log_hyperparams", "log_metrics", "save", "finalize"])
def test_a_logger_that_fails_changes_and_stops_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
):
    monkeypatch.setattr(FailingLogger, "attempts", [])
    struct = fake_task(tmp_path, "regression")
    target = f"{__name__}.FailingLogger"
    watched = fit(struct, tmp_path / "watched", [logging(tmp_path, _target_=target, fails_in=method)])
    plain = fit(struct, tmp_path / "plain", [])
    assert str(watched.history) == str(plain.history)
    states = zip(watched.network.state_dict().values(), plain.network.state_dict().values(), strict=True)
    assert all(torch.equal(*pair) for pair in states)
    assert FailingLogger.attempts.count(method) == 1, "it is called no more"
    assert FailingLogger.attempts[-1] == method


def test_a_logger_with_wrong_arguments_stops_no_training(tmp_path: Path):
    model = fit(fake_task(tmp_path, "regression"), tmp_path, [logging(tmp_path, nonsense=1)], epochs=1)
    assert len(model.history) == 1


def test_a_step_reports_where_the_rule_declares_the_folder(tmp_path: Path):
    paths = {"results": str(tmp_path), "presets": [str(PRESETS)]}
    config = TINY | {"paths": paths, "logger": {"_target_": CSV}}
    for params, number in (({}, 0), ({"logger": str(tmp_path / "log")}, 1)):
        folders = {"checkpoints": str(tmp_path / "checkpoints"), **params}
        step = training_step(config, params=folders, task="stripes", run="0a1b2c3d", fold="1")
        step.cfg = load_study(config)
        step.pipeline = type("Pipeline", (), {"content": PIPELINE})()
        callbacks = [callback for callback in step.create_trainer().callbacks if isinstance(callback, RunLogging)]
        assert len(callbacks) == number
    assert callbacks[0].names == {"project": "tiny", "task": "stripes", "run": "0a1b2c3d", "fold": 1} | {
        "folder": tmp_path / "log"
    }


# --- what a study says ----------------------------------------------------------------------------------------------


def test_logger_is_no_part_of_a_run():
    assert run_id(study(logger={"_target_": CSV})) == run_id(study())


@pytest.mark.parametrize(
    ("name", "package", "pip"),
    [("WandbLogger", "wandb", "wandb"), ("MLFlowLogger", "mlflow", "mlflow"), ("CometLogger", "comet_ml", "comet-ml")],
)
def test_missing_package_is_refused_with_its_pip_line(
    monkeypatch: pytest.MonkeyPatch, name: str, package: str, pip: str
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MMLError, match=rf"logger: .*{package}; pip install {pip}"):
        load_study(study(logger={"_target_": f"lightning.pytorch.loggers.{name}"}))


@pytest.mark.parametrize("target", ["lightning.pytorch.loggers.CSVLoger", "CSVLogger", "os.path"])
def test_unknown_loggers_are_refused_while_planning(target: str):
    with pytest.raises(MMLError, match="logger"):
        load_study(study(logger={"_target_": target}))
