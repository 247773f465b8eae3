"""Compare the defaults with the best of a random search.

    python -m tests.benchmarks.search_defaults results --settings 30 --data digits,lesions,cells --processes 2

trains each task by the defaults and by settings drawn at random, all from scratch, on its first fold. The search
chooses by validation; what is compared is the metric on the test split. `results/trainings.csv` has a row for each
training and is kept: the same command goes on from it. The table that compares is printed. The trainings of the present
space are in `search_defaults.csv` beside this file; copied to `results/trainings.csv`, they are not done again.
"""

import argparse
import csv
import json
import math
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from mml_lib.config.loading import load_study
from mml_lib.config.reading.layers import with_defaults
from mml_lib.config.schema import StudyConfig

REPOSITORY = Path(__file__).parents[2]

SIZES = (32, 64, 96)
NETWORKS = ("resnet10t", "resnet18", "resnet34", "efficientnet_b0", "mobilenetv3_small_100", "convnext_atto")
METRICS = {"classification": "accuracy", "semantic_segmentation": "dice", "regression": "r2"}
"""Metric that is compared, in hundredths."""


@dataclass(frozen=True)
class Training:
    """A training and what came of it.

    Args:
        data: name of the task.
        label: what of the defaults it changes; the number of a random setting.
        setting: sections of the study, as JSON.
        val, test: the task's metric; NaN where the training failed.
        seconds: of the training.
        failure: why it failed.
    """

    data: str
    label: str
    setting: str
    val: float = math.nan
    test: float = math.nan
    seconds: float = 0.0
    failure: str = ""


def draw(number: int) -> dict[str, Any]:
    """Return the random setting of a number: sections of a study."""
    rng = np.random.default_rng([20, number])

    def choose(*values: Any) -> Any:
        return values[rng.integers(len(values))]

    def log_uniform(low: float, high: float) -> float:
        return float(f"{math.exp(rng.uniform(math.log(low), math.log(high))):.3g}")

    return {
        "preprocessing": {"size": choose(*SIZES)},
        "normalization": choose("imagenet", "task", "none"),
        "arch": {"preset": "timm", "name": choose(*NETWORKS)},
        "augmentations": choose("none", "flips", "baseline", "medical_color", "randaugment", "default"),
        "optimizer": {
            "preset": choose("adamw", "sgd"),
            "lr": log_uniform(1e-5, 1e-1),
            "weight_decay": log_uniform(1e-5, 1e-1),
        },
        "lr_scheduler": choose("none", "step", "cosine", "cosine_warmup", "one_cycle"),
        "sampling": {"batch_size": choose(32, 64, 128)},
        "trainer": {"max_epochs": choose(5, 10, 20, 30), "precision": choose("32-true", "bf16-mixed")},
    }


def plan(data: Sequence[str], settings: int) -> list[Training]:
    """Return all trainings: the defaults, then the settings drawn, the longest first."""
    drawn = sorted(((str(number), draw(number)) for number in range(settings)), key=lambda item: -_cost(item[1]))
    return [Training(name, label, json.dumps(change)) for label, change in [("default", {}), *drawn] for name in data]


def _cost(setting: Mapping[str, Any]) -> float:
    """Return how long a setting trains, roughly: by its optimizer steps and by its pixels."""
    steps = 1 / setting["sampling"]["batch_size"] + (setting["preprocessing"]["size"] / 400) ** 2
    return setting["trainer"]["max_epochs"] * steps


def train(training: Training, folder: Path, threads: int) -> Training:
    """Train one network and return what it scores."""
    started = time.monotonic()
    try:
        val, test = _scores(training, folder, threads)
        return replace(training, val=val, test=test, seconds=time.monotonic() - started)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return replace(training, failure=reason, seconds=time.monotonic() - started)


def _study(training: Training) -> StudyConfig:
    """Return the study of a training: its setting on the library's defaults."""
    study = {"tasks": {"t": {"creator": "digits"}}, "paths": {"presets": [str(REPOSITORY / "config")]}}
    return load_study(with_defaults(study, json.loads(training.setting)))


def _scores(training: Training, folder: Path, threads: int) -> tuple[float, float]:
    import mml_lib.torchvision_schemas  # noqa: F401  isort: skip
    import torch

    from mml_lib.config.training_options import Augmentations
    from mml_lib.data.augmentation import Augmentation
    from mml_lib.data.datamodule import MMLDataModule
    from mml_lib.evaluation.evaluation import evaluate
    from mml_lib.inference.prediction import best_device, predict
    from mml_lib.models.metric_modules import build_metrics
    from mml_lib.models.network import Network, head_spec
    from mml_lib.models.normalization import statistics_for
    from mml_lib.tasks.struct import TaskStruct
    from mml_lib.training.module import MMLModule
    from mml_lib.training.objectives import build_objectives
    from mml_lib.training.trainer import FiniteGuard, build_trainer

    torch.set_num_threads(threads)
    cfg = _study(training)
    raw = folder / training.data
    paths = {"description": raw / f"{training.data}.json", "dataset": raw / "dataset.json"}
    struct = TaskStruct(training.data, paths | {"packed": raw / f"packed-{cfg.preprocessing.size[0]}"})
    kind, metric, device = struct.task_type, METRICS[struct.task_type], best_device("auto")
    torch.manual_seed(cfg.seed)
    network = Network(
        cfg.arch.spec(), {struct.name: head_spec(struct, cfg.decoder.spec())}, len(struct.pixels.channels)
    )
    network.to(memory_format=torch.channels_last)  # a quarter faster on processors
    statistics = statistics_for(network, cfg, struct)
    module = MMLModule(
        network=network,
        objectives=build_objectives(cfg, [struct], 0),
        mean=statistics.mean,
        std=statistics.std,
        optimizer=cfg.optimizer.spec(),
        lr_scheduler=cfg.lr_scheduler,
        augmentation=Augmentation(
            Augmentations(transforms=cfg.augmentations.of(kind)), masks=kind == "semantic_segmentation"
        ),
        metrics=build_metrics([metric], kind, struct.num_outputs),
        seed=cfg.seed,
    )
    data = MMLDataModule(struct, 0, cfg.sampling, cfg.seed, pin_memory=device.type == "cuda")
    with tempfile.TemporaryDirectory() as checkpoints:
        last = cfg.trainer.max_epochs
        arguments = {"callbacks": [FiniteGuard()], "enable_checkpointing": False, "check_val_every_n_epoch": last}
        build_trainer(cfg, Path(checkpoints), arguments).fit(module, data)
    ids = struct.samples["id"][struct.select("test")]
    predictions = predict(module, data.ordered("test"), ids, device)
    torch.cuda.empty_cache()  # for the trainings beside this one
    return module.history[-1][f"val/{metric}"], evaluate(predictions, [metric])[metric]


