"""Questions of a study: its baseline, the curves that its tasks form, and what is planned for each."""

import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from snakemake.iocontainers import Wildcards

from mml_lib.errors import MMLError
from mml_lib.evaluation.comparisons.planned_tests import PlannedTest
from mml_lib.studies.study import Study
from mml_lib.tasks.curves import Point, curves_of
from tests.support.places import CONFIG

FAKE = {"creator": "fake", "num_samples": 60, "folds": 3, "test_fraction": 0.3}
TWO = {"plain": {}, "smoothed": {"loss": "label_smoothing"}}
MODE = Wildcards(fromdict={"mode": "train"})


def study(mode: dict[str, Any] | None = None, tasks: dict[str, Any] | None = None, **changes: Any) -> Study:
    base = {
        "mode": {"preset": "train", "cv": False, **(mode or {})},
        "tasks": tasks or {"shapes": FAKE},
        "arch": "test_resnet",
        "loss": "default",
        "optimizer": "adamw",
        "paths": {"presets": [str(CONFIG)]},
    }
    return Study(base | changes)


def planned(*arguments: Any, **changes: Any) -> Counter:
    return Counter(study(*arguments, **changes).scheduler("train").commands)


def baselines(baseline: Any, **changes: Any) -> dict[str, dict[str, str]]:
    return study(**{"variants": TWO, **changes}, baseline=baseline).inputs.questions.baselines(MODE)


# --- baseline -----------------------------------------------------------------------------------------------------


def test_baseline_is_a_variant_or_a_procedure_or_a_list_of_them():
    assert baselines("plain") == {"plain": {"plain": "plain", "smoothed": "plain"}}
    assert list(baselines(["plain", "smoothed"])) == ["plain", "smoothed"]
    swept = {"variants": {}, "sweep": {"optimizer.lr": [0.1, 0.2], "seed": [1, 2]}}
    of_rate = {"optimizer.lr=0.1": "optimizer.lr=0.1", "optimizer.lr=0.2": "optimizer.lr=0.1"}
    assert baselines("optimizer.lr=0.1", **swept) == {"optimizer.lr=0.1": of_rate}


def test_baseline_of_a_sweep_is_that_at_the_same_values():
    swept = {"sweep": {"optimizer.lr": [0.1, 0.2]}}
    (of_variant,) = baselines("plain", **swept).values()
    assert of_variant["smoothed, optimizer.lr=0.2"] == "plain, optimizer.lr=0.2"
    (of_value,) = baselines("optimizer.lr=0.2", **swept).values()
    assert of_value["smoothed, optimizer.lr=0.1"] == "smoothed, optimizer.lr=0.2"
    (of_procedure,) = baselines("plain, optimizer.lr=0.1", **swept).values()
    assert set(of_procedure.values()) == {"plain, optimizer.lr=0.1"}
    assert len(of_procedure) == 4


@pytest.mark.parametrize(
    ("baseline", "changes", "problem"),
    [
        ("plian", {}, "'plian', did you mean 'plain'?; it is one of 'plain', 'smoothed'"),
        ("seed=1", {"sweep": {"seed": [1, 2]}}, "'seed=1'; it is one of 'plain', 'smoothed'"),
        ("plain", {"variants": {}}, "there is nothing to compare 'plain' with"),
        ("plain", {"variants": {}, "repeats": 3}, "there is nothing to compare 'plain' with"),
        ("a", {"variants": {"a": {"seed": 1}, "b": {"seed": 2}}}, "there is nothing to compare"),
    ],
)
def test_baseline_that_is_no_procedure_is_refused_while_planning(baseline: str, changes: dict, problem: str):
    with pytest.raises(MMLError, match="baseline: ") as refused:
        _ = study(**{"variants": TWO, **changes}, baseline=baseline).scheduler("train").commands
    assert problem in str(refused.value)


def test_baseline_changes_no_run():
    runs = [
        [run.id for run in study(variants=TWO, **changes).scheduler("train").runs_of("shapes")]
        for changes in ({}, {"baseline": "plain"}, {"rope": 0.02})
    ]
    assert runs[0] == runs[1] == runs[2]
    assert planned(variants=TWO, baseline="plain") - planned(variants=TWO) == {"compare_with_baseline": 1}


@pytest.mark.parametrize("mode", ["tl", "post"])
def test_baseline_is_compared_with_in_the_other_modes_that_train(mode: str):
    options = {"pretrain_task": "source"} if mode == "tl" else {}
    tasks = {"shapes": FAKE, "source": FAKE | {"image_seed": 1}}
    whole = study({"preset": mode, **options}, tasks, variants=TWO, baseline="plain", pivot={"name": "shapes"})
    assert "compare_with_baseline" in whole.scheduler(mode).commands


def test_networks_are_of_the_procedures_that_the_study_names():
    (own, *_), *_ = [study(variants=TWO, repeats=2).inputs.questions.networks(MODE)]
    assert (own["task"], own["trained"], own["split"], own["procedures"]) == ("shapes", "shapes", "test", ["plain"])
    same = {"plain": {}, "also": {}, "other": {"seed": 7}, "smoothed": TWO["smoothed"]}
    networks = study(variants=same).inputs.questions.networks(MODE)
    assert [network["procedures"] for network in networks] == 2 * [["plain = also = other"]] + [["smoothed"]]


