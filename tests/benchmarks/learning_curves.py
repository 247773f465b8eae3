"""Learning curves of many pipelines on the digits, each trained in full once, and halving simulated with them.

    python -m tests.benchmarks.learning_curves 30

trains so many random pipelines of the space below, in one process with one thread, and writes the values after each
epoch to `learning_curves.csv` beside this file, and those on the test split after the last one. A pipeline that fails
has empty cells.
"""

import csv
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mml_lib.config.analysis.search_options import Halving, Search
from mml_lib.config.loading import load_study
from mml_lib.config.schema import StudyConfig
from mml_lib.errors import TrainingFailed
from mml_lib.search.proposing import propose
from mml_lib.search.rungs import choose_slot, plan_rungs
from mml_lib.search.space import Space
from mml_lib.search.trials import Objective, TrialRecord
from mml_lib.tasks.struct import TaskStruct
from tests.support.places import CONFIG

EPOCHS = 12

STORED = Path(__file__).with_suffix(".csv")

SPACE = {
    "optimizer.lr": {"low": 1e-5, "high": 1.0, "log": True},
    "sampling.batch_size": [32, 64, 128],
    "optimizer": ["adamw", "sgd"],
    "optimizer.weight_decay": {"low": 1e-6, "high": 0.1, "log": True},
}


def draw_pipelines(number: int) -> list[dict[str, Any]]:
    """Return the values of random trials."""
    space, section = Space.of(SPACE, {}), Search(sampler="random", space=dict(SPACE))
    trials: list[TrialRecord] = []
    for place in range(number):
        trials.append(TrialRecord(place + 1, propose(space, section, [Objective("loss", True)], trials), None))
    return [dict(trial.values) for trial in trials]


def _study(values: Mapping[str, Any]) -> StudyConfig:
    optimizer = {"lr": values["optimizer.lr"], "weight_decay": values["optimizer.weight_decay"]}
    return load_study(
        {
            "mode": "train",
            "tasks": {"digits": {"creator": "digits"}},
            "loss": "cross_entropy",
            "paths": {"presets": [str(CONFIG)]},
            "normalization": "task",
            "arch": "test_resnet",
            "augmentations": "none",
            "optimizer": {"preset": values["optimizer"], **optimizer},
            "lr_scheduler": "cosine_warmup",
            "sampling": {"batch_size": values["sampling.batch_size"]},
            "trainer": {"max_epochs": EPOCHS, "accelerator": "cpu"},
        }
    )


