"""Several steps at once on a machine with GPUs: a stand-in for `nvidia-smi` tells of some, and the CPU computes."""

import itertools
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_gpus import FakeGpus
from tests.support.gpu_trainings import at_once, prepare, trainings
from tests.support.workplaces import TINY, Workplace


@pytest.fixture
def gpus(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> FakeGpus:
    fake = FakeGpus(tmp_path_factory.mktemp("gpus") / "two", **{"GPU-a": 24000, "GPU-b": 16000})
    for key, value in fake.environment(os.environ["PATH"]).items():
        monkeypatch.setenv(key, value)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return fake


@pytest.mark.long
def test_two_studies_at_once_have_each_gpu_for_one_training_at_a_time(tmp_path: Path, gpus: FakeGpus):
    places = [prepare(tmp_path / name) for name in ("one", "two")]
    for process in [place.start() for place in places]:
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output
    steps = trainings(*places)
    assert len(steps) == 6
    pairs = [(a, b) for a, b in itertools.combinations(steps, 2) if at_once(a, b)]
    assert pairs
    assert all({a["gpu"], b["gpu"]} == {"GPU-a", "GPU-b"} for a, b in pairs)
    logs = [path.read_text() for place in places for path in place.files("results/tiny/LOGS/train_fold/*.log")]
    assert all(re.search(r"on GPU GPU-[ab]\n", log) for log in logs)


@pytest.mark.long
def test_small_trainings_share_a_gpu(tmp_path: Path, gpus: FakeGpus, monkeypatch: pytest.MonkeyPatch):
    place = prepare(tmp_path / "shared", resources={"train_fold": {"threads": 1, "gpu_mem_mb": 20000}})
    assert "waiting for" not in place.run()  # one does not fit beside another, and none is started too early
    assert {step["gpu"] for step in trainings(place)} == {"GPU-a"}
    shared = prepare(tmp_path / "small", resources={"train_fold": {"threads": 1, "gpu_mem_mb": 4000}})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-b")
    shared.run()
    steps = trainings(shared)
    assert {step["gpu"] for step in steps} == {"GPU-b"}
    assert any(at_once(a, b) for a, b in itertools.combinations(steps, 2))


@pytest.mark.long
def test_step_waits_for_a_gpu_that_others_fill_and_says_so(tmp_path: Path, gpus: FakeGpus):
    gpus.use(**{"GPU-a": 23000, "GPU-b": 15000})
    place = prepare(tmp_path / "waiting", mode={"preset": "train", "cv": False, "subroutines": ["train"]})
    process = place.start()
    for line in process.stdout:
        if "waiting for other programs to free 23000 of 24000 MB of GPU-a, 15000 of 16000 MB of GPU-b" in line:
            gpus.use()
            break
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert line.startswith("train_fold of stripes fold 0 is waiting")
    (log,) = place.files("results/tiny/LOGS/train_fold/*.log")
    assert re.search(r"waiting for other programs.*\n(.*\n)*?.*on GPU GPU-a\n", log.read_text())


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"trainer": {"devices": 3}}, "error: study.yaml: trainer.devices is 3, but 2 GPUs of this machine may be"),
        (
            {"resources": {"train_fold": {"gpu_mem_mb": 32000}}},
            "error: study.yaml: resources.train_fold.gpu_mem_mb is 32000, but the largest GPU here has 24000 MB",
        ),
    ],
)
def test_more_than_the_gpus_have_is_refused_while_planning(
    changes: dict[str, Any], line: str, tmp_path: Path, gpus: FakeGpus
):
    place = prepare(tmp_path / "refused", **changes)
    assert line in place.run("-n", fails=True)


def test_limit_that_the_user_gives_wins(tmp_path: Path, gpus: FakeGpus):
    place = prepare(tmp_path / "limited", trainer={"devices": 2})
    line = "error: study.yaml: trainer.devices is 2, but 1 GPU of this machine may be used"
    assert line in place.run("-n", "--resources", "gpu=1", fails=True)
    place.run("-n")


@pytest.mark.parametrize("accelerator", ["gpu", "cuda"])
def test_accelerator_that_the_machine_lacks_is_refused_before_anything_runs(accelerator: str, workplace: Workplace):
    if any(Path("/dev").glob("nvidia*")):
        pytest.skip("there is a GPU")
    workplace.write(TINY | {"trainer": {"accelerator": accelerator}})
    line = f"error: trainer.accelerator '{accelerator}' is not available: this machine has no GPU; set it to auto"
    assert line in workplace.run(fails=True)
    assert not (workplace.folder / "data").exists()
    workplace.run("-n", "pp")  # what computes on none is done


def test_finished_study_is_planned_on_a_machine_without_gpus_too(copy: Workplace):
    copy.write(TINY | {"trainer": TINY["trainer"] | {"accelerator": "gpu"}})
    assert copy.planned() == {}