def test_procedures_that_are_one_on_some_tasks_only_keep_their_names():
    tasks = {"shapes": FAKE, "values": FAKE | {"task_type": "regression"}}
    variants = {"plain": {}, "smoothed": {"loss.classification": {"_target_": "torch.nn.CrossEntropyLoss"}}}
    variants["smoothed"]["loss.classification"]["label_smoothing"] = 0.1
    networks = study(tasks=tasks, variants=variants).inputs.questions.networks(MODE)
    procedures = [(network["task"], network["procedures"]) for network in networks]
    assert procedures == [
        ("shapes", ["plain"]),
        ("shapes", ["smoothed"]),
        ("values", ["plain", "smoothed"]),
    ]


# --- curves -------------------------------------------------------------------------------------------------------


def test_tasks_that_differ_in_one_tag_form_a_curve_with_their_base():
    (curve,) = curves_of(["t", "t+subset~0.3", "t+subset~0.1~1", "t+subset~0.1", "t+nested~0", "other+subset~0.5"])
    assert curve.name == "t+subset"
    assert curve.points == (
        Point("t+subset~0.1", 0.1, 0),
        Point("t+subset~0.1~1", 0.1, 1),
        Point("t+subset~0.3", 0.3, 0),
        Point("t", None, 0),
    )


def test_curves_keep_other_tags_apart():
    names = ["t+subset~0.1+confuse~0.2", "t+subset~0.5+confuse~0.2", "t+subset~0.1+confuse~0.4", "t+confuse~0.2"]
    curves = {curve.name: [point.value for point in curve.points] for curve in curves_of(names)}
    assert curves == {"t+subset+confuse~0.2": [0.1, 0.5, None], "t+subset~0.1+confuse": [0.2, 0.4]}


def test_spellings_of_one_argument_are_one_point_and_one_point_is_no_curve():
    assert curves_of(["t+subset~0.1", "t+subset~0.10", "t+subset~0.1~1"]) == []
    (curve,) = curves_of(["t+subset~0.1", "t+subset~0.10", "t"])
    assert [point.task for point in curve.points] == ["t+subset~0.1", "t"]


def test_balanced_tasks_form_a_curve_without_their_base():
    (curve,) = curves_of(["t", "t+shrink_equal~5", "t+shrink_equal~9"])
    assert [point.value for point in curve.points] == [5, 9]
    assert curves_of(["t", "t+shrink_equal~5"]) == []
    assert [curve.name for curve in curves_of(["t", "t+shrink_train~5", "t+confuse~0.2"])] == [
        "t+shrink_train",
        "t+confuse",
    ]


def test_curves_are_planned_where_tasks_are_tested_on_the_same_samples():
    tags = {"variants": ["+identity", "+subset~0.3", "+confuse~0.2"]}
    scheduler = study(tagging=tags).scheduler("train")
    curves = [
        params["curve"] for rule, params in zip(scheduler.commands, scheduler.params, strict=True) if "curve" in params
    ]
    assert curves == ["shapes+subset", "shapes+confuse"]
    assert scheduler.announcement == []
    for mode, tasks in (({"nested": True}, None), (None, {"shapes": FAKE | {"test_fraction": 0}})):
        refused = study(mode, tasks, tagging=tags).scheduler("train")
        assert "draw_curve" not in refused.commands
        assert [line.split(":")[0].strip() for line in refused.announcement] == [
            "no curve of shapes+subset",
            "no curve of shapes+confuse",
        ]
    assert "draw_curve" not in planned({"subroutines": ["train", "predict"]}, tagging=tags)


def test_networks_of_a_curve_say_where_they_are():
    questions = study(tagging={"variants": ["+identity", "+subset~0.3~5"]}).inputs.questions
    wildcards = Wildcards(fromdict={"mode": "train", "curve": "shapes+subset"})
    params = questions.curve_networks(wildcards)
    assert [PlannedTest.of(test).as_params() for test in params] == params
    places = [(test["trained"], test["value"], test["subset"]) for test in params]
    assert places == [("shapes", None, 0), ("shapes+subset~0.3~5", 0.3, 5)]
    assert questions.curve_axis(wildcards) == {"label": "training samples", "counted": True}


# --- across tasks -------------------------------------------------------------------------------------------------


def test_procedures_are_compared_across_tasks_where_there_are_several_of_both():
    tasks = {"one": FAKE, "two": FAKE | {"image_seed": 1}}
    assert planned(tasks=tasks, variants=TWO)["compare_across_tasks"] == 1
    assert planned(tasks=tasks, repeats=3)["compare_across_tasks"] == 0
    assert planned(variants=TWO)["compare_across_tasks"] == 0


def test_tasks_on_the_same_data_count_once():
    tasks = {"one+subset~0.5": None, "one": FAKE, "again": FAKE, "two": FAKE | {"image_seed": 1}}
    questions = study(tasks=tasks, variants=TWO).inputs.questions
    assert questions.siblings(MODE) == {"one+subset~0.5": "one", "again": "one"}
    nested = study({"nested": True, "cv": True}, {"one": FAKE, "two": tasks["two"]}, variants=TWO).inputs.questions
    assert nested.siblings(MODE) == {}


def test_planning_imports_no_statistics():
    code = (
        "import sys, mml_lib.studies.questions, mml_lib.schedulers.train; "
        "print([name for name in ('scipy', 'pandas', 'matplotlib', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
