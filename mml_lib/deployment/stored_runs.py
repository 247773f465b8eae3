"""Stored runs: the files of a run, or of an ensemble, in a finished project."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mml_lib.config.analysis.deployment_options import BEST, ENSEMBLE
from mml_lib.errors import MMLError, nearest
from mml_lib.evaluation.calibration.calibration_methods import Calibration
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage
from mml_lib.files.manager import MMLFileManager
from mml_lib.files.stored import read_json
from mml_lib.models.model_selection import best_run
from mml_lib.models.model_storage import ModelStorage
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.task_types import TASK_TYPES

Folds = Literal["all"] | int | Iterable[int]

CALIBRATED_SPLITS = ("test", "unlabelled", "val")
"""Splits whose calibration is used for new images, in the order of precedence."""


@dataclass(frozen=True)
class StoredRun:
    """Files of a run.

    Args:
        task: task that it was trained on.
        run: its id.
        pipeline: its pipeline.
        weights: paths of the weights by fold.
        dataset: path of the manifest of its task's data set.
        description: path of the description of its task, which may be missing.
        calibrations: paths of calibrations by fold, if the project has them.
    """

    task: str
    run: str
    pipeline: Pipeline
    weights: dict[int, Path]
    dataset: Path
    description: Path
    calibrations: dict[int, Calibration]


@dataclass(frozen=True)
class StoredProject:
    """Trained networks of a project.

    Args:
        fm: its file manager.
    """

    fm: MMLFileManager

    def task(self, name: str | None) -> str:
        """Return a task with trained networks: the only one by default.

        Raises:
            MMLError: the task does not exist, or must be chosen from several.
        """
        tasks = sorted({model["task"] for model in self.fm.existing("models")})
        if not tasks:
            raise MMLError(f"project {self.fm.proj_path} has no trained networks; run its study in mode train first")
        if name is None and len(tasks) > 1:
            raise MMLError(f"task: project {self.fm.proj_path} has networks of {', '.join(tasks)}; name one of them")
        if name is not None and name not in tasks:
            raise MMLError(f"task: project {self.fm.proj_path} has no networks of '{name}'{nearest(name, tasks)}")
        return name or tasks[0]

    def run_id(self, task: str, run: str | None) -> str:
        """Return the id of a run of a task: of the best one by validation by default.

        Raises:
            MMLError: the run does not exist.
        """
        runs = sorted({model["run"] for model in self.fm.existing("models", task=task)})
        if run in runs:
            return str(run)
        if run not in (None, BEST):
            raise MMLError(f"run: {task} has no run '{run}'{nearest(str(run), [*runs, BEST, ENSEMBLE])}")
        return runs[0] if len(runs) == 1 else self._best(task)

    def _best(self, task: str) -> str:
        """Return the best run by validation: the choice of the latest study, or else the best mean over folds."""
        paths = [Path(self.fm.path("return_value", **tokens)) for tokens in self.fm.existing("return_value")]
        for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True):
            value = read_json(path, "return_value").get("return_value")
            for entry in value if isinstance(value, list) else ():
                if isinstance(entry, dict) and entry.get("task") == task and entry.get("run"):
                    return str(entry["run"])
        models = [ModelStorage.read(self.fm.path("models", **model)) for model in self.fm.existing("models", task=task)]
        pipeline = Pipeline.read(Path(self.fm.path("pipeline", task=task, run=models[0].run)))
        metric = TASK_TYPES[pipeline.task["task_type"]].default_metrics[0]
        return best_run(models, {model.run: (model.run, model.run) for model in models}, metric).run

    def find(self, task: str | None, run: str | None, folds: Folds = "all") -> StoredRun:
        """Return the files of a run.

        Args:
            task: task that it was trained on; None: the only one of the project.
            run: its id, or `best`.
            folds: folds of its networks.

        Raises:
            MMLError: the run or fold does not exist, or its weights are missing.
        """
        task = self.task(task)
        run = self.run_id(task, run)
        trained = sorted(int(model["fold"]) for model in self.fm.existing("models", task=task, run=run))
        chosen = trained if folds == "all" else _numbers(folds)
        for fold in chosen:
            if fold not in trained:
                raise MMLError(f"folds: run {run} of {task} has no fold {fold}{nearest(str(fold), map(str, trained))}")
        weights = {fold: Path(self.fm.path("parameters", task=task, run=run, fold=fold)) for fold in chosen}
        missing = [fold for fold, path in weights.items() if not path.exists()]
        if missing:
            raise MMLError(
                f"run {run} of {task} has no weights of fold {', '.join(map(str, missing))}; restore them by "
                f"the study that trained it: snakemake train --cores all --configfile <study> --config retrain=true"
            )
        pipeline = Pipeline.read(Path(self.fm.path("pipeline", task=task, run=run)))
        learned = pipeline.task
        return StoredRun(
            task,
            run,
            pipeline,
            weights,
            Path(self.fm.path("dataset", dataset=learned["dataset"])),
            Path(self.fm.path("description", task=learned["name"], task_id=learned["id"])),
            self._calibrations(task, run, chosen),
        )

    def _calibrations(self, task: str, run: str, folds: Sequence[int]) -> dict[int, Calibration]:
        calibrations = {}
        for fold in folds:
            paths = [
                Path(self.fm.path("calibration", task=task, run=run, fold=fold, eval=split))
                for split in CALIBRATED_SPLITS
            ]
            if path := next((path for path in paths if path.exists()), None):
                calibrations[fold] = read_calibration(path)
        return calibrations

    def ensemble(self, task: str, mode: str | None = None) -> EnsembleStorage:
        """Return the ensemble of a task that mode `post` selected.

        Args:
            task: its task.
            mode: mode that selected it; None: the only one.

        Raises:
            MMLError: there is no ensemble.
        """
        modes = sorted(tokens["mode"] for tokens in self.fm.existing("ensemble", task=task))
        if not modes:
            raise MMLError(f"run: {task} has no ensemble; run its study in mode post, or name a run")
        if mode is not None and mode not in modes:
            raise MMLError(f"mode: {task} has no ensemble of mode '{mode}'{nearest(mode, modes)}")
        return EnsembleStorage.read(self.fm.path("ensemble", task=task, mode=mode or modes[0]))


def read_calibration(path: str | Path) -> Calibration:
    """Return a stored calibration.

    Raises:
        MMLError: the file is missing or damaged.
    """
    content = read_json(path, "calibration")
    return Calibration(**{key: content[key] for key in Calibration.__dataclass_fields__})


def _numbers(folds: Folds) -> list[int]:
    """Return the numbers of folds, each once.

    Raises:
        MMLError: the list is empty, or has an entry that is not an integer.
    """
    try:
        listed = list(folds) if isinstance(folds, Iterable) and not isinstance(folds, str) else [folds]
        numbers = list(dict.fromkeys(int(fold) for fold in listed))
    except (TypeError, ValueError) as error:
        raise MMLError(f"folds: {folds!r} names no folds; give 'all', a number or several") from error
    if not numbers:
        raise MMLError("folds: the list is empty; give 'all', a number or several")
    return numbers
