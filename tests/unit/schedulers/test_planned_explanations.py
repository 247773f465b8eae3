"""Explanations in plans: a step for each tested task that changes no run, and lines for what cannot be explained."""

from typing import Any

import pytest

from mml_lib.errors import MMLError
from mml_lib.studies.checks import explaining
from tests.support.train_studies import study

VIT = {"preset": "timm", "name": "cait_xxs24_224"}


def explained(explain: Any = True, mode: dict[str, Any] | None = None, **changes: Any) -> list[str]:
    return study(mode, explain=explain, **changes).scheduler("train").commands


def test_each_tested_task_is_explained_and_no_run_changes():
    for explain in (True, {"method": "integrated_gradients", "images": 2}):
        changed = study(explain=explain, pivot={}).scheduler("train")
        plain = study(pivot={}, tasks={"mine": study().config["tasks"]["mine"]}).scheduler("train")
        assert [run.id for run in changed.runs_of("mine")] == [run.id for run in plain.runs_of("mine")]
    assert explained().count("explain") == 1
    assert "explain" not in explained(False) + explained(None)
    assert "explain" not in explained(mode={"subroutines": ["train", "predict"]})


@pytest.mark.parametrize(
    ("explain", "changes", "remedy"),
    [
        ({"method": "grad_cam"}, {"arch": VIT}, "set it to integrated_gradients"),
        (True, {"patches": {"size": 16}}, "leave explain or patches out"),
        (True, {"mode": {"preset": "train", "nested": True}}, "nested: false"),
        ({"method": "gradcam"}, {}, "grad_cam"),
        ({"images": 0}, {}, "explain.images"),
        ({"pictures": 3}, {}, "pictures"),
    ],
)
def test_what_cannot_be_explained_is_refused(explain: Any, changes: dict[str, Any], remedy: str):
    with pytest.raises(MMLError, match=remedy):
        explained(explain, **changes)


def test_networks_without_maps_are_explained_by_pixels():
    assert "explain" in explained(True, arch=VIT)
    assert "explain" in explained({"method": "integrated_gradients"}, arch=VIT)


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(explaining, "find_spec", lambda name: None)
    with pytest.raises(MMLError, match=r"mml\[explain\]"):
        explained()
