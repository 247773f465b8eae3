"""Metrics of a training: named ones, as in the evaluation, and torchmetrics by `_target_`."""

import inspect
import logging
from collections.abc import Sequence

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before torchmetrics)
import numpy as np
import torch
from torchmetrics import Metric

from mml_lib.config import metric_options
from mml_lib.config.factories import import_target, instantiate
from mml_lib.errors import MMLError
from mml_lib.metrics import find_metric
from mml_lib.metrics.surfaces import MaskPair, single_masks
from mml_lib.predictions.scores import score, score_arguments
from mml_lib.task_types import IGNORE, TASK_TYPES

logger = logging.getLogger(__name__)

UNKNOWN_LABELS = "metrics: metrics by _target_ cannot leave out unknown labels; name metrics of MML instead"


class Score(Metric):
    """A named metric of all samples of a validation; NaN if it is undefined.

    Args:
        name: name of the metric.
        task_type: task type of the outputs.
        outputs: number of classes or labels.
    """

    full_state_update = False

    def __init__(self, name: str, task_type: str, outputs: int):
        super().__init__(sync_on_compute=False)  # each process of a training validates all samples
        self.name, self.task_type, self.classes = name, task_type, outputs
        metric = find_metric(task_type, name)
        self.takes_masks = metric is not None and metric.takes == "masks"
        self.pairs: list[MaskPair] = []
        for state in self._states:
            self.add_state(state, [], "cat")

    @property
    def _states(self) -> tuple[str, ...]:
        return ("hits", "true", "predicted") if TASK_TYPES[self.task_type].has_masks else ("outputs", "targets")

    def update(self, outputs: torch.Tensor, targets: torch.Tensor) -> None:
        """Add a batch: outputs of the network, N×outputs or N×classes×H×W, and targets."""
        if TASK_TYPES[self.task_type].has_masks:
            masks = outputs.max(dim=1).indices  # faster than argmax on a CPU
            for state, side in zip(self._states, _image_counts(masks, targets, self.classes), strict=True):
                getattr(self, state).append(side)
            if self.takes_masks:
                sides = (side.to(torch.uint8).cpu().numpy() for side in (masks, targets))
                self.pairs += [MaskPair(*pair) for pair in zip(*sides, strict=True)]
        else:
            self.outputs.append(outputs)
            self.targets.append(targets.float() if targets.is_floating_point() else targets)

    def compute(self) -> torch.Tensor:
        arguments = [torch.cat(getattr(self, state)).cpu().numpy() for state in self._states]
        if TASK_TYPES[self.task_type].has_masks:
            if not arguments[1].any():  # every pixel is ignored
                return torch.tensor(torch.nan)
            arguments.append(single_masks(self.pairs))
        elif not np.isfinite(arguments[0]).all():
            return torch.tensor(torch.nan)
        else:
            arguments = list(score_arguments(self.task_type, *arguments))
        return torch.tensor(score(self.task_type, self.name, *arguments))

    def reset(self) -> None:
        super().reset()
        self.pairs = []


def _image_counts(masks: torch.Tensor, targets: torch.Tensor, classes: int) -> tuple[torch.Tensor, ...]:
    """Return hits, targets and predictions of each class in pixels, N×classes each, for masks N×H×W."""
    counted, places = targets != IGNORE, classes * torch.arange(len(masks), device=masks.device).view(-1, 1, 1)

    def count(labels: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        return torch.bincount((labels + places)[chosen], minlength=classes * len(masks)).view(-1, classes)

    return count(targets, counted & (masks == targets)), count(targets, counted), count(masks, counted)


def build_metrics(metrics: Sequence[str | metric_options.Metric], task_type: str, outputs: int) -> dict[str, Metric]:
    """Return torchmetrics by name.

    Args:
        metrics: names of metrics of the task type, or targets.
        task_type: task type of the outputs.
        outputs: number of classes or labels.

    Raises:
        MMLError: a `_target_` cannot be imported, or refuses its arguments.
    """
    return dict(_build(metric, task_type, outputs) for metric in metrics)


def _build(metric: str | metric_options.Metric, task_type: str, outputs: int) -> tuple[str, Metric]:
    if isinstance(metric, str):
        return metric, Score(metric, task_type, outputs)
    spec = metric.spec()
    parameters = inspect.signature(import_target(spec["_target_"])).parameters
    counted = {key: outputs for key in ("num_classes", "num_labels") if key in parameters}
    built = instantiate({**counted, **spec}, Metric)
    built.sync_on_compute = False
    return metric.name, built


def update(metric: Metric, task_type: str, outputs: torch.Tensor, targets: torch.Tensor) -> None:
    """Update a metric by a batch: logits or values, N×outputs or N×classes×H×W, and targets."""
    arguments = (outputs, targets) if isinstance(metric, Score) else measured(task_type, outputs, targets)
    metric.update(*arguments)


def measured(task_type: str, outputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return predictions and targets for torchmetrics.

    Predictions are probabilities, because torchmetrics would mistake logits in 0..1 for probabilities; classes of
    pixels; or values. Soft labels become 0 and 1.

    Raises:
        MMLError: some labels are unknown, which torchmetrics cannot leave out.
    """
    if TASK_TYPES[task_type].is_multilabel and targets.isnan().any():
        raise MMLError(UNKNOWN_LABELS)
    return predictions_of(task_type, outputs), (targets >= 0.5).long() if TASK_TYPES[
        task_type
    ].is_multilabel else targets


def predictions_of(task_type: str, outputs: torch.Tensor) -> torch.Tensor:
    """Return probabilities (N×outputs), values (N) or classes of pixels (N×H×W) for outputs of a network."""
    kind = TASK_TYPES[task_type]
    if kind.is_multilabel:
        return outputs.sigmoid()
    if kind.has_values:
        return outputs.squeeze(1)
    return outputs.max(dim=1).indices if kind.has_masks else outputs.softmax(dim=1)


def value_of(name: str, metric: Metric) -> torch.Tensor:
    """Return the value of a metric; NaN if its samples do not define it.

    Raises:
        MMLError: the metric returns more than one number.
    """
    try:
        value = metric.compute()
    except ValueError as error:  # raised by torchmetrics for too few samples
        logger.warning("the metric %s is undefined here: %s", name, error)
        return torch.tensor(torch.nan)
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        raise MMLError(f"the metric {name} returns more than one number; set its argument average, or choose another")
    return value.float().squeeze()
