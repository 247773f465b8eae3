"""From stored predictions to an answer: nothing is trained, and what was predicted stays as it is."""

import csv
import json
import re

import numpy as np
import pandas as pd
import pytest

from mml_lib.predictions.scores import softmax
from tests.support.image_folders import write_images
from tests.support.workplaces import TINY, Workplace


def test_finished_study_is_answered_without_training(copy: Workplace):
    originals = {path: path.read_bytes() for path in copy.files("results/tiny/PREDICTIONS/*/*/test.npz")}
    planned = copy.planned("post")
    assert planned["predict_fold"] == 2, "the validation splits"
    assert "train_fold" not in planned
    copy.run("post")
    assert {path: path.read_bytes() for path in originals} == originals
    (run,) = {path.name.split("-")[0] for path in copy.files("results/tiny/MODELS/stripes/*.json")}
    for fold in (0, 1):
        with np.load(copy.folder / f"results/tiny/CALIBRATED/stripes/{run}-fold{fold}/test.npz") as arrays:
            assert np.allclose(np.exp(arrays["logits"]).sum(axis=1), 1, atol=1e-5)
    ensemble = json.loads((copy.folder / "results/tiny/ENSEMBLES/stripes/post.json").read_text())
    assert ensemble["members"] == [{"task": "stripes", "run": run}]
    with np.load(copy.folder / "results/tiny/ENSEMBLES/stripes/post/test.npz") as arrays:
        delivered = arrays["logits"]
    calibrated = [np.load(path)["logits"] for path in copy.files("results/tiny/CALIBRATED/stripes/*/test.npz")]
    if ensemble["calibration"] is None:
        assert np.allclose(np.exp(delivered), np.mean(np.exp(calibrated), axis=0), atol=1e-5), "of calibrated members"
    with open(copy.folder / "results/tiny/COMPARISONS/stripes/post/leaderboard.csv") as file:
        assert {row["run"] for row in csv.DictReader(file)} == {run, "ensemble"}
    assert copy.planned("post") == {}
    copy.write(TINY | {"mode": {"preset": "post", "calibration": "temperature"}})
    changed = copy.planned()
    assert changed.keys() <= {
        *("calibrate_fold", "select_ensemble", "predict_ensemble", "compare_runs", "finish_exp"),
        *("draw_results", "describe_study", "write_methods", "write_report"),
    }
    assert changed["calibrate_fold"] == 4, "test samples, and validation samples for the ensemble"


def log_loss(logits: np.ndarray, targets: np.ndarray) -> float:
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_probabilities[np.arange(len(targets)), targets].mean())


def mean_probabilities(place: Workplace, kind: str) -> np.ndarray:
    """Return the logarithm of the mean probabilities of all networks on the test samples."""
    logits = [np.load(path)["logits"].astype(float) for path in place.files(f"results/tiny/{kind}/t/*/test.npz")]
    softmax = [np.exp(member) / np.exp(member).sum(axis=1, keepdims=True) for member in logits]
    return np.log(np.mean(softmax, axis=0))


@pytest.mark.long
@pytest.mark.thorough
def test_ensemble_of_calibrated_members_has_a_lower_log_loss_than_one_of_uncalibrated_ones(workplace: Workplace):
    mode = {"preset": "post", "ensemble": {"strategy": "mean"}}
    mode["subroutines"] = ["train", "predict", "test", "calibrate", "ensemble"]
    task = {"creator": "fake", "num_samples": 300, "num_classes": 3, "size": 24, "folds": 3}
    trainer = {"max_epochs": 4, "accelerator": "cpu"}
    variants = {"a": {}, "b": {"seed": 1}}
    workplace.write(TINY | {"mode": mode, "tasks": {"t": task}, "trainer": trainer, "variants": variants})
    workplace.run()
    with np.load(workplace.folder / "results/tiny/ENSEMBLES/t/post/test.npz") as arrays:
        delivered, targets = arrays["logits"], arrays["targets"]
    before = log_loss(mean_probabilities(workplace, "PREDICTIONS"), targets)
    members = log_loss(mean_probabilities(workplace, "CALIBRATED"), targets)
    assert members < 0.8 * before
    assert log_loss(delivered, targets) <= members
    ensemble = json.loads((workplace.folder / "results/tiny/ENSEMBLES/t/post.json").read_text())
    losses = ensemble["calibration_losses"]
    assert (ensemble["calibration"] is not None) == (losses["after"] < losses["before"])


