"""Best runs: the procedure and the run of each task that are best on validation splits, and what they are worth."""

import csv
from typing import TYPE_CHECKING, Any

from mml_lib.config.metric_options import OUT_OF_FOLD
from mml_lib.errors import MMLError
from mml_lib.models.model_selection import best_run
from mml_lib.models.model_storage import ModelStorage
from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.studies.runs import Run

if TYPE_CHECKING:
    from mml_lib.schedulers.train import TrainScheduler


def best_runs(scheduler: "TrainScheduler") -> list[dict[str, Any]]:
    """Return the best procedure and its best run of each task that a mode trained, by the first named metric.

    They are chosen by the validation splits of their networks, never by the samples that are reported.

    Returns:
        `task procedure run label metric chosen_by validation split mean procedure_mean ci_low ci_high about reason`:
        `validation` is the mean that the run was chosen by; `mean` is that of the run on the test split,
        `procedure_mean` that of all runs of the procedure, with its interval, of what that is (as in the summary) or
        why there is none; None where no test split was predicted, or the metric is undefined. Without a test split they
        are the out-of-fold results of a single run: of several, these samples chose the best.
    """
    rows = _summary(scheduler)
    rows_by_task = []
    for task, (metric, networks) in sorted(_networks(scheduler).items()):
        labels = {network.run: scheduler.run_label(network.task, _run(scheduler, network)) for network in networks}
        ids = {run: (label.procedure, label.run) for run, label in labels.items()}
        try:
            storages = [ModelStorage.read(scheduler.fm.path("models", **network.tokens)) for network in networks]
            chosen = best_run(storages, ids, metric)
        except MMLError:  # no model is left to tell, or nothing defines the metric
            continue
        # Out-of-fold results are of the samples that the choice was made by, if there was one.
        splits = ("test", OUT_OF_FOLD) if len(set(ids.values())) == 1 else ("test",)
        of_metric = [row for row in rows if (row["task"], row["metric"]) == (task, metric) and row["split"] in splits]
        split = next((split for split in splits if any(row["split"] == split for row in of_metric)), None)
        of_task = [row for row in of_metric if row["split"] == split]
        # A procedure with a single run has no row of its own.
        run = next((row for row in of_task if row["run"] == chosen.run), {})
        procedure = next((row for row in of_task if not row["run"] and row["procedure"] == chosen.procedure), run)
        rows_by_task.append(
            {
                "task": task,
                "procedure": chosen.procedure,
                "run": chosen.run,
                "label": next(label.label for label in labels.values() if label.run == chosen.run),
                "metric": metric,
                "chosen_by": f"val/{chosen.metric}",
                "validation": chosen.run_value,
                "split": split,
                "mean": _number(run.get("mean")),
                "procedure_mean": _number(procedure.get("mean")),
                "ci_low": _number(procedure.get("ci_low")),
                "ci_high": _number(procedure.get("ci_high")),
                "about": procedure.get("about", ""),
                "reason": procedure.get("reason", ""),
            }
        )
    return rows_by_task


def _networks(scheduler: "TrainScheduler") -> dict[str, tuple[str, list[TrainedNetwork]]]:
    """Return the first named metric and the networks of each task, by what tables call it."""
    networks: dict[str, tuple[str, list[TrainedNetwork]]] = {}
    for task in scheduler.task_names:
        for network in scheduler.networks(task):
            # Of a metric of the user's own nobody knows which values are good.
            metric = scheduler.study.main_metric(scheduler.study.task(network.task).task_type)
            label = scheduler.run_label(network.task, _run(scheduler, network))
            networks.setdefault(label.task, (metric, []))[1].append(network)
    return networks


def _run(scheduler: "TrainScheduler", network: TrainedNetwork) -> Run:
    return scheduler.study.run(network.task, network.run)


def _summary(scheduler: "TrainScheduler") -> list[dict[str, str]]:
    """Return the rows of the summary that are about the tasks that networks were trained on."""
    if "summarize" not in scheduler.commands:
        return []
    with open(scheduler.fm.path("summary", mode=scheduler.mode), newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if not row["on"]]


def _number(text: str | None) -> float | None:
    return float(text) if text else None
