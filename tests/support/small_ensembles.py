"""Small ensembles: members with given predictions."""

from dataclasses import replace
from typing import Any

import numpy as np

from mml_lib.evaluation.ensembles.ensemble_selection import select_ensemble
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage, Member
from mml_lib.evaluation.ensembles.options import EnsembleOptions
from mml_lib.predictions.predictions import MaskPredictions, Predictions

NUMBER, CLASSES = 120, 4


def names(number: int) -> list[Member]:
    return [Member("digits", f"{row:08x}", fold=0, project="demo") for row in range(number)]


def predictions(kind: str = "classification", number: int = 8, samples: int = NUMBER, seed: int = 0) -> list[Any]:
    """Return predictions of networks that are better than chance, with errors and orders of their own."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"s{row}" for row in range(samples)])
    if kind == "regression":
        targets = rng.normal(30, 5, samples).astype("f")
        outputs = [targets[:, None] + rng.normal(0, 3 + row, (samples, 1)) for row in range(number)]
    else:
        classes = np.arange(samples) % CLASSES
        labels = rng.random((samples, CLASSES)) < 0.4
        targets, truth = (
            (classes, np.eye(CLASSES)[classes]) if kind == "classification" else (labels.astype("f"), labels)
        )
        outputs = [3 * truth - 1.5 + rng.normal(0, 1.5 + row / 8, truth.shape) for row in range(number)]
    orders = [np.arange(samples), *(rng.permutation(samples) for _ in outputs[1:])]
    return [
        Predictions(logits[order].astype("f"), targets[order], ids[order], kind)
        for logits, order in zip(outputs, orders, strict=True)
    ]


def masks(number: int = 4, images: int = 6) -> list[MaskPredictions]:
    rng = np.random.default_rng(0)
    sizes = [(4, 5 + row % 2) for row in range(images)]
    targets = [rng.integers(0, 3, size).astype(np.uint8) for size in sizes]
    ids = np.array([f"i{row}" for row in range(images)])
    masks_of_members = []
    for row in range(number):
        flip = [rng.random(size) < 0.2 + 0.1 * row for size in sizes]
        outputs = [
            np.where(f, rng.integers(0, 3, t.shape), t).astype(np.uint8) for f, t in zip(flip, targets, strict=True)
        ]
        order = rng.permutation(images) if row else np.arange(images)
        masks_of_members.append(
            MaskPredictions.of([outputs[i] for i in order], [targets[i] for i in order], ids[order], classes=3)
        )
    return masks_of_members


def select(members: list[Any], groups: Any = None, **options: Any) -> EnsembleStorage:
    sized = {"max_ensemble_size": 3, "budget": 60} | options
    return select_ensemble("digits", names(len(members)), members, EnsembleOptions(**sized), groups)


def of_members(storage: EnsembleStorage, members: list[Any]) -> list[Any]:
    return [members[int(member.run, 16)] for member in storage.members]


def rows_of(predictions_of_member: Any, ids: Any) -> np.ndarray:
    return np.flatnonzero(np.isin(predictions_of_member.ids, list(ids)))


def part(predictions_of_member: Predictions, rows: np.ndarray) -> Predictions:
    return replace(
        predictions_of_member,
        logits=predictions_of_member.logits[rows],
        targets=predictions_of_member.targets[rows],
        ids=predictions_of_member.ids[rows],
    )
