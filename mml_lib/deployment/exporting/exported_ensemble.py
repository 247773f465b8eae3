"""Exported ensembles: one graph from pixels to the probabilities or values of an ensemble, equal to `combine`."""

from collections.abc import Sequence

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before torch modules that need torchvision)
import torch
from torch import nn

from mml_lib.deployment.deployed_network import NetworkGroup
from mml_lib.deployment.exporting.exported_network import CalibratedOutputs, ExportedNetwork
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage
from mml_lib.metrics.log_loss import LEAST_PROBABILITY
from mml_lib.task_types import TASK_TYPES


class ExportedEnsemble(nn.Module):
    """The networks of an ensemble as one graph: N×H×W×C pixels to probabilities, values, or shares of votes of pixels.

    Args:
        groups: the network of each member.
        ensemble: how they are combined.
    """

    def __init__(self, groups: Sequence[NetworkGroup], ensemble: EnsembleStorage):
        super().__init__()
        self.task_type = ensemble.task_type
        self.members = nn.ModuleList(ExportedNetwork(group) for group in groups)
        shares = torch.tensor(list(ensemble.weights), dtype=torch.float64)
        self.shares: list[float] = (shares / shares.sum()).tolist()
        self.votes = ensemble.votes
        self.temperature = float(ensemble.member_temperature)
        self.calibration = None if ensemble.calibration is None else CalibratedOutputs(ensemble.calibration)

    @property
    def output(self) -> str:
        """Name of the output: `values` of a regression, otherwise `probabilities`."""
        return "values" if TASK_TYPES[self.task_type].has_values else "probabilities"

    @property
    def is_calibrated(self) -> bool:
        """True if the graph maps probabilities of members, or those of the ensemble."""
        return self.calibration is not None or any(member.is_calibrated for member in self.members)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        kind = TASK_TYPES[self.task_type]
        outputs = [member.outputs(images)[0].float() for member in self.members]
        if kind.has_masks:
            return self._weighted([_most_probable(output) for output in outputs])
        if kind.has_values:
            return self._weighted(outputs)
        if self.votes:
            mixed = self._vote_shares(outputs)
        else:
            scaled = [output / self.temperature for output in outputs]
            mixed = self._weighted([one.sigmoid() if kind.is_multilabel else one.softmax(-1) for one in scaled])
        if self.calibration is None:
            return mixed
        if kind.is_multilabel:
            least = torch.finfo(torch.float32).eps
            inside = mixed.clamp(least, 1 - least)
            return self.calibration(inside.log() - torch.log1p(-inside)).sigmoid()
        return self.calibration(mixed.clamp_min(LEAST_PROBABILITY).log()).softmax(-1)

    def _weighted(self, outputs: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.stack([share * output for share, output in zip(self.shares, outputs, strict=True)]).sum(0)

    def _vote_shares(self, outputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return shares of votes, with one vote more that is spread over all classes."""
        if TASK_TYPES[self.task_type].is_multilabel:
            votes = torch.stack([(output > 0).float() for output in outputs]).sum(0)
            return (votes + 0.5) / (len(outputs) + 1)
        votes = torch.stack([_most_probable(output) for output in outputs]).sum(0)
        return (votes + 1 / outputs[0].shape[1]) / (len(outputs) + 1)


def _most_probable(outputs: torch.Tensor) -> torch.Tensor:
    """Return 1 for the class with the largest output and 0 for the others, of the shape of outputs N×C…."""
    numbers = torch.arange(outputs.shape[1], device=outputs.device).view(1, -1, *[1] * (outputs.ndim - 2))
    return (outputs.argmax(1, keepdim=True) == numbers).float()
