"""MML as a module of an outer pipeline, which makes the data and uses the predictions."""

from pathlib import Path

import pytest
import yaml

from tests.support.messages import mentions
from tests.support.outer_pipelines import TASK, OuterPipeline
from tests.support.places import REPOSITORY


@pytest.fixture
def outer(tmp_path: Path) -> OuterPipeline:
    pipeline = OuterPipeline(tmp_path / "outer")
    pipeline.write()
    return pipeline


def test_plan_makes_data_first_and_names_rules_with_the_prefix(outer: OuterPipeline):
    output = outer.run("-n")
    table = output.split("Job stats:\n")[-1].split("\ntotal ")[0].splitlines()[2:]
    planned = {rule: int(count) for rule, count in map(str.split, table)}
    assert planned["make_table"] == planned["count_confident"] == planned["all"] == 1
    assert planned["mml_train_fold"] == planned["mml_predict_fold"] == 2
    assert "mml_all" not in planned, "the first rule of the outer pipeline stays the default target"
    assert output.count("to do: 13 steps, 2 of them trainings") == 1
    assert "localrules directive specifies rules" not in output


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ({"arch": "test_resnett"}, "there is no preset 'test_resnett', did you mean 'test_resnet'?"),
        ({"resources": {"train_folds": {"threads": 1}}}, "resources.train_folds: no rule has this name"),
        ({"mode": "trian"}, "there is no preset 'trian'"),
    ],
)
def test_mistakes_of_the_study_name_the_module(outer: OuterPipeline, study: dict, message: str):
    outer.write(**study)
    output = outer.run("-n", fails=True)
    assert "error: module mml: " in output
    assert message in output


def test_profile_may_compute_resources_from_threads_attempts_and_inputs(outer: OuterPipeline):
    expressions = ("mem_mb=max(2 * input.size_mb, 1000)", "runtime=60 * attempt")
    of_training = ("--set-resources", "mml_train_fold:mem_mb=2000 * threads * attempt")
    output = outer.run("-n", *of_training, "--default-resources", *expressions)
    assert "to do: 13 steps, 2 of them trainings" in output
    assert "mem_mb=2000" in output
    assert "to do" in outer.run("-n", "mml_info", *of_training, "--default-resources", *expressions)


TWO_STUDIES = """
configfile: "config.yaml"


module first:
    snakefile: "/path/to/clone/Snakefile"
    config: config["first"]


use rule * from first as first_*


module second:
    snakefile: "/path/to/clone/Snakefile"
    config: config["second"]


use rule * from second as second_*


rule both:
    input:
        *[module.fm.path("return_value", mode="create") for module in (first, second)],
"""

PROBE = """
import fcntl
import os
import sys
from pathlib import Path


def is_locked(path):
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


if step := getattr(sys.modules["__main__"], "snakemake", None):
    locked = [f"{lock.parent.name}/{lock.name}" for lock in sorted(Path("results").glob("*/.lock*")) if is_locked(lock)]
    with open(f"{step.rule}.txt", "w") as file:
        print(Path(os.environ["MML_PROJECT"]).name, *locked, file=file)
"""


def test_steps_of_two_modules_lock_the_project_of_their_own_study(outer: OuterPipeline):
    (outer.folder / "Snakefile").write_text(TWO_STUDIES.replace("/path/to/clone", str(REPOSITORY)))
    (outer.folder / "probe.py").write_text(PROBE)
    studies = {
        name: {
            **{"project": name, "paths": {"data": f"data_{name}"}, "mode": "create", "plugins": ["probe.py"]},
            "tasks": {"stripes": {"creator": "fake", "num_samples": 8, "num_classes": 2, "size": 8, "folds": 2}},
        }
        for name in ("first", "second")
    }
    (outer.folder / "config.yaml").write_text(yaml.safe_dump(studies))
    outer.run("--cores", "1", "both")
    for name in studies:
        locked = (outer.folder / f"{name}_create_task.txt").read_text().split()
        assert locked == [name, *sorted(["first/.lock", "second/.lock", f"{name}/.lock-steps"])]


@pytest.mark.long
def test_outer_pipeline_trains_on_data_of_its_own_and_uses_the_predictions(outer: OuterPipeline):
    output = outer.run()
    assert output.count("the outer pipeline starts") == output.count("the outer pipeline ends") == 1
    assert "used by train_fold" in output, "MML's own hooks were called"
    assert "rerun-triggers" not in output
    confident = (outer.folder / "confident.txt").read_text().splitlines()
    assert len(confident) == 2
    assert (outer.folder / "results/tiny/.lock").exists(), "the project was locked"
    assert "Nothing to be done" in outer.run("-n")

    first = {path.name for path in (outer.folder / "results/tiny/MODELS/brightness").glob("*.json")}
    outer.write(seed=1)
    changed = outer.run("--forcerun", "make_table", fails=True)
    assert mentions(changed, "changed after the study was planned; ")
    outer.run()
    later = {path.name for path in (outer.folder / "results/tiny/MODELS/brightness").glob("*.json")}
    assert first < later, "other data are another run, and the first stay"
    assert len(later) == 4


@pytest.mark.long
def test_tasks_share_the_images_that_an_outer_pipeline_makes(outer: OuterPipeline):
    made = {key: value for key, value in TASK.items() if key != "folds"}
    tasks = {name: {"dataset": "made", "label": "label", "folds": 2, "seed": seed} for seed, name in enumerate("ab")}
    outer.write(datasets={"made": made}, tasks=tasks)
    outer.run("mml_pp")
    assert len(list((outer.folder / "data/PREPROCESSED").glob("*/*/images.npy"))) == 1
    assert len(list((outer.folder / "data/TASKS").glob("*/*.json"))) == 2
    assert "Nothing to be done" in outer.run("-n", "mml_pp")
