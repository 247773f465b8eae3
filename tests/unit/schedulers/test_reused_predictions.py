"""Mode post with runs of other projects: which of them are compared, and which join the ensemble."""

from pathlib import Path
from typing import Any

import pytest

from mml_lib.errors import MMLError
from tests.support.messages import mentions
from tests.support.planned_studies import wildcards
from tests.support.post_studies import MINE, post


def predict_elsewhere(folder: Path, project: str, **changes: Any) -> str:
    """Put predictions of a run of `mine`, whose seed is 7, into another project; return the run."""
    run = post(folder, seed=7, **changes).runs_of("mine")[0]
    root = folder / "results" / project
    for fold in range(3):
        for split in ("val", "test", "unlabelled"):
            path = root / f"PREDICTIONS/mine/{run.id}-fold{fold}/{split}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    pipeline = root / f"PIPELINES/mine/{run.id}.yaml"
    pipeline.parent.mkdir(parents=True, exist_ok=True)
    pipeline.write_text(run.pipeline.to_yaml())
    return run.id


def test_runs_of_other_projects_may_join_the_ensemble(tmp_path: Path):
    run = predict_elsewhere(tmp_path, "old")
    plan = post(tmp_path, reuse={"predictions": "old"})
    of_ensemble = wildcards(task="mine", mode="post")
    assert plan.ensemble_options("mine").strategy == "greedy"
    reused = [member for member in plan.study.inputs.post.members(of_ensemble) if member.get("project") == "old"]
    assert reused == [{"project": "old", "task": "mine", "run": run, "fold": fold} for fold in range(3)]
    paths = plan.study.inputs.post.member_predictions(wildcards(task="mine", mode="post", eval="test"))
    assert f"{tmp_path}/results/old/PREDICTIONS/mine/{run}-fold2/test.npz" in paths
    same_run = post(tmp_path, seed=7, reuse={"predictions": f"old#{run}"})
    assert not any("project" in member for member in same_run.study.inputs.post.members(of_ensemble))


def test_runs_of_other_projects_are_compared_too(tmp_path: Path):
    run = predict_elsewhere(tmp_path, "old")
    plan = post(tmp_path, reuse={"predictions": "old"})
    of_task = wildcards(task="mine", mode="post")
    own = {network.run for network in plan.networks("mine")}
    labels = {network["run"]: network["shown"] for network in plan.study.inputs.post.compared_networks(of_task)}
    assert set(labels) == {*own, run}
    assert labels[run]["label"] == "old, train: seed=7"
    (ours,) = own
    assert labels[run]["procedure"] == labels[ours]["procedure"], "they differ in their seed"
    assert (
        f"{tmp_path}/results/old/PREDICTIONS/mine/{run}-fold2/test.npz"
        in plan.study.inputs.post.compared_predictions(of_task)
    )


def test_training_from_scratch_is_compared_with_transfer_in_one_leaderboard(tmp_path: Path):
    here = {"project": "here", "reuse": {"predictions": "here"}}
    run = predict_elsewhere(tmp_path, "here", optimizer={"preset": "adamw", "lr": 0.5})
    plan = post(tmp_path, {"pretrain_task": "b"}, **here)
    networks = plan.study.inputs.post.compared_networks(wildcards(task="mine", mode="post"))
    labels = {network["run"]: (network["shown"]["label"], network["shown"]["procedure_label"]) for network in networks}
    assert labels[run] == (
        "here, train: seed=7, normalization=task, optimizer.lr=0.5",
        "here, train: normalization=task, optimizer.lr=0.5",
    )
    assert len({network["shown"]["procedure"] for network in networks}) == 2
    (transferred,) = plan.runs_of("mine")
    elsewhere = tmp_path / f"results/there/PIPELINES/mine/{transferred.id}.yaml"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_text(transferred.pipeline.to_yaml())
    for fold in range(3):
        path = tmp_path / f"results/there/PREDICTIONS/mine/{transferred.id}-fold{fold}/test.npz"
        path.parent.mkdir(parents=True)
        path.touch()
    scratch = post(tmp_path, reuse={"predictions": "there"})
    networks = scratch.study.inputs.post.compared_networks(wildcards(task="mine", mode="post"))
    assert {network["shown"]["label"] for network in networks if "project" in network} == {
        "there, tl: normalization=pretrained"
    }


