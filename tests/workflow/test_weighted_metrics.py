"""A study whose metrics weigh samples: the values in its files, and what a change of the option makes anew."""

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, roc_auc_score

from tests.support.workplaces import TINY, Workplace

STUDY = TINY | {
    "tasks": {"trusted": {"creator": "csv", "path": "table.csv", "columns": {"weight": "trust"}, "folds": 2}},
    "mode": {"preset": "train", "folds": [0], "subroutines": ["train", "predict", "test"]},
    "metrics": ["accuracy", "auroc"],
    "bootstrap": 100,
    "weighted_metrics": True,
}


def write_table(workplace: Workplace) -> None:
    """Write noisy images of two classes, and a table of them with weights."""
    rng, rows = np.random.default_rng(0), ["image,label,trust"]
    (workplace.folder / "img").mkdir()
    for number in range(60):
        pixels = np.clip(rng.normal(110 + 12 * (number % 2), 60, (16, 16)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(workplace.folder / f"img/{number}.png")
        rows.append(f"img/{number}.png,{'ab'[number % 2]},{[0, 0.5, 1, 4][number // 2 % 4]}")
    (workplace.folder / "table.csv").write_text("\n".join(rows))


def test_metrics_of_a_study_are_weighted_and_the_option_trains_nothing_anew(workplace: Workplace):
    write_table(workplace)
    workplace.write(STUDY)
    workplace.run()
    (description,) = workplace.files("data/TASKS/trusted/*.json")
    samples = json.loads(description.read_text())["samples"]
    by_id = dict(zip(samples["id"], samples["weight"], strict=True))
    (path,) = workplace.files("results/tiny/PREDICTIONS/trusted/*/test.npz")
    with np.load(path) as predictions:
        weights = [by_id[id_] for id_ in predictions["ids"].tolist()]
        targets, logits = predictions["targets"], predictions["logits"].astype(float)
    expected = {
        "accuracy": accuracy_score(targets, logits.argmax(axis=1), sample_weight=weights),
        "auroc": roc_auc_score(targets, logits[:, 1] - logits[:, 0], sample_weight=weights),
    }
    (path,) = workplace.files("results/tiny/METRICS/trusted/*/test.json")
    metrics = json.loads(path.read_text())
    assert metrics["weighted"]
    for name, value in expected.items():
        assert metrics["metrics"][name] == pytest.approx(value, rel=1e-9), name
    output = workplace.run("-n", "--config", "weighted_metrics=false")
    assert "test_fold" in output
    assert "train_fold" not in output
    assert "predict_fold" not in output
