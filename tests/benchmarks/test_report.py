"""The report of a large study: its size, the time to write it, and the time in which a browser opens it."""

import json
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mml_lib.evaluation.run_labels import RunLabel
from mml_lib.predictions.predictions import Predictions
from mml_lib.reports.gallery import Gallery
from mml_lib.reports.run_results import RunResults, standing_of
from mml_lib.reports.study_report.answer_building import build_answer
from mml_lib.reports.study_report.report_page import LIMIT, StudyPages, report_page
from mml_lib.reports.study_report.report_tables import TableShelf
from mml_lib.reports.study_report.task_answer import TaskAnswer
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.splits.splitting import Assignment
from mml_lib.tasks.targets import Targets
from tests.support.benchmark_figures import Figures
from tests.support.browsers import open_page

TASKS, RUNS, FOLDS, CLASSES = 4, 12, 5, 8
TRAINED, TESTED, SIDE = 200, 1000, 128
METRICS = ["accuracy", "balanced_accuracy", "f1", "auroc"]

TIMED = """
<script>addEventListener("load", () => setTimeout(() => {
  const entry = performance.getEntriesByType("navigation")[0];
  const times = {interactive: entry.domInteractive, loaded: entry.loadEventEnd};
  document.body.setAttribute("data-times", JSON.stringify(times).replaceAll('"', "'"));
}))</script></body>
"""


def photographs(folder: Path, name: str) -> tuple[TaskDescription, Dataset]:
    """Return a task of images with as much detail as photographs: coarse colours, edges and noise."""
    folder.mkdir()
    rng = np.random.default_rng(len(name))
    samples = []
    for number in range(TRAINED + TESTED):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8)).resize((SIDE, SIDE), Image.BICUBIC)
        pixels = np.asarray(coarse, np.float32) + rng.normal(0, 12, (SIDE, SIDE, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.jpg")
        split = "train" if number < TRAINED else "test"
        samples.append(Sample(f"patient{number:05}/image", f"{number}.jpg", f"class {number % CLASSES}", split))
    delivery = Delivery(samples, [f"class {index}" for index in range(CLASSES)], "classification")
    dataset = Dataset("d", delivery, [(SIDE, SIDE)] * len(samples), folder, None)
    folds = [number % FOLDS if sample.split == "train" else -1 for number, sample in enumerate(samples)]
    assignment = Assignment([sample.split for sample in samples], folds, FOLDS)
    identity = {"name": name, "id": "0a1b2c3d", "dataset": "d"}
    return TaskDescription.of(identity, dataset, Targets.of(dataset, None, "classification"), assignment), dataset


def simulated(task: TaskDescription) -> tuple[RunResults, pd.DataFrame]:
    """Return predictions of networks of growing skill, with their standing."""
    rng = np.random.default_rng(1)
    rows = np.flatnonzero(np.array(task.samples["split"]) == "test")
    ids, targets = np.array(task.samples["id"])[rows], task.targets.values[rows]
    difficulty = rng.normal(0, 1.5, (len(rows), CLASSES))
    labels = {
        run: RunLabel(task.header["name"], run, f"learning rate {number}, flipped and turned", run, "")
        for number, run in enumerate(f"{number:08x}" for number in range(RUNS))
    }
    runs = {}
    for number, run in enumerate(labels):
        skill = np.eye(CLASSES)[targets] * (2 + number / 4)
        noise = (rng.normal(0, 1, skill.shape) for _ in range(FOLDS))
        runs[run] = {
            fold: Predictions((skill + difficulty + of_fold).astype(np.float32), targets, ids)
            for fold, of_fold in enumerate(noise)
        }
    standing = standing_of(runs, METRICS, 1000).assign(task=task.header["name"], on=None, split="test")
    standing["label"] = [labels[run].label for run in standing["run"]]
    return RunResults(labels, {}, {}, runs, {}, {}, {}), standing


def draw_figures(
    task: TaskDescription, dataset: Dataset, results: RunResults, standing: pd.DataFrame, folder: Path
) -> None:
    """Draw the figures that the page shows: those of the task, and of its best run."""
    best = standing["run"].iloc[0]
    gallery = Gallery(folder, task, results.labels, METRICS)
    gallery.draw_task(dataset)
    gallery.draw_predictions(results.predictions, [best], dataset)
    gallery.draw_calibration(results.predictions, {}, [best])
    gallery.draw_comparison(standing)
    epochs = np.arange(30)
    history = pd.DataFrame({"epoch": epochs, "train/loss": np.exp(-epochs / 9), "val/loss": np.exp(-epochs / 8)})
    gallery.draw_training({run: dict.fromkeys(range(FOLDS), history) for run in results.labels}, [*results.labels])


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The page of a study, and the CPU seconds to make it from predictions and figures."""
    folder = tmp_path_factory.mktemp("report")
    answers: list[TaskAnswer] = []
    shelf, seconds = TableShelf(), 0.0
    for number in range(TASKS):
        task, dataset = photographs(folder / f"task{number}", f"task{'s' * number}{number}")
        results, standing = simulated(task)
        draw_figures(task, dataset, results, standing, folder / f"figures{number}")
        options = {"split": "test", "metrics": METRICS, "samples": 2400 // TASKS}
        begun = time.process_time()
        answers.append(build_answer(task, dataset, results, standing, folder / f"figures{number}", options, shelf, []))
        seconds += time.process_time() - begun
    begun = time.process_time()
    html = report_page(StudyPages("large", "train", [], "# Methods", "seed: 1", [], [], []), answers)
    seconds += time.process_time() - begun
    path = folder / "page.html"
    path.write_text(html, encoding="utf-8")
    return path, seconds


@pytest.mark.benchmark
def test_report_of_a_large_study_is_small_and_opens_at_once(page: tuple[Path, float], tmp_path: Path, figures: Figures):
    path, seconds = page
    size = path.stat().st_size
    timed = tmp_path / "timed.html"
    timed.write_text(path.read_text(encoding="utf-8").replace("</body>", TIMED), encoding="utf-8")
    document, console = open_page(timed, tmp_path, virtual_time=False)
    times = json.loads(re.search(r'data-times="([^"]*)"', document)[1].replace("'", '"'))
    assert console == []
    name = "report of 4 tasks × 12 runs × 5 folds"
    figures.record(f"{name}: size", size / 1e6, "MB", at_most=LIMIT / 1e6)
    figures.record(f"{name}: written", seconds, "s", by="processor")
    figures.record(f"{name}: readable", times["interactive"] / 1000, "s", by="clock")
    figures.record(f"{name}: opened", times["loaded"] / 1000, "s", by="clock", at_most=5)
