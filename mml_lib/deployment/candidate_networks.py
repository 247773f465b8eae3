"""Candidates: trained networks of a study, of which a step of mode `apply` or `export` takes some, without torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CandidateNetwork:
    """A trained network with its files.

    Args:
        task, run, fold: its identity.
        weights: its weights.
        model: its model storage.
        pipeline: pipeline of its run.
        images: packed images of its task, as its run has them.
        calibration: its calibration; None: there is none.
    """

    task: str
    run: str
    fold: int
    weights: str
    model: str
    pipeline: str
    images: str | None = None
    calibration: str | None = None


def candidates_of(
    networks: Sequence[Mapping[str, Any]],
    weights: Sequence[str],
    models: Sequence[str],
    pipelines: Sequence[str],
    images: Sequence[str] = (),
    calibrations: Sequence[str] = (),
) -> list[CandidateNetwork]:
    """Return the candidates of a step.

    Args:
        networks: `task`, `run` and `fold` of each.
        weights, models, pipelines: a file of each.
        images: packed images of each; none: they are not needed.
        calibrations: a file of each; none: the networks are not calibrated.
    """
    absent = [None] * len(networks)
    rows = zip(networks, weights, models, pipelines, images or absent, calibrations or absent, strict=True)
    return [CandidateNetwork(network["task"], network["run"], network["fold"], *paths) for network, *paths in rows]
