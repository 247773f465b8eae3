"""A GPU, where there is one: trainings that share it, the whole demo study, four trainings in turn and at once."""

import csv
import itertools
import json
import os
from pathlib import Path

import pytest

from mml_lib.files.gpus import visible_gpus
from tests.benchmarks.conftest import demo
from tests.workflow.conftest import Workplace
from tests.workflow.test_gpus import at_once, prepare, trainings

GPUS = visible_gpus()
pytestmark = [pytest.mark.benchmark, pytest.mark.skipif(not GPUS, reason="nvidia-smi tells of no GPU here")]


@pytest.fixture(autouse=True)
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", GPUS[0].uuid)


def devices(place: Workplace) -> set[str]:
    """Return the kinds of devices that the models of a study were trained on."""
    models = place.files("results/*/MODELS/*/*.json")
    return {json.loads(path.read_text())["device"].split(":")[0] for path in models}


def test_two_trainings_share_a_gpu_by_memory(tmp_path: Path, capsys):
    share = GPUS[0].memory // 3
    place = prepare(tmp_path / "shared", resources={"train_fold": {"threads": 1, "gpu_mem_mb": share}})
    place.run()
    found = trainings(place)
    assert {each["gpu"] for each in found} == {GPUS[0].uuid}
    assert any(at_once(a, b) for a, b in itertools.combinations(found, 2))
    assert devices(place) == {"cuda"}
    with capsys.disabled():
        print(f"\n{len(found)} trainings of {share} of {GPUS[0].memory} MB each, two of them at once")


def test_demo_study_runs_on_the_gpu(tmp_path: Path, capsys):
    seconds = demo(tmp_path, os.cpu_count())
    with open(tmp_path / "results/measured/RESULTS/train-folds.csv") as file:
        accuracies = [float(row["accuracy"]) for row in csv.DictReader(file)]
    assert len(accuracies) == 5
    assert min(accuracies) >= 0.98
    assert devices(Workplace(tmp_path)) == {"cuda"}
    with capsys.disabled():
        print(f"\nthe demo study on one GPU and {os.cpu_count()} cores: {seconds:.1f} s, from nothing")


def test_four_trainings_at_once_take_less_than_one_after_another(tmp_path: Path, capsys):
    mode = {"preset": "train", "subroutines": ["train"], "folds": [0, 1, 2, 3]}
    demo(tmp_path, 4, "pp")
    in_turn = demo(tmp_path, 4, mode=mode)
    shares = {"train_fold": {"threads": 1, "gpu_mem_mb": GPUS[0].memory // 4}}
    together = demo(tmp_path, 4, project="together", mode=mode, resources=shares)
    for project in ("measured", "together"):
        assert len(Workplace(tmp_path).files(f"results/{project}/MODELS/digits/*.json")) == 4
    with capsys.disabled():
        print(f"\nfour demo trainings on one GPU: one after another {in_turn:.1f} s, at once {together:.1f} s")
    assert together < in_turn
