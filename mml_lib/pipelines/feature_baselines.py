"""Feature baselines: simple models on stored features, with runs of their own beside those of networks."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from mml_lib.pipelines.digests import digest

Method = Literal["nearest_neighbour", "linear_probe"]

METHODS: tuple[Method, ...] = get_args(Method)
"""Weighted nearest neighbours; a logistic or ridge regression."""

BASELINE_VERSION = 1
"""Raised when the same baseline begins to give other predictions."""


@dataclass(frozen=True)
class FeatureBaseline:
    """A simple model that is fitted on the features of a task, fold by fold.

    Args:
        task: name of the task.
        task_id: id of the task.
        method: one of `METHODS`.
        extractor: name of the extractor.
        content: what decides the features of the extractor.
    """

    task: str
    task_id: str
    method: Method
    extractor: str
    content: Mapping[str, Any]

    @cached_property
    def run(self) -> str:
        """Run id: 8 digits of a digest of all that decides the predictions."""
        parts = {"version": BASELINE_VERSION, "method": self.method, "features": dict(self.content)}
        return digest({**parts, "task": [self.task, self.task_id]})

    @property
    def label(self) -> str:
        """Name in tables."""
        return f"{self.method} on {self.extractor}"
