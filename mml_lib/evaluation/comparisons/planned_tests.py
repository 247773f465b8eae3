"""Planned tests: networks that tables compare, with their names in tables, as params of rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.tasks.curves import Point


@dataclass(frozen=True)
class PlannedTest:
    """A network that is tested on a split.

    Args:
        task, run, fold: names in tables.
        network: the network.
        split: split that the network is tested on.
        procedures: names of the procedures that the network belongs to.
        point: point of the task on a curve; None without a curve.
    """

    task: str
    run: str
    fold: int
    network: TrainedNetwork
    split: str
    procedures: tuple[str, ...]
    point: Point | None = None

    def as_params(self) -> dict[str, Any]:
        """Return the test as params of a rule."""
        point = {"value": self.point.value, "subset": self.point.seed} if self.point else {}
        names = {"task": self.task, "run": self.run, "fold": self.fold, "trained": self.network.task}
        network = {"network": self.network.tokens, "split": self.split, "procedures": list(self.procedures)}
        return {**names, **network, **point}

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> "PlannedTest":
        """Return a test from params of a rule, made by `as_params`."""
        network = TrainedNetwork(**params["network"])
        point = Point(network.task, params["value"], params["subset"]) if "subset" in params else None
        names = {key: params[key] for key in ("task", "run", "fold", "split")}
        return cls(**names, network=network, procedures=tuple(params["procedures"]), point=point)
