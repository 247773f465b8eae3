"""Suggestions from networks that the same plan trains, by distances in which it sees the pivot: made and followed."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.workplaces import TINY, Workplace

pytestmark = pytest.mark.long

TASK = TINY["tasks"]["stripes"] | {"num_samples": 24}
STUDY = TINY | {
    "mode": {"preset": "tl", "cv": False, "subroutines": ["train", "predict", "test"]},
    "pivot": {"name": "mine"},
    "tasks": {
        "mine": TASK | {"test_fraction": 0.4},
        **{name: TASK | {"image_seed": number} for number, name in enumerate("bc", start=1)},
    },
    "similarity": {"distance": "knn", "options": {"knn": {"k": 3}}},
    "suggest": {"distance": "knn", "train_sources": True, "quantile": 1, "runs": 2, "n": 2},
    "variants": {
        "scratch": {"mode.pretrain_task": "none", "optimizer.lr": 0.001},
        "suggested": {"mode.pretrain_task": "suggested", "mode.suggestion": 1, "optimizer.lr": 0.01},
    },
    "bootstrap": 0,
}


def content(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def test_sources_are_trained_compared_suggested_and_followed_in_one_plan(workplace: Workplace):
    results = workplace.folder / "results"
    workplace.write(STUDY)
    planned = workplace.planned()
    counts = {"train_fold": 6, "extract_features": 2, "compute_distances": 1, "suggest_pipeline": 1}
    assert {rule: planned[rule] for rule in counts} == counts
    workplace.run()
    assert workplace.planned() == {}
    suggestion = content(results / "tiny/BLUEPRINTS/mine/suggestion-1.yaml")
    nearest = suggestion["chosen"]["sources"][0]["task"]
    pipelines = [content(path) for path in workplace.files("results/tiny/PIPELINES/mine/*.yaml")]
    (followed,) = [pipeline for pipeline in pipelines if "suggestion" in pipeline]
    (scratch,) = [pipeline for pipeline in pipelines if "suggestion" not in pipeline]
    assert followed["optimizer"] == suggestion["pipeline"]["optimizer"] != scratch["optimizer"]
    assert followed["suggestion"]["replaced"]["optimizer"]["lr"] == 0.01
    assert followed["pretraining"]["task"] == suggestion["chosen"]["pretrain_task"] == nearest
    (selection,) = workplace.files("results/tiny/SELECTIONS/mine/*.json")
    assert {model["task"] for model in json.loads(selection.read_text())["candidates"]} == {nearest}
    assert workplace.planned() == {}

    workplace.run("suggest")
    first, second = json.loads((results / "tiny/RESULTS/suggest.json").read_text())["return_value"]
    assert (first["number"], second["number"], first["blueprint"]) == (1, 2, "mine#1")
    assert content(results / "tiny/BLUEPRINTS/mine/suggestion-1.yaml") == suggestion
    account = (results / "tiny/BLUEPRINTS/mine/suggestions.md").read_text()
    assert "optimizer.lr" in account
    assert all(run in account for run in first["weights"])
    pages = {path.name for path in workplace.files("results/tiny/PLOTS/suggest/mine/*.html")}
    assert pages == {"sources.html", "pipelines.html"}

    mode = {"preset": "train", "cv": False, "subroutines": ["train"], "use_blueprint": "mine#2"}
    stored = {"project": "later", "mode": mode, "reuse": {"blueprint": "tiny"}}
    workplace.write({key: value for key, value in STUDY.items() if key not in ("suggest", "variants")} | stored)
    workplace.run()
    (pipeline,) = workplace.files("results/later/PIPELINES/mine/*.yaml")
    other = content(results / "tiny/BLUEPRINTS/mine/suggestion-2.yaml")["pipeline"]
    assert content(pipeline)["optimizer"] == other["optimizer"] != suggestion["pipeline"]["optimizer"]
