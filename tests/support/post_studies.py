"""Studies of mode post."""

from pathlib import Path
from typing import Any

import numpy as np

from mml_lib.evaluation.ensembles.ensemble_storage import Member
from mml_lib.predictions.predictions import Predictions
from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.tasks.description import TaskDescription
from tests.support.planned_studies import FAKE, TASKS, planned

MINE = {**TASKS, "mine": FAKE | {"unlabelled": 4}}


def post(folder: Path, mode: dict[str, Any] | None = None, **changes: Any) -> AbstractBaseScheduler:
    return planned({"preset": "post", **(mode or {})}, folder, **{"tasks": MINE} | changes)


def steps(plan: AbstractBaseScheduler, command: str) -> list[dict[str, Any]]:
    return [params for name, params in zip(plan.commands, plan.params, strict=True) if name == command]


def predictions(ids: list[str], seed: int, shift: float = 2.0) -> Predictions:
    """Return predictions of three classes that are mostly right."""
    rng = np.random.default_rng(seed)
    targets = np.array([int(id_[1:]) % 3 for id_ in ids])
    logits = rng.normal(size=(len(ids), 3)) + shift * np.eye(3)[targets]
    return Predictions(logits.astype(np.float32), targets, np.array(ids))


NETWORKS = [Member("t", run, fold) for run in ("aaaaaaaa", "bbbbbbbb") for fold in (0, 1)]


IDS = [f"s{number}" for number in range(24)]


def described(groups: list[str | None]) -> TaskDescription:
    columns = {"id": IDS, "split": ["test"] * 12 + ["train"] * 12, "fold": [-1] * 12 + [0, 1] * 6, "group": groups}
    return TaskDescription({"name": "t", "classes": ["x", "y", "z"]}, columns)
