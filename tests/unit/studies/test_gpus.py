"""GPU resources of a study's rules, and requests that are refused while planning."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mml_lib.errors import MMLError
from mml_lib.machine.gpu_devices import Gpu
from mml_lib.machine.leases import SHARE
from mml_lib.pipelines.pipeline import pipeline_config
from mml_lib.steps.step_gpus import take_gpus
from mml_lib.studies.study import Study
from tests.support.fake_gpus import FakeGpus
from tests.support.places import CONFIG

TWO = (Gpu("a", 24000), Gpu("b", 16000))
THREE = (*TWO, Gpu("c", 24000))


def planned(here: tuple[Gpu, ...] | None = TWO, cores: int | None = 8, **changes: Any) -> Study:
    base = {
        "mode": "train",
        "tasks": {"mine": {"creator": "fake", "folds": 2}},
        "arch": "test_resnet",
        "loss": "default",
        "optimizer": "adamw",
        "paths": {"presets": [str(CONFIG)]},
    }
    study = Study(base | changes)
    study.gpus.here, study.gpus.cores = here, cores
    return study


def gpus_of(study: Study, rule: str = "train_fold") -> tuple[int, int | None]:
    """Return the resources `gpu` and `gpu_mem_mb` of a step."""
    (run,) = study.scheduler("train").runs_of("mine")
    wildcards = SimpleNamespace(task="mine", run=run.id, fold="0")
    values = study.gpus.number(rule), study.gpus.memory(rule)
    return tuple(value(wildcards) if callable(value) else value for value in values)


def resources(**changes: Any) -> dict[str, Any]:
    return {"resources": {"train_fold": changes}}


@pytest.mark.parametrize(
    ("here", "changes", "training", "prediction"),
    [
        (TWO, {}, (1, None), (1, None)),
        (None, {}, (1, None), (1, None)),  # a cluster has some
        ((), {}, (0, None), (0, None)),
        ((), {"trainer": {"devices": 2}}, (0, None), (0, None)),
        (TWO, {"trainer": {"accelerator": "cpu"}}, (0, None), (0, None)),
        (TWO, {"trainer": {"devices": 2}}, (2, None), (1, None)),
        (TWO, resources(gpu=2), (2, None), (1, None)),
        (TWO, resources(gpu=0), (0, None), (0, None)),
        (TWO, {"resources": {"predict_fold": {"gpu": 0}}}, (1, None), (0, None)),
        (None, resources(gpu_mem_mb=4000), (1, 4000), (1, 4000)),
        (None, {"trainer": {"devices": 2}, **resources(gpu_mem_mb=4000)}, (2, 8000), (1, 4000)),
        ((), resources(gpu_mem_mb=4000), (0, None), (0, None)),
        # Five steps of 8000 MB fit, so that each counts as a fifth; two of 12500 MB do, one on each.
        (TWO, resources(gpu_mem_mb=8000), (1, 8000), (1, 8000)),
        (TWO, resources(gpu_mem_mb=12500), (1, 20000), (1, 20000)),
        (TWO, {"resources": {"predict_fold": {"gpu_mem_mb": 4000}}}, (1, 20000), (1, 4000)),
    ],
)
def test_steps_ask_for_what_keeps_others_off(
    here: tuple[Gpu, ...] | None, changes: dict[str, Any], training: tuple[int, int], prediction: tuple[int, int]
):
    study = planned(here, **changes)
    assert gpus_of(study) == training
    assert gpus_of(study, "predict_fold") == prediction


def test_two_gpus_for_a_training_are_part_of_its_run():
    ids = [planned(**changes).scheduler("train").runs_of("mine")[0].id for changes in ({}, resources(gpu=1))]
    ids += [planned(**options).scheduler("train").runs_of("mine")[0].id for options in (resources(gpu=2),)]
    ids.append(planned(trainer={"devices": 2}).scheduler("train").runs_of("mine")[0].id)
    assert ids[0] == ids[1] != ids[2] == ids[3]


def test_run_on_one_device_stays_so_in_a_study_of_two():
    (run,) = planned().scheduler("train").runs_of("mine")
    assert pipeline_config(planned(**resources(gpu=2)).config, run.pipeline).trainer.devices == 1


@pytest.mark.parametrize(
    ("here", "cores", "trainings", "changes", "threads"),
    [
        ((), 16, 1, {}, 16),
        ((), 16, 16, {}, 1),
        ((), 16, 100, {}, 1),
        ((), 16, 5, {}, 3),
        ((), 2, 5, {}, 1),
        ((), 2, 1, {}, 2),
        ((), 8, 0, {}, 8),
        ((), 16, 1, resources(threads=3), 3),
        (None, None, 5, {}, 4),
        (None, None, 5, resources(threads=7), 7),
        (THREE, 32, 12, {}, 10),
        (THREE, 32, 2, {}, 16),
        (TWO, 4, 5, {}, 2),
        (TWO, 1, 5, {}, 1),
        (TWO, 8, 5, {"trainer": {"accelerator": "cpu"}}, 1),
        (TWO, 8, 5, resources(gpu=0), 1),
        (TWO, 8, 5, {"trainer": {"devices": 2}}, 8),
        (TWO, 8, 50, resources(gpu_mem_mb=5000), 1),
        (TWO, 4, 5, resources(threads=3), 3),
    ],
)
def test_cores_are_divided_among_the_trainings_that_run_at_once(
    here: tuple[Gpu, ...] | None, cores: int | None, trainings: int, changes: dict[str, Any], threads: int
):
    gpus = planned(here, cores, **changes).gpus
    gpus.number_of_trainings = trainings
    assert gpus.threads("train_fold", 4) == threads


def test_the_plan_says_how_trainings_share_the_machine():
    gpus = planned((), 16).gpus
    assert gpus.shares() is None
    gpus.number_of_trainings = 5
    assert gpus.shares() == "5 at once, 3 threads each"
    gpus = planned((), 16, **resources(threads=6)).gpus
    gpus.number_of_trainings = 5
    assert gpus.shares() == "2 at once, 6 threads each"


def test_threads_follow_from_all_trainings_of_the_study_those_that_are_done_among_them(tmp_path: Path):
    study = planned((), 16)
    networks = study.scheduler("train").trainings
    for network in networks[:-1]:
        path = Path(study.fm.path("models", **network.tokens))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    limits = {"_nodes": SimpleNamespace(value=None), "_cores": SimpleNamespace(value=16)}
    study.gpus.prepare(SimpleNamespace(global_resources=limits, register_resource=lambda *_: None), ["train"])
    assert study.gpus.number_of_trainings == len(networks) > 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (resources(gpu=2) | {"trainer": {"devices": 3}}, r"train_fold\.gpu is 2, but trainer\.devices is 3"),
        (resources(gpu=2) | {"trainer": {"devices": 1}}, r"train_fold\.gpu is 2, but trainer\.devices is 1"),
        (resources(gpu=1) | {"trainer": {"accelerator": "cpu"}}, r"with trainer\.accelerator: cpu no GPU is used"),
        (resources(gpu_mem_mb=9) | {"trainer": {"accelerator": "cpu"}}, r"train_fold\.gpu_mem_mb: with .* no GPU"),
        (resources(gpu=0) | {"trainer": {"accelerator": "gpu"}}, r"trainer\.accelerator: gpu needs a GPU"),
        ({"resources": {"predict_fold": {"gpu": 2}}}, r"predict_fold\.gpu is 2,.*GPU"),
        (
            {"resources": {"create_task": {"gpu": 1}}},
            r"create_task\.gpu: these steps compute on no GPU, but those of tr",
        ),
        (resources(gpu=-1), r"resources.*gpu: input should be greater"),
        (resources(gpu_mem_mb=0), r"resources.*gpu_mem_mb: input should be greater"),
        ({"gpu_timeout": 0}, "gpu_timeout: input should be greater"),
    ],
)
def test_what_cannot_go_together_is_refused(changes: dict[str, Any], words: str):
    with pytest.raises(MMLError, match=words):
        planned(**changes).check()


# --- steps ------------------------------------------------------------------------------------------------------


class Terminal:
    """Stands for a terminal; a step that has what it wants says nothing there."""

    def write(self, text: str) -> int:
        raise AssertionError(text)

    def flush(self) -> None:
        pass


def visible_after(study: Study, rule: str = "train_fold") -> str | None:
    """Return which GPUs a step sees."""
    step = SimpleNamespace(cfg=study.cfg, study=study, task="mine", fold=0, terminal=Terminal())
    take_gpus(step, rule, step.terminal)
    return os.environ.get("CUDA_VISIBLE_DEVICES")


@pytest.fixture
def gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGpus:
    """Three GPUs; the environment is as it was afterwards."""
    fake = FakeGpus(tmp_path / "three", **{"GPU-a": 24000, "GPU-b": 16000, "GPU-c": 8000})
    for key, value in fake.environment(os.environ["PATH"]).items():
        monkeypatch.setenv(key, value)
    for key in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", SHARE):
        monkeypatch.setenv(key, "")  # to be put back
        monkeypatch.delenv(key)
    return fake


@pytest.mark.parametrize(
    ("changes", "rule", "visible", "share"),
    [
        ({}, "train_fold", "GPU-a", None),
        ({"trainer": {"devices": 2}}, "train_fold", "GPU-a,GPU-b", None),
        ({"trainer": {"devices": 2}}, "predict_other", "GPU-a", None),
        ({"trainer": {"accelerator": "cpu"}}, "train_fold", None, None),
        (resources(gpu=0), "train_fold", "", None),
        (resources(gpu=0), "predict_other", "", None),
        (resources(gpu_mem_mb=5000), "tune_fold", "GPU-a", "5000"),
        ({"resources": {"predict_fold": {"gpu_mem_mb": 5000}}}, "predict_other", "GPU-a", "5000"),
    ],
)
def test_step_sees_its_own_gpus(
    changes: dict[str, Any], rule: str, visible: str | None, share: str | None, gpus: FakeGpus
):
    assert visible_after(planned(**changes), rule) == visible
    assert os.environ.get(SHARE) == share


def test_step_has_one_of_those_that_the_user_leaves(gpus: FakeGpus, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,1")
    assert visible_after(planned()) == "GPU-b"


def test_job_of_slurm_keeps_what_it_was_given(gpus: FakeGpus, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert visible_after(planned()) == "1"
    assert not (gpus.folder / "leases").exists()


def test_steps_within_one_large_job_of_slurm_divide_its_gpus(gpus: FakeGpus, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,2")
    assert visible_after(planned()) == "GPU-b"


def test_process_that_trains_with_others_has_what_they_have(gpus: FakeGpus, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert visible_after(planned(trainer={"devices": 2})) == "0,1"