def write_table(place: Workplace, name: str, seed: int) -> dict:
    """Write 24 images of two classes, two of each patient, and what is said of each; return the task."""
    files = write_images(place.folder / name, 24, seed)
    rows = [
        f"{file.name},{'xy'[n % 2]},{'north' if n % 3 else 'south'},{40 + n},{name}{n // 4}{n % 2}"
        for n, file in enumerate(files)
    ]
    (place.folder / name / "table.csv").write_text("\n".join(["image,label,site,age,group", *rows]))
    return {"creator": "csv", "path": f"{name}/table.csv", "folds": 2, "test_fraction": 0.3}


def rows_of(place: Workplace, table: str) -> list[dict[str, str]]:
    with open(place.folder / f"results/tiny/COMPARISONS/mine/post/{table}.csv") as file:
        return list(csv.DictReader(file))


def check_metrics_per_group(place: Workplace) -> None:
    """Check that a patient's mean probability decides in metrics files, summary, leaderboard and report."""
    patients = {row["group"] for row in rows_of(place, "groups") if row["column"] == "group"}
    for path in place.files("results/tiny/METRICS/mine/*-fold0/test.json"):
        metrics = json.loads(path.read_text())
        folder = path.parent.name
        with np.load(place.folder / f"results/tiny/PREDICTIONS/mine/{folder}/test.npz") as arrays:
            ids, logits, targets = (arrays[name] for name in ("ids", "logits", "targets"))
        numbers = [int(re.findall(r"\d+", id_)[-1]) for id_ in ids.tolist()]
        table = pd.DataFrame(softmax(logits)).assign(target=targets)
        means = table.groupby([f"mine{n // 4}{n % 2}" for n in numbers]).mean()
        assert set(means.index) == patients
        right = means[[0, 1]].to_numpy().argmax(axis=1) == means["target"]
        assert metrics["metrics"]["accuracy_per_group"] == pytest.approx(right.mean())
        assert len(metrics["intervals"]["accuracy_per_group"]) == 2
    with open(place.folder / "results/tiny/RESULTS/post.csv") as file:
        assert "accuracy_per_group" in {row["metric"] for row in csv.DictReader(file)}
    assert all(row["accuracy_per_group"] for row in rows_of(place, "leaderboard"))


@pytest.mark.long
def test_networks_of_another_task_are_answers_and_results_are_told_by_metadata(workplace: Workplace):
    mine, other = write_table(workplace, "mine", 0), write_table(workplace, "other", 100)
    mode = {"preset": "post", "source_tasks": ["other"], "ensemble": {"strategy": "mean"}}
    mode["subroutines"] = ["train", "predict", "test", "ensemble", "compare"]
    study = TINY | {"mode": mode, "pivot": {"name": "mine"}}
    workplace.write(study | {"tasks": {"mine": mine | {"metadata": ["site"]}, "other": other}})
    workplace.run()
    ensemble = json.loads((workplace.folder / "results/tiny/ENSEMBLES/mine/post.json").read_text())
    assert [member["task"] for member in ensemble["members"]] == ["mine", "other"]
    held_out = {}
    for task in ("mine/{run}-fold{fold}", "other/{run}-fold{fold}/mine"):
        for fold in (0, 1):
            (path,) = workplace.files(f"results/tiny/PREDICTIONS/{task.format(run='*', fold=fold)}/val.npz")
            with np.load(path) as arrays:
                held_out.setdefault(fold, []).append(sorted(arrays["ids"].tolist()))
    assert held_out[0][0] == held_out[0][1] != held_out[1][0] == held_out[1][1]
    assert "other" in {row["label"] for row in rows_of(workplace, "leaderboard")}
    groups = rows_of(workplace, "groups")
    assert {row["group"] for row in groups if row["column"] == "site"} == {"north", "south"}
    check_metrics_per_group(workplace)
    workplace.write(study | {"tasks": {"mine": mine | {"metadata": ["site", "age"]}, "other": other}})
    assert workplace.planned() == {"collect_metadata": 1, "compare_runs": 1, "finish_exp": 1}
