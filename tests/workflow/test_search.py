"""Searches: the same trials and the same winner, however often they are stopped, and networks of ordinary runs."""

import csv
import json
import time
from typing import Any

import pytest
import yaml
from safetensors.numpy import load_file

from tests.support.forked_snakemake import RunningSnakemake
from tests.support.workplaces import TINY, Workplace, kill, once, steps_of, wait_for

pytestmark = pytest.mark.long

TASK = TINY["tasks"]["stripes"] | {"folds": 2, "test_fraction": 0.3}
STUDY = TINY | {
    "mode": TINY["mode"] | {"cv": False},
    "tasks": {"stripes": TASK},
    "trainer": {"max_epochs": 4, "accelerator": "cpu"},
    "sampling": {"preset": "default", "batch_size": 4},  # the defaults repeat small data sets within an epoch
    "bootstrap": 0,
    "search": {
        "trials": 6,
        "parallel": 2,
        "objective": "loss",
        "halving": {"min_epochs": 1, "factor": 2},
        "start": [{"optimizer.lr": 0.003, "optimizer": "adamw"}, {"optimizer.lr": 1e6, "optimizer": "sgd"}],
        "space": {
            "optimizer.lr": {"low": 1e-5, "high": 1e6, "log": True},
            "optimizer": ["adamw", "sgd"],
            "optimizer.weight_decay": {"low": 0, "high": 0.1, "when": {"optimizer": "adamw"}},
        },
    },
}


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Return the finished study; the tests leave it as it is."""
    return once(tmp_path_factory, "searched", STUDY)


def trials_of(place: Workplace, project: str = "tiny") -> list[dict[str, str]]:
    with open(place.folder / f"results/{project}/SEARCH/stripes/trials.csv", newline="") as file:
        return list(csv.DictReader(file))


def search_files(place: Workplace) -> dict[str, bytes]:
    """Return the content of all files of searches but the journal, which has times."""
    root = place.folder / "results/tiny"
    files = [*place.files("results/tiny/SEARCH/**/*.json"), *place.files("results/tiny/SEARCH/**/*.csv")]
    files += [*place.files("results/tiny/SEARCH/**/*.yaml"), *place.files("results/tiny/PIPELINES/**/*.yaml")]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def winner(place: Workplace) -> tuple[str, dict[str, Any]]:
    """Return run and pipeline of the best trial."""
    (path,) = [
        path
        for path in place.files("results/tiny/PIPELINES/stripes/*.yaml")
        if "search" in (content := yaml.safe_load(path.read_text())) and content
    ]
    return path.stem, yaml.safe_load(path.read_text())


def test_the_best_trial_is_tested_and_worse_ones_are_stopped_or_fail(searched: Workplace):
    rows = trials_of(searched)
    assert [row["trial"] for row in rows] == [str(number) for number in range(1, 7)]
    states = [row["state"] for row in rows]
    assert states.count("finished") == 1
    assert rows[1]["state"] == "failed"
    assert "lower optimizer.lr" in rows[1]["failure"]
    assert {row["optimizer.weight_decay"] == "" for row in rows if row["optimizer"] == "sgd"} == {True}
    run, pipeline = winner(searched)
    (best,) = [row for row in rows if row["rank"] == "1"]
    assert pipeline["search"]["trained_as"] == best["run"]
    with open(searched.folder / "results/tiny/RESULTS/train.csv", newline="") as file:
        (row,) = [row for row in csv.DictReader(file) if row["metric"] == "accuracy"]
    assert (row["run"], row["label"]) == (run, "best of 6 trials")
    assert not searched.files("results/tiny/CHECKPOINTS/**/*.ckpt")
    plots = {path.name for path in searched.files("results/tiny/SEARCH/stripes/plots/*")}
    assert {"trials.svg", "parameters.svg", "parallel.svg", "rungs.svg", "trials_table.html"} <= plots
    assert searched.planned() == {}


def test_a_search_reads_no_predictions_and_no_metrics_of_tests(searched: Workplace):
    for path in searched.files("results/tiny/SEARCH/**/*.json"):
        assert set(json.loads(path.read_text()).get("objectives") or ()) <= {"loss"}, path
    (choice,) = searched.files("results/tiny/SEARCH/stripes/*/*.yaml")
    steps = searched.planned("--forceall", str(choice.relative_to(searched.folder)))
    assert {"propose_trial", "promote_trial", "train_trial", "choose_trial"} <= set(steps)
    assert not {"predict_fold", "test_fold", "test_out_of_fold", "summarize"} & set(steps)


def test_a_trial_and_a_plain_training_of_the_same_pipeline_take_turns(workplace: Workplace):
    space = {"optimizer.lr": {"low": 1e-4, "high": 0.01, "log": True}}
    section = {
        "space": space,
        "objective": "loss",
        "trials": 2,
        "parallel": 2,
        "halving": {"min_epochs": 1, "factor": 2},
    }
    workplace.write(
        {key: value for key, value in STUDY.items() if key != "search"}
        | {"optimizer": {"preset": "adamw", "lr": 0.003}, "trainer": STUDY["trainer"] | {"max_epochs": 2}}
        | {"variants": {"plain": {}, "searched": {"search": section | {"start": [{"optimizer.lr": 0.003}]}}}}
    )
    workplace.run()
    (row,) = [row for row in trials_of(workplace) if row["trial"] == "1"]
    (history,) = workplace.files(f"results/tiny/HISTORY/stripes/{row['run']}-fold0.csv")
    assert len(history.read_text().splitlines()) == 3, "a header and two epochs"
    assert not workplace.files("results/tiny/CHECKPOINTS/**/*")
    assert workplace.planned() == {}


def test_hyperband_trains_trials_of_each_bracket_in_full(workplace: Workplace):
    section = {
        "space": {"optimizer.lr": {"low": 1e-4, "high": 0.01, "log": True}},
        **{"objective": "loss", "parallel": 2, "hyperband": {"min_epochs": 1, "factor": 2}},
    }
    study = STUDY | {"mode": "search", "trainer": STUDY["trainer"] | {"max_epochs": 2}}
    workplace.write(study | {"search": section | {"trials": 4}})
    workplace.run()
    states = [(row["trial"], row["state"], row["epochs"]) for row in trials_of(workplace)]
    assert {("2", "finished", "2"), ("4", "finished", "2")} <= set(states)
    assert sorted(state[1:] for state in states if state[0] in "13") == [("finished", "2"), ("stopped", "1")]
    assert workplace.planned() == {}


def test_a_trial_that_was_paused_equals_a_plain_training(searched: Workplace, workplace: Workplace):
    run, pipeline = winner(searched)
    values = {"optimizer": {"preset": pipeline["optimizer"]["_target_"].rpartition(".")[2].lower()}}
    values["optimizer"] |= {key: value for key, value in pipeline["optimizer"].items() if key != "_target_"}
    plain = {key: value for key, value in STUDY.items() if key != "search"} | values
    workplace.write(plain | {"mode": TINY["mode"] | {"cv": False, "subroutines": ["train"]}})
    workplace.run()
    (own,) = workplace.files("results/tiny/PARAMETERS/stripes/*-fold0.safetensors")
    assert own.name == f"{pipeline['search']['trained_as']}-fold0.safetensors", "the run id is that of the trial"
    weights, taken = (
        load_file(own),
        load_file(searched.folder / f"results/tiny/PARAMETERS/stripes/{run}-fold0.safetensors"),
    )
    assert weights.keys() == taken.keys()
    assert all((weights[key] == taken[key]).all() for key in weights)
    names = [
        path.relative_to(place.folder)
        for place in (workplace, searched)
        for path in place.files("results/tiny/HISTORY/stripes/*.csv")
        if pipeline["search"]["trained_as"] in path.name
    ]
    assert (workplace.folder / names[0]).read_text() == (searched.folder / names[1]).read_text()


def wait_for_trials(place: Workplace, process: RunningSnakemake, number: int) -> None:
    """Wait until a search has written some more files, or has ended."""
    wanted = len(place.files("results/tiny/SEARCH/**/*.json")) + number
    wait_for(lambda: process.poll() is not None or len(place.files("results/tiny/SEARCH/**/*.json")) >= wanted)


def test_a_search_that_is_killed_again_and_again_has_the_same_trials(searched: Workplace, workplace: Workplace):
    workplace.write(STUDY)
    workplace.cores = 1
    for number, delay in enumerate((0.0, 0.4, 0.8)):
        process = workplace.start()
        wait_for_trials(workplace, process, 2)
        time.sleep(delay)
        assert process.poll() is None, f"the search has ended before kill {number}"
        if number % 2:
            for step in steps_of(process, "train_trial.py"):
                kill(step)
        kill(process)
    workplace.run()
    assert search_files(workplace) == search_files(searched)
    assert not workplace.files("results/tiny/CHECKPOINTS/**/*.ckpt")
    assert workplace.planned() == {}


def test_a_key_that_a_part_does_not_take_is_refused_before_anything_runs(workplace: Workplace):
    search = {"space": {"optimizer.lrr": [0.1, 0.2]}, "objective": "loss", "trials": 2}
    for mode in (STUDY["mode"], "search"):
        workplace.write(STUDY | {"mode": mode, "search": search})
        output = workplace.run(fails=True)
        assert "search.space.optimizer.lrr: " in output
        assert "did you mean 'lr'?" in output
    assert not workplace.files("data/*/*")


def test_more_trials_continue_a_search(searched: Workplace, workplace: Workplace):
    plain = {"space": {"optimizer.lr": {"low": 1e-4, "high": 0.01, "log": True}}, "objective": "loss", "parallel": 2}
    workplace.write(STUDY | {"mode": "search", "search": plain | {"trials": 3}})
    workplace.run()
    before = search_files(workplace)
    workplace.write(STUDY | {"mode": "search", "search": plain | {"trials": 5, "top": 2}})
    counts = workplace.planned()
    assert (counts["propose_trial"], counts["train_trial"], counts["choose_trial"]) == (2, 2, 2)
    workplace.run()
    after = search_files(workplace)
    assert {name: after[name] for name in before if name.endswith(".json")} == {
        name: content for name, content in before.items() if name.endswith(".json")
    }
    (results,) = workplace.files("results/tiny/RESULTS/search.json")
    first, second = json.loads(results.read_text())["return_value"]
    assert first["objectives"]["loss"] <= second["objectives"]["loss"]
    assert first["why"].startswith("the best of 5 trials")


def test_trials_are_reused_by_studies_that_train_the_same_pipeline(searched: Workplace, workplace: Workplace):
    search = {
        "trials": 4,
        "sampler": "grid",
        "objective": ["loss", "num_parameters"],
        "space": {"optimizer.lr": [0.003, 0.001], "sampling.batch_size": [8, 16]},
    }
    tiny = STUDY | {"trainer": TINY["trainer"], "search": search}
    plain = {key: value for key, value in tiny.items() if key != "search"}
    workplace.write(plain | {"sampling": {"preset": "default", "batch_size": 8}, "mode": TINY["mode"] | {"cv": False}})
    workplace.run()
    (trained,) = workplace.files("results/tiny/PARAMETERS/stripes/*.safetensors")
    made = trained.stat().st_mtime_ns
    workplace.write(tiny)
    workplace.run()
    assert trained.stat().st_mtime_ns == made
    assert trained.stem.partition("-")[0] in [row["run"] for row in trials_of(workplace)]
    assert {row["pareto"] for row in trials_of(workplace)} == {"True", "False"}
    workplace.write(
        plain
        | {
            "sampling": {"preset": "default", "batch_size": 8},
            "optimizer": {"preset": "adamw", "lr": 0.001},
            "mode": TINY["mode"] | {"cv": False},
        }
    )
    assert "train_fold" not in workplace.planned()
