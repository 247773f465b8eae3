"""Cross-validation without a test split: each sample is tested once, and the folds are pooled."""

import csv
import json

import numpy as np
import pytest

from tests.support.workplaces import TINY, Workplace

FAKE = TINY["tasks"]["stripes"] | {"test_fraction": 0}


@pytest.mark.long
def test_each_sample_is_predicted_once_and_results_are_pooled(workplace: Workplace):
    workplace.write(TINY | {"tasks": {"stripes": FAKE}})
    output = workplace.run()
    (pooled,) = workplace.files("results/tiny/PREDICTIONS/stripes/*/out_of_fold.npz")
    with np.load(pooled) as arrays:
        ids, right = arrays["ids"].tolist(), arrays["logits"].argmax(axis=1) == arrays["targets"]
    assert len(ids) == len(set(ids)) == 48
    (metrics,) = workplace.files("results/tiny/METRICS/stripes/*/out_of_fold.json")
    content = json.loads(metrics.read_text())
    assert content["metrics"]["accuracy"] == pytest.approx(right.mean())
    assert (content["folds"], content["samples"]) == (2, 48)
    with open(workplace.folder / "results/tiny/RESULTS/train.csv") as file:
        rows = {row["split"]: row for row in csv.DictReader(file)}
    assert float(rows["out_of_fold"]["mean"]) == pytest.approx(right.mean())
    assert (rows["out_of_fold"]["folds"], rows["out_of_fold"]["about"]) == ("2", "procedure")
    assert "out_of_fold pools 2 networks" in output
    best = json.loads((workplace.folder / "results/tiny/RESULTS/train.json").read_text())["return_value"][0]
    assert (best["split"], best["mean"]) == ("out_of_fold", pytest.approx(right.mean()))
    assert workplace.planned() == {}
