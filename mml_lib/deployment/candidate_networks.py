"""Candidates: trained networks from which a step of mode `apply` or `export` chooses. No torch is needed."""

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
        images: path of the packed images of its task, with the preprocessing of its run.
        calibration: path of its calibration; None without one.
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
        networks: `task`, `run` and `fold` of each network.
        weights, models, pipelines: paths, one for each network.
        images: paths of packed images, one for each network; empty if they are not needed.
        calibrations: paths, one for each network; empty for networks without calibration.
    """
    absent = [None] * len(networks)
    rows = zip(networks, weights, models, pipelines, images or absent, calibrations or absent, strict=True)
    return [CandidateNetwork(network["task"], network["run"], network["fold"], *paths) for network, *paths in rows]
