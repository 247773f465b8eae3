"""Measures of two tasks' keywords, features and Fisher information, and the measure that combines others."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from mml_lib.distances.measure_registry import MeasureOptions, register_measure
from mml_lib.distances.task_data import TaskData

if TYPE_CHECKING:
    import numpy as np

    from mml_lib.distances.gaussian_fits import GaussianFits
    from mml_lib.distances.kernel_means import KernelSamples

# --- keywords ---------------------------------------------------------------------------------------------------------


@register_measure("semantic", needs=["keywords"], symmetric=True)
def semantic(source: TaskData, target: TaskData, options: MeasureOptions) -> float:
    """1 − Jaccard index of the tasks' keywords; undefined for two tasks without keywords."""
    first, second = ({keyword.strip().casefold() for keyword in task.keywords} for task in (source, target))
    return 1 - len(first & second) / len(first | second) if first | second else float("nan")


# --- features ---------------------------------------------------------------------------------------------------------


class KLDOptions(MeasureOptions):
    """Options of `kld`."""

    activations: Literal["sum", "softmax"] = Field(
        "sum",
        description="How mean activations become a distribution over the dimensions: divided by their sum, for those "
        "that are not negative; or by a softmax.",
    )
    smoothing: float = Field(
        1e-3, gt=0, lt=1, description="Weight of the uniform distribution that both distributions are mixed with."
    )


def _activations(task: TaskData, options: KLDOptions) -> "np.ndarray":
    from mml_lib.distances.distributions import activation_distribution

    return activation_distribution(task, options.activations, options.smoothing)


@register_measure("kld", needs=["features"], symmetric=False, options=KLDOptions, summarise=_activations)
def kld(source: "np.ndarray", target: "np.ndarray", options: KLDOptions) -> float:
    """Kullback–Leibler divergence KL(source ‖ target) of mean feature activations, in nats."""
    from mml_lib.distances.distributions import kullback_leibler

    return kullback_leibler(source, target)


EMD_METHODS = {"bins": "binned", "regularisation": "sinkhorn", "samples": "sinkhorn", "seed": "sinkhorn"}
"""The method of `emd` that uses an option."""


class EMDOptions(MeasureOptions):
    """Options of `emd`."""

    method: Literal["marginals", "binned", "sinkhorn"] = Field(
        "marginals",
        description="marginals: mean over the dimensions of the exact distance of each; binned: the same on bins over "
        "the common range of both tasks; sinkhorn: the debiased entropic distance of whole feature vectors.",
    )
    bins: int = Field(100, ge=2, description="Bins of each dimension, for `binned`.")
    regularisation: float = Field(
        0.05, gt=0, description="Entropic regularisation, as a share of the mean distance, for `sinkhorn`."
    )
    samples: int = Field(1000, ge=2, description="Most samples of each task, drawn at random, for `sinkhorn`.")
    seed: int = Field(0, ge=0, description="Seed of that draw.")

    @field_validator("method")
    @classmethod
    def _has_its_package(cls, method: str) -> str:
        if method == "sinkhorn" and find_spec("ot") is None:
            raise ValueError('sinkhorn needs the package POT; run pip install "mml[analysis]", or take marginals')
        return method

    @model_validator(mode="after")
    def _uses_all(self) -> "EMDOptions":
        for key, method in EMD_METHODS.items():
            if self.method != method and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{self.method} uses no {key}; set method: {method}, or leave {key} out")
        return self


def _marginals(task: TaskData, options: EMDOptions) -> "np.ndarray":
    from mml_lib.distances.transport import drawn_features, sorted_marginals

    if options.method == "sinkhorn":
        return drawn_features(task, options.samples, options.seed)
    return sorted_marginals(task)


@register_measure("emd", needs=["features"], symmetric=True, options=EMDOptions, summarise=_marginals)
def emd(source: "np.ndarray", target: "np.ndarray", options: EMDOptions) -> float:
    """Earth mover's distance: mean over the dimensions of the 1-D Wasserstein distances."""
    from mml_lib.distances.transport import binned_distance, marginal_distance, sinkhorn_divergence

    if options.method == "sinkhorn":
        return sinkhorn_divergence(source, target, options.regularisation)
    if options.method == "binned":
        return binned_distance(source, target, options.bins)
    return marginal_distance(source, target)


class FIDOptions(MeasureOptions):
    """Options of `fid`."""

    correct_bias: bool = Field(
        False,
        description="Extrapolate to infinitely many samples, by the distances of halves: twice the distance less their "
        "mean. It may be negative for equal distributions.",
    )


