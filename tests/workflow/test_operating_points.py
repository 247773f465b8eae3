"""Operating points of a finished study: validation samples are predicted, and no network is trained."""

import csv

import pytest

from tests.support.workplaces import Workplace


@pytest.mark.long
def test_operating_points_train_nothing(copy: Workplace):
    options = ("--config", "operating_points={sensitivity: [0.8]}")
    planned = {"predict_fold": 2, "find_operating_points": 1, "finish_exp": 1}
    assert copy.planned(*options) == planned
    copy.run(*options)
    assert copy.planned(*options) == {}
    folder = copy.folder / "results/tiny/OPERATING/stripes"
    with open(folder / "train.csv", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["criterion"], float(row["wanted"])) == ("sensitivity", 0.8)
    assert {path.name for path in (folder / "train").iterdir()} >= {"decision_curves.svg", "operating_points.html"}
    more = ("--config", "operating_points={specificity: [0.8]}")
    assert copy.planned(*more) == {"find_operating_points": 1, "finish_exp": 1}
