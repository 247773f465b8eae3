"""Calibration: affine maps of logits after which predicted probabilities agree with observed frequencies.

Maps are fitted to the log loss of validation predictions, and applied to other predictions:

- `temperature`: one scale (Guo et al. 2017),
- `affine`: a scale and a bias for each class (vector scaling, Guo et al. 2017),
- `auto`: an affine map, shrunk towards a single scale depending on the number of samples,
- `none`: no change.

Inputs are log probabilities of classes, so that an offset common to all logits has no effect. Each label is calibrated
separately, from its logit. A map that does not lower the validation log loss is replaced by the identity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from mml_lib.errors import MMLError, nearest
from mml_lib.evaluation.calibration.affine import Map, Scores, fit, fit_by_evidence
from mml_lib.evaluation.calibration.quantification import frequencies, quantify
from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions, Predictions
from mml_lib.task_types import TASK_TYPES

METHODS = ("affine", "temperature", "auto", "none")
PRIORS = ("val", "test", "quantify")
SAME = 1e-5
"""Difference of scores below which they are considered equal."""
LEAST = 1e-12
"""Lower bound of priors, whose logarithms must be finite."""


@dataclass(frozen=True)
class Calibration:
    """A map of logits. `Calibration(**content)` reads the content that `dataclasses.asdict` gives, for JSON.

    Args:
        task_type: classification or multilabel_classification.
        method: method of the fit.
        scale: scale of each class or label.
        bias: bias of each class or label.
        frequencies: frequency of each class or label in the validation samples, in (0, 1).
        prior: frequency of each class or label where the map is applied, in [0, 1]; None: as in validation.
    """

    task_type: str
    method: str
    scale: tuple[float, ...]
    bias: tuple[float, ...]
    frequencies: tuple[float, ...]
    prior: tuple[float, ...] | None = None

    def __post_init__(self):
        for field in fields(self)[2:]:
            values = getattr(self, field.name)
            if values is not None:
                object.__setattr__(self, field.name, tuple(float(value) for value in values))

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Return calibrated log probabilities of classes, or logits of labels, N×classes (float32).

        Args:
            logits: logits of a network, N×classes.

        Raises:
            MMLError: the number of classes differs, or logits are not finite.
        """
        logits = np.asarray(logits)
        if logits.ndim != 2 or logits.shape[1] != len(self.scale):
            raise MMLError(
                f"predictions of {logits.shape[-1]} classes cannot be calibrated by a map of {len(self.scale)}; use "
                "predictions of the same task"
            )
        _refuse_unless_finite(logits, None, "")
        mapped = scores_of(self.task_type, logits) * self.scale + self.offsets
        return (log_softmax(mapped) if TASK_TYPES[self.task_type].is_single_label else mapped).astype(np.float32)

    @property
    def offsets(self) -> np.ndarray:
        """Sum of the bias and of the offsets for another prior, of each class or label."""
        return self.bias + self._shift()

    def _shift(self) -> np.ndarray:
        """Return the offset of each logit for another prior, by Bayes' rule (Saerens et al. 2002)."""
        if self.prior is None:
            return np.zeros(len(self.scale))
        prior, fitted = (np.clip(frequencies, LEAST, 1 - LEAST) for frequencies in (self.prior, self.frequencies))
        ratio = np.log(prior / fitted)
        return ratio if TASK_TYPES[self.task_type].is_single_label else ratio - np.log((1 - prior) / (1 - fitted))

    def with_prior(self, prior: Sequence[float] | None) -> "Calibration":
        """Return this calibration for other frequencies of classes or labels; None: those of validation.

        Raises:
            MMLError: the number of frequencies differs from that of classes; a frequency is not in [0, 1]; frequencies
                of classes do not add up to 1.
        """
        if prior is None:
            return replace(self, prior=None)
        classes = len(self.scale)
        text = f"the prior {list(prior)}"
        if len(prior) != classes:
            raise MMLError(f"{text} has {len(prior)} numbers for {classes} classes; give one per class")
        values = np.array(prior, dtype=float)
        if not (np.isfinite(values) & (values >= 0) & (values <= 1)).all():
            raise MMLError(f"{text} has a number that is not a frequency; give numbers from 0 to 1")
        if TASK_TYPES[self.task_type].is_single_label:
            if abs(values.sum() - 1) > 1e-3:
                raise MMLError(f"{text} adds up to {values.sum():.4g}; give frequencies that add up to 1")
            values = values / values.sum()
        return replace(self, prior=tuple(values.tolist()))


def fit_calibration(val: AnyPredictions, method: str = "auto") -> Calibration:
    """Return the calibration of a network, fitted on its validation predictions.

    Soft labels count from 0.5, as in all metrics. Unlabelled samples are left out. A class without validation samples
    becomes improbable, but not impossible, see `affine.Objective`. A network with equal predictions for all samples has
    learned nothing: its method is `none`.

    Args:
        val: validation predictions.
        method: one of `METHODS`.

    Raises:
        MMLError: the predictions cannot be calibrated, or the method does not exist.
    """
    if method not in METHODS:
        raise MMLError(f"there is no calibration method '{method}'{nearest(method, METHODS)}")
    val = calibratable(val, "validation")
    labelled = val.take(val.labelled)
    if not len(labelled.ids):
        raise MMLError("there are no validation predictions with a label to calibrate by; predict the split val first")
    scores, targets = scores_of(val.task_type, labelled.logits), labelled.targets
    is_multilabel = TASK_TYPES[val.task_type].is_multilabel
    counted = np.ma.array(scores, mask=np.isnan(targets)) if is_multilabel else scores
    if len(scores) > 1 and (counted.max(axis=0) - counted.min(axis=0)).max() < SAME:
        method = "none"
    if not is_multilabel:
        scale, bias = _fitted(Scores(scores, targets), method)
    else:
        columns = zip(scores.T, targets.T, strict=True)
        maps = [_fitted_label(column, truth, method) for column, truth in columns]
        scale, bias = (np.concatenate(parts) for parts in zip(*maps, strict=True))
    return Calibration(val.task_type, method, tuple(scale), tuple(bias), tuple(frequencies(labelled)))