def train_curve(struct: TaskStruct, values: Mapping[str, Any], folder: Path) -> dict[str, list[float]]:
    """Return validation accuracy and loss after each epoch of a full training, and those on the test split at its end.

    A training that fails has none.
    """
    import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
    import torch

    from mml_lib.config.training_options import Augmentations
    from mml_lib.data.augmentation import Augmentation
    from mml_lib.data.datamodule import MMLDataModule
    from mml_lib.evaluation.evaluation import evaluate
    from mml_lib.inference.prediction import predict
    from mml_lib.models.metric_modules import build_metrics
    from mml_lib.models.network import Network, head_spec
    from mml_lib.training.module import MMLModule
    from mml_lib.training.objectives import build_objectives
    from mml_lib.training.trainer import FiniteGuard, build_trainer

    torch.set_num_threads(1)
    cfg = _study(values)
    torch.manual_seed(cfg.seed)
    module = MMLModule(
        network=Network(cfg.arch.spec(), {struct.name: head_spec(struct, None)}, len(struct.pixels.channels)),
        objectives=build_objectives(cfg, [struct], 0),
        mean=struct.means,
        std=struct.stds,
        optimizer=cfg.optimizer.spec(),
        lr_scheduler=cfg.lr_scheduler,
        augmentation=Augmentation(Augmentations()),
        metrics=build_metrics(["accuracy"], struct.task_type, struct.num_outputs),
        seed=cfg.seed,
    )
    arguments = {"callbacks": [FiniteGuard()], "enable_checkpointing": False}
    data = MMLDataModule(struct, 0, cfg.sampling, cfg.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            build_trainer(cfg, folder, arguments).fit(module, data)
        except TrainingFailed:
            return {}
    tested = struct.samples["id"][struct.select("test")]
    metrics = evaluate(predict(module, data.ordered("test"), tested, torch.device("cpu")), ["accuracy", "log_loss"])
    return {
        **{key: [row[f"val/{key}"] for row in module.history] for key in ("accuracy", "loss")},
        **{"test_accuracy": [metrics["accuracy"]], "test_loss": [metrics["log_loss"]]},
    }


def halve(curves: Sequence[Sequence[float]], goal: Objective, halving: Halving) -> tuple[int, int]:
    """Return the epochs of a search with halving in this library's order, and the place of the best trial.

    Args:
        curves: value after each epoch of each trial, in the order of trials; none of a failed one.
        goal: what trials are compared by.
        halving: the halving.
    """
    rungs = plan_rungs(len(curves), EPOCHS, halving)
    below, epochs = list(range(len(curves))), 0
    for rung, higher in zip(rungs, [*rungs[1:], None], strict=True):
        before = rungs[rung.number - 1].epochs if rung.number else 0
        epochs += len(below) * (rung.epochs - before)
        records = [_record(place, curves[place], rung.epochs) for place in below]
        if higher is None:
            break
        continued: list[int] = []
        for slot in range(1, higher.slots + 1):
            place = choose_slot(slot, halving.factor, records[: slot * halving.factor], continued, goal)
            assert place is not None, "as many trials as slots have a value"
            continued.append(place)
        below = [below[place] for place in continued]
    finals = {place: curves[place][-1] for place in below}
    return epochs, max(finals, key=lambda place: goal.sign * finals[place])


def _record(place: int, curve: Sequence[float], epochs: int) -> TrialRecord:
    return TrialRecord(place + 1, {}, None, objectives=[curve[epochs - 1]] if curve else None)


def read_curves(name: str) -> list[list[float]]:
    """Return the stored values of a metric after each epoch, one list for each pipeline; empty where it failed."""
    with open(STORED, newline="") as file:
        rows = list(csv.DictReader(file))
    return [[float(row[f"{name}{epoch}"]) for epoch in range(EPOCHS) if row[f"{name}{epoch}"]] for row in rows]


def read_tests(name: str) -> list[float]:
    """Return the stored value of a metric on the test split of each pipeline; NaN where it failed."""
    with open(STORED, newline="") as file:
        return [float(row[f"test_{name}0"] or "nan") for row in csv.DictReader(file)]


def write_curves(pipelines: Sequence[Mapping[str, Any]], curves: Sequence[Mapping[str, Sequence[float]]]) -> None:
    """Write the values of all pipelines after each epoch."""
    columns = [f"{name}{epoch}" for name in ("accuracy", "loss") for epoch in range(EPOCHS)]
    columns += [f"test_{name}0" for name in ("accuracy", "loss")]
    with open(STORED, "w", newline="") as file:
        writer = csv.DictWriter(file, [*SPACE, *columns], lineterminator="\n")
        writer.writeheader()
        for values, curve in zip(pipelines, curves, strict=True):
            cells = {f"{name}{epoch}": f"{value:.5g}" for name in curve for epoch, value in enumerate(curve[name])}
            writer.writerow({**values, **cells})


def main(number: int) -> None:
    """Train pipelines, and write their curves."""
    from tests.benchmarks import default_tasks

    pipelines = draw_pipelines(number)
    with tempfile.TemporaryDirectory() as folder:
        struct = default_tasks.task("digits", default_tasks.digits(train=1400), 8, Path(folder))
        write_curves(pipelines, [train_curve(struct, values, Path(folder) / "checkpoints") for values in pipelines])


if __name__ == "__main__":
    main(int(sys.argv[1]))
