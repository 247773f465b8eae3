"""CPU and wall time of the steps of a summary and of mode `post`: 12 runs of 5 folds, 10,000 test samples, 10 classes.

    python tests/benchmarks/answers.py [CLONE]

The scripts of a clone of this repository, by default this one, are run in this process on files that are made up, one
step after the other, without what starting a step takes; so two versions can be measured side by side. Set
OMP_NUM_THREADS=1 to count the work of one core.
"""

import argparse
import contextlib
import importlib
import io
import runpy
import sys
import tempfile
import time
import types
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

RUNS, SEEDS, FOLDS, TESTED, VALIDATED, CLASSES = 12, 3, 5, 10_000, 2_000, 10
METRICS = ["accuracy", "balanced_accuracy", "f1", "auroc"]
BOOTSTRAP = 1000


class Named(dict):
    """Inputs, outputs, parameters and wildcards as Snakemake hands them to a script."""

    __getattr__ = dict.__getitem__


class Steps:
    """Runs scripts and adds up what they take.

    Args:
        clone: root of the repository whose scripts are run.
    """

    def __init__(self, clone: Path):
        self.clone = clone
        self.cpu: dict[str, float] = defaultdict(float)
        self.wall: dict[str, float] = defaultdict(float)
        self.number: dict[str, int] = defaultdict(int)
        self._step: Any = None
        terminal = importlib.import_module("mml_lib.machine.terminal")
        terminal.print_line = lambda *_: None
        module = types.ModuleType("mml_lib.steps.open_step")
        module.open_step = lambda snakemake, warm=False: self._step
        sys.modules["mml_lib.steps.open_step"] = module

    def run(self, rule: str, inputs: dict, output: dict, params: dict, wildcards: dict) -> None:
        config = SimpleNamespace(metrics_of=lambda task_type: METRICS, bootstrap=BOOTSTRAP)
        self._step = SimpleNamespace(cfg=config, **{"task": "t", "eval_task": "t", "run": "", "fold": 0} | wildcards)
        snakemake = SimpleNamespace(
            input=Named(inputs), output=Named(output), params=Named(params), wildcards=Named(wildcards), rule=rule
        )
        cpu, wall = time.process_time(), time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            runpy.run_path(str(self.clone / f"scripts/{rule}.py"), {"snakemake": snakemake})
        self.cpu[rule] += time.process_time() - cpu
        self.wall[rule] += time.perf_counter() - wall
        self.number[rule] += 1


def main(clone: Path) -> None:
    """Make up the predictions of a study, run its steps, and print what they took."""
    sys.path.insert(0, str(clone))
    steps = Steps(clone)
    calibrates_validation = "cross_calibrate" in (clone / "scripts/calibrate_fold.py").read_text()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        task = _describe(root)
        networks = _predict(root)
        labels = {network["run"]: network["shown"] for network in networks}
        tested, resampled, validated, delivered = [], [], [], []
        for network in networks:
            of_network = {key: network[key] for key in ("task", "run", "fold")}
            val, test = (network["files"][split] for split in ("val", "test"))
            metrics, draws = f"{test}.json", f"{test}.resampled.npz"
            params = {"metrics": METRICS, "bootstrap": BOOTSTRAP, "per_group": None}
            steps.run(
                *("test_fold", {"predictions": test, "task": task}, {"metrics": metrics, "resampled": draws}, params),
                {**of_network, "eval": "test"},
            )
            tested, resampled = [*tested, metrics], [*resampled, draws]
            for split in ("val", "test") if calibrates_validation else ("test",):
                source = network["files"][split]
                outputs = {"calibrated": f"{source}.calibrated.npz", "calibration": f"{source}.calibration.json"}
                inputs = {"predictions": source, "validation": val, "task": task}
                params = {"calibration": {"method": "auto", "prior": "val"}}
                steps.run("calibrate_fold", inputs, outputs, params, {**of_network, "eval": split})
            validated.append(f"{val}.calibrated.npz" if calibrates_validation else val)
            delivered.append(f"{test}.calibrated.npz" if calibrates_validation else test)
        inputs, params = {"metrics": tested, "resampled": resampled}, {"run_labels": labels, "notes": []}
        outputs = {"summary": root / "summary.csv", "folds": root / "folds.csv"}
        steps.run("summarize", inputs, outputs, params, {"mode": "post"})
        _answer(steps, root, task, networks, validated, delivered)
    _report(steps)


