"""Exported networks: one graph from pixels to probabilities or values, folds and calibration included."""

from collections.abc import Sequence

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before torch modules that need torchvision)
import torch
from torch import nn

from mml_lib.data.merging import merge_outputs
from mml_lib.deployment.deployed_network import NetworkGroup
from mml_lib.evaluation.calibration.calibration_methods import Calibration
from mml_lib.task_types import TASK_TYPES

INPUT = "images"
"""Name of the input of the graph."""


class CalibratedOutputs(nn.Module):
    """The map of a calibration on outputs N×classes.

    Args:
        calibration: the calibration.
    """

    def __init__(self, calibration: Calibration):
        super().__init__()
        self.is_single_label = TASK_TYPES[calibration.task_type].is_single_label
        self.register_buffer("scale", torch.tensor(calibration.scale))
        self.register_buffer("bias", torch.tensor(calibration.offsets.tolist()))

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """Return log probabilities of classes, or logits of labels, as `Calibration.apply`."""
        scores = logits.log_softmax(-1) if self.is_single_label else logits
        mapped = scores * self.scale + self.bias
        return mapped.log_softmax(-1) if self.is_single_label else mapped


class ExportedNetwork(nn.Module):
    """The networks of a run as one graph: N×H×W×C pixels to probabilities, values, or probabilities of pixels.

    Pixels are those of the packed images: uint8 from 0 to 255, other types as float32 from 0 to 1. The graph scales and
    normalises them. Networks of patches take windows; these and not whole images are in the graph, so that it has no
    calibration.

    Args:
        group: the networks.
    """

    def __init__(self, group: NetworkGroup):
        super().__init__()
        self.task_type = group.task_type
        self.networks = nn.ModuleList(group.networks)
        self.tta = group.tta
        self.sees_windows = group.networks[0].window is not None
        self.calibrations = nn.ModuleList(
            nn.Identity() if calibration is None or self.sees_windows else CalibratedOutputs(calibration)
            for calibration in group.calibrations
        )

    @property
    def output(self) -> str:
        """Name of the output: `values` of a regression, otherwise `probabilities`."""
        return "values" if TASK_TYPES[self.task_type].has_values else "probabilities"

    @property
    def is_calibrated(self) -> bool:
        """True if the graph maps probabilities."""
        return any(isinstance(part, CalibratedOutputs) for part in self.calibrations)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self._merged(self.outputs(images))

    def outputs(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the calibrated outputs of each network for pixels N×H×W×C."""
        pixels = images.permute(0, 3, 1, 2)
        return [
            calibration(self.tta(network, pixels) if self.tta else network(pixels))
            for network, calibration in zip(self.networks, self.calibrations, strict=True)
        ]

    def _merged(self, outputs: Sequence[torch.Tensor]) -> torch.Tensor:
        kind = TASK_TYPES[self.task_type]
        if kind.has_masks:
            maps = [output / output.sum(1, keepdim=True) if self.tta else output.softmax(1) for output in outputs]
            return torch.stack(maps).mean(0)
        merged = outputs[0] if len(outputs) == 1 else merge_outputs(torch.stack(outputs), self.task_type, "mean")
        if kind.has_values:
            return merged
        return merged.sigmoid() if kind.is_multilabel else merged.softmax(-1)
