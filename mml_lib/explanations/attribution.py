"""Attribution: contribution of each pixel to the output of a network.

- `grad_cam`: the feature maps of the last stage, weighted by the mean gradients of the score (Selvaraju et al. 2017,
  Grad-CAM). Of masks the score is summed over pixels (Vinogradova et al. 2020, Seg-Grad-CAM).
- `integrated_gradients`: gradients along the way from a plain image to this one, times their difference (Sundararajan
  et al. 2017, Axiomatic attribution for deep networks). Their sum is the difference of the scores.
"""

from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import IntegratedGradients, LayerAttribution, LayerGradCam
from torch import nn

from mml_lib.config.analysis.explain_options import GRAD_CAM, INTEGRATED_GRADIENTS
from mml_lib.deployment.deployed_network import DeployedNetwork
from mml_lib.explanations.feature_maps import TappedNetwork, find_map

STEPS = 64
"""Images on the way from the plain image to the explained one."""

BATCH = 16
"""Number of images in a batch."""


@dataclass(frozen=True)
class Attribution:
    """Contributions of pixels to the score of an image.

    Args:
        values: of each pixel: `grad_cam` 0 or more, in no unit; `integrated_gradients` of either sign, in the unit of
            the score; float32 H×W.
        method: method that gave them.
        score: the logit, the value, or the sum of logits over pixels.
        plain_score: the same of the plain image; NaN for `grad_cam`, which has none.
    """

    values: np.ndarray
    method: str
    score: float
    plain_score: float = float("nan")

    @property
    def gap(self) -> float:
        """Difference between the sum of values and that of the scores, as a share of the latter."""
        difference = self.score - self.plain_score
        return abs(float(self.values.sum(dtype=np.float64)) - difference) / max(abs(difference), 1e-12)


class Score(nn.Module):
    """The score of one output for each image: a logit, a value, or the sum of the logits of some pixels.

    Args:
        tapped: the network.
        output: index of the output.
        pixels: pixels whose logits are summed, bool H×W; None: outputs are of whole images.
    """

    def __init__(self, tapped: TappedNetwork, output: int, pixels: torch.Tensor | None = None):
        super().__init__()
        self.tapped = tapped
        self.output = output
        self.pixels = pixels

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the scores N of normalised images N×C×H×W."""
        return self.of(self.tapped(images))

    def of(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return the scores N of outputs."""
        chosen = outputs[:, self.output].float()
        return chosen if self.pixels is None else (chosen * self.pixels).sum((1, 2))


def attribute(
    network: DeployedNetwork, image: np.ndarray, output: int, method: str, pixels: np.ndarray | None = None
) -> Attribution:
    """Return the contributions of the pixels of an image to an output.

    Args:
        network: the network.
        image: packed image H×W×C.
        output: index of the output: the class, the label, or 0 for a value.
        method: `grad_cam`, or `integrated_gradients`, which also takes the place of a Grad-CAM for which there is no
            map of 4×4 positions or more.
        pixels: of masks, pixels whose logits are summed, bool H×W.
    """
    device = network.mean.device
    packed = torch.from_numpy(np.array(image)[None]).permute(0, 3, 1, 2).to(device)
    images = network.normalise(network.scale(packed)).detach()
    summed = None if pixels is None else torch.from_numpy(pixels).to(device)
    score = Score(TappedNetwork(network.network, network.task), output, summed)
    if method == GRAD_CAM and (attribution := _grad_cam(score, images)) is not None:
        return attribution
    return _integrated_gradients(score, images)


def _grad_cam(score: Score, images: torch.Tensor) -> Attribution | None:
    """Return the Grad-CAM of one image; None without a map."""
    place = find_map(score.tapped, images, score.of)
    if place is None:
        return None
    with place.tapped(score.tapped.tap):
        coarse = LayerGradCam(score, score.tapped.tap).attribute(images, relu_attributions=True)
    size = (images.shape[-2], images.shape[-1])
    values = LayerAttribution.interpolate(coarse.detach(), size, "bilinear")[0, 0].float().cpu().numpy()
    return Attribution(values, GRAD_CAM, _value(score, images))


def _integrated_gradients(score: Score, images: torch.Tensor) -> Attribution:
    """Return the integrated gradients of one image, from the mean colour of the normalisation."""
    plain = torch.zeros_like(images)
    values = IntegratedGradients(score).attribute(images, plain, n_steps=STEPS, internal_batch_size=BATCH)
    summed = values.sum(1)[0].float().detach().cpu().numpy()
    return Attribution(summed, INTEGRATED_GRADIENTS, _value(score, images), _value(score, plain))


@torch.no_grad()
def _value(score: Score, images: torch.Tensor) -> float:
    return float(score(images)[0])
