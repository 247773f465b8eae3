"""Trainings by suggestions: their identity before and after the suggestion is made, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from mml_lib.errors import MMLError
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.studies.suggestions.following import follow
from tests.support.planned_studies import FAKE, planned, store, wildcards

TASKS = {name: FAKE | {"num_samples": 24 + 3 * number} for number, name in enumerate(("mine", "b", "c"))}
TL = {"preset": "tl", "pretrain_task": "suggested"}
PLATEAU = {"_target_": "torch.optim.lr_scheduler.ReduceLROnPlateau", "interval": "epoch"}


def followed(folder: Path, mode: dict[str, Any] | None = None, **changes: Any) -> AbstractBaseScheduler:
    store(folder, "old", planned({}, folder, tasks=TASKS, pivot={"name": "b"}), "b", one=0.9, two=0.8)
    path = folder / "results/old/DISTANCES/mmd.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("source,mine\nb,0.1\nc,0.2\nmine,\n")
    base = {"tasks": TASKS, "suggest": {"distance": "mmd"}, "reuse": {"distances": "old", "models": "old"}}
    return planned({"preset": "train", "suggestion": 1, **(mode or {})}, folder, **(base | changes))


def store_another_pipeline(folder: Path) -> None:
    """Put networks of another pipeline on the source beside those of `followed`, so that suggestions differ."""
    optimizer = {"preset": "adamw", "lr": 0.05}
    store(folder, "old", planned({}, folder, tasks=TASKS, pivot={"name": "b"}, optimizer=optimizer), "b", one=0.7)


def transferred(folder: Path, mode: dict[str, Any] | None = None, **changes: Any) -> AbstractBaseScheduler:
    return followed(folder, TL | (mode or {}), **changes)


def run(plan: AbstractBaseScheduler) -> Pipeline:
    (only,) = plan.runs_of("mine")
    return only.pipeline


def test_run_is_named_by_all_that_decides_its_suggestion(tmp_path: Path):
    store_another_pipeline(tmp_path)
    first = run(followed(tmp_path)).run
    assert first == run(followed(tmp_path, suggest={"distance": "mmd", "n": 9})).run
    others = [
        followed(tmp_path, {"suggestion": 2}, suggest={"distance": "mmd", "runs": 2}),
        followed(tmp_path, {"suggestion": "none"}),
        followed(tmp_path, suggest={"distance": "mmd", "quantile": 1}),
        followed(tmp_path, suggest={"distance": "mmd", "keys": ["optimizer"]}),
    ]
    (tmp_path / "results/old/DISTANCES/mmd.csv").write_text("source,mine\nb,0.3\n")
    others.append(planned({"preset": "train", "suggestion": 1}, tmp_path, tasks=TASKS, suggest={"distance": "mmd"},
                          reuse={"distances": "old", "models": "old"}))  # fmt: skip
    assert len({first, *(run(other).run for other in others)}) == 6
    assert run(others[1]).run == run(planned({}, tmp_path, tasks=TASKS)).run


def test_run_by_distances_of_the_same_plan_is_named_by_what_they_are_computed_from(tmp_path: Path):
    base: dict[str, Any] = {"reuse": {"models": "old"}, "features": {"pretrained": False}}
    runs = [
        run(followed(tmp_path, **base | changes)).run
        for changes in (
            {},
            {"similarity": {"options": {"mmd": {"kernel": "energy"}}}},
            {"features": {"pretrained": False, "seed": 5}},
            {"tasks": TASKS | {"c": FAKE | {"num_samples": 60}}},
            {"similarity": {"options": {"fid": {"correct_bias": True}}}},
        )
    ]
    assert len(set(runs)) == 4
    assert runs[4] == runs[0]
    path = tmp_path / "results/default/DISTANCES/mmd.csv"
    path.parent.mkdir(parents=True)
    path.write_text("source,mine\nb,7\nc,8\n")
    assert run(followed(tmp_path, **base)).run == runs[0]


def test_pipeline_keeps_its_run_when_its_suggestion_is_made(tmp_path: Path):
    plan = run(transferred(tmp_path))
    made = {"optimizer": {"_target_": "torch.optim.SGD", "lr": 1.0}, "mixing": {"alpha": 1.0}, "arch": {"name": "x"}}
    pipeline = Pipeline(follow(plan.content, made, "b"))
    assert (pipeline.run, pipeline.procedure, pipeline.recipe) == (plan.run, plan.procedure, plan.recipe)
    assert pipeline.content["optimizer"]["lr"] == 1.0
    assert (pipeline.content["mixing"], pipeline.content["arch"]) == ({"alpha": 1.0}, plan.content["arch"])
    assert "loss" not in pipeline.content  # switched off there
    assert pipeline.pretraining["task"] == "b"
    (tmp_path / f"{plan.run}.yaml").write_text(pipeline.to_yaml())
    assert Pipeline.read(tmp_path / f"{plan.run}.yaml").content == pipeline.content


def test_suggestion_above_the_number_of_distinct_pipelines_is_refused(tmp_path: Path):
    with pytest.raises(MMLError, match=r"^suggest\.n: .* 1; set suggest.n \(and mode.suggestion\) to 1"):
        run(followed(tmp_path, {"suggestion": 2}))


def test_suggestions_by_pipelines_that_are_all_alike_are_refused_before_their_networks_are_trained(tmp_path: Path):
    mode = {"preset": "train", "suggestion": 2}
    suggestions = {"distance": "semantic", "train_sources": True}
    base: dict[str, Any] = {"tasks": TASKS, "suggest": suggestions, "similarity": {"distance": "semantic"}}
    with pytest.raises(MMLError, match=r"^suggest\.n: .*alike.*to 1"):
        run(planned(mode, tmp_path, **base))
    assert planned(mode, tmp_path, **base, sweep={"optimizer.lr": [0.01, 0.1]}).runs_of("mine")
    assert planned(mode | {"suggestion": 1}, tmp_path, **base).runs_of("mine")


def test_suggestion_is_an_input_of_its_pipeline_alone(tmp_path: Path):
    store_another_pipeline(tmp_path)
    two = {"distance": "mmd", "runs": 2}
    plan = followed(tmp_path, {"suggestion": None}, sweep={"mode.suggestion": ["none", 1, 3]}, suggest=two)
    suggestions = [
        plan.study.inputs.train.suggestion(wildcards(task="mine", run=run.id)) for run in plan.runs_of("mine")
    ]
    assert [[Path(path).name for path in paths] for paths in suggestions] == [
        [],
        ["suggestion-1.yaml"],
        ["suggestion-3.yaml"],
    ]


def test_candidates_are_all_networks_that_the_suggestion_may_name(tmp_path: Path):
    models = run(transferred(tmp_path)).pretraining["models"]
    assert [(model["task"], model["fold"]) for model in models] == [("b", 0), ("b", 1)]


def test_suggested_plateau_is_refused_where_the_validation_split_is_reported(tmp_path: Path):
    content = run(followed(tmp_path)).content
    assert follow(content, {"lr_scheduler": PLATEAU}, None)["lr_scheduler"] == PLATEAU
    with pytest.raises(MMLError, match=r"mode.suggestion: suggestion 1 .*suggest.keys"):
        follow(content, {"lr_scheduler": PLATEAU}, None, reports_validation=True)


def test_validation_is_reported_of_the_tasks_that_the_mode_is_about(tmp_path: Path):
    tasks = TASKS | {"mine": FAKE | {"test_fraction": 0.5}}
    source = {"preset": "tl", "suggestion": None, "pretrain_task": "b", "eval": ["test"]}
    plan = followed(tmp_path, source, tasks=tasks, reuse={})
    assert [plan.reports_validation(task) for task in ("mine", "b")] == [False, False]  # b has no test split
    inputs = planned({"preset": "features"}, tmp_path, tasks=tasks).study.inputs.train
    assert not inputs.reports_validation(wildcards(task="b"), None)
    assert followed(tmp_path, {"eval": ["val"]}).reports_validation("mine")


def test_suggestion_without_a_source_is_refused_by_what_starts_from_it(tmp_path: Path):
    with pytest.raises(MMLError, match=r"mode.pretrain_task: suggestion 1 names no source"):
        follow(run(transferred(tmp_path)).content, {}, None)


@pytest.mark.parametrize(
    ("mode", "changes", "why"),
    [
        ({}, {"pivot": {}}, "suggest: the study has no pivot"),
        ({"suggestion": 0}, {}, "suggestion.*equal to 1"),
        ({"use_blueprint": "b"}, {}, "suggestion cannot be combined with use_blueprint"),
        ({"multitask": True}, {}, "suggestion cannot be combined with multitask"),
        (TL | {"suggestion": None}, {}, "pretrain_task: suggested .*mode.suggestion"),
        (TL | {"model_selection": "0a1b2c3d"}, {}, "model_selection: .*performance"),
        (TL, {"arch": {"preset": "timm", "name": "test_vit"}},
         "no source has a network with weights of the backbone test_vit"),
    ],
)  # fmt: skip
def test_trainings_that_no_suggestion_fits_are_refused(mode: dict, changes: dict, why: str, tmp_path: Path):
    with pytest.raises(MMLError, match=why):
        followed(tmp_path, mode, **changes)


def test_source_that_the_study_trains_itself_is_refused(tmp_path: Path):
    store(tmp_path, "default", planned({}, tmp_path, tasks=TASKS, pivot={"name": "b"}), "b", one=0.9)
    with pytest.raises(MMLError, match=r"mode.suggestion: this study trains b too.*reuse.models"):
        followed(tmp_path, {"preset": "tl", "pretrain_task": "b"}, reuse={"distances": "old"})
