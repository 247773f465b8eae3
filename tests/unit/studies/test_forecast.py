"""The forecast: a plan takes what steps like its own took; what was never measured is unknown."""

import os
from pathlib import Path
from typing import Any

import pytest

from mml_lib.files.containers import header_first
from mml_lib.files.manager import MMLFileManager
from mml_lib.models.model_storage import ModelStorage
from mml_lib.studies.resources.forecast import Forecast
from mml_lib.studies.resources.planned_steps import Step
from mml_lib.studies.study import Study
from tests.support.messages import mentions
from tests.support.places import CONFIG

SAMPLES = {"mine": 1000, "other": 4000}


class Project:
    """A project with measured trainings.

    Args:
        folder: of data and results.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def study(self, **changes: Any) -> Study:
        base = {
            "mode": "train",
            "tasks": {name: {"creator": "fake", "folds": 5, "image_seed": len(name)} for name in SAMPLES},
            "arch": "test_resnet",
            "loss": "default",
            "optimizer": "adamw",
            "trainer": {"max_epochs": 10, "accelerator": "cpu"},
            "paths": {
                "presets": [str(CONFIG)],
                "data": str(self.folder / "data"),
                "results": str(self.folder / "results"),
            },
        }
        return Study(base | changes)

    def describe(self, study: Study) -> None:
        for name, number in SAMPLES.items():
            path = Path(study.tasks.description_path(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            header = {"num_folds": 5, "num_samples": {"all": number, "train": number}}
            path.write_text(header_first({"header": header, "samples": {}}))

    def train(self, study: Study, task: str, seconds: float, overhead: float = 0, folds: int = 1) -> None:
        """Lay a trained network down that took so long."""
        (run,) = study.scheduler("train").runs_of(task)
        pipeline = Path(study.fm.path("pipeline", task=task, run=run.id))
        pipeline.parent.mkdir(parents=True, exist_ok=True)
        pipeline.write_text(run.pipeline.to_yaml())
        epochs = run.pipeline.content["trainer"]["max_epochs"]
        for fold in range(folds):
            tokens = {"task": task, "run": run.id, "fold": fold}
            took = {"epochs": epochs, "stored_epoch": epochs - 1, "training_time": seconds}
            model = ModelStorage(**tokens, **took, performance=1.0, metrics={}, num_parameters=1, device="cpu")
            model.write(study.fm.path("models", **tokens))
            file = study.fm.benchmark_folders[0] / "train_fold" / f"{task}-{run.id}-fold{fold}.tsv"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"s\tmax_rss\n{seconds + overhead}\t100\n")
            weights = Path(study.fm.path("parameters", **tokens))
            weights.parent.mkdir(parents=True, exist_ok=True)
            weights.touch()
            os.truncate(weights, 4_000_000)


def trainings(study: Study, task: str = "mine", folds: int = 5, gpus: int = 0) -> list[Step]:
    (run,) = study.scheduler("train").runs_of(task)
    steps = []
    for fold in range(folds):
        wildcards = {"task": task, "run": run.id, "fold": str(fold)}
        file = study.fm.benchmark_folders[0] / "train_fold" / f"{task}-{run.id}-fold{fold}.tsv"
        outputs = (("parameters", study.fm.path("parameters", **wildcards)), ("history", "h.csv"))
        steps.append(Step("train_fold", file, gpus, minutes=240, outputs=outputs, wildcards=wildcards))
    return steps


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_a_first_run_is_unknown_whatever_its_time_limit(project: Project):
    study = project.study()
    line = Forecast(study).line([*trainings(study), Step("summarize")])
    assert line == (
        "to do: 6 steps, 5 of them trainings; time unknown until a similar training has ended; disk unknown"
    )


def test_the_line_says_how_trainings_share_the_machine(project: Project):
    study = project.study()
    study.gpus.here, study.gpus.cores, study.gpus.number_of_trainings = (), 16, 5
    assert mentions(Forecast(study).line(trainings(study)), "5 of them trainings", "5 at once", "3 threads")


@pytest.mark.parametrize(
    ("changes", "task", "about"),
    [
        ({}, "mine", "about 50 min without a GPU in all jobs"),  # the run itself
        ({"optimizer": {"preset": "adamw", "lr": 1}}, "mine", "about 50 min without a GPU in all jobs"),
        ({"trainer": {"max_epochs": 30, "accelerator": "cpu"}}, "mine", "about 2.5 hours"),
        ({"trainer": {"max_epochs": 1, "accelerator": "cpu"}}, "mine", "about 5 min"),
        ({}, "other", "about 3.3 hours"),
        ({"arch": {"preset": "timm", "name": "resnet18"}}, "mine", "time unknown until"),
        ({"preprocessing": {"preset": "default", "size": 64}}, "mine", "time unknown until"),
        ({"trainer": {"max_epochs": 10, "precision": "bf16-mixed"}}, "mine", "time unknown until"),
    ],
)
def test_trainings_take_by_images_and_epochs_what_those_of_their_network_took(
    project: Project, changes: dict[str, Any], task: str, about: str
):
    measured = project.study()
    project.describe(measured)
    project.train(measured, "mine", seconds=600)
    study = project.study(**changes)
    assert f"; {about}" in Forecast(study).line(trainings(study, task))


def test_the_start_of_a_training_counts_once_not_by_epoch(project: Project):
    measured = project.study(trainer={"max_epochs": 1, "accelerator": "cpu"})
    project.describe(measured)
    project.train(measured, "mine", seconds=1, overhead=30)
    study = project.study(trainer={"max_epochs": 100, "accelerator": "cpu"})
    assert "about 2 min" in Forecast(study).line(trainings(study, folds=1))


def test_time_is_that_of_the_clock_where_steps_run_side_by_side(project: Project):
    study = project.study()
    project.train(study, "mine", seconds=600)
    study.gpus.here, study.gpus.cores, study.gpus.number_of_trainings = (), 5, 5
    assert "; about 10 min; 20 MB of disk" in Forecast(study).line(trainings(study))


def test_gpus_are_counted_for_a_cluster(project: Project):
    study = project.study()
    project.train(study, "mine", seconds=3600)
    steps = [*trainings(study, folds=2, gpus=1), *trainings(study, folds=2)]
    assert mentions(Forecast(study).line(steps), "2.0 hours of GPUs", "2.0 hours without a GPU")


def test_what_was_not_measured_beside_trainings_is_named(project: Project):
    study = project.study()
    project.train(study, "mine", seconds=600)
    steps = [*trainings(study), Step("create_dataset", Path("b/DSET_1.tsv"), wildcards={"dataset": "DSET_1"})]
    assert mentions(Forecast(study).line(steps), "create_dataset", "not measured")


def test_disk_is_that_of_artefacts_like_them(project: Project):
    study = project.study()
    project.train(study, "mine", seconds=1, folds=2)
    assert Forecast(study).line(trainings(study)).endswith("; 20 MB of disk")
    other = project.study(arch={"preset": "timm", "name": "resnet18"})
    assert Forecast(other).line(trainings(other)).endswith("; disk unknown")


def test_a_step_is_missing_until_all_its_outputs_are_there(project: Project, tmp_path: Path):
    forecast = Forecast(project.study())
    step = Step("train_fold", outputs=(("models", str(tmp_path / "a")), ("parameters", str(tmp_path / "b"))))
    (tmp_path / "a").touch()
    assert forecast.missing([step]) == [step]
    (tmp_path / "b").touch()
    assert forecast.missing([step]) == []
    assert forecast.line([]) == "to do: nothing"


def test_trials_of_a_search_take_what_trainings_of_as_many_epochs_take(project: Project):
    study = project.study()
    project.describe(study)
    project.train(study, "mine", seconds=100)
    space = {"optimizer.lr": {"low": 0.001, "high": 0.1}}
    halving = {"min_epochs": 2, "factor": 2}
    section = {"trials": 8, "objective": "loss", "space": space, "halving": halving}
    searched = project.study(search=section)
    (search,) = searched.searches.of_task("mine")
    wildcards = {"task": "mine", "search": search.id, "fold": "0"}
    seconds = {
        rung.number: Forecast(searched)._seconds(
            Step("train_trial", Path("x.tsv"), wildcards={**wildcards, "rung": str(rung.number), "number": "1"})
        )
        for rung in search.rungs
    }
    assert {number: round(value) for number, value in seconds.items()} == {0: 20, 1: 20, 2: 40, 3: 20}


def test_the_files_of_a_project_are_listed_once_for_all_runs(project: Project, monkeypatch: pytest.MonkeyPatch):
    project.train(project.study(), "mine", seconds=600)
    study = project.study(sweep={"seed": list(range(20))})
    runs = study.scheduler("train").runs_of("mine")
    steps = [
        Step("train_fold", None, outputs=(("parameters", "p"),), wildcards={"task": "mine", "run": run.id, "fold": "0"})
        for run in runs
    ]
    listed = []
    existing = MMLFileManager.existing
    monkeypatch.setattr(MMLFileManager, "existing", lambda fm, key: listed.append(key) or existing(fm, key))
    assert "; 80 MB of disk" in Forecast(study).line(steps)  # 20 of 4 MB
    assert sorted(listed) == ["models", "parameters"]
