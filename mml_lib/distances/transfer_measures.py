"""Measures of the fit of a source's network to a labelled target. Scores are negated, so that smaller is nearer."""

from typing import Literal

from pydantic import Field

from mml_lib.distances.measure_registry import MeasureOptions, register_measure
from mml_lib.distances.task_data import TaskData


@register_measure("logme", needs=["transferred_features", "labels"], symmetric=False, zero_diagonal=False)
def logme(source: TaskData, target: TaskData, options: MeasureOptions) -> float:
    """Negative log maximum evidence of labels by a linear model of source features (You et al. 2021)."""
    from mml_lib.distances.evidence import log_maximum_evidence

    return -log_maximum_evidence(target)


@register_measure("leep", needs=["transferred_probabilities", "classes"], symmetric=False, zero_diagonal=False)
def leep(source: TaskData, target: TaskData, options: MeasureOptions) -> float:
    """Negative log expected empirical prediction, of target labels by source classes (Nguyen et al. 2020)."""
    from mml_lib.distances.class_scores import log_expected_prediction

    return -log_expected_prediction(target)


class HScoreOptions(MeasureOptions):
    """Options of `hscore`."""

    shrinkage: bool = Field(
        False,
        description="Shrink the covariance as Ledoit and Wolf do (Ibrahim et al. 2021); needed where there are no more "
        "samples than dimensions.",
    )

    def check_target(self, task: str, samples: int, folds: int, width: int | None = None) -> None:
        if width is not None and not self.shrinkage:
            from mml_lib.distances.class_scores import check_covariance

            check_covariance(task, samples, width)


@register_measure(
    "hscore",
    needs=["transferred_features", "classes"],
    symmetric=False,
    zero_diagonal=False,
    options=HScoreOptions,
    version=2,
)
def hscore(source: TaskData, target: TaskData, options: HScoreOptions) -> float:
    """Negative H-score: variance of source features between target classes, whitened (Bao et al. 2019)."""
    from mml_lib.distances.class_scores import h_score

    return -h_score(target, options.shrinkage)


class KNNOptions(MeasureOptions):
    """Options of `knn`."""

    k: int = Field(5, ge=1, description="Number of neighbours that vote.")
    metric: Literal["euclidean", "cosine"] = Field("euclidean", description="Distance of features.")

    def check_target(self, task: str, samples: int, folds: int, width: int | None = None) -> None:
        from mml_lib.distances.class_scores import check_neighbours

        check_neighbours(task, samples - max(1, samples // folds), self.k)


@register_measure(
    "knn", needs=["transferred_features", "classes"], symmetric=False, zero_diagonal=False, options=KNNOptions
)
def knn(source: TaskData, target: TaskData, options: KNNOptions) -> float:
    """Error rate of nearest neighbours in source features, which are samples of other folds or all other samples."""
    from mml_lib.distances.class_scores import neighbour_accuracy

    return 1 - neighbour_accuracy(target, options.k, options.metric)
