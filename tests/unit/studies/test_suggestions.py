"""Suggestions: near sources, best procedures, distinct pipelines, and what is refused."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mml_lib.config.analysis.suggest_options import Suggestions
from mml_lib.errors import MMLError
from mml_lib.models.model_storage import ModelStorage
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.studies.suggestions.account import account, key_table, read_suggestion, source_table
from mml_lib.studies.suggestions.near_sources import (
    Source,
    StoredNetwork,
    best_procedures,
    distances_to,
    find_sources,
    threshold_of,
)
from mml_lib.studies.suggestions.suggested_pipelines import suggest, suggestion_text
from tests.support.planned_studies import FAKE, planned, store

TASKS = {name: FAKE | {"num_samples": 24 + 3 * number} for number, name in enumerate(("mine", "b", "c", "d"))}


def pipeline(
    task: str = "b", seed: int = 1, lr: float = 0.01, kind: str = "classification", **changes: Any
) -> Pipeline:
    content = {
        "version": 1,
        "task": {"name": task, "task_type": kind, "pack": "a-0a1b2c3d", "dataset": "DSET_a", "id": "0a1b2c3d"},
        "seed": seed,
        "preprocessing": {"id": "a"},
        "optimizer": {"_target_": "torch.optim.AdamW", "lr": lr},
        "sampling": {"batch_size": 16},
        "loss": {"_target_": "torch.nn.CrossEntropyLoss"},
        "trainer": {"max_epochs": 10, "precision": "32-true", "devices": 1},
    }
    return Pipeline({**content, **changes})


def network(of: Pipeline, accuracy: float | None, fold: int = 0) -> StoredNetwork:
    storage = ModelStorage(of.task["name"], of.run, fold, 0.5, {"val/accuracy": accuracy}, 1, 0, 1.0, 1, "cpu")
    return StoredNetwork(None, storage, of)


def near_sources(quantile: float = 1, number: int = 1) -> list[Source]:
    networks = [
        network(pipeline("b", lr=0.01), 0.9),
        network(pipeline("b", lr=0.5), 0.8),
        network(pipeline("c", lr=0.1), 0.7),
    ]
    return find_sources({"b": 1.0, "c": 2.0, "d": 4.0}, networks, {"classification": "accuracy"}, quantile, number)


# --- sources ------------------------------------------------------------------------------------------------------


def test_distances_are_those_of_the_column_the_nearest_first(tmp_path: Path):
    path = tmp_path / "mmd.csv"
    path.write_text("source,a,mine\nmine,1,\na,,0.3\nb,2,0.1\nc,3,\nmine+subset~0.1,1,0.01\n")
    assert distances_to("mine", path) == {"b": 0.1, "a": 0.3}
    with pytest.raises(MMLError, match=r"no column of the pivot 'min'.*did you mean 'mine'"):
        distances_to("min", path)
    path.write_text("source,mine\nmine,0\na,\n")
    with pytest.raises(MMLError, match="no distance from another task to mine"):
        distances_to("mine", path)


def test_threshold_is_the_quantile_by_linear_interpolation():
    thresholds = [threshold_of([0.3, -1.0, 2.5, 0.7, 9.0], quantile) for quantile in (0, 0.25, 0.3, 0.5, 0.9, 1)]
    assert thresholds == pytest.approx([-1.0, 0.3, 0.38, 0.7, 6.4, 9.0])


def test_sources_within_the_quantile_weigh_less_with_distance():
    near, middle, far = near_sources()
    assert [source.is_near for source in (near, middle, far)] == [True, True, True]
    assert (near.weight, middle.weight, far.weight) == (1, pytest.approx(np.exp(-1 / 0.5)), 0)  # d has no networks
    only, *others = near_sources(quantile=0)
    assert (only.task, only.is_near, [source.is_near for source in others]) == ("b", True, [False, False])


def test_scale_and_shift_of_distances_do_not_matter():
    networks = [network(pipeline(task), 0.9) for task in "bc"]
    metrics = {"classification": "accuracy"}
    first = find_sources({"b": 1.0, "c": 2.0}, networks, metrics, 1, 1)
    second = find_sources({"b": -70.0, "c": -20.0}, networks, metrics, 1, 1)
    assert [source.weight for source in first] == pytest.approx([source.weight for source in second])


def test_procedures_of_a_source_share_its_weight():
    near, *_ = near_sources(number=2)
    assert ([p.validation for p in near.procedures], near.weight) == ([0.9, 0.8], 0.5)


def test_best_procedure_is_that_of_the_best_mean_not_of_a_lucky_seed():
    steady = [network(pipeline(seed=seed, lr=0.01), 0.8) for seed in (1, 2)]
    lucky = [network(pipeline(seed=seed, lr=0.1), value) for seed, value in ((1, 0.5), (2, 0.95))]
    undefined = [network(pipeline(lr=1.0, sampling={"batch_size": 1}), None)]
    first, second = best_procedures([*lucky, *steady], {"classification": "accuracy"})
    assert first.pipeline.content["optimizer"]["lr"] == 0.01
    assert (second.pipeline.content["seed"], second.validation, second.networks) == (2, pytest.approx(0.725), 2)
    assert best_procedures(undefined, {"classification": "accuracy"})[0].metric == "loss"


def test_quantile_without_networks_names_the_nearest_task_that_has_some():
    with pytest.raises(MMLError, match=r"quantile 0 \(a\).*nearest with networks: b"):
        find_sources({"a": 0.0, "b": 1.0}, [network(pipeline("b"), 0.5)], {}, 0, 1)


# --- pipelines ----------------------------------------------------------------------------------------------------


def test_first_suggestion_is_the_weighted_merger():
    sources = near_sources()
    first = suggest(1, sources, pipeline("mine").content, Suggestions(distance="mmd"), ["c"])
    weights = np.array([1, np.exp(-2)]) / (1 + np.exp(-2))
    assert list(first.weights.values()) == pytest.approx(list(weights))
    assert first.content["optimizer"]["lr"] == pytest.approx(float(np.exp(weights @ np.log([0.01, 0.1]))), rel=1e-3)
    assert first.content["task"]["name"] == "mine"
    assert first.source == "c"
    assert suggest(1, sources, pipeline("mine").content, Suggestions(distance="mmd")).source is None


def test_suggestions_are_distinct_seeded_and_independent_of_their_number():
    def rates(seed: int) -> list[float]:
        options = Suggestions(distance="mmd", seed=seed)
        own = pipeline("mine").content
        return [suggest(k, near_sources(), own, options).content["optimizer"]["lr"] for k in (1, 2, 3, 4)]

    assert len(set(rates(0))) == 4
    assert rates(0) == rates(0)
    assert rates(0)[0] == rates(1)[0]
    assert rates(0)[1:] != rates(1)[1:]
    assert all(0.01 < rate < 0.1 for rate in rates(0))


def test_too_few_distinct_pipelines_are_refused():
    options = Suggestions(distance="mmd")
    with pytest.raises(MMLError, match=r"suggest\.n: .*set suggest.n .*to 1, or raise suggest.quantile"):
        suggest(2, near_sources(quantile=0), pipeline("mine").content, options)


def test_sections_that_are_not_suggested_and_those_of_the_machine_are_the_studys_own():
    own = pipeline("mine", trainer={"max_epochs": 3, "precision": "bf16-mixed", "devices": 2}).content
    content = suggest(1, near_sources(), own, Suggestions(distance="mmd", keys=["trainer"])).content
    assert content["trainer"] == {"max_epochs": 10, "precision": "bf16-mixed", "devices": 2}
    assert content["optimizer"] == own["optimizer"]


def test_task_of_another_type_says_nothing_about_the_loss():
    loss = {"_target_": "torch.nn.MSELoss"}
    networks = [network(pipeline(kind="regression", loss=loss, class_weights={"x": 1}, lr=0.5), 0.5)]
    sources = find_sources({"b": 1.0}, networks, {}, 1, 1)
    content = suggest(1, sources, pipeline("mine").content, Suggestions(distance="mmd")).content
    assert content["loss"] == pipeline("mine").content["loss"]
    assert "class_weights" not in content
    assert content["optimizer"]["lr"] == 0.5


def test_account_has_sources_weights_and_the_origin_of_each_key(tmp_path: Path):
    own, options = pipeline("mine", lr=0.3).content, Suggestions(distance="mmd")
    stored = []
    for number in (1, 2):
        text = suggestion_text(suggest(number, near_sources(), own, options), near_sources(), own, options, 4.0)
        (tmp_path / f"{number}.yaml").write_text(text)
        stored.append(read_suggestion(tmp_path / f"{number}.yaml"))
    sources, keys = source_table(stored), key_table(stored)
    assert sources["task"].tolist() == ["b", "c", "d"]
    assert sources[["weight_1", "weight_2"]].sum().tolist() == pytest.approx([1, 1])
    (row,) = keys.to_dict("records")
    assert (row["key"], row["study"], row[pipeline("b").run]) == ("optimizer.lr", "0.3", "0.01")
    assert account(stored).count("\n## Suggestion ") == 2


# --- plans --------------------------------------------------------------------------------------------------------


def plan(folder: Path, suggest: dict[str, Any] | None, **changes: Any) -> AbstractBaseScheduler:
    store(folder, "old", planned({}, folder, tasks=TASKS, pivot={"name": "b"}), "b", one=0.9, two=0.8)
    path = folder / "results/old/DISTANCES/mmd.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("source,mine\nb,0.1\nc,0.2\nmine,\n")
    base: dict[str, Any] = {"tasks": TASKS}
    if suggest is not None:
        base["suggest"] = {"distance": "mmd", **suggest}
    reuse = {"reuse": {"distances": "old", "models": "old"}}
    return planned({"preset": "suggest"}, folder, **(base | reuse | changes))


def test_each_suggestion_is_a_step(tmp_path: Path):
    mode = plan(tmp_path, {"n": 1})
    assert mode.commands == ["suggest_pipeline", "describe_suggestions"]
    inputs = mode.study.inputs.suggest
    assert [Path(path).name for path in inputs.models(None)] == [
        f"{mode.study.suggestions.networks[0]['run']}-fold{fold}.json" for fold in (0, 1)
    ]
    assert (inputs.projects(None), inputs.pretrainable(None)) == (["old", "old"], ["b"])


def test_heads_of_fisher_information_are_no_procedures(tmp_path: Path):
    source = planned({}, tmp_path, tasks=TASKS, pivot={"name": "b"})
    (head,) = source.plan_runs("b", source.variants, lambda task, cfg: {"frozen": True})
    store(tmp_path, "old", SimpleNamespace(runs_of=lambda task: [head]), "b", one=0.99)
    runs = {network["run"] for network in plan(tmp_path, {"n": 1}).study.suggestions.networks}
    assert len(runs) == 1
    assert head.id not in runs


@pytest.mark.parametrize(
    ("suggest", "changes", "why"),
    [
        ({"distance": "mdm"}, {}, "suggest.distance: old has no distances 'mdm', did you mean 'mmd'"),
        ({"distance": "fid"}, {"reuse": {"models": "old"}}, "fid.csv; add fid to similarity.distance.*reuse.distances"),
        ({"distance": "fed"}, {"reuse": {"models": "old"}}, "fed.csv; add fed to similarity.distance"),
        ({"train_sources": True}, {}, "suggest.train_sources: .*reuse.models"),
        ({"distance": "mdm"}, {"reuse": {"models": "old"}}, "there is no measure 'mdm', did you mean 'mmd'"),
        ({}, {"reuse": {"distances": "old"}}, r"suggest: default has no networks .*\(b, c\).*reuse.models"),
        ({}, {"pivot": {}}, "suggest: .*no pivot.*set pivot.name"),
        ({}, {"reuse": {"models": "old"}, "tasks": {"mine": FAKE, "mine+subset~0.5": None}},
         "suggest: .*no tasks to learn from, other than mine.*in tasks"),
        ({}, {"pivot": {"name": "min"}}, "min'.*did you mean 'mine'"),
        ({}, {"pivot": {"name": "d"}}, "mmd.csv has no column of the pivot 'd'"),
        (None, {}, "suggest: the section is missing"),
        ({"quantile": 1.5}, {}, r"suggest.quantile: .*1"),
        ({"quantile": -0.1}, {}, r"suggest.quantile: .*0"),
        ({"n": 0}, {}, "suggest.n: "),
        ({"n": 2}, {}, r"suggest.n: the procedures of near sources \(1\) .*set suggest.n .*to 1"),
        ({"temperature": -1}, {}, "suggest.temperature: "),
        ({"keys": ["optimiser"]}, {}, "suggest.keys: .*'optimiser', did you mean 'optimizer'"),
    ],
)  # fmt: skip
def test_what_no_suggestion_can_be_made_of_is_refused(suggest: dict | None, changes: dict, why: str, tmp_path: Path):
    with pytest.raises(MMLError, match=why):
        plan(tmp_path, suggest, **changes)


# --- distances and networks of the same plan ------------------------------------------------------------------------


def whole(folder: Path, distance: str, preset: str = "suggest", **changes: Any) -> AbstractBaseScheduler:
    """Return the plan of a study that brings nothing but its tasks."""
    base = {"tasks": TASKS, "features": {"arch": "test_resnet", "pretrained": False}}
    base |= {"similarity": {"distance": distance}, "suggest": {"distance": distance, "n": 1}}
    return planned({"preset": preset, **changes.pop("mode", {})}, folder, **(base | changes))


@pytest.mark.parametrize("distance", ["logme", "leep", "hscore", "knn"])
def test_networks_that_distances_need_are_candidates_before_and_after_they_are_trained(distance: str, tmp_path: Path):
    plan = whole(tmp_path, distance)
    assert plan.steps
    suggestions = plan.study.suggestions
    assert suggestions.is_computed
    similarity = plan.study.scheduler("similarity")
    expected = [{"project": None, **similarity.network_of(task).tokens} for task in "bcd"]
    assert suggestions.networks == expected
    assert suggestions.pretrained == expected
    definition = suggestions.definition(1)
    for task in "bcd":
        store(tmp_path, "default", similarity, task, one=0.5)
    again = whole(tmp_path, distance).study.suggestions
    assert again.networks == expected
    assert again.definition(1) == definition


def test_heads_that_fisher_distances_need_are_no_candidates(tmp_path: Path):
    plan = whole(tmp_path, "fed", suggest={"distance": "fed", "n": 1, "train_sources": True})
    assert plan.steps
    suggestions, similarity = plan.study.suggestions, plan.study.scheduler("similarity")
    definition = suggestions.definition(1)
    for task in "bcd":
        head = SimpleNamespace(runs_of=lambda task: [plan.study.run(task, similarity.head_of(task).run)])
        store(tmp_path, "default", head, task, one=0.5)
    again = whole(tmp_path, "fed", suggest={"distance": "fed", "n": 1, "train_sources": True}).study.suggestions
    assert again.networks == suggestions.networks
    assert again.definition(1) == definition


def test_all_runs_of_sources_are_trained_where_the_study_asks(tmp_path: Path):
    changes = {"sweep": {"optimizer.lr": [0.1, 0.2]}, "suggest": {"distance": "mmd", "train_sources": True}}
    networks = whole(tmp_path, "mmd", **changes).study.suggestions.networks
    assert [(network["task"], network["fold"]) for network in networks] == [(task, 0) for task in "bbccdd"]
    with pytest.raises(MMLError, match=r"no networks .*set suggest.train_sources: true"):
        whole(tmp_path, "mmd").steps  # noqa: B018


@pytest.mark.parametrize("distance", ["fed", "leep"])
def test_a_training_follows_a_suggestion_by_distances_that_train_networks(distance: str, tmp_path: Path):
    mode = {"pretrain_task": "suggested", "suggestion": 1, "eval": ["test"]}
    tasks = TASKS | {"mine": TASKS["mine"] | {"test_fraction": 0.3}}
    suggest = {"distance": distance, "train_sources": True}
    plan = whole(tmp_path, distance, "tl", mode=mode, tasks=tasks, suggest=suggest)
    assert {step["task"] for step in plan.steps_by_rule["train_fold"]} == {"mine"}
    (run,) = plan.runs_of("mine")
    assert [model["task"] for model in run.pipeline.pretraining["models"]] == ["b", "c", "d"]
