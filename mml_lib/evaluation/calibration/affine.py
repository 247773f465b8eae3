"""Affine maps of scores, a scale and a bias for each class, that give a low log loss.

Scores are log probabilities of classes, or logits of one label. The log loss of `softmax(scale·scores + bias)` is
convex in scale and bias, so that Newton's method finds its minimum; no scale falls below `LEAST_SCALE` (projected
Newton, Bertsekas 1982), so that a higher score never speaks against its class.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

LEAST_SCALE = 1e-3
CHUNK = 2**16  # scores that are worked on at once: what is made of them stays in a processor's cache
TOLERANCE = 1e-10
"""The decrease of the mean loss, in nats, that is not worth a further step."""
JITTER = 1e-10  # of a Hessian: biases of all classes alike change nothing
STEPS = 100
PENALTIES = (np.inf, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1)

Map = tuple[np.ndarray, np.ndarray]
"""Scale and bias, one each a class."""

Derivatives = tuple[float, np.ndarray, np.ndarray]
"""A value, the gradient and the Hessian."""


@dataclass(frozen=True)
class Scores:
    """Scores and what is true.

    Args:
        values: of each class, or of one label (float64, N×classes or N×1).
        targets: class indices, or 0 and 1 of the label (int, N).
    """

    values: np.ndarray
    targets: np.ndarray

    @property
    def is_label(self) -> bool:
        return self.values.shape[1] == 1

    @cached_property
    def size(self) -> float:
        """The scores' standard deviation around a sample's mean, of a label's logits around 0; 1 if they have none."""
        centred = self.values if self.is_label else self.values - self.values.mean(axis=1, keepdims=True)
        largest = np.abs(centred).max()  # whose square may be too large
        return float(largest * np.sqrt(np.mean((centred / largest) ** 2))) if largest else 1.0

    @cached_property
    def scaled(self) -> np.ndarray:
        return self.values / self.size

    @cached_property
    def frequencies(self) -> np.ndarray:
        """How often each class, or the label, is there, as if one sample more had been shared by all classes alike."""
        return smoothed_frequencies(self.targets, 2 if self.is_label else self.values.shape[1])[int(self.is_label) :]

    def losses(self, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Return the log loss of each sample, in nats, N."""
        logits = self.values * scale + bias
        normalizer = _normalized(logits, self.is_label)[1]
        true = logits[:, 0] * self.targets if self.is_label else np.take_along_axis(logits, self.targets[:, None], 1)
        return normalizer - true.ravel()


def smoothed_frequencies(targets: np.ndarray, classes: int) -> np.ndarray:
    """Return class frequencies as if one sample more had been shared by all classes alike, so that none is 0."""
    return (np.bincount(targets, minlength=classes) + 1 / classes) / (len(targets) + 1)


def _normalized(logits: np.ndarray, is_label: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and the logarithm of what the exponentials sum to, N; absence of a label has the logit 0."""
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

    Targets are smoothed as those of Platt (1999) are: one sample more, of all classes alike, is spread over the scores.
    Where the classes are told apart without an error, or one is absent, the minimum stays finite therefore.

    Args:
        scores: to be mapped; divided by their size, so that scales are around 1.
        penalty: λ; λ/2 times the sum of squares of biases, and of scales less their mean, is added to the sum of
            losses: beforehand each effect on a logit is normally distributed with the variance 1/λ.
    """

    def __init__(self, scores: Scores, penalty: float = 0.0):
        number, classes = scores.values.shape
        self.is_label, self.least = scores.is_label, LEAST_SCALE * scores.size
        self.values = scores.scaled
        self.start = np.repeat([1.0, 0.0], classes)
        share = 1 / (number + 1)
        here = scores.targets if self.is_label else 1.0
        which = np.zeros(number, int) if self.is_label else scores.targets
        sums = np.bincount(which, here * self.values[np.arange(number), which], classes)
        smoothed = (1 - share) * sums + share / (2 if self.is_label else classes) * self.values.sum(axis=0)
        self.moments = np.concatenate([smoothed / number, scores.frequencies])
        shrunk = np.zeros((2 * classes, 2 * classes))
        shrunk[:classes, :classes] = np.eye(classes) - 1 / classes
        shrunk[classes:, classes:] = np.eye(classes)
        self.penalty = penalty / number * shrunk

    def derivatives(self, theta: np.ndarray) -> Derivatives:
        """Return the objective, its gradient and its Hessian."""
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
        here = np.arange(classes)
        hessian[here, here] += diagonal[0]
        hessian[here, here + classes] += diagonal[1]
        hessian[here + classes, here] += diagonal[1]
        hessian[here + classes, here + classes] += diagonal[2]
        number = len(self.values)
        gradient = gradient / number - self.moments + self.penalty @ theta
        return self._whole(theta, total), gradient, hessian / number + self.penalty

    def _whole(self, theta: np.ndarray, normalizers: float) -> float:
        return normalizers / len(self.values) - theta @ self.moments + theta @ self.penalty @ theta / 2

    def chunks(self, scale: np.ndarray, bias: np.ndarray | float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield scaled scores and the logits that they are mapped to, some samples at a time."""
        classes = self.values.shape[1]
        rows = max(2 * classes, CHUNK // classes)  # not fewer than a Hessian has
        for start in range(0, len(self.values), rows):
            values = self.values[start : start + rows]
            yield values, values * scale + bias


class OneScale:
    """The same as a function of one scale for all classes, without biases and without a penalty."""

    def __init__(self, scores: Scores):
        self.whole = Objective(scores)
        self.start, self.least = np.ones(1), self.whole.least

    def derivatives(self, theta: np.ndarray) -> Derivatives:
        """Return the objective, its gradient (1) and its Hessian (1×1)."""
        number, classes = self.whole.values.shape
        moment = self.whole.moments[:classes].sum()
        total = first = second = 0.0
        for values, logits in self.whole.chunks(theta, 0.0):
            probabilities, normalizer = _normalized(logits, self.whole.is_label)
            weighted = probabilities * values
            means = weighted.sum(axis=1)
            total += normalizer.sum()
            first += means.sum()
            second += np.einsum("nk,nk->", weighted, values) - means @ means
        value = total / number - theta[0] * moment
        return value, np.array([first / number - moment]), np.array([[second / number]])


def fit(scores: Scores, penalty: float, start: Map | None = None) -> Map:
    """Return the scales and biases of least log loss.

    Args:
        scores: to be mapped.
        penalty: λ, see `Objective`; 0: none (vector scaling); infinite: one scale and no bias (temperature scaling).
        start: where to begin, a map of these scores.
    """
    return fit_with_evidence(scores, penalty, start)[0]


def fit_by_evidence(scores: Scores) -> Map:
    """Return the map whose penalty, of `PENALTIES`, makes the targets most probable (evidence; MacKay 1992).

    Few samples end near a single scale, many as if there were no penalty. It is worked out by Laplace's approximation,
    takes no part of the samples away, and draws nothing at random.
    """
    fits: list[tuple[Map, float]] = []
    for penalty in PENALTIES:
        fits.append(fit_with_evidence(scores, penalty, fits[-1][0] if fits else None))
    return max(fits, key=lambda pair: pair[1])[0]


def fit_with_evidence(scores: Scores, penalty: float, start: Map | None) -> tuple[Map, float]:
    """Return a map, see `fit`, and the logarithm of the targets' probability by Laplace's approximation.

    That is but for a constant, and for no penalty it says nothing. The mean of the scales is as likely everywhere
    beforehand; other scales and biases are as `Objective` has them.
    """
    number, classes = scores.values.shape
    objective: Objective | OneScale
    if np.isinf(penalty):
        objective = OneScale(scores)
        at = objective.start if start is None else start[0][:1] * scores.size
        at, value, hessian = _minimum(objective, at, scales=1)
        scale, bias = np.repeat(at, classes), np.zeros(classes)
        hessian, precision = hessian / classes, 0.0  # by a step of length 1 of all scales together
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
    """Return where the objective is least by a projected Newton method, its value and its Hessian there.

    The first so many numbers are scales, which do not fall below the least. SciPy has no Newton method with bounds; its
    L-BFGS-B and trust-constr take 25 times as long and more (2,000 samples of 10 classes) to the same log loss.
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
        # Armijo's condition, of the first step nearly always.
        lowered = (pair for pair in tried if pair[1][0] <= value + 1e-4 * gradient @ (pair[0] - at))
        if (accepted := next(lowered, None)) is None:
            break
        at, (value, gradient, hessian) = accepted
    return at, value, hessian