def run(
    trainings: Iterable[Training], folder: Path, results: Path, processes: int, threads: int, deadline: float
) -> None:
    """Train side by side, and write each training down as it ends; after the deadline none begins.

    Args:
        trainings: what to train.
        folder: of the packed tasks.
        results: the table of trainings, which is continued.
        processes: trainings at once.
        threads: of each.
        deadline: time of the clock, in seconds.
    """
    context = multiprocessing.get_context("spawn")
    new = not results.exists()
    with open(results, "a", newline="") as file, ProcessPoolExecutor(processes, context) as pool:
        writer = csv.DictWriter(file, [field.name for field in fields(Training)])
        if new:
            writer.writeheader()
        futures = [pool.submit(_in_time, training, folder, threads, deadline) for training in trainings]
        for future in as_completed(futures):
            if done := future.result():
                writer.writerow(asdict(done))
                file.flush()
                print(f"{done.data} {done.label}: {done.test:.4f} in {done.seconds:.0f} s {done.failure}", flush=True)


def _in_time(training: Training, folder: Path, threads: int, deadline: float) -> Training | None:
    return train(training, folder, threads) if time.time() < deadline else None


def read(results: Path) -> list[Training]:
    """Return the trainings of a table, none where there is no table."""
    if not results.exists():
        return []
    with open(results, newline="") as file:
        return [
            Training(**row | {key: float(row[key]) for key in ("val", "test", "seconds")})
            for row in csv.DictReader(file)
        ]


@dataclass(frozen=True)
class Comparison:
    """The defaults next to the best of a search on one task; metrics in hundredths, on the test split."""

    data: str
    metric: str
    default: float
    best: float
    settings: int
    best_setting: str

    @property
    def difference(self) -> float:
        """Advantage of the defaults."""
        return self.default - self.best


def compare(trainings: Sequence[Training]) -> list[Comparison]:
    """Return a comparison for each task with both: the setting that is best in validation next to the defaults."""
    comparisons = []
    for name in dict.fromkeys(training.data for training in trainings):
        own = [training for training in trainings if training.data == name]
        default = next((training for training in own if training.label == "default"), None)
        drawn = [training for training in own if training.label.isdigit()]
        finished = [training for training in drawn if math.isfinite(training.val)]
        if default is None or not finished:
            continue
        best = max(finished, key=lambda training: training.val)
        metric = METRICS[{"lesions": "semantic_segmentation", "cells": "regression"}.get(name, "classification")]
        comparisons.append(Comparison(name, metric, 100 * default.test, 100 * best.test, len(drawn), best.setting))
    return comparisons


def table(comparisons: Sequence[Comparison]) -> str:
    """Return the comparisons as a Markdown table."""
    head = ["task", "metric", "defaults", "best of the search", "difference", "settings"]
    rows = [
        [row.data, row.metric, f"{row.default:.1f}", f"{row.best:.1f}", f"{row.difference:+.1f}", str(row.settings)]
        for row in comparisons
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def prepare(trainings: Sequence[Training], folder: Path, threads: int) -> None:
    """Make the tasks of some trainings and pack their images."""
    sizes: dict[str, set[int]] = {}
    for training in trainings:
        sizes.setdefault(training.data, set()).add(_study(training).preprocessing.size[0])
    if sizes:
        with ProcessPoolExecutor(len(sizes)) as pool:
            list(pool.map(_prepare, sizes, [folder] * len(sizes), sizes.values(), [threads] * len(sizes)))


def _prepare(name: str, folder: Path, sizes: Iterable[int], threads: int) -> None:
    from tests.benchmarks.default_tasks import MATERIALS, task

    material = MATERIALS[name]()
    for size in sizes:
        task(name, material, size, folder, threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--tasks", type=Path)
    parser.add_argument("--settings", type=int, default=30)
    parser.add_argument("--data", default="digits,fashion,lesions,cells")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--labels", default="")
    options = parser.parse_args()
    started = time.time()
    names = options.data.split(",")
    options.results.mkdir(parents=True, exist_ok=True)
    file, folder = options.results / "trainings.csv", options.tasks or options.results / "tasks"
    done = {(training.data, training.label) for training in read(file)}
    labels = options.labels.split(",") if options.labels else None
    todo = [
        training
        for training in plan(names, options.settings)
        if (training.data, training.label) not in done and (labels is None or training.label in labels)
    ]
    prepare(todo, folder, os.cpu_count() or 1)
    print(f"{len(todo)} trainings, {time.time() - started:.0f} s to prepare", flush=True)
    run(todo, folder, file, options.processes, options.threads, started + options.seconds)
    print(table(compare(read(file))), flush=True)


if __name__ == "__main__":
    main()
