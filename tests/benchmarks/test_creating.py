"""Creating: samples a second out of a table, and the header of a large task description."""

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mml_lib.tasks.creators.creator_registry import CREATORS
from mml_lib.tasks.creators.table import read_table
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.delivery_checks import check_delivery
from mml_lib.tasks.description import TaskDescription, read_header
from mml_lib.tasks.splits.splitting import Assignment
from mml_lib.tasks.targets import Targets

COUNT, FOLDERS, CLASSES = 100_000, 5, 7


def best(clock: Callable[[], float], **work: Callable[[], Any]) -> dict[str, float]:
    """Return the least seconds of each of several pieces of work, done in turn."""
    seconds = {name: [] for name in work}
    for _ in range(7):
        for name, function in work.items():
            started = clock()
            function()
            seconds[name].append(clock() - started)
    return {name: min(values) for name, values in seconds.items()}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of images that exist as empty files in a few folders, four of each patient."""
    for folder in range(FOLDERS):
        (tmp_path / f"folder{folder}").mkdir()
    with open(tmp_path / "table.csv", "w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "label", "group"])
        for number in range(COUNT):
            image = f"folder{number % FOLDERS}/image{number:06}.png"
            (tmp_path / image).touch()
            writer.writerow([image, f"class{number % CLASSES}", f"patient{number // 4}"])
    return tmp_path / "table.csv"


@pytest.mark.benchmark
def test_table_is_scanned_at_50_000_samples_a_second(table: Path, capsys):
    creator = CREATORS["csv"]
    delivery = creator.function(table.parent, str(table))
    assert len(delivery.samples) == COUNT

    def cells() -> list[list[str]]:
        with open(table, newline="", encoding="utf-8") as stream:
            return list(csv.reader(stream))

    seconds = best(
        time.process_time,
        cells=cells,
        survey=lambda: creator.survey(path=str(table)),
        read=lambda: read_table(table),
        deliver=lambda: creator.function(table.parent, str(table)),
        check=lambda: check_delivery(delivery, "table"),
    )
    rates = {name: f"{COUNT / took:,.0f}/s ({took / seconds['cells']:.1f})" for name, took in seconds.items()}
    with capsys.disabled():
        print(
            f"\ncreating from a table of {COUNT:,} samples by processor time, in brackets times csv.reader: csv.reader "
            f"{rates['cells']}, survey {rates['survey']}, read_table {rates['read']}, the whole Delivery "
            f"{rates['deliver']}, check_delivery {rates['check']}"
        )
    assert COUNT / (seconds["survey"] + seconds["read"]) >= 50_000


@pytest.mark.benchmark
def test_header_of_100_000_samples_is_read_in_5_ms(tmp_path: Path, capsys):
    samples = [Sample(f"image{n:06}", f"image{n:06}.png", f"class{n % CLASSES}") for n in range(COUNT)]
    classes = [f"class{n}" for n in range(CLASSES)]
    dataset = Dataset("DSET_large", Delivery(samples, classes), [(8, 8)] * COUNT, tmp_path)
    targets = Targets("classification", classes, np.arange(COUNT) % CLASSES)
    assignment = Assignment(["train"] * COUNT, [n % 5 for n in range(COUNT)], 5)
    path = tmp_path / "large.json"
    TaskDescription.of({"name": "large"}, dataset, targets, assignment).write(path)
    assert read_header(path)["num_samples"]["all"] == COUNT
    seconds = best(time.perf_counter, header=lambda: read_header(path), whole=lambda: json.loads(path.read_text()))
    with capsys.disabled():
        print(
            f"\nheader of {COUNT:,} samples ({path.stat().st_size / 2**20:.1f} MB): {1000 * seconds['header']:.2f} ms, "
            f"{seconds['header'] / seconds['whole']:.4f} of json.loads of the file"
        )
    assert seconds["header"] <= 0.005
