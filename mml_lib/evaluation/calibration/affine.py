"""Affine maps of scores with the least log loss: a scale and a bias for each class.

Scores are log probabilities of classes, or logits of one label. The log loss of `softmax(scale·scores + bias)` is
convex in scale and bias, so Newton's method finds its minimum. Scales have the lower bound `LEAST_SCALE` (projected
Newton, Bertsekas 1982), so a higher score never lowers the probability of its class.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

LEAST_SCALE = 1e-3
CHUNK = 2**16  # number of scores in one computation, whose results fit into the cache of a processor
TOLERANCE = 1e-10
"""Decrease of the mean loss, in nats, below which the iteration stops."""
JITTER = 1e-10  # added to the diagonal of Hessians, which are singular: a common bias has no effect
STEPS = 100
PENALTIES = (np.inf, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1)

Map = tuple[np.ndarray, np.ndarray]
"""Scale and bias of each class."""

Derivatives = tuple[float, np.ndarray, np.ndarray]
"""A value, the gradient and the Hessian."""


@dataclass(frozen=True)
class Scores:
    """Scores of samples and their targets.

    Args:
        values: scores of each class, N×classes, or of one label, N×1 (float64).
        targets: class indices, or 0 and 1 for the label, N (int).
    """

    values: np.ndarray
    targets: np.ndarray

    @property
    def is_label(self) -> bool:
        """True for the logits of one label."""
        return self.values.shape[1] == 1

    @cached_property
    def size(self) -> float:
        """Standard deviation of the scores around the mean of each sample, or of logits around 0; 1 if it is 0."""
        centred = self.values if self.is_label else self.values - self.values.mean(axis=1, keepdims=True)
        largest = np.abs(centred).max()  # divides the values, whose squares may overflow
        return float(largest * np.sqrt(np.mean((centred / largest) ** 2))) if largest else 1.0

    @cached_property
    def scaled(self) -> np.ndarray:
        """Scores divided by their size."""
        return self.values / self.size

    @cached_property
    def frequencies(self) -> np.ndarray:
        """Frequency of each class, or of the label, with one additional sample that all classes share."""
        return smoothed_frequencies(self.targets, 2 if self.is_label else self.values.shape[1])[int(self.is_label) :]

    def losses(self, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Return the log loss of each sample, in nats, N."""
        logits = self.values * scale + bias
        normalizer = _normalized(logits, self.is_label)[1]
        true = logits[:, 0] * self.targets if self.is_label else np.take_along_axis(logits, self.targets[:, None], 1)
        return normalizer - true.ravel()


def smoothed_frequencies(targets: np.ndarray, classes: int) -> np.ndarray:
    """Return class frequencies with one additional sample that all classes share, so that none is 0."""
    return (np.bincount(targets, minlength=classes) + 1 / classes) / (len(targets) + 1)


