"""Training of a trial of a search, on one fold, up to a number of epochs.

A trial is an ordinary run: its checkpoints and its network are stored under the run id of its pipeline. A network that
exists is not trained again.
"""

import contextlib
import copy
import csv
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from mml_lib.errors import MMLError, TrainingFailed
from mml_lib.files.atomic import write_text
from mml_lib.files.checksums import checksum_path, seal, verify
from mml_lib.models.model_storage import ModelStorage
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.search.trials import Objective, Trial, TrialResult
from mml_lib.training.checkpoint_files import remove_checkpoints, sole_training

if TYPE_CHECKING:
    from mml_lib.steps.training_step import TrainingStep

logger = logging.getLogger(__name__)

NETWORK = ("parameters", "history", "models")
"""Files of a stored network, in the order in which they are written."""


class TrialTraining:
    """One trial on one fold.

    Args:
        step: the step.
        trial: the trial.
        epochs: number of epochs after which it pauses; None: no pause.
        objectives: objectives of the search.
        stores: patterns of the paths of networks, checkpoints and pipelines.
    """

    def __init__(
        self,
        step: "TrainingStep",
        trial: Trial,
        epochs: int | None,
        objectives: Sequence[Objective],
        stores: Mapping[str, str],
    ):
        assert trial.pipeline is not None, "only trials with a pipeline are trained"
        self.objectives = objectives
        self.run = trial.record.run
        tokens = {"task": step.task, "run": self.run, "fold": step.fold}
        self.paths = {key: Path(pattern.format(**tokens)) for key, pattern in stores.items()}
        self.step = self._step(step, Pipeline(trial.pipeline))
        self.epochs = epochs

    def _step(self, step: "TrainingStep", pipeline: Pipeline) -> "TrainingStep":
        """Return a copy of the step that trains the trial's pipeline like an ordinary training."""
        trial_step = copy.copy(step)
        trial_step.__dict__.pop("cfg", None)
        trial_step.pipeline = pipeline
        trial_step.run = pipeline.run
        trial_step.output = SimpleNamespace(
            parameters=self.paths["parameters"], history=self.paths["history"], model=self.paths["models"]
        )
        trial_step.params = _Params(
            candidates=step.params.candidates,
            datasets=step.params.datasets,
            checkpoints=str(self.paths["checkpoint"]),
            tensorboard=str(self.paths["tensorboard"]),
            logger=str(self.paths["logger"]),
        )
        trial_step.threads = step.params.threads
        return trial_step

    def result(self) -> TrialResult:
        """Return the result of the trial; train it first if necessary."""
        with sole_training(self.paths["checkpoint"]):
            try:
                return self._stored() or self._paused() or self._trained()
            except TrainingFailed as error:
                remove_checkpoints(self.paths["checkpoint"])
                return self._failure(str(error))

    def _failure(self, reason: str) -> TrialResult:
        logger.info("the trial failed: %s", reason)
        return TrialResult(self.run, 0, None, reason)

    def _stored(self) -> TrialResult | None:
        """Return the result of the stored network; None without one."""
        files = [self.paths[key] for key in NETWORK]
        if not all(path.exists() for path in files):
            return None
        verify(*files)
        storage = ModelStorage.read(self.paths["models"])
        history = read_history(self.paths["history"])
        # An older training may have had other metrics.
        if any(f"val/{objective.name}" not in history[-1] for objective in self._validated_objectives):
            return None
        return self._result(history, storage.training_time, storage.num_parameters)

    def _paused(self) -> TrialResult | None:
        """Return the result of a checkpoint after enough epochs; None without one."""
        if self.epochs is None or (checkpoint := self.step.last_checkpoint()) is None:
            return None
        import torch

        state = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
        if len(state["mml"]["history"]) < self.epochs or state["mml"]["stopped"]:
            return None
        return self._result(state["mml"]["history"], state["mml"]["seconds"], 0)

    def _trained(self) -> TrialResult:
        """Train until the pause or the end, and store the network of a finished training."""
        from mml_lib.training.pausing import Pause

        step = self.step
        struct, *co_structs = step.get_structs()
        data = step.create_datamodule(struct, step.fold, co_structs)
        start = step.pretrained(step.input.selection)
        try:
            model = step.create_model([struct, *co_structs], load_parameters=start)
            model.create_optimizer()  # fails for incompatible values
        except MMLError as error:
            raise TrainingFailed(str(error)) from error
        trainer = step.create_trainer()
        pause = Pause(self.epochs or int(trainer.max_epochs or 0) + 1)
        trainer.callbacks.append(pause)
        step.hooks.before_training_hook(step, data, model, trainer)
        trainer.fit(model, data, ckpt_path=step.last_checkpoint(), weights_only=True)
        parameters = sum(weights.numel() for weights in model.network.parameters() if weights.requires_grad)
        if not pause.has_paused:
            step.hooks.after_training_hook(step, data, model, trainer)
            self._store(model, trainer)
        return self._result(model.history, model.seconds, parameters)

    def _store(self, model: Any, trainer: Any) -> None:
        """Store pipeline and network under the paths of an ordinary run."""
        for key in ("pipeline", *NETWORK):
            self.paths[key].parent.mkdir(parents=True, exist_ok=True)
            if key != "pipeline":
                checksum_path(self.paths[key]).unlink(missing_ok=True)
        if not self.paths["pipeline"].exists():
            write_text(self.paths["pipeline"], self.step.pipeline.to_yaml())
            seal(self.paths["pipeline"])
        self.step.store_model(model, trainer)
        for key in NETWORK:
            seal(self.paths[key])
        remove_checkpoints(self.paths["checkpoint"])

    @property
    def _validated_objectives(self) -> list[Objective]:
        """The objectives that are measured on the validation split."""
        from mml_lib.config.analysis.search_options import COSTS

        return [objective for objective in self.objectives if objective.name not in COSTS]

    def _result(self, history: Sequence[Mapping[str, float]], seconds: float, parameters: int) -> TrialResult:
        rows = [row for row in history if self.epochs is None or row["epoch"] < self.epochs]
        # Rounded like the stored value: a step that is killed after storing the network returns the same result.
        costs = {"training_time": round(seconds, 3), "num_parameters": parameters}
        stored = kept_row(rows, self.step.cfg.store_best)
        values = {}
        for objective in self.objectives:
            value = costs.get(objective.name, stored.get(f"val/{objective.name}", math.nan))
            if not math.isfinite(value):
                return self._failure(f"val/{objective.name} is undefined after {len(rows)} epochs")
            values[objective.name] = float(value)
        return TrialResult(self.run, len(rows), values)


class _Params(SimpleNamespace):
    """Params of a rule by name."""

    def get(self, name: str, default: Any = None) -> Any:
        return getattr(self, name, default)


def kept_row(rows: Sequence[Mapping[str, float]], store_best: Any) -> Mapping[str, float]:
    """Return the epoch of a history whose weights are stored: the best one by `store_best`, or the last validated one.

    Args:
        rows: history with one row per epoch.
        store_best: section of the study; None without one.
    """
    validated = [row for row in rows if "val/loss" in row]
    if store_best is None or not validated:
        return validated[-1] if validated else {}
    defined = [row for row in validated if not math.isnan(row.get(store_best.key, math.nan))]
    return max(defined, key=lambda row: store_best.sign * row[store_best.key], default={})


def read_history(path: Path) -> list[dict[str, float]]:
    """Read the history of a stored network; empty cells are left out."""
    with contextlib.closing(open(path, newline="", encoding="utf-8")) as file:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