def test_runs_without_validation_predictions_are_compared_and_join_no_ensemble(tmp_path: Path):
    run = predict_elsewhere(tmp_path, "old")
    for path in (tmp_path / "results/old/PREDICTIONS").rglob("val.npz"):
        path.unlink()
    plan = post(tmp_path, reuse={"predictions": "old"})
    of_task = wildcards(task="mine", mode="post")
    assert run in {network["run"] for network in plan.study.inputs.post.compared_networks(of_task)}
    assert run not in {network["run"] for network in plan.study.inputs.post.members(of_task)}
    (line,) = [line for line in plan.announcement if line not in plan.split_notes]
    assert mentions(line, f"run {run} of old", "mine", "joins no ensemble")
    with pytest.raises(MMLError, match="old has none for the validation samples of mine"):
        post(tmp_path, {"subroutines": ["train", "predict", "test", "ensemble"]}, reuse={"predictions": "old"})


def test_runs_of_other_projects_are_calibrated_where_they_are_there(tmp_path: Path):
    run = predict_elsewhere(tmp_path, "old")
    of_task = wildcards(task="mine", mode="post")

    def calibrated() -> bool:
        answers = post(tmp_path, reuse={"predictions": "old"}).study.inputs.post
        (calibrated,) = {
            network["calibrated"] for network in answers.compared_networks(of_task) if network["run"] == run
        }
        (folder,) = {Path(path).parts[-4] for path in answers.member_predictions(of_task) if run in path}
        assert (folder == "CALIBRATED") == calibrated
        return calibrated

    assert not calibrated()
    for path in list((tmp_path / "results/old/PREDICTIONS").rglob("*.npz")):
        there = Path(str(path).replace("PREDICTIONS", "CALIBRATED"))
        there.parent.mkdir(parents=True, exist_ok=True)
        there.touch()
    assert calibrated()
    there.unlink()
    assert not calibrated(), "all splits and folds are, or none"


@pytest.mark.parametrize(
    ("reuse", "why"),
    [
        ("old", "reuse.predictions: old has none .*those of mine are divided otherwise"),
        ("empty", "reuse.predictions: .*predictions are in old"),
        ("nowhere", "reuse.predictions: .*project 'nowhere' in .*; known: empty, old"),
    ],
)
def test_runs_that_may_have_seen_test_samples_may_not(reuse: str, why: str, tmp_path: Path):
    predict_elsewhere(tmp_path, "old", tasks={**MINE, "mine": MINE["mine"] | {"seed": 5}})
    (tmp_path / "results/empty").mkdir(parents=True)
    with pytest.raises(MMLError, match=why):
        post(tmp_path, reuse={"predictions": reuse})


def test_reused_runs_have_to_predict_all_that_an_ensemble_predicts(tmp_path: Path):
    run = predict_elsewhere(tmp_path, "old")
    (tmp_path / f"results/old/PREDICTIONS/mine/{run}-fold1/test.npz").unlink()
    lacking = (
        rf"run {run} of mine in old has no test predictions of mine by fold 1 "
        r"\(it has test: folds 0, 2; unlabelled: folds 0, 1, 2; val: folds 0, 1, 2\)"
    )
    with pytest.raises(MMLError, match=lacking):
        post(tmp_path, reuse={"predictions": "old"})
    plan = post(tmp_path, {"folds": [0, 2]}, reuse={"predictions": "old"})
    members = plan.study.inputs.post.members(wildcards(task="mine", mode="post"))
    assert [member["fold"] for member in members if "project" in member] == [0, 2]
