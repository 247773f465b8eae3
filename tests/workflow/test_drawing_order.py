"""Pictures wait for the networks that they show, so that a study draws them beside trainings of other tasks."""

import pytest

from tests.support.workplaces import TINY, Workplace

PICTURES = {
    "INFO/b/samples.png": 0,
    "FIGURES/b/train": 2,
    "EXPLANATIONS/b/train.csv": 2,
    "OPERATING/b/train.csv": 2,
    "PLOTS/train/curves/a+subset": 6,
    "REPORTS/train.html": 12,
}
"""Trainings that pictures wait for, of the twelve of the study."""


@pytest.fixture(scope="module")
def six_tasks(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A study of two tasks with two folds, and two subsets of each."""
    task = {"creator": "fake", "num_samples": 60, "num_classes": 2, "size": 24, "folds": 2, "test_fraction": 0.2}
    place = Workplace(tmp_path_factory.mktemp("drawing"))
    place.write(
        TINY
        | {
            "mode": "train",
            "tasks": {"a": task, "b": task | {"seed": 2}},
            "tagging": {"variants": ["+identity", "+subset~0.5", "+subset~0.7"]},
            "explain": {"images": 2},
            "operating_points": {"sensitivity": [0.9]},
        }
    )
    return place


@pytest.mark.parametrize("picture", PICTURES)
def test_pictures_wait_for_the_networks_that_they_show(picture: str, six_tasks: Workplace):
    assert six_tasks.planned(f"results/tiny/{picture}").get("train_fold", 0) == PICTURES[picture]
