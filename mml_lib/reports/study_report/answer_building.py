"""Building of answers: from the results of a task to the content of its pages."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mml_lib.evaluation.run_labels import RunLabel
from mml_lib.predictions.predictions import AnyPredictions
from mml_lib.reports.run_results import RunResults
from mml_lib.reports.study_report.answer_checks import answer_checks
from mml_lib.reports.study_report.report_tables import ReportTable, TableShelf
from mml_lib.reports.study_report.sample_rows import chosen_rows, sample_rows
from mml_lib.reports.study_report.standing_rows import board_standing, standing_rows, summary_standing
from mml_lib.reports.study_report.task_answer import Picture, TaskAnswer, networks_of, number, read_figures
from mml_lib.reports.study_report.thumbnails import Thumbnails
from mml_lib.reports.study_report.weak_spots import (
    calibration_sentence,
    classes_of,
    groups_of,
    guess_sentence,
    mean_groups,
    weak_classes,
    weak_groups,
)
from mml_lib.reports.task_figures import choose, sample_caption
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription

EXAMPLES, MISTAKES = 8, 6
"""Pictures of the first page: samples of the task, and the largest losses of the best run."""
SMALL, LARGE = 56, 96
"""Pixels of thumbnails in tables, and on the first page."""


def build_answer(
    task: TaskDescription,
    dataset: Dataset,
    results: RunResults,
    summary: pd.DataFrame,
    figures: Path,
    options: Mapping[str, Any],
    shelf: TableShelf,
    compared: Sequence[Mapping[str, Any]],
) -> TaskAnswer:
    """Return the answer on a task; its tables are added to the shelf.

    Args:
        task: the task.
        dataset: its data set.
        results: results of its networks.
        summary: the summary of the study.
        figures: folder of its figures.
        options: `split` of the results; `metrics`, the main one first; `samples`, the most rows of the table of samples
            in the page.
        shelf: all tables of the report.
        compared: comparisons of images with other tasks.
    """
    name, split = task.header["name"], options["split"]
    is_compared = "leaderboard" in results.tables
    board = results.tables.get("leaderboard")
    standing = board_standing(board) if board is not None else summary_standing(summary, name, split)
    metric = _main_metric(standing, options["metrics"])
    rows = standing_rows(standing, metric)
    networks = networks_of(TaskAnswer(task.header, split, metric, rows, 0).winner, results)
    ids = {
        run: {fold: predictions.ids.tolist() for fold, predictions in folds.items()}
        for run, folds in results.predictions.items()
    }
    evaluated = len({id_ for predictions in networks for id_ in predictions.ids.tolist()})
    checks = answer_checks(task, split, rows, metric, ids, compared)
    answer = TaskAnswer(task.header, split, metric, rows, evaluated, checks)
    answer.calibration = calibration_sentence(networks)
    answer.guess = guess_sentence(networks, task.header["classes"])
    thumbnails = Thumbnails(task, dataset)
    _add_examples(answer, task, thumbnails)
    _add_tables(answer, task, networks, standing, results.tables if is_compared else {}, shelf)
    if networks:
        _add_samples(answer, task, networks, thumbnails, shelf, options["samples"])
    answer.figures = read_figures(figures, _drawn_run(answer, results))
    return answer


def _main_metric(standing: pd.DataFrame, metrics: Sequence[str]) -> str:
    """Return the first named metric that the standing has, or else its first one."""
    there = list(dict.fromkeys(standing["metric"]))
    return next((metric for metric in metrics if metric in there), there[0] if there else "")


def _drawn_run(answer: TaskAnswer, results: RunResults) -> str:
    """Return the run of the winner whose figures are shown."""
    runs = answer.winner.runs if answer.winner else ()
    return next((run for run in runs if run in results.predictions), "-")


def _add_examples(answer: TaskAnswer, task: TaskDescription, thumbnails: Thumbnails) -> None:
    """Add samples of the task."""
    positions = choose(task, EXAMPLES)
    pictures = thumbnails.of([task.samples["id"][position] for position in positions], LARGE)
    captions = [sample_caption(task, position) for position in positions]
    answer.examples = [Picture(*both) for both in zip(pictures, captions, strict=True) if both[0]]


def _add_tables(
    answer: TaskAnswer,
    task: TaskDescription,
    networks: Sequence[AnyPredictions],
    standing: pd.DataFrame,
    compared: Mapping[str, pd.DataFrame],
    shelf: TableShelf,
) -> None:
    """Add the tables of runs, classes and groups, and those of a comparison."""
    name = answer.name
    classes = classes_of(networks, task)
    groups = mean_groups(_of_runs(compared["groups"], answer), answer.metric) if _has(compared, "groups") else None
    groups = groups if groups is not None else groups_of(networks, task, answer.metric)
    answer.weak_classes, answer.weak_groups = weak_classes(classes, task), weak_groups(groups)
    best = answer.winner.title if answer.winner else ""
    tables = [
        ReportTable(f"{name}-runs", "Runs, all metrics", runs_table(standing), RUNS_NOTE, paper_table(standing)),
        ReportTable(f"{name}-classes", "Classes", classes, f"Of the best run ({best}), the weakest first.", classes),
        ReportTable(f"{name}-groups", "Groups", groups, f"{answer.metric} of the best run, the weakest first.", groups),
        *_comparison_tables(answer, compared),
    ]
    answer.tables = [table for table in tables if shelf.add(table)]


def _comparison_tables(answer: TaskAnswer, compared: Mapping[str, pd.DataFrame]) -> list[ReportTable]:
    """Return the tables of differences and of calibration, in the page with the names of runs for their ids."""
    differences, calibration = (compared.get(name, pd.DataFrame()) for name in ("differences", "calibration"))
    titles = {run: row.title for row in answer.rows for run in (row.name, *row.runs)}
    tables = []
    if not differences.empty:
        defined = differences[differences["difference"].notna()].drop(columns=["about", "reason"], errors="ignore")
        defined = defined.assign(**{column: defined[column].replace(titles) for column in ("run", "other")})
        note = "Run minus other, with 95 % interval and p."
        tables.append(ReportTable(f"{answer.name}-differences", "Differences between runs", differences, note, defined))
    if not calibration.empty:
        means = calibration.groupby(["run", "metric"], sort=False)[["before", "after"]].mean().reset_index()
        means["run"] = means["run"].replace(titles)
        note = "Errors of probabilities before and after calibration, mean over networks; lower is better."
        tables.append(ReportTable(f"{answer.name}-calibration", "Calibration", calibration, note, means))
    return tables


RUNS_NOTE = "The best first: mean over networks, with its 95 % interval. Differences to the best run are in the file:"


def runs_table(standing: pd.DataFrame) -> pd.DataFrame:
    """Return a standing with the names of runs first."""
    first = ["metric", "label", "run", "kind", "mean", "ci_low", "ci_high", "std", "folds"]
    rest = [column for column in standing if column not in {*first, "procedure", "about"}]
    return standing[[*(column for column in first if column in standing), *rest]]


def paper_table(standing: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each procedure and ensemble, with mean and interval of each metric, the best in its order."""
    rows: dict[str, dict[str, str]] = {}
    for metric in dict.fromkeys(standing["metric"][standing["mean"].notna()]):
        for row in standing_rows(standing, metric):
            ends = "" if pd.isna(row.low) else f" [{number(row.low)}, {number(row.high)}]"
            of_row = rows.setdefault(row.name, {"run": row.title, "networks": str(row.networks)})
            of_row[metric] = f"{number(row.mean)}{ends}"
    return pd.DataFrame(rows.values())


