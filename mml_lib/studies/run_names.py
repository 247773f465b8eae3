"""Names of runs in tables and figures."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mml_lib.config.task_options import ARGUMENT, NESTED
from mml_lib.evaluation.run_labels import RunLabel
from mml_lib.pipelines.differences import differences
from mml_lib.pipelines.digests import digest
from mml_lib.pipelines.pipeline import PIPELINE_KEYS
from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.studies.runs import Run

if TYPE_CHECKING:
    from mml_lib.schedulers.base import AbstractBaseScheduler

NAMED_KEYS = 3
"""Keys of a pipeline that the label of a run of another project names, at most."""


def name_run(scheduler: "AbstractBaseScheduler", network: TrainedNetwork) -> RunLabel:
    """Return the names of a network's run in tables and figures.

    Folds of nested validation share them. The label of a network that predicts another task starts with its own task.
    A run of another project is labelled by its origin and its differences to the nearest run of the study.
    """
    run = _run_of(scheduler, network)
    ids = {"run": run.id, "procedure": run.pipeline.procedure}
    texts = {"label": run.label, "procedure_label": ""}
    nested = getattr(scheduler.options, "nested", False) and NESTED in network.task
    task, _, fold = network.task.rpartition(NESTED) if nested else (network.task, "", "")
    if nested:
        ids = {"run": run.pipeline.recipe, "procedure": run.pipeline.procedure_recipe}
        joins = network.eval_task is not None and network.project is None
        if joins or task not in scheduler.task_names:  # recipes do not depend on the task
            ids = {key: digest([id_, task]) for key, id_ in ids.items()}
    if network.project:
        texts = _foreign_labels(scheduler, network, run)
    else:
        texts["procedure_label"] = _procedure_label(scheduler, network.task, run)
        if network.eval_task:
            texts = {key: f"{task}: {text}" if text else task for key, text in texts.items()}
    name = task + NESTED.removesuffix(ARGUMENT) if nested else task
    return RunLabel(name, **ids, **texts, fold=int(fold) if nested else None)


def _run_of(scheduler: "AbstractBaseScheduler", network: TrainedNetwork) -> Run:
    """Return the run of a network, with its label in the mode."""
    study = scheduler.study
    if network.project:
        return study.runs.read(network.task, network.run, network.project)
    runs = scheduler.runs_of(network.task)
    return next((run for run in runs if run.id == network.run), None) or study.run(network.task, network.run)


def _procedure_label(scheduler: "AbstractBaseScheduler", task: str, run: Run) -> str:
    """Return the label of a run's procedure: the labels of all its runs, without the seed."""
    procedure = run.pipeline.procedure
    repetitions = [other for other in scheduler.runs_of(task) if other.pipeline.procedure == procedure]
    labels = [label for repetition in repetitions for label in repetition.procedure_labels if label]
    return " = ".join(dict.fromkeys(labels))


def _foreign_labels(scheduler: "AbstractBaseScheduler", network: TrainedNetwork, run: Run) -> dict[str, str]:
    """Return the labels of a run of another project.

    They name the project, the mode, the task if it is another one, and the differences to the nearest run of the study.
    """
    origin = ", ".join(filter(None, (network.project, run.pipeline.mode, network.eval_task and network.task)))
    content = _compared_part(run)
    own = [planned for task in scheduler.trained_tasks for planned in scheduler.runs_of(task)]
    nearest = min((differences(content, _compared_part(planned)) for planned in own), key=len, default={})
    changed = {key: value for key, (value, _) in nearest.items()}
    unseeded = {key: value for key, value in changed.items() if key != "seed"}
    texts = {"label": changed, "procedure_label": unseeded}
    return {key: f"{origin}: {_words(values) or 'as here'}" for key, values in texts.items()}


def _compared_part(run: Run) -> dict[str, Any]:
    return {key: run.pipeline.content.get(key) for key in (*PIPELINE_KEYS, "code")}


def _words(changed: Mapping[str, Any]) -> str:
    """Return changed keys as text for a label: the first ones, and the number of the others."""
    words = [f"{key}={value}" for key, value in list(changed.items())[:NAMED_KEYS]]
    more = len(changed) - NAMED_KEYS
    return ", ".join([*words, *([f"{more} more keys"] if more > 0 else [])])
