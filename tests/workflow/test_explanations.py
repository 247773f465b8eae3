"""Explanations of a finished study: one step makes them, another method repeats it alone, and the report has them."""

import csv

import pytest

from tests.support.workplaces import Workplace


def methods(copy: Workplace) -> set[str]:
    with open(copy.folder / "results/tiny/EXPLANATIONS/stripes/train.csv", newline="") as stream:
        return {row["method"] for row in csv.DictReader(stream)}


@pytest.mark.long
def test_explanations_train_nothing(copy: Workplace):
    options = ("--config", "explain={images: 2}")
    assert copy.planned(*options) == {"explain": 1, "finish_exp": 1}
    copy.run(*options)
    assert copy.planned(*options) == {}
    assert methods(copy) == {"grad_cam"}
    other = ("--config", "explain={images: 2, method: integrated_gradients}")
    assert copy.planned(*other) == {"explain": 1, "finish_exp": 1}
    copy.run("--report", "report.html", *options)
    assert "Explanations" in (copy.folder / "report.html").read_text()