def _fitted_label(scores: np.ndarray, targets: np.ndarray, method: str) -> Map:
    """Return the map of one label, fitted on the samples whose label is known."""
    is_known = ~np.isnan(targets)
    if not is_known.any():
        return np.ones(1), np.zeros(1)
    truth = (targets[is_known] >= 0.5).astype(int)
    return _fitted(Scores(np.ascontiguousarray(scores[is_known])[:, None], truth), method)


def _fitted(scores: Scores, method: str) -> Map:
    classes = scores.values.shape[1]
    identity = np.ones(classes), np.zeros(classes)
    if method == "none":
        return identity
    fitted = fit_by_evidence(scores) if method == "auto" else fit(scores, 0.0 if method == "affine" else np.inf)
    return fitted if scores.losses(*fitted).mean() < scores.losses(*identity).mean() else identity


def calibrate_predictions(
    val: AnyPredictions,
    others: Mapping[str, AnyPredictions],
    method: str = "auto",
    prior: str | Sequence[float] = "val",
) -> tuple[Calibration, dict[str, Predictions]]:
    """Return the calibration of a network, and its calibrated predictions of other splits.

    Args:
        val: validation predictions of the network.
        others: predictions of other splits by the same network, by split.
        method: one of `METHODS`.
        prior: frequencies of classes to assume: `val`, those of validation; `test`, those of the split `test`;
            `quantify`, those estimated for the split `unlabelled`; or one number per class.

    Raises:
        MMLError: predictions cannot be calibrated; their classes differ; the method or prior does not exist; the split
            of the prior is missing or empty.
    """
    calibration = fit_calibration(val, method)
    val = calibratable(val, "validation")
    splits = {split: calibratable(predictions, split) for split, predictions in others.items()}
    for split, predictions in splits.items():
        if predictions.task_type != val.task_type or predictions.logits.shape[1] != val.logits.shape[1]:
            raise MMLError(
                f"the {split} predictions are of {_kind(predictions)}, the validation predictions of {_kind(val)}; "
                "use predictions of one network"
            )
    calibration = calibration.with_prior(prior_of(prior, calibration, val, splits))
    return calibration, {
        split: replace(predictions, logits=calibration.apply(predictions.logits))
        for split, predictions in splits.items()
    }


def prior_of(
    prior: str | Sequence[float], calibration: Calibration, val: Predictions, others: Mapping[str, Predictions]
) -> Sequence[float] | None:
    """Return the frequencies of a prior; None for those of validation.

    Args:
        prior: see `calibrate_predictions`.
        calibration: calibration that was fitted on the validation predictions.
        val: validation predictions.
        others: predictions of other splits, by split.

    Raises:
        MMLError: the prior does not exist, or its split is missing or empty.
    """
    if not isinstance(prior, str):
        return prior
    if prior not in PRIORS:
        raise MMLError(f"there is no prior '{prior}'{nearest(prior, PRIORS)}; or give one number per class")
    if prior == "val":
        return None
    split = "test" if prior == "test" else "unlabelled"
    if split not in others:
        raise MMLError(f"the prior {prior} needs predictions of the split {split}; predict it, or use the prior val")
    if prior == "test":
        return frequencies(others["test"]).tolist()
    mapped = (replace(part, logits=calibration.apply(part.logits)) for part in (val, others["unlabelled"]))
    return quantify(*mapped).tolist()


# --- scores -------------------------------------------------------------------------------------------------------


def scores_of(task_type: str, logits: np.ndarray) -> np.ndarray:
    """Return the inputs of the calibration, float64: log probabilities of classes, logits of labels."""
    logits = logits.astype(np.float64)
    return log_softmax(logits) if TASK_TYPES[task_type].is_single_label else logits


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return log probabilities, N×classes."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def calibratable(predictions: AnyPredictions, split: str) -> Predictions:
    """Return predictions if they can be calibrated.

    Raises:
        MMLError: the predictions have no probabilities or are not finite, or targets exceed the number of classes.
    """
    kind = predictions.task_type
    if isinstance(predictions, MaskPredictions) or not TASK_TYPES[kind].has_probabilities:
        reason = "masks are stored without probabilities" if TASK_TYPES[kind].has_masks else "values have none"
        raise MMLError(
            f"the {split} predictions are of a {kind.replace('_', ' ')}, and calibration needs probabilities "
            f"({reason}); calibrate classes or labels, and leave this task out"
        )
    _refuse_unless_finite(predictions.logits, predictions.ids, f"{split} ")
    if TASK_TYPES[kind].is_single_label and predictions.targets.max(initial=-1) >= predictions.logits.shape[1]:
        raise MMLError(
            f"the {split} predictions are of {predictions.logits.shape[1]} classes and their targets of more; remove "
            "their file, and run the study again"
        )
    return predictions


def _refuse_unless_finite(logits: np.ndarray, ids: np.ndarray | None, split: str) -> None:
    rows = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(rows):
        first = f", the first of sample '{ids[rows[0]]}'" if ids is not None else ""
        raise MMLError(
            f"{len(rows)} of {len(logits)} {split}predictions are not finite{first}; leave the network out, or train "
            "it again with a lower learning rate"
        )


def _kind(predictions: Predictions) -> str:
    what = "labels" if TASK_TYPES[predictions.task_type].is_multilabel else "classes"
    return f"{predictions.logits.shape[1]} {what}"
