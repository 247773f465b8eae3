"""Questions of a study, answered by real runs: the ablation table, a learning curve, procedures across tasks."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.support.messages import mentions
from tests.support.workplaces import TINY, Workplace, once

pytestmark = pytest.mark.long

ANSWERED = TINY | {
    "mode": TINY["mode"] | {"cv": False},
    "tasks": {"stripes": TINY["tasks"]["stripes"] | {"test_fraction": 0.3}},
    "tagging": {"variants": ["+identity", "+subset~0.5", "+subset~0.5~1"]},
    "variants": {"plain": {}, "smoothed": {"loss": "label_smoothing"}},
    "baseline": "plain",
    "bootstrap": 100,
}


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A finished study of two procedures on a task and two subsets of it, and its report."""
    place = once(tmp_path_factory, "questions", ANSWERED)
    place.run("--report", "report.html")
    return place


def rows(place: Workplace, path: str) -> list[dict[str, str]]:
    with open(place.folder / "results/tiny" / path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_ablation_table_has_differences_to_the_baseline(answered: Workplace):
    table = rows(answered, "RESULTS/train-ablation.csv")
    assert [(row["task"], row["procedure"], row["mark"] == "baseline") for row in table] == [
        (task, procedure, procedure == "plain")
        for task in ("stripes", "stripes+subset~0.5", "stripes+subset~0.5~1")
        for procedure in ("plain", "smoothed")
    ]
    summary = {
        (row["task"], row["label"]): row
        for row in rows(answered, "RESULTS/train.csv")
        if row["kind"] == "procedure" and row["metric"] == "accuracy"
    }
    for row in table:
        of_summary = summary[row["task"], row["procedure"]]
        assert (row["mean"], row["ci_low"]) == (of_summary["mean"], of_summary["ci_low"])
        assert (row["runs"], row["folds"], row["samples"]) == ("1", "1", "14")
    latex = (answered.folder / "results/tiny/RESULTS/train-ablation.tex").read_text()
    assert latex.count("\\midrule") == 3
    assert r"stripes+subset\textasciitilde{}0.5" in latex


def test_learning_curve_counts_training_samples_and_subsets(answered: Workplace):
    curve = [row for row in rows(answered, "CURVES/stripes+subset/train.csv") if row["procedure"] == "plain"]
    assert [(row["value"], row["subsets"], row["networks"]) for row in curve] == [("0.5", "2", "2"), ("", "1", "1")]
    # Of 48 samples 14 are tested on; of 34, or 17, the first of two folds trains on the half.
    assert [float(row["x"]) for row in curve] == pytest.approx([8.5, 17], abs=1)
    fit = rows(answered, "CURVES/stripes+subset/train-fit.csv")
    assert {row["reason"] for row in fit} == {"no power law: 2 sizes define the metric, and 4 or more are needed"}


def test_tasks_of_one_data_set_are_no_test(answered: Workplace):
    scores = rows(answered, "RESULTS/train-tasks.csv")
    assert len(scores) == 3 * 2
    assert {row["task"] for row in scores if row["tested"] == "True"} == {"stripes"}
    (test,) = rows(answered, "RESULTS/train-tests.csv")
    assert test["reason"].startswith("no test: there is 1 task")


def test_report_shows_what_is_asked(answered: Workplace):
    html = (answered.folder / "report.html").read_text(encoding="utf-8")
    categories = json.loads(re.search(r"\n    var categories = (.*);\n    </script>", html)[1])
    assert categories["Questions"].keys() == {"baseline", "stripes+subset", "across tasks"}
    names = {Path(path).name for paths in categories["Questions"].values() for path in paths}
    pages = {"curve_table.html", "power_law_table.html", "scores_table.html", "ranks_table.html", "tests_table.html"}
    assert names == {"ablation.html", "accuracy.svg"} | pages


def test_another_baseline_makes_the_ablation_table_anew_and_nothing_else(answered: Workplace, tmp_path: Path):
    shutil.copytree(answered.folder, tmp_path / "copy", symlinks=True)
    copy = Workplace(tmp_path / "copy")
    assert copy.planned() == {}
    copy.write(ANSWERED | {"baseline": "smoothed"})
    assert copy.planned() == {"compare_with_baseline": 1, "finish_exp": 1}
    copy.write(ANSWERED | {"rope": 0.05})
    assert copy.planned() == {"compare_across_tasks": 1, "finish_exp": 1}
    copy.write(ANSWERED | {"baseline": "plian"})
    assert "study.yaml" in (output := copy.run("-n", fails=True))
    assert mentions(output, "procedure 'plian', did you mean 'plain'")