def _describe(root: Path) -> str:
    from mml_lib.tasks.description import TaskDescription

    number = FOLDS * VALIDATED
    columns = {
        "id": [*(f"v{n}" for n in range(number)), *(f"s{n}" for n in range(TESTED))],
        "split": ["train"] * number + ["test"] * TESTED,
        "fold": [n % FOLDS for n in range(number)] + [-1] * TESTED,
        "group": [None] * (number + TESTED),
        "digest": [f"{n:064x}" for n in range(number + TESTED)],
    }
    header = {"name": "t", "classes": [f"class{n}" for n in range(CLASSES)], "task_type": "classification"}
    description = TaskDescription(header, columns)
    read = TaskDescription.read
    TaskDescription.read = classmethod(lambda cls, path: description if str(path) == "task" else read(path))
    return "task"


def _predict(root: Path) -> list[dict[str, Any]]:
    import numpy as np

    from mml_lib.predictions.predictions import Predictions

    rng = np.random.default_rng(0)
    learned, test = rng.integers(0, CLASSES, FOLDS * VALIDATED), rng.integers(0, CLASSES, TESTED)
    networks = []
    for number in range(RUNS):
        procedure, run = f"{number // SEEDS:08x}", f"{number + 16:08x}"
        label = {"task": "t", "run": run, "label": f"run {number}", "procedure": procedure}
        label["procedure_label"] = f"procedure {number // SEEDS}"
        for fold in range(FOLDS):
            network = {"task": "t", "run": run, "fold": fold, "shown": {**label, "fold": fold}, "calibrated": True}
            network["files"] = {}
            val = np.arange(fold, FOLDS * VALIDATED, FOLDS)
            for split, targets, ids in (("val", learned[val], val), ("test", test, np.arange(TESTED))):
                noise = rng.normal(size=(len(targets), CLASSES))
                logits = 3 * ((2 + number / 40) * np.eye(CLASSES)[targets] + noise)
                names = np.array([f"{split[0] if split == 'val' else 's'}{n}" for n in ids])
                path = root / f"{run}-{fold}-{split}.npz"
                Predictions(logits.astype(np.float32), targets.astype(np.int64), names).write(path)
                network["files"][split] = str(path)
            networks.append(network)
    return networks


def _answer(steps: Steps, root: Path, task: str, networks: list[dict], validated: list, delivered: list) -> None:
    members = [{key: network[key] for key in ("task", "run", "fold")} for network in networks]
    ensemble, predicted = root / "ensemble.json", root / "ensemble.npz"
    options = {"strategy": "greedy", "max_ensemble_size": 5, "seed": 0}
    params = {"members": members, "options": options, "mask_transforms": None}
    inputs = {"predictions": validated, "task": task, "dataset": []}
    steps.run("select_ensemble", inputs, {"ensemble": ensemble}, params, {})
    inputs = {"ensemble": ensemble, "predictions": delivered, "task": [], "dataset": []}
    params = {"members": members, "mask_transforms": None}
    steps.run("predict_ensemble", inputs, {"predictions": predicted}, params, {"eval": "test"})
    raw = [network["files"]["test"] for network in networks]
    inputs = {
        "tasks": [task],
        "dataset": [],
        "metadata": [],
        "predictions": delivered,
        "ensembles": [predicted],
        "ensemble_definitions": [ensemble],
        "calibrated": [f"{path}.calibrated.npz" for path in raw],
        "uncalibrated": raw,
    }
    names = ("leaderboard", "differences", "folds", "classes", "groups", "calibration")
    tables = {name: root / f"{name}.csv" for name in names}
    params = {"networks": networks, "metrics": METRICS, "bootstrap": BOOTSTRAP, "per_group": None}
    params |= {"out_of_fold": False, "notes": [], "mask_transforms": None, "ensemble_folds": {"t": None}}
    steps.run("compare_runs", inputs, tables, params, {"mode": "post"})


def _report(steps: Steps) -> None:
    print(f"{'rule':16} {'steps':>5} {'CPU':>8} {'wall':>8}  (seconds)")
    for rule, number in steps.number.items():
        print(f"{rule:16} {number:5} {steps.cpu[rule]:8.1f} {steps.wall[rule]:8.1f}")
    print(f"{'all':16} {sum(steps.number.values()):5} {sum(steps.cpu.values()):8.1f} {sum(steps.wall.values()):8.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clone", nargs="?", type=Path, default=Path(__file__).parents[2])
    main(parser.parse_args().clone.resolve())
