"""Nested validation and other tasks: networks are evaluated where they were not trained."""

import csv
import json

import numpy as np
import pytest

from tests.support.messages import mentions
from tests.support.workplaces import TINY, Workplace

FAKE = TINY["tasks"]["stripes"]


@pytest.mark.long
def test_nested_network_predicts_its_fold_the_test_split_and_a_task_without_labels(workplace: Workplace):
    workplace.write(
        TINY
        | {
            "mode": {"preset": "train", "nested": True, "folds": [1], "eval_on": ["archive"]},
            "pivot": {"name": "stripes"},
            "tasks": {"stripes": FAKE, "archive": FAKE | {"task_type": "no_task", "num_samples": 5, "size": 40}},
            "store_best": True,
        }
    )
    workplace.run()
    (model,) = workplace.files("results/tiny/MODELS/stripes+nested~1/*.json")
    storage = json.loads(model.read_text())
    assert (storage["fold"], storage["stored_epoch"]) == (0, 0)
    predictions = workplace.folder / f"results/tiny/PREDICTIONS/stripes+nested~1/{model.stem}"
    ids = {}
    for name in ("test", "stripes/test", "archive/unlabelled"):
        with np.load(predictions / f"{name}.npz", allow_pickle=False) as arrays:
            ids[name], targets = set(arrays["ids"].tolist()), arrays["targets"]
        assert (targets == -1).all() == (name == "archive/unlabelled")
    assert (len(ids["test"]), len(ids["stripes/test"]), len(ids["archive/unlabelled"])) == (19, 10, 5)
    assert not ids["test"] & ids["stripes/test"]
    with open(workplace.folder / "results/tiny/RESULTS/train.csv") as file:
        rows = {(row["task"], row["on"], row["split"]) for row in csv.DictReader(file)}
    assert rows == {("stripes+nested", "", "test"), ("stripes+nested", "stripes", "test")}
    assert workplace.planned() == {}


@pytest.mark.long
def test_tasks_of_other_classes_are_refused_while_planning(copy: Workplace):
    study = TINY | {
        "tasks": {"stripes": FAKE, "other": FAKE | {"num_classes": 3}},
        "pivot": {"name": "stripes"},
        "mode": {"preset": "train", "eval_on": ["other"]},
    }
    copy.write(study)
    output = copy.run("-n", fails=True)
    assert mentions(output, "mode.eval_on: other ", "angle000, angle060, angle120", "stripes")
    assert copy.files("results/tiny/PREDICTIONS/*/*/other/*") == []