def _has(tables: Mapping[str, pd.DataFrame], name: str) -> bool:
    return name in tables and not tables[name].empty


def _of_runs(table: pd.DataFrame, answer: TaskAnswer) -> pd.DataFrame:
    return table[table["run"].isin(answer.winner.runs if answer.winner else ())]


def _add_samples(
    answer: TaskAnswer,
    task: TaskDescription,
    networks: Sequence[AnyPredictions],
    thumbnails: Thumbnails,
    shelf: TableShelf,
    count: int,
) -> None:
    """Add the table of samples, and the largest losses."""
    table = sample_rows(networks, task.header["classes"], task.by_id("group"))
    shelf.add(ReportTable(f"{answer.name}-predictions", "Predictions", table))
    answer.samples, answer.total_samples = chosen_rows(table, count), len(table)
    answer.sample_addresses = thumbnails.of(answer.samples["id"].tolist(), SMALL)
    worst = table.head(MISTAKES)
    if "right" in worst:
        worst = worst[worst["true"] != worst["predicted"]]
    pictures = thumbnails.of(worst["id"].tolist(), LARGE)
    answer.mistakes = [
        Picture(picture, _mistake(row, answer))
        for picture, (_, row) in zip(pictures, worst.iterrows(), strict=True)
        if picture
    ]


def _mistake(row: pd.Series, answer: TaskAnswer) -> str:
    if TASK_TYPES[answer.header["task_type"]].has_masks:
        return f"Dice {row['dice']:.2f}"
    predicted = f"{row['predicted']:.3g}" if isinstance(row["predicted"], float | np.floating) else row["predicted"]
    return f"{predicted} instead of {row['true']}".replace("|", ", ")


def read_results(
    labels: Mapping[str, RunLabel], networks: Mapping[str, Any], files: Mapping[str, Sequence[str]]
) -> RunResults:
    """Read the results of a task that its pages need: predictions, calibrated ones, tables of a comparison.

    Args:
        labels: display names by run id.
        networks: `run` and `fold` of each file's network, by kind of file.
        files: paths by kind of file: `predictions`, `calibrated`, `tables`.
    """
    of_files = {**networks, "history": [], "tuning": []}
    return RunResults.read(labels, of_files, [], [], files["predictions"], files["calibrated"], [], files["tables"])
