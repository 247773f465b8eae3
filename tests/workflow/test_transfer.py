"""Gains of several sources on one target in one study, and their rank correlation with distances."""

import csv
from pathlib import Path

import pytest

from tests.support.workplaces import TINY, Workplace

pytestmark = pytest.mark.long

TASK = TINY["tasks"]["stripes"] | {"num_samples": 24}
STUDY = TINY | {
    "mode": {"preset": "tl", "cv": False, "subroutines": ["train", "predict", "test"]},
    "pivot": {"name": "mine"},
    "tasks": {
        "mine": TASK | {"test_fraction": 0.4},
        **{name: TASK | {"image_seed": number} for number, name in enumerate("bcd", start=1)},
    },
    "sweep": {"mode.pretrain_task": ["none", "b", "c", "d"]},
    "reuse": {"distances": "old"},
    "bootstrap": 100,
}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_study_collects_the_gain_of_each_source(workplace: Workplace):
    distances = workplace.folder / "results/old/DISTANCES/near.csv"
    distances.parent.mkdir(parents=True)
    distances.write_text("source,mine\nb,0.1\nc,0.2\nd,0.3\nmine,\n")
    workplace.write(STUDY)
    assert workplace.planned()["train_fold"] == 4 + 3
    workplace.run()
    folder = workplace.folder / "results/tiny/TRANSFER"
    matrix = rows(folder / "accuracy.csv")
    assert [list(row) for row in matrix] == 3 * [["source", "mine"]]
    accuracy = {
        row["label"].removeprefix("mode.pretrain_task="): float(row["mean"])
        for row in rows(workplace.folder / "results/tiny/RESULTS/tl.csv")
        if row["metric"] == "accuracy" and row["kind"] == "procedure"
    }
    for row in matrix:
        assert float(row["mine"]) == pytest.approx(accuracy[row["source"]] - accuracy["none"])
    gains = rows(folder / "accuracy-gains.csv")
    assert all(float(row["gain_low"]) <= float(row["gain"]) <= float(row["gain_high"]) for row in gains)
    whole, single = rows(folder / "accuracy-distances.csv")
    assert (whole["measure"], whole["target"], single["target"], single["sources"]) == ("old: near", "", "mine", "3")
    assert bool(single["tau"]) == (len({row["mine"] for row in matrix}) > 1)
    assert whole["reason"]
    assert {path.name for path in (folder / "accuracy").glob("[a-z]*")} == {
        "gains.svg",
        "gains_table.html",
        "distances_table.html",
    }
    assert workplace.planned() == {}
