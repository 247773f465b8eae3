"""Heads on the backbone of an extractor, one for each task, whose Fisher information makes tasks comparable."""

from typing import Any

from mml_lib.config.schema import StudyConfig
from mml_lib.errors import MMLError
from mml_lib.models.input_channels import ARGUMENT, COLOURS
from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.pipelines.variants import expand
from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.studies.extractors import Extractor
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.task_identity import TaskIdentity

FOLD = 0
"""Fold of the heads: they learn from the training samples of the first fold."""


def head_of(scheduler: AbstractBaseScheduler, task: str, extractor: Extractor) -> TrainedNetwork:
    """Return the network of a task's head on the frozen backbone of an extractor, and plan its run.

    Raises:
        MMLError: the task has no labels, or the study changes the frozen backbone.
    """
    study = scheduler.study
    kind = TASK_TYPES[study.task(task).task_type]
    if not kind.is_learnable:
        raise MMLError(
            f"fed: {task} has no labels that a head could learn; leave the task out, or take another measure"
        )
    swa = [name for name, part in study.cfg.callbacks.items() if part.target.endswith("StochasticWeightAveraging")]
    if swa:
        raise MMLError(
            f"fed: callbacks.{swa[0]} gathers the backbone's batch statistics anew, which is to be kept; leave it out"
        )
    plain = {key: value for key, value in study.config.items() if key not in ("sweep", "variants", "repeats")}
    plain |= {"adapters": None} | _backbone(study.cfg, extractor)
    (run,) = scheduler.plan_runs(task, expand(plain, study.files), lambda identity, cfg: _frozen(identity, extractor))
    return TrainedNetwork(task, run.id, FOLD)


def _backbone(cfg: StudyConfig, extractor: Extractor) -> dict[str, Any]:
    """Return the sections with which networks of a study start from the backbone of an extractor."""
    sections: dict[str, Any] = {}
    if extractor.options.preprocessing is not None:
        sections["preprocessing"] = extractor.options.preprocessing.model_dump(mode="json", by_alias=True)
    if extractor.models:
        return sections
    arch = {ARGUMENT: COLOURS, **extractor.options.backbone}  # one network for grey images and for colours
    sections |= {"arch": arch, "seed": extractor.options.seed}
    return sections if arch.get("pretrained") else sections | {"normalization": "imagenet"}


def _frozen(task: TaskIdentity, extractor: Extractor) -> dict[str, Any]:
    """Return the entries of a pipeline that freeze its backbone."""
    if not extractor.models:
        return {"frozen": True}
    options = extractor.options
    pretraining = {"task": extractor.models[0]["task"], "model_selection": options.model_selection}
    return {"pretraining": pretraining | {"by": extractor.by, "freeze": True, "models": list(extractor.models)}}
