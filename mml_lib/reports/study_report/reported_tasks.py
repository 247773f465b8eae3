"""Tasks of a report: the files and options of each, and its answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from mml_lib.evaluation.run_labels import labels_from_params
from mml_lib.reports.study_report.answer_building import build_answer, read_results
from mml_lib.reports.study_report.report_tables import TableShelf
from mml_lib.reports.study_report.task_answer import TaskAnswer
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription


@dataclass(frozen=True)
class ReportedTask:
    """Files and options of one task in a report.

    Args:
        description: path of the task description.
        manifest: path of the data set's manifest.
        figures: folder of the figures.
        results: paths of the results by kind: `predictions`, `calibrated` and `tables`.
        options: `split` of the results, `metrics`, `samples`, `run_labels`, and `networks` by kind of result.
    """

    description: str
    manifest: str
    figures: str
    results: Mapping[str, Sequence[str]]
    options: Mapping[str, Any]

    def answer(self, summary: pd.DataFrame, shelf: TableShelf, compared: Sequence[Mapping[str, Any]]) -> TaskAnswer:
        """Return the answer on the task. Its tables are added to the shelf.

        Args:
            summary: summary of the study.
            shelf: all tables of the report.
            compared: comparisons of images with other tasks.
        """
        task, dataset = TaskDescription.read(self.description), Dataset.read(self.manifest)
        labels = labels_from_params(self.options["run_labels"])
        results = read_results(labels, self.options["networks"], self.results)
        return build_answer(task, dataset, results, summary, Path(self.figures), self.options, shelf, compared)


def reported_tasks(
    descriptions: Sequence[str],
    manifests: Sequence[str],
    figures: Sequence[str],
    options: Sequence[Mapping[str, Any]],
    results: Mapping[str, Sequence[str]],
) -> list[ReportedTask]:
    """Return the tasks of a report.

    Args:
        descriptions: path of each task description.
        manifests: path of each data set's manifest.
        figures: folder of the figures of each task.
        options: options of each task; `networks` and `tables` state the number of its results.
        results: paths of the results of all tasks by kind, task by task.
    """
    queues = {kind: iter(paths) for kind, paths in results.items()}
    tasks = []
    for description, manifest, folder, own in zip(descriptions, manifests, figures, options, strict=True):
        numbers = {kind: len(networks) for kind, networks in own["networks"].items()} | {"tables": own["tables"]}
        paths = {kind: list(islice(queues[kind], number)) for kind, number in numbers.items()}
        tasks.append(ReportedTask(description, manifest, folder, paths, own))
    return tasks
