"""Creating: samples a second out of a table, and the header of a large task description."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from mml_lib.tasks.creators.creator_registry import CREATORS
from mml_lib.tasks.creators.table import read_table
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.delivery_checks import check_delivery
from mml_lib.tasks.description import TaskDescription, read_header
from mml_lib.tasks.splits.splitting import Assignment
from mml_lib.tasks.targets import Targets
from tests.support.benchmark_figures import Figures
from tests.support.timing import median_ratio, take_turns

COUNT, FOLDERS, CLASSES = 100_000, 5, 7


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of files in a few folders, four of each patient."""
    for folder in range(FOLDERS):
        (tmp_path / f"folder{folder}").mkdir()
    with open(tmp_path / "table.csv", "w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "label", "group"])
        for number in range(COUNT):
            image = f"folder{number % FOLDERS}/image{number:06}.png"
            (tmp_path / image).write_bytes(b"pixels")
            writer.writerow([image, f"class{number % CLASSES}", f"patient{number // 4}"])
    return tmp_path / "table.csv"


@pytest.mark.benchmark
def test_table_is_scanned_at_50_000_samples_a_second(table: Path, figures: Figures):
    creator = CREATORS["csv"]
    delivery = creator.function(table.parent, str(table))
    assert len(delivery.samples) == COUNT

    def cells() -> list[list[str]]:
        with open(table, newline="", encoding="utf-8") as stream:
            return list(csv.reader(stream))

    work = {
        "csv.reader": cells,
        "survey": lambda: creator.survey(path=str(table)),
        "read_table": lambda: read_table(table),
        "Delivery": lambda: creator.function(table.parent, str(table)),
        "check_delivery": lambda: check_delivery(delivery, "table"),
    }
    seconds = take_turns(work, 6)
    for name in [*work][1:]:
        ratio = median_ratio(seconds[name], seconds["csv.reader"])
        figures.record(f"table of 100,000 samples: {name}", ratio, of="csv.reader", by="processor")
    rate = COUNT / (min(seconds["survey"]) + min(seconds["read_table"]))
    figures.record("table of 100,000 samples: survey and read", rate, "samples/s", by="processor", at_least=50_000)


@pytest.mark.benchmark
def test_header_of_100_000_samples_is_read_in_5_ms(tmp_path: Path, figures: Figures):
    samples = [Sample(f"image{n:06}", f"image{n:06}.png", f"class{n % CLASSES}") for n in range(COUNT)]
    classes = [f"class{n}" for n in range(CLASSES)]
    dataset = Dataset("DSET_large", Delivery(samples, classes), [(8, 8)] * COUNT, tmp_path)
    targets = Targets("classification", classes, np.arange(COUNT) % CLASSES)
    assignment = Assignment(["train"] * COUNT, [n % 5 for n in range(COUNT)], 5)
    path = tmp_path / "large.json"
    TaskDescription.of({"name": "large"}, dataset, targets, assignment).write(path)
    assert read_header(path)["num_samples"]["all"] == COUNT
    seconds = take_turns({"header": lambda: read_header(path), "whole": lambda: json.loads(path.read_text())}, 6)
    ratio = median_ratio(seconds["header"], seconds["whole"])
    figures.record("header of 100,000 samples, to the file", ratio, of="json.loads", by="processor")
    least = 1000 * min(seconds["header"])
    figures.record("header of 100,000 samples", least, "ms", by="processor", at_most=5)