def _gaussians(task: TaskData, options: FIDOptions) -> "GaussianFits":
    from mml_lib.distances.gaussian_fits import fit_gaussians

    return fit_gaussians(task, halves=options.correct_bias)


@register_measure("fid", needs=["features"], symmetric=True, options=FIDOptions, summarise=_gaussians)
def fid(source: "GaussianFits", target: "GaussianFits", options: FIDOptions) -> float:
    """Squared Fréchet distance of Gaussian fits (Heusel et al. 2017)."""
    from mml_lib.distances.gaussian_fits import frechet_distance

    return frechet_distance(source, target)


class MMDOptions(MeasureOptions):
    """Options of `mmd`."""

    LATER: ClassVar[tuple[str, ...]] = ("samples", "seed")

    kernel: Literal["cauchy", "gaussian", "energy"] = Field(
        "cauchy",
        description="cauchy: 1 / (1 + (d/s)²); gaussian: exp(−d²/2s²); energy: −d; of the Euclidean distance d and the "
        "bandwidth s.",
    )
    bandwidth: float | None = Field(
        None,
        gt=0,
        description="Bandwidth s; null: the median distance of the pair's samples, which differs from pair to pair.",
    )

    samples: int | None = Field(
        None,
        ge=2,
        description="Most samples of each task, drawn at random; null: all. Time falls with the square of the number.",
    )
    seed: int = Field(0, ge=0, description="Seed of that draw.")

    @model_validator(mode="after")
    def _uses_all(self) -> "MMDOptions":
        if self.samples is None and self.seed:
            raise ValueError("all samples are compared, so that seed is not used; set samples, or leave seed out")
        if self.kernel == "energy" and self.bandwidth is not None:
            raise ValueError("the energy kernel uses no bandwidth; leave it out, or take the kernel cauchy or gaussian")
        return self


def _kernel_samples(task: TaskData, options: MMDOptions) -> "KernelSamples":
    from mml_lib.distances.kernel_means import kernel_samples

    return kernel_samples(task, options.kernel, options.bandwidth, options.samples, options.seed)


@register_measure("mmd", needs=["features"], symmetric=True, options=MMDOptions, summarise=_kernel_samples)
def mmd(source: "KernelSamples", target: "KernelSamples", options: MMDOptions) -> float:
    """Squared maximum mean discrepancy, as an unbiased estimate that may be negative (Gretton et al. 2012)."""
    from mml_lib.distances.kernel_means import mean_discrepancy

    return mean_discrepancy(source, target, options.kernel, options.bandwidth)


# --- Fisher information -----------------------------------------------------------------------------------------------


class FEDOptions(MeasureOptions):
    """Options of `fed`."""

    distance: Literal["cosine", "euclidean", "jensen_shannon"] = Field(
        "cosine",
        description="cosine: of F/(F+G) and G/(F+G), as task2vec has it; euclidean: of vectors of length 1; "
        "jensen_shannon: of the shares of parameters in the sum, as a distance with base 2.",
    )


def _fisher(task: TaskData, options: FEDOptions) -> "np.ndarray":
    from mml_lib.distances.checked_arrays import checked_fisher

    return checked_fisher(task)


@register_measure("fed", needs=["fisher"], symmetric=True, options=FEDOptions, summarise=_fisher)
def fed(source: "np.ndarray", target: "np.ndarray", options: FEDOptions) -> float:
    """Fisher embedding distance between diagonal Fisher information of a backbone (task2vec, Achille et al. 2019)."""
    from mml_lib.distances.distributions import FISHER_DISTANCES

    return FISHER_DISTANCES[options.distance](source, target)


# --- other measures ---------------------------------------------------------------------------------------------------


class EnsembleOptions(MeasureOptions):
    """Options of `ensemble`."""

    weights: dict[str, float] = Field(
        min_length=1, description="Weight of each measure by its name, e.g. {mmd: 1, semantic: 0.5}."
    )

    @field_validator("weights")
    @classmethod
    def _positive(cls, weights: dict[str, float]) -> dict[str, float]:
        for name, weight in weights.items():
            if not 0 < weight < float("inf"):
                raise ValueError(f"the weight of {name} is {weight}; write a positive number, or leave {name} out")
        return weights


@register_measure("ensemble", needs=["distances"], symmetric=False, options=EnsembleOptions)
def ensemble(matrices: Mapping[str, Any], options: EnsembleOptions) -> Any:
    """Weighted sum of the z-scored distances of other measures, over all pairs of different tasks."""
    from mml_lib.distances.combined_distances import combine

    return combine(matrices, options.weights)
