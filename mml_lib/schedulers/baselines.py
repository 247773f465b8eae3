"""Mode `baselines`: nearest neighbours and linear probes on features, without training a network."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from mml_lib.pipelines.feature_baselines import METHODS, BaselineEntries, BaselineModel
from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.schedulers.options.train_options import TrainOptions
from mml_lib.schedulers.train import TrainScheduler

if TYPE_CHECKING:
    from mml_lib.steps.step import Step


class BaselineOptions(TrainOptions):
    """Options of the mode `baselines`: folds and splits as those of `train`."""

    feature_baselines: BaselineEntries = Field(
        default=[BaselineModel(method=method) for method in METHODS],
        min_length=1,
        description="Baselines on features: a method, or a method with its options; unset: both.",
    )


class BaselinesScheduler(TrainScheduler):
    """Fits simple models on the features of each task, fold by fold, and tests them as networks are tested."""

    Options: ClassVar[type[BaselineOptions]] = BaselineOptions
    options: BaselineOptions
    next_modes: ClassVar[Mapping[str, str]] = {"train": "networks, tested as these baselines"}

    def create_routine(self) -> None:
        for task in self.task_names:
            self.feature_baselines.add_steps(task)
        if self.guards.guards:
            self.add("check_images", sha256=self.guards.sha256)
        self.add("summarize", mode=self.mode)

    def networks(self, task: str) -> list[TrainedNetwork]:
        return []

    @property
    def run_labels(self) -> dict:
        return self.feature_baselines.labels

    def before_finishing_hook(self, step: "Step") -> None:
        """Return nothing: no run is chosen."""
