"""From stored predictions to an answer: nothing is trained, and what was predicted stays as it is."""

import csv
import json

import numpy as np

from tests.workflow.conftest import TINY, Workplace


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
    with open(copy.folder / "results/tiny/COMPARISONS/stripes/post/leaderboard.csv") as file:
        assert {row["run"] for row in csv.DictReader(file)} == {run, "ensemble"}
    assert copy.planned("post") == {}
    copy.write(TINY | {"mode": {"preset": "post", "calibration": "temperature"}})
    changed = copy.planned()
    assert changed.keys() <= {"calibrate_fold", "compare_runs", "finish_exp", "draw_results", "describe_study"}
    assert changed["calibrate_fold"] == 2
