"""Mode export: a run becomes files that other software runs, or the plan says why not."""

import json

import pytest

from tests.support.workplaces import Workplace


@pytest.mark.long
def test_a_run_is_exported_with_the_difference_from_its_stored_predictions(copy: Workplace):
    assert copy.planned("export") == {"export_run": 1, "finish_exp": 1}
    copy.run("export")
    folder = copy.folder / "results/tiny/EXPORTS/stripes/best"
    content = json.loads((folder / "description.json").read_text())
    assert max(content["check"]["largest_differences"].values()) <= 1e-3
    assert {"README.md", "model.onnx", "model.pt2", "run_onnx.py"} <= {path.name for path in folder.iterdir()}
    assert copy.planned("export") == {}


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (["export={run: ensemble}"], "set mode: post"),
        (["export={run: 0a1b2c3d}"], "export.run: the study has no run"),
        (["export={task: stripe}"], "did you mean 'stripes'"),
    ],
)
def test_what_cannot_be_exported_is_refused_while_planning(options: list[str], remedy: str, finished: Workplace):
    assert remedy in finished.run("-n", "export", "--config", *options, fails=True)
