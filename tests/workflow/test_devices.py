"""Several devices train one network together; here two processes on the CPU stand for two GPUs."""

import csv
import json

import pytest

from tests.support.workplaces import TINY, Workplace

pytestmark = pytest.mark.long


def test_two_processes_train_one_network_and_the_first_one_keeps_it(workplace: Workplace):
    trainer = {"max_epochs": 2, "accelerator": "cpu", "devices": 2}
    mode = {"preset": "train", "cv": False, "subroutines": ["train"]}
    workplace.write(TINY | {"mode": mode, "trainer": trainer, "store_best": True})
    workplace.run()
    (history,) = workplace.files("results/tiny/HISTORY/stripes/*.csv")
    with open(history) as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1"]
    (model,) = workplace.files("results/tiny/MODELS/stripes/*.json")
    assert json.loads(model.read_text())["epochs"] == 2
    assert workplace.files("results/tiny/PARAMETERS/stripes/*.safetensors")
    (log,) = workplace.files("results/tiny/LOGS/train_fold/*.log")
    assert log.read_text().count("epoch 2 of 2") == 1
    assert workplace.planned() == {}
