"""Parts of a study that cannot weigh samples are refused while planning, or where a task is described."""

from pathlib import Path
from typing import Any

import pytest

from mml_lib.config.task_options import Task
from mml_lib.engine.preflight.tried_pipelines import TriedPipelines
from mml_lib.errors import MMLError
from mml_lib.studies.checks.class_names import check_described
from mml_lib.studies.study import Study
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.image_folders import images_of
from tests.support.planned_studies import wildcards
from tests.support.small_projects import small_study

OWN_METRIC = {"metrics": [{"name": "own", "_target_": "torchmetrics.classification.MulticlassAccuracy"}]}


def study(folder: Path, column: str | None = "trust", **changes: Any) -> Study:
    """Return a study of a table with a column of numbers, by which samples are weighed if it is named."""
    names = [f"{number}.png" for number in range(12)]
    root = images_of(folder / "img", *names)
    rows = [f"{name},{'ab'[number % 2]},{number / 4}" for number, name in enumerate(names)]
    (root / "t.csv").write_text("\n".join(["image,label,trust", *rows]))
    task = {"creator": "csv", "path": str(root / "t.csv"), "columns": {"weight": column}, "folds": 2}
    return small_study(folder, tasks={"shapes": task}, **changes)


@pytest.mark.parametrize(("column", "refused"), [("trust", True), (None, False)])
def test_losses_that_cannot_weigh_samples_are_refused_by_the_trial(tmp_path: Path, column: str | None, refused: bool):
    # A loss without the argument `reduction`, whose mean over samples cannot be taken apart.
    plan = study(tmp_path, column, loss={"_target_": "timm.loss.LabelSmoothingCrossEntropy"})
    lines = TriedPipelines(plan).mistakes(plan.scheduler("train").runs_of("shapes")[0].pipeline)
    assert bool(lines) == refused
    for line in lines:
        assert line.startswith("loss: timm.loss.LabelSmoothingCrossEntropy cannot weigh the samples of shapes")


def test_usual_losses_weigh_the_samples_of_the_trial(tmp_path: Path):
    plan = study(tmp_path)
    assert plan.task("shapes").is_weighted
    assert TriedPipelines(plan).mistakes(plan.scheduler("train").runs_of("shapes")[0].pipeline) == []


def test_tagged_tasks_have_the_weights_of_their_base(tmp_path: Path):
    assert study(tmp_path).task("shapes+subset~0.5").is_weighted
    assert not study(tmp_path, None).task("shapes+subset~0.5").is_weighted


def test_weights_are_no_part_of_the_definition_of_a_task(tmp_path: Path):
    assert "is_weighted" not in study(tmp_path).task("shapes").definition()


@pytest.mark.parametrize(("columns", "is_weighted"), [({"weight": "w"}, True), ({"weight": None}, False), ({}, False)])
def test_data_that_are_still_to_be_made_have_weights_if_the_task_names_them(columns: dict, is_weighted: bool):
    task = Task(creator="csv", path="t.csv", made_by_rule=True, columns=columns)
    assert TaskIdentity.of("t", task).is_weighted == is_weighted


# --- metrics ------------------------------------------------------------------------------------------------------


def test_rules_weigh_samples_only_if_the_study_asks(tmp_path: Path):
    plan, plain = study(tmp_path, weighted_metrics=True), study(tmp_path)
    assert plan.inputs.evaluate.weighing_params() == {"weighted": True}
    assert plain.inputs.evaluate.weighing_params() == {}
    runs = [[run.id for run in part.scheduler("train").runs_of("shapes")] for part in (plan, plain)]
    assert runs[0] == runs[1]
    notes = plan.inputs.evaluate.split_notes(wildcards(mode="train"))
    assert "metrics of shapes weigh samples by the column weight" in notes


def test_metrics_by_weight_are_refused_where_no_task_has_weights(tmp_path: Path):
    with pytest.raises(MMLError, match=r"^weighted_metrics: no task has weights .*columns: \{weight: …\}"):
        study(tmp_path, None, weighted_metrics=True).check()
    study(tmp_path, weighted_metrics=True).check()


def test_metrics_of_torchmetrics_are_refused_while_planning(tmp_path: Path):
    with pytest.raises(MMLError, match=r"^metrics: torchmetrics.*cannot weigh the samples of shapes; name metrics of"):
        study(tmp_path, weighted_metrics=True, **OWN_METRIC).scheduler("train").runs_of("shapes")
    assert study(tmp_path, **OWN_METRIC).scheduler("train").runs_of("shapes")


def test_metrics_of_torchmetrics_are_refused_by_the_step_that_describes_a_task(tmp_path: Path):
    header = {"name": "shapes", "task_type": "classification", "classes": ["a", "b"]}
    scheduler = study(tmp_path, None, weighted_metrics=True, **OWN_METRIC).scheduler("train")
    check_described(scheduler, header)
    with pytest.raises(MMLError, match="cannot weigh the samples of shapes"):
        check_described(scheduler, header | {"weights": {}})


def test_vote_of_a_program_is_refused_while_planning(tmp_path: Path):
    mode = {"preset": "post", "ensemble": {"strategy": "program", "metric": "accuracy", "max_ensemble_size": 2}}
    with pytest.raises(MMLError, match=r"mode\.ensemble\.strategy: program cannot weigh samples"):
        study(tmp_path, mode=mode, weighted_metrics=True).scheduler("post").ensemble_options("shapes")
