"""Mode info: all models of a project are listed and none is trained; a run is explained."""

import csv
import re

import pytest
import yaml

from mml_lib.pipelines.pipeline import Pipeline
from tests.support.workplaces import TINY, Workplace

CHANGED = TINY | {"optimizer": {"preset": "adamw", "lr": 0.5}}
LISTED = {"list_models": 1, "finish_exp": 1}


def planned(place: Workplace) -> dict[str, int]:
    """Return the steps of `info` that are planned, but what tells of time and memory."""
    steps = place.planned("info")
    steps.pop("list_resources", None)
    return steps


@pytest.mark.long
def test_models_are_listed_again_when_something_comes_or_goes_and_are_never_trained(copy: Workplace):
    (pipeline,) = copy.files("results/tiny/PIPELINES/stripes/*.yaml")
    explained = f"results/tiny/INFO/run-{pipeline.stem}.yaml"
    copy.write(CHANGED)
    output = copy.run("info", explained)
    with open(copy.folder / "results/tiny/INFO/models.csv") as file:
        rows = list(csv.DictReader(file))
    values = [(row["run"], row["fold"], row["label"], row["weights"], row["predictions"]) for row in rows]
    assert values == [(pipeline.stem, fold, "of no study here", "True", "test") for fold in "01"]
    assert float(rows[0]["val/accuracy"]) >= 0
    assert re.search(rf"stripes +{pipeline.stem} +1 +of no study here +\d", output), "the table is shown"
    values = yaml.safe_load((copy.folder / explained).read_text())
    assert values["pipeline"] == Pipeline.read(pipeline).content
    assert list(values["differences"][0]["keys"]) == ["optimizer.lr"]
    assert "optimizer.lr  0.003 instead of 0.5" in output

    assert planned(copy) == {}
    copy.write(TINY)
    assert planned(copy) == LISTED, "the study calls its runs otherwise"
    copy.write(CHANGED)
    (weights, _) = copy.files("results/tiny/PARAMETERS/stripes/*.safetensors")
    weights.unlink()
    assert planned(copy) == LISTED
    weights.touch()
    pipeline.unlink()
    (model, _) = copy.files("results/tiny/MODELS/stripes/*.json")
    model.rename(model.with_stem(model.stem.replace("fold0", "fold7")))
    assert planned(copy) == LISTED, "not even where the pipeline is gone"


def test_what_steps_took_and_what_is_left_is_told(copy: Workplace):
    copy.files("results/tiny/METRICS/stripes/*-fold0/test.json")[0].unlink()
    dry = copy.run("-n").splitlines()[-1]
    output = copy.run("results/tiny/INFO/resources.csv")
    for text in (dry, output):
        assert re.search(r"to do: \d steps?; about \d+ s; 1 MB of disk", text)
    assert "train_fold: 2 steps, at most" in output
    with open(copy.folder / "results/tiny/INFO/resources.csv") as file:
        rows = {row["rule"]: row for row in csv.DictReader(file)}
    assert rows["train_fold"]["mem_mb"] == "8000"
    assert 100 < float(rows["train_fold"]["mb"]) < float(rows["train_fold"]["next_mem_mb"])


def test_run_is_explained_without_any_other_step_and_an_unknown_one_is_refused(copy: Workplace):
    (pipeline,) = copy.files("results/tiny/PIPELINES/stripes/*.yaml")
    copy.write(CHANGED)
    assert copy.planned("info", "--config", f"run={pipeline.stem}") == {"describe_run": 1, "finish_exp": 1}
    assert "run: there is no run '00000000'" in copy.run("-n", "info", "--config", "run=00000000", fails=True)


def test_parts_are_listed_without_a_plan(workplace: Workplace):
    output = workplace.run("info", "--config", "list=tags")
    assert re.search(r"^subset~FRACTION\[~SEED\] +\w", output, re.M)
    assert "Job stats" not in output
    assert not workplace.files("results") + workplace.files("data")
    refusal = workplace.run("info", "--config", "list=tag", fails=True)
    assert re.search(r"error: list: .*creators, tags", refusal)
