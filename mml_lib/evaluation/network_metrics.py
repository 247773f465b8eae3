"""Metrics of a network on a split, and their file."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Self

from mml_lib.evaluation.evaluation import Interval, finite_or_none, network_estimates, network_intervals
from mml_lib.evaluation.procedures import NETWORKS
from mml_lib.evaluation.resampled import Resampled
from mml_lib.files.stored import Stored


@dataclass(frozen=True, kw_only=True)
class NetworkMetrics(Stored):
    """Metrics of a network, or of the pooled predictions of a run's networks, on one split.

    Args:
        about: subject of the intervals, see `mml_lib.evaluation.procedures`.
        task: task that was trained on.
        run: id of the run.
        fold: fold of the network; None: the networks of all folds are pooled.
        on: task that was tested on; empty: `task`.
        split: split that was tested on.
        samples: number of samples; None in files of earlier versions.
        folds: number of pooled networks; None without pooling.
        metrics: values by name; NaN if undefined.
        intervals: ends of the 95 % interval of each resampled metric; NaN without an interval.
        reasons: for each metric without an interval, the reason.
        weighted: True if samples have the weights of their task.
    """

    about: str = NETWORKS
    task: str
    run: str
    fold: int | None
    on: str = ""
    split: str
    samples: int | None = None
    folds: int | None = None
    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    weighted: bool = False

    KIND: ClassVar[str] = "metrics"
    LATER: ClassVar[tuple[str, ...]] = ("about", "on", "samples", "folds", "reasons", "weighted")

    @classmethod
    def of(cls, values: Mapping[str, float], resampled: Resampled, **names: Any) -> Self:
        """Return the metrics of a network.

        Args:
            values: values of metrics by name.
            resampled: named metrics on resamples of the samples, with those per group.
            names: the network and its samples: `task`, `run`, `fold`, `on`, `split`, `samples`, `folds`
                and `weighted`.
        """
        estimates = network_estimates(resampled)
        further = {name: value for name, value in resampled.by_metric().items() if name not in values}
        return cls(
            about=max((estimate.about for estimate in estimates.values()), default=NETWORKS),
            metrics={**values, **further},
            intervals=network_intervals(resampled),
            reasons={metric: estimate.reason for metric, estimate in estimates.items() if estimate.reason},
            **names,
        )

    @property
    def other_task(self) -> str:
        """Task that was tested on, empty if it is the task that was trained on."""
        return "" if self.on == self.task else self.on

    def content(self) -> dict[str, Any]:
        """Return the content of the file; None stands for NaN, which JSON does not have."""
        content = asdict(self)
        for key in ("folds", "weighted"):  # left out where they do not apply
            if not content[key]:
                del content[key]
        content["metrics"] = {name: finite_or_none(value) for name, value in self.metrics.items()}
        content["intervals"] = {name: [*map(finite_or_none, ends)] for name, ends in self.intervals.items()}
        return content

    @classmethod
    def of_content(cls, content: Mapping[str, Any]) -> Self:
        """Return the metrics of a file's content."""
        metrics = {name: _number(value) for name, value in content["metrics"].items()}
        intervals = {name: (_number(low), _number(high)) for name, (low, high) in content["intervals"].items()}
        return super().of_content({**content, "metrics": metrics, "intervals": intervals})


def _number(value: float | None) -> float:
    return math.nan if value is None else value
