"""Best runs: the best procedure and run of each task by validation, and their test results."""

import csv
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mml_lib.config.metric_options import OUT_OF_FOLD
from mml_lib.errors import MMLError
from mml_lib.evaluation.run_labels import RunLabel
from mml_lib.models.model_selection import BestRun, best_run
from mml_lib.models.model_storage import ModelStorage

if TYPE_CHECKING:
    from mml_lib.schedulers.train import TrainScheduler


def best_runs(scheduler: "TrainScheduler", models: Sequence[str], summary: str) -> list[dict[str, Any]]:
    """Return the best procedure and its best run of each task that a mode trained, by the first named metric.

    They are chosen by the validation splits of their networks, never by reported samples.

    Args:
        scheduler: the scheduler of the mode.
        models: paths of the model storages.
        summary: path of the summary of the mode.

    Returns:
        `task procedure run label metric chosen_by validation split mean procedure_mean ci_low ci_high about reason`:
        `validation` is the mean that the run was chosen by; `mean` is that of the run on the test split,
        `procedure_mean` that of all runs of the procedure, with its interval, of what that is (as in the summary) or
        why there is none; None where no test split was predicted, or the metric is undefined. Without a test split they
        are the out-of-fold results of a single run: of several, these samples chose the best.
    """
    with open(summary, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if not row["on"]]
    labels, metrics = _labels(scheduler), {}
    storages: dict[str, list[ModelStorage]] = {}
    for storage in map(ModelStorage.read, models):
        if label := labels.get((storage.task, storage.run)):
            storages.setdefault(label.task, []).append(storage)
            metrics[label.task] = scheduler.study.main_metric(scheduler.study.task(storage.task).task_type)
    best = []
    for task, of_task in sorted(storages.items()):
        metric, own = metrics[task], {key: label for key, label in labels.items() if label.task == task}
        ids = {run: (label.procedure, label.run) for (_, run), label in own.items()}
        try:
            chosen = best_run(of_task, ids, metric)
        except MMLError:  # the metric is undefined
            continue
        # Out-of-fold results are biased if the run was chosen by the same samples.
        splits = ("test", OUT_OF_FOLD) if len(set(ids.values())) == 1 else ("test",)
        best.append(
            {
                "task": task,
                "procedure": chosen.procedure,
                "run": chosen.run,
                "label": next(label.label for label in own.values() if label.run == chosen.run),
                "metric": metric,
                "chosen_by": f"val/{chosen.metric}",
                "validation": chosen.run_value,
                **_results([row for row in rows if (row["task"], row["metric"]) == (task, metric)], chosen, splits),
            }
        )
    return best


def _results(rows: Sequence[Mapping[str, str]], chosen: BestRun, splits: Sequence[str]) -> dict[str, Any]:
    """Return the results of a chosen run and its procedure on the first of some splits that has results.

    Args:
        rows: rows of the summary for one task and metric.
        chosen: the run.
        splits: possible splits.
    """
    split = next((split for split in splits if any(row["split"] == split for row in rows)), None)
    of_split = [row for row in rows if row["split"] == split]
    # The summary has no row for a procedure with a single run.
    run = next((row for row in of_split if row["run"] == chosen.run), {})
    procedure = next((row for row in of_split if not row["run"] and row["procedure"] == chosen.procedure), run)
    return {
        "split": split,
        "mean": _number(run.get("mean")),
        "procedure_mean": _number(procedure.get("mean")),
        "ci_low": _number(procedure.get("ci_low")),
        "ci_high": _number(procedure.get("ci_high")),
        "about": procedure.get("about", ""),
        "reason": procedure.get("reason", ""),
    }


def _labels(scheduler: "TrainScheduler") -> dict[tuple[str, str], RunLabel]:
    """Return the label of each run that is trained for a task of the mode, by its trained task and its id."""
    networks = [network for task in scheduler.task_names for network in scheduler.networks(task)]
    distinct = {(network.task, network.run): network for network in networks}
    return {key: scheduler.run_label(network) for key, network in distinct.items()}


def _number(text: str | None) -> float | None:
    return float(text) if text else None
