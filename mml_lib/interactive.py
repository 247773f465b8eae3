"""Python access, for notebooks: a project's models, predictions, metrics and tasks as pandas data frames; its networks.

A project is named as in studies, `"demo"`, or by its folder: a `Path`, or a text with a slash. Projects lie below
`results`, data below `data`: each unset the variable MML_RESULTS_PATH or MML_DATA_PATH, or else ./results or ./data.

`task`, `run`, `fold` and `split` choose rows: one value or a list of them, unset all. Something that is misspelt is an
error; what is there but cannot be read is left out with a warning. Nothing is written, and only `load_predictor` and
`load_network` import torch.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from mml_lib.config.metric_options import OUT_OF_FOLD
from mml_lib.deployment.access import Root, load_network, load_predictor, open_project
from mml_lib.errors import MMLError, nearest
from mml_lib.evaluation.fold_table import ALL_FOLDS, fold_table
from mml_lib.evaluation.network_metrics import NetworkMetrics
from mml_lib.features.feature_files import Features
from mml_lib.files.checksums import damaged
from mml_lib.files.manager import MMLFileManager
from mml_lib.models.model_files import stored_models
from mml_lib.pipelines.differences import flatten, varying
from mml_lib.pipelines.digests import canonical_json
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.predictions.prediction_table import long_table, wide_table
from mml_lib.predictions.predictions import read_predictions
from mml_lib.reports.model_table import read_models
from mml_lib.reports.task_table import task_table
from mml_lib.tasks.description import read_header

__all__ = [
    "load_features",
    "load_metrics",
    "load_network",
    "load_predictions",
    "load_predictor",
    "load_project_models",
    "task_infos",
]

Choice = str | int | Iterable[str | int] | None
"""Selection of rows: a value, several, or None for all."""

KEYS = ["task", "run", "fold", "on", "split"]
"""Keys of predictions and metrics; `on` is the predicted task if it is another one."""


def load_project_models(
    project: str | Path, task: Choice = None, run: Choice = None, fold: Choice = None, results: Root = None
) -> pd.DataFrame:
    """Return one row for each trained model, with its pipeline where the runs of a task differ.

    Args:
        project: name or folder.
        task, run, fold: which models.
        results: root of all projects.

    Returns:
        `task run fold`; `performance` (validation loss) and `val/<metric>` of the stored epoch; `epochs`,
        `stored_epoch` (from 0 on), `training_time` (s), `num_parameters`, `device`, `created`; what is on the disk:
        `weights`, `history`, `checkpoint` (bool), `predictions` (splits, in one text), `size_mb`; and a column for each
        dotted key of the pipelines that differs between runs of one task: `seed`, `optimizer.lr` (lists as JSON text,
        NaN where a pipeline has no such key).

    Raises:
        MMLError: no such project, or no model of that task, run or fold.
    """
    with open_project(project, results) as fm:
        table, problems = read_models(stored_models(fm))
        table = _chosen(table, {"task": task, "run": run, "fold": fold}, f"models of {fm.proj_path}").reset_index(
            drop=True
        )
        pipelines, further = _pipelines(fm, table)
    _warn([*problems, *further])
    columns = list(dict.fromkeys(key for of_task in pipelines.values() for key in varying(list(of_task.values()))))
    flat = {(of, run): flatten(content) for of, runs in pipelines.items() for run, content in runs.items()}
    for key in columns:
        cells = [flat.get(task_name, {}).get(key) for task_name in zip(table["task"], table["run"], strict=True)]
        table[key] = [canonical_json(value) if isinstance(value, list) else value for value in cells]
    return table


def load_predictions(
    project: str | Path,
    task: Choice = None,
    run: Choice = None,
    fold: Choice = None,
    split: Choice = None,
    form: Literal["wide", "long"] = "wide",
    calibrated: bool = False,
    results: Root = None,
    data: Root = None,
) -> pd.DataFrame:
    """Return the predictions of networks, one row per sample.

    Classes are called as in the task description below `data`, or by their number where that is gone.

    Args:
        project: name or folder.
        task, run, fold: the networks, by what they were trained on.
        split: `val`, `test`, `unlabelled`; `out_of_fold`: those that pool all folds, whose fold is -1.
        form: a row for each sample (N), or for each sample and class (N·classes).
        calibrated: those that the mode `post` has calibrated, instead of those of the networks.
        results, data: roots.

    Returns:
        `task run fold on split id` (`on`: the task predicted, empty where it is the network's own), and

        - wide, classification: `target`, `prediction` (class names), `probability/<class>`, `logit/<class>`;
        - wide, multi-label: `target/<label>` (0..1), `probability/<label>`, `logit/<label>`;
        - wide, segmentation, in pixels: `target/<class>`, `prediction/<class>`, `hits/<class>`;
        - long: `class`, and `target` (0..1), `probability`, `logit`, or of pixels `target`, `prediction`, `hits`;
        - both, regression: `target`, `prediction` (values).

        Targets of unlabelled samples are missing; ignored pixels are not counted. Columns that only other task types
        have are NaN.

    Raises:
        MMLError: no such project or form, or no predictions of that task, run, fold or split.
    """
    if form not in ("wide", "long"):
        raise MMLError(f"form: '{form}' is neither wide nor long")
    make = wide_table if form == "wide" else long_table
    with open_project(project, results, data) as fm:
        keys: tuple[str, ...] = ("predictions", "other_predictions")
        if calibrated:
            keys = ("calibrated", "other_calibrated")
        elif split == OUT_OF_FOLD:
            keys = ("out_of_fold_predictions",)
        artefacts = _artefacts(fm, keys, {"task": task, "run": run, "fold": fold, "split": split})
        classes_of = _class_reader(fm)
        names = {path: [labels[key] for key in ("task", "run", "on")] for path, labels in artefacts.items()}
        tables, problems = _read(artefacts, lambda path: make(read_predictions(path), classes_of(*names[path])))
    _warn(problems)
    for path, table in tables.items():
        for place, key in enumerate(KEYS):
            table.insert(place, key, artefacts[path][key])
    return pd.concat(tables.values(), ignore_index=True) if tables else pd.DataFrame(columns=[*KEYS, "id"])


def load_metrics(
    project: str | Path,
    task: Choice = None,
    run: Choice = None,
    fold: Choice = None,
    split: Choice = None,
    results: Root = None,
) -> pd.DataFrame:
    """Return one row for each network and split that it was tested on.

    Args:
        project: name or folder.
        task, run, fold: the networks, by what they were trained on.
        split: `val` or `test`; `out_of_fold`: those that pool all folds, whose fold is -1.
        results: root of all projects.

    Returns:
        `task run fold on split` (`on`: the task tested on, empty where it is the network's own), a column for each
        metric, and `<metric>_low`, `<metric>_high`: its 95 % interval, where it has one.

    Raises:
        MMLError: no such project, or no metrics of that task, run, fold or split.
    """
    with open_project(project, results) as fm:
        keys: tuple[str, ...] = ("metrics", "other_metrics", "baseline_metrics")
        if split == OUT_OF_FOLD:
            keys = ("out_of_fold_metrics", "pooled_baseline_metrics")
        artefacts = _artefacts(fm, keys, {"task": task, "run": run, "fold": fold, "split": split})
        metrics, problems = _read(artefacts, NetworkMetrics.read)
    _warn(problems)
    if not metrics:
        return pd.DataFrame(columns=KEYS)
    table = fold_table(list(metrics.values()), {})
    return table[[*KEYS, *(column for column in table if column not in (*KEYS, "label"))]]


def load_features(
    project: str | Path, task: Choice = None, extractor: Choice = None, split: Choice = None, results: Root = None
) -> pd.DataFrame:
    """Return the pooled features of tasks, one row per sample.

    Args:
        project: name or folder.
        task: names of tasks.
        extractor: names of extractors, as in the file names: `resnet18-1a2b3c4d`.
        split: `train`, `test` or `unlabelled`.
        results: root of all projects.

    Returns:
        `task task_id extractor id split fold` (the validation fold of training samples, -1 of others), and
        `feature/0`, `feature/1` … (float32); NaN where an extractor has fewer features than another.

    Raises:
        MMLError: no such project, or no features of that task, extractor or split.
    """
    with open_project(project, results) as fm:
        stored = [(Path(fm.path("features", **wildcards)), wildcards) for wildcards in fm.existing("features")]
        table = pd.DataFrame([wildcards for _, wildcards in stored], columns=["task", "task_id", "extractor"])
        table = _chosen(table, {"task": task, "extractor": extractor}, f"features of {fm.proj_path}")
        tables, problems = _read((stored[number][0] for number in table.index), _feature_table)
    _warn(problems)
    if not tables:
        return pd.DataFrame(columns=["task", "task_id", "extractor", "id", "split", "fold"])
    features = pd.concat(tables.values(), ignore_index=True)
    return _chosen(features, {"split": split}, "features").reset_index(drop=True)


def _feature_table(path: Path) -> pd.DataFrame:
    """Return the features of a file, one row per sample.

    Raises:
        MMLError: they are of tokens, which have no columns.
    """
    features = Features.load(path)
    if features.values.ndim != 2:
        raise MMLError(f"{path} has features of tokens; read it by mml_lib.features.feature_files.Features.load")
    columns = [f"feature/{number}" for number in range(features.values.shape[1])]
    table = pd.DataFrame(features.values, columns=columns)
    labels = {key: getattr(features, key) for key in ("task", "task_id", "extractor")}
    labels |= {"id": features.ids, "split": features.splits, "fold": features.folds}
    for place, (key, column) in enumerate(labels.items()):
        table.insert(place, key, column)
    return table


def task_infos(
    project: str | Path | None = None, task: Choice = None, results: Root = None, data: Root = None
) -> pd.DataFrame:
    """Return one row for each task description below `data`.

    Args:
        project: name or folder of a project, for the tasks that its pipelines are about; unset: all.
        task: names.
        results, data: roots.

    Returns:
        `task id type samples train test unlabelled folds classes imbalance_ratio height width modality keywords license
        dataset protocol`, as `INFO/tasks.csv`. A task that was changed has a row for each of its ids.

    Raises:
        MMLError: no such project, or no task of that name.
    """
    with open_project(project, results, data) as fm:
        paths = {Path(fm.path("description", **wildcards)) for wildcards in fm.existing("description")}
        problems: list[str] = []
        if project is not None:
            pipelines = [Path(fm.path("pipeline", **wildcards)) for wildcards in fm.existing("pipeline")]
            learned, problems = _read(pipelines, lambda path: Pipeline.read(path).tasks)
            learned_tasks = [task for tasks in learned.values() for task in tasks]
            paths &= {Path(fm.path("description", task=task["name"], task_id=task["id"])) for task in learned_tasks}
    rows, further = _read(sorted(paths), lambda path: task_table([read_header(path)]))
    _warn([*problems, *further])
    table = pd.concat(rows.values(), ignore_index=True) if rows else pd.DataFrame(columns=["task", "id", "type"])
    return _chosen(table, {"task": task}, f"tasks below {fm.data_path}").reset_index(drop=True)


# --- projects ---------------------------------------------------------------------------------------------------


def _artefacts(fm: MMLFileManager, keys: Sequence[str], choices: Mapping[str, Choice]) -> dict[Path, dict[str, Any]]:
    """Return where predictions or metrics lie, and what they are of, by `KEYS`."""
    artefacts = []
    for key in keys:
        for wildcards in fm.existing(key):
            fold = int(wildcards.get("fold", ALL_FOLDS))
            labels = {"task": wildcards["task"], "run": wildcards["run"], "fold": fold}
            labels |= {"on": wildcards.get("eval_task", ""), "split": wildcards.get("eval", OUT_OF_FOLD)}
            artefacts.append((Path(fm.path(key, **wildcards)), labels))
    table = pd.DataFrame([labels for _, labels in artefacts], columns=KEYS)
    table = _chosen(table, choices, f"{keys[0]} of {fm.proj_path}").sort_values(KEYS)
    return dict(artefacts[number] for number in table.index)


def _chosen(table: pd.DataFrame, choices: Mapping[str, Choice], of: str) -> pd.DataFrame:
    """Return the rows of a table that were asked for, with their old index.

    Raises:
        MMLError: one value is that of no row.
    """
    for key, choice in choices.items():
        if choice is None:
            continue
        values = [choice] if isinstance(choice, str | int) or not isinstance(choice, Iterable) else list(choice)
        values_by_text = {str(value): value for value in table[key].unique()}
        for value in values:
            if str(value) not in values_by_text:
                raise MMLError(f"{key}: there is no '{value}' among the {of}{nearest(str(value), values_by_text)}")
        table = table[table[key].isin([values_by_text[str(value)] for value in values])]
    return table


def _read(paths: Iterable[Path], read: Callable[[Path], Any]) -> tuple[dict[Path, Any], list[str]]:
    """Return the contents of files, and one line for each unreadable file."""
    contents, problems = {}, []
    for path in paths:
        try:
            contents[path] = read(path)
        except MMLError as error:
            problems.append(str(error))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            problems.append(str(damaged(path, repr(error))))
    return contents, problems


def _warn(problems: Iterable[str]) -> None:
    """Warn of what cannot be read, where the function of this module was called."""
    for problem in problems:
        warnings.warn(f"left out: {problem}", stacklevel=3)


def _pipelines(fm: MMLFileManager, models: pd.DataFrame) -> tuple[dict[str, dict[str, Mapping[str, Any]]], list[str]]:
    """Return the contents of the pipelines of models, by task and run, and a line for each that cannot be read."""
    runs = models[["task", "run"]].drop_duplicates().to_dict("records")
    paths = {Path(fm.path("pipeline", **wildcards)): wildcards for wildcards in runs}
    pipelines, problems = _read(paths, Pipeline.read)
    contents: dict[str, dict[str, Mapping[str, Any]]] = {}
    for path, pipeline in pipelines.items():
        contents.setdefault(paths[path]["task"], {})[paths[path]["run"]] = pipeline.content
    return contents, problems


def _class_reader(fm: MMLFileManager) -> Callable[[str, str, str], list[str] | None]:
    """Return a function that reads the classes of predictions; None where the pipeline or the description is gone."""

    @cache
    def classes_of(task: str, run: str, on: str) -> list[str] | None:
        try:
            learned = Pipeline.read(Path(fm.path("pipeline", task=task, run=run))).tasks
            task_learned = next((candidate for candidate in learned if candidate["name"] == on), learned[0])
            header = read_header(fm.path("description", task=task_learned["name"], task_id=task_learned["id"]))
        except (MMLError, KeyError, TypeError, AttributeError):
            return None
        return header.get("classes")

    return classes_of
