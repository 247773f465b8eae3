"""On a real GPU, where there is one: what elsewhere is tested by a stand-in for `nvidia-smi` and on the CPU."""

import csv
import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.demo_study import demo
from tests.support.gpu_trainings import GPUS, at_once, one_gpu, prepare, trainings  # noqa: F401  (a fixture)
from tests.support.killed_trainings import LONG, comparable, leftovers, training
from tests.support.messages import mentions
from tests.support.workplaces import TINY, Workplace, kill, wait_for

pytestmark = [pytest.mark.long, pytest.mark.skipif(not GPUS, reason="nvidia-smi tells of no GPU here")]

TRAIN_ONE = {"mode": {"preset": "train", "cv": False, "subroutines": ["train"]}}
EPOCHS = {"max_epochs": 40, "accelerator": "gpu"}

SEGMENTATION = TRAIN_ONE | {
    "tasks": {
        "shapes": {"creator": "fake", "task_type": "semantic_segmentation", "num_samples": 150, "size": 32, "folds": 3}
    },
    "decoder": "unet_small",
    "loss": "default",
    "augmentations": "baseline",
    "metrics": "default",
    "trainer": EPOCHS | {"precision": "bf16-mixed"},
}


def devices(place: Workplace) -> set[str]:
    """Return the kinds of devices that the models of a study were trained on."""
    models = place.files("results/*/MODELS/*/*.json")
    return {json.loads(path.read_text())["device"].split(":")[0] for path in models}


def test_demo_study_runs_on_the_gpu(tmp_path: Path):
    demo(tmp_path, os.cpu_count())
    with open(tmp_path / "results/measured/RESULTS/train-folds.csv") as file:
        accuracies = [float(row["accuracy"]) for row in csv.DictReader(file)]
    assert len(accuracies) == 5
    assert min(accuracies) >= 0.98
    assert devices(Workplace(tmp_path)) == {"cuda"}


def test_two_trainings_share_a_gpu_by_memory(tmp_path: Path):
    share = {"threads": 1, "gpu_mem_mb": GPUS[0].memory // 3}
    place = prepare(tmp_path / "shared", trainer={"max_epochs": 1}, resources={"train_fold": share})
    place.run()
    steps = trainings(place)
    assert {step["gpu"] for step in steps} == {GPUS[0].uuid}
    assert any(at_once(a, b) for a, b in itertools.combinations(steps, 2))
    assert devices(place) == {"cuda"}


def test_training_that_needs_more_than_its_share_ends_and_names_it(workplace: Workplace):
    images = {"creator": "fake", "num_samples": 330, "num_classes": 2, "size": 24, "folds": 2}
    resources = {"train_fold": {"threads": 1, "gpu_mem_mb": 1200}}
    sampling = {"preset": "default", "batch_size": 128}
    study = {"tasks": {"stripes": images}, "preprocessing": {"size": 512}, "sampling": sampling}
    workplace.write(TINY | TRAIN_ONE | study | {"resources": resources, "trainer": {"max_epochs": 1}})
    output = workplace.run("--retries", "0", fails=True)
    assert mentions(output, "out of memory on cuda:0", "epoch 0 of stripes", "128 images of 512×512; raise")
    assert mentions(output, "raise gpu_mem_mb", "1200")


def test_training_that_shall_have_no_gpu_computes_on_the_cpu(workplace: Workplace):
    workplace.write(TINY | TRAIN_ONE | {"trainer": {"max_epochs": 1}, "resources": {"train_fold": {"gpu": 0}}})
    workplace.run()
    assert devices(workplace) == {"cpu"}


@pytest.mark.parametrize("study", [LONG | {"trainer": EPOCHS}, TINY | SEGMENTATION], ids=["several", "masks"])
def test_training_that_was_killed_ends_bit_identical_on_the_gpu_too(study: dict[str, Any], tmp_path: Path):
    places = [Workplace(tmp_path / name) for name in ("undisturbed", "killed")]
    for place in places:
        place.folder.mkdir()
        place.write(study)
    places[0].run()
    running = places[1].start()
    step = training(running)
    logs = "results/tiny/LOGS/train_fold/*.log"
    wait_for(lambda: any("epoch 5 of " in log.read_text() for log in places[1].files(logs)))
    kill(step)
    running.communicate()
    assert running.returncode != 0
    places[1].run()
    (log,) = places[1].files(logs)
    assert "epoch 1 of " not in log.read_text()
    assert devices(places[1]) == {"cuda"}
    assert comparable(places[1]) == comparable(places[0])
    assert leftovers(places[1].folder) == []