def _normalized(logits: np.ndarray, is_label: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities, and the logarithm of the sum of exponentials, N. The absence of a label has the logit 0."""
    largest = logits.max(axis=1, keepdims=True)
    if is_label:
        largest = np.maximum(largest, 0)
    exponentials = np.exp(logits - largest)
    total = exponentials.sum(axis=1, keepdims=True)
    if is_label:
        total += np.exp(-largest)
    return exponentials / total, (largest + np.log(total)).ravel()


class Objective:
    """Mean log loss of an affine map, as a function of scales and biases in one array (2·classes), with a penalty.

    Targets are smoothed as in Platt (1999), by one additional sample that all classes share, distributed over the
    scores. Therefore the minimum is finite even if classes are perfectly separated, or if one is absent.

    Args:
        scores: scores to map. They are divided by their size, so that scales are around 1.
        penalty: λ. The sum of losses includes λ/2 times the sum of squares of biases, and of the deviations of scales
            from their mean. This is a normal prior with the variance 1/λ.
    """

    def __init__(self, scores: Scores, penalty: float = 0.0):
        number, classes = scores.values.shape
        self.is_label, self.least = scores.is_label, LEAST_SCALE * scores.size
        self.values = scores.scaled
        self.start = np.repeat([1.0, 0.0], classes)
        share = 1 / (number + 1)
        presence = scores.targets if self.is_label else 1.0
        columns = np.zeros(number, int) if self.is_label else scores.targets
        sums = np.bincount(columns, presence * self.values[np.arange(number), columns], classes)
        smoothed = (1 - share) * sums + share / (2 if self.is_label else classes) * self.values.sum(axis=0)
        self.moments = np.concatenate([smoothed / number, scores.frequencies])
        quadratic_form = np.zeros((2 * classes, 2 * classes))
        quadratic_form[:classes, :classes] = np.eye(classes) - 1 / classes
        quadratic_form[classes:, classes:] = np.eye(classes)
        self.penalty = penalty / number * quadratic_form

    def derivatives(self, theta: np.ndarray) -> Derivatives:
        """Return the objective, its gradient (2·classes) and its Hessian (2·classes×2·classes)."""
        classes, total = len(theta) // 2, 0.0
        gradient, hessian, diagonal = (
            np.zeros(2 * classes),
            np.zeros((2 * classes, 2 * classes)),
            np.zeros((3, classes)),
        )
        for values, logits in self.chunks(*theta.reshape(2, -1)):
            probabilities, normalizer = _normalized(logits, self.is_label)
            moments = np.concatenate([probabilities * values, probabilities], axis=1)
            total += normalizer.sum()
            gradient += moments.sum(axis=0)
            hessian -= moments.T @ moments
            diagonal[0] += np.einsum("nk,nk->k", moments[:, :classes], values)
        diagonal[1:] = gradient.reshape(2, classes)
        scales = np.arange(classes)
        biases = scales + classes
        hessian[scales, scales] += diagonal[0]
        hessian[scales, biases] += diagonal[1]
        hessian[biases, scales] += diagonal[1]
        hessian[biases, biases] += diagonal[2]
        number = len(self.values)
        gradient = gradient / number - self.moments + self.penalty @ theta
        return self._value(theta, total), gradient, hessian / number + self.penalty

    def _value(self, theta: np.ndarray, normalizers: float) -> float:
        return normalizers / len(self.values) - theta @ self.moments + theta @ self.penalty @ theta / 2

    def chunks(self, scale: np.ndarray, bias: np.ndarray | float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield scaled scores and their mapped logits, in chunks of samples."""
        classes = self.values.shape[1]
        rows = max(2 * classes, CHUNK // classes)  # at least the number of rows of the Hessian
        for start in range(0, len(self.values), rows):
            values = self.values[start : start + rows]
            yield values, values * scale + bias


class OneScale:
    """Mean log loss as a function of one scale for all classes, without biases and without a penalty."""

    def __init__(self, scores: Scores):
        self.affine = Objective(scores)
        self.start, self.least = np.ones(1), self.affine.least

    def derivatives(self, theta: np.ndarray) -> Derivatives:
        """Return the objective, its gradient (1) and its Hessian (1×1)."""
        number, classes = self.affine.values.shape
        moment = self.affine.moments[:classes].sum()
        total = first = second = 0.0
        for values, logits in self.affine.chunks(theta, 0.0):
            probabilities, normalizer = _normalized(logits, self.affine.is_label)
            weighted = probabilities * values
            means = weighted.sum(axis=1)
            total += normalizer.sum()
            first += means.sum()
            second += np.einsum("nk,nk->", weighted, values) - means @ means
        value = total / number - theta[0] * moment
        return value, np.array([first / number - moment]), np.array([[second / number]])


def fit(scores: Scores, penalty: float, start: Map | None = None) -> Map:
    """Return the scales and biases with the least log loss.

    Args:
        scores: scores to map, with targets.
        penalty: λ, see `Objective`; 0: none (vector scaling); infinite: one scale and no bias (temperature scaling).
        start: map of these scores that the iteration starts from; None: the identity.
    """
    return fit_with_evidence(scores, penalty, start)[0]


def fit_by_evidence(scores: Scores) -> Map:
    """Return the map with the penalty of `PENALTIES` that maximises the evidence of the targets (MacKay 1992).

    The result is near a single scale for few samples, and near the unpenalised map for many. The evidence is computed
    by Laplace's approximation, which needs neither held-out samples nor random numbers.
    """
    fits: list[tuple[Map, float]] = []
    for penalty in PENALTIES:
        fits.append(fit_with_evidence(scores, penalty, fits[-1][0] if fits else None))
    return max(fits, key=lambda pair: pair[1])[0]


def fit_with_evidence(scores: Scores, penalty: float, start: Map | None) -> tuple[Map, float]:
    """Return a map, see `fit`, and its log evidence by Laplace's approximation, up to a constant.

    The prior of the mean of scales is uniform; that of other parameters is described in `Objective`. Without a penalty,
    the evidence is undefined (-inf).
    """
    number, classes = scores.values.shape
    objective: Objective | OneScale
    if np.isinf(penalty):
        objective = OneScale(scores)
        at = objective.start if start is None else start[0][:1] * scores.size
        at, value, hessian = _minimum(objective, at, scales=1)
        scale, bias = np.repeat(at, classes), np.zeros(classes)
        hessian, precision = hessian / classes, 0.0  # per step of length 1 in the space of all scales
    else:
        objective = Objective(scores, penalty)
        at = objective.start if start is None else np.concatenate([start[0] * scores.size, start[1]])
        at, value, hessian = _minimum(objective, at, scales=classes)
        scale, bias = at.reshape(2, classes)
        bias = bias if scores.is_label else bias - bias.mean()
        precision = (2 * classes - 1) * np.log(penalty) if penalty else -np.inf
    curvature = np.linalg.slogdet(number * (hessian + JITTER * np.eye(len(hessian))))[1]
    return (scale / scores.size, bias), float(precision - curvature) / 2 - number * value


def _minimum(objective: Objective | OneScale, start: np.ndarray, scales: int) -> tuple[np.ndarray, float, np.ndarray]:
    """Return the minimum of the objective by a projected Newton method, its value and its Hessian there.

    The first `scales` parameters are scales, which have a lower bound. SciPy has no Newton method with bounds; its
    L-BFGS-B and trust-constr take at least 25 times as long to the same log loss (2,000 samples of 10 classes).
    """
    at, lower = start, np.where(np.arange(len(start)) < scales, objective.least, -np.inf)
    value, gradient, hessian = objective.derivatives(at)
    for _ in range(STEPS):
        free = (at > lower) | (gradient < 0)
        step = np.zeros_like(at)
        step[free] = -np.linalg.solve(hessian[np.ix_(free, free)] + JITTER * np.eye(free.sum()), gradient[free])
        if -gradient @ step / 2 < TOLERANCE:
            break
        points = (np.maximum(at + step * 0.5**halvings, lower) for halvings in range(40))
        tried = ((point, objective.derivatives(point)) for point in points)
        # Armijo's condition, which nearly always accepts the first step.
        sufficient = (pair for pair in tried if pair[1][0] <= value + 1e-4 * gradient @ (pair[0] - at))
        if (accepted := next(sufficient, None)) is None:
            break
        at, (value, gradient, hessian) = accepted
    return at, value, hessian
