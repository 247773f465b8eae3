"""Defaults: a study of tasks alone next to the best of a random search of 30 settings."""

import os
import time
from pathlib import Path

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before torch modules that need torchvision)
import pytest
import torch

from tests.benchmarks.default_tasks import FASHION, MATERIALS
from tests.benchmarks.search_defaults import compare, plan, prepare, read, run
from tests.support.benchmark_figures import Figures

HOURS = 2


@pytest.mark.benchmark
@pytest.mark.skipif(not torch.cuda.is_available(), reason="124 trainings take a GPU half an hour, two processors four")
def test_defaults_come_within_two_points_of_the_best_of_thirty_settings(tmp_path: Path, figures: Figures):
    names = [name for name in MATERIALS if name != "fashion" or FASHION.is_dir()]
    trainings, file = plan(names, 30), tmp_path / "trainings.csv"
    prepare(trainings, tmp_path, os.cpu_count() or 1)
    processes = min(8, os.cpu_count() or 1)
    run(trainings, tmp_path, file, processes, threads=1, deadline=time.time() + HOURS * 3600)
    comparisons = compare(read(file))
    assert {row.data for row in comparisons} == set(names)
    assert all(row.settings == 30 for row in comparisons)
    for row in comparisons:
        figures.record(f"defaults on {row.data}", row.difference, "points", of="the best of 30 settings", at_least=-2)
