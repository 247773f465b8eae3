"""Linear probes: logistic and ridge regressions on standardised features, and their files.

scikit-learn is imported in functions, because its import takes a second.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mml_lib.files.atomic import write_whole
from mml_lib.files.containers import reading_arrays
from mml_lib.files.formats import FORMATS

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

FORMAT = FORMATS["baseline_probe"]

PENALTY = 10.0
"""L2 penalty of a logistic regression on standardised features: the inverse of `C` of scikit-learn."""

PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0)
"""L2 penalties of a ridge regression. Leave-one-out errors choose the best one."""

LEAST = 1e-6
"""Least probability, which classes without training samples have."""


@dataclass(frozen=True)
class Training:
    """Training samples of a fold.

    Args:
        features: standardised features, N×D.
        targets: class indices (int64, N), probabilities of labels (N×classes; NaN unknown) or values (N).
        weights: weight of each sample, N.
        classes: number of outputs.
    """

    features: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    classes: int


Fitted = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Coefficients (K×D), intercepts (K), and indices of the classes with training samples."""


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """A fitted linear probe.

    Args:
        mean: mean of the features of training samples, D.
        std: standard deviation of the features of training samples, D.
        coefficients: coefficients of standardised features, K×D: a row for each class (one row for two classes), label
            or value.
        intercepts: intercepts, K.
        classes: indices of the classes with training samples; empty for labels and values.
    """

    mean: np.ndarray
    std: np.ndarray
    coefficients: np.ndarray
    intercepts: np.ndarray
    classes: np.ndarray

    def outputs(self, target: str, part: np.ndarray, classes: int) -> np.ndarray:
        """Return log probabilities of classes, logits of labels, or values, M×classes.

        Args:
            target: kind of target: `class`, `labels` or `value`.
            part: standardised features, M×D.
            classes: number of outputs.
        """
        if target != "class":
            rows = zip(self.coefficients, self.intercepts, strict=True)
            return np.column_stack([part @ row + intercept for row, intercept in rows])
        logits = np.full((len(part), classes), np.log(LEAST))
        if len(self.classes) == 1:
            logits[:, self.classes] = 0
        else:
            logits[:, self.classes] = np.maximum(self._model.predict_log_proba(part), np.log(LEAST))
        return logits

    @property
    def _model(self) -> "LogisticRegression":
        """The logistic regression of scikit-learn."""
        model = _logistic(None)
        model.classes_, model.coef_, model.intercept_ = self.classes, self.coefficients, self.intercepts
        return model

    def write(self, path: str | Path) -> None:
        """Write the probe as `.npz`, atomically."""
        with write_whole(path) as temporary:
            np.savez(temporary, **FORMAT.stamp, **vars(self))

    @classmethod
    def read(cls, path: str | Path) -> "LinearProbe":
        """Read a probe.

        Raises:
            MMLError: the file is missing, damaged, or of another format.
        """
        with reading_arrays(path, "baseline_probe") as content:
            return cls(**content)


def _fit_classes(training: Training, penalty: float | None) -> Fitted:
    """Return a multinomial logistic regression; coefficients of 0 for a single class."""
    present = np.unique(training.targets)
    if len(present) == 1:
        return np.zeros((1, training.features.shape[1])), np.zeros(1), present
    model = _logistic(penalty).fit(training.features, training.targets, sample_weight=training.weights)
    return model.coef_, model.intercept_, model.classes_


def _fit_labels(training: Training, penalty: float | None) -> Fitted:
    """Return a logistic regression of each label. A constant label has the logit of its frequency as intercept."""
    fits = [_fit_label(training, label, penalty) for label in training.targets.T]
    coefficients, intercepts = (np.array(parts) for parts in zip(*fits, strict=True))
    return coefficients, intercepts, np.zeros(0, np.int64)


def _fit_label(training: Training, label: np.ndarray, penalty: float | None) -> tuple[np.ndarray, float]:
    labelled = ~np.isnan(label)
    positive = label[labelled] >= 0.5
    if len(np.unique(positive)) < 2:
        share = np.clip(positive.mean() if labelled.any() else 0.5, LEAST, 1 - LEAST)
        return np.zeros(training.features.shape[1]), float(np.log(share / (1 - share)))
    model = _logistic(penalty).fit(training.features[labelled], positive, sample_weight=training.weights[labelled])
    return model.coef_[0], float(model.intercept_[0])


def _fit_values(training: Training, penalty: float | None) -> Fitted:
    """Return a ridge regression."""
    from sklearn.linear_model import Ridge, RidgeCV

    model = RidgeCV(PENALTIES) if penalty is None else Ridge(penalty)
    model.fit(training.features, training.targets, sample_weight=training.weights)
    return model.coef_.reshape(1, -1), np.array([float(model.intercept_)]), np.zeros(0, np.int64)


def _logistic(penalty: float | None) -> "LogisticRegression":
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=1 / (penalty or PENALTY), max_iter=1000)


PROBES: dict[str, Callable[[Training, float | None], Fitted]] = {
    "class": _fit_classes,
    "labels": _fit_labels,
    "value": _fit_values,
}
"""Functions that fit a probe, by the kind of target."""
