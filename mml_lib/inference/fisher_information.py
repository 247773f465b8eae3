"""Diagonal Fisher information of a frozen backbone, for the embedding of a task (task2vec, Achille et al. 2019)."""

import hashlib
from collections.abc import Iterable
from functools import partial
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before torch modules that need torchvision)
import numpy as np
import torch
from torch.func import functional_call, vjp, vmap

from mml_lib.data.datamodule import TaskImages, by_size
from mml_lib.distances.checked_arrays import checked_fisher
from mml_lib.distances.task_data import TaskData
from mml_lib.features.fisher_embedding import FisherEmbedding
from mml_lib.models.network import Network
from mml_lib.task_types import TASK_TYPES
from mml_lib.training.module import MMLModule

GRADIENTS = 2**26
"""Largest number of gradient values in memory at a time: 256 MiB."""

BATCH = 32
"""Number of images that are read at a time."""

SAMPLES = 500
"""Largest number of images that the Fisher information of a task is averaged over."""

DIRECTIONS = 16
"""Number of random directions per sample. The expectation over labels is exact for tasks with fewer outputs."""


def embed_task(model: MMLModule, images: TaskImages, seed: int, device: torch.device) -> FisherEmbedding:
    """Return the Fisher embedding of a task.

    Args:
        model: network with a trained head for the task.
        images: images of the task, of which at most `SAMPLES` are drawn.
        seed: seed of the draw and of random directions.
        device: device of the computation.

    Raises:
        MMLError: the information is not finite, or 0 for all weights.
    """
    model.to(device).eval()
    rows = np.sort(np.random.default_rng(seed).permutation(len(images))[:SAMPLES])
    batches = (
        model.normalise(model.scale(images[rows[batch]]["image"].to(device)))
        for batch in by_size(images.sizes[rows], BATCH)
    )
    values = fisher_information(model.network, model.task, batches, DIRECTIONS, seed).numpy()
    checked_fisher(TaskData(model.task, fisher=values))
    return FisherEmbedding(values, backbone_digest(model.network), len(rows))


@torch.no_grad()  # `vjp` computes gradients nevertheless
def fisher_information(
    network: Network, task: str, batches: Iterable[torch.Tensor], directions: int, seed: int
) -> torch.Tensor:
    """Return the diagonal Fisher information of a backbone's weights, averaged over samples and within each filter.

    It is E_x E_y (∂ log p(y|x) / ∂w)², with y distributed as the network predicts, so that labels are not needed. The
    expectation over y is exact for tasks with at most `directions` outputs. Otherwise it is estimated by random
    directions: with independent signs s, the square of Σ s·√p·∂ log p has this expectation.

    Labels of a multi-label classification and pixels of a segmentation are assumed independent given x. The value of a
    regression is assumed normally distributed with the standard deviation of its training targets.

    Args:
        network: backbone with a head for the task.
        task: name of the task.
        batches: normalised images, N×C×H×W each, on the network's device.
        directions: number of random directions per sample.
        seed: seed of the directions.

    Returns:
        The mean over the values of each filter of each weight of the backbone, in their order, F (float64, CPU).
    """
    network.eval()
    weights = _backbone_weights(network)
    chunk = max(1, GRADIENTS // sum(weight.numel() for weight in weights.values()))
    generator = torch.Generator().manual_seed(seed)
    sample_squares = partial(_sample_squares, network, task, weights)
    total: torch.Tensor | None = None
    number = 0
    for batch in batches:
        for images in batch.split(chunk):
            signs, divisor = _directions(network, task, images, directions, generator)
            squares = vmap(sample_squares)(images, signs)
            part = torch.cat([square.double().sum(dim=0) for square in squares]).cpu() / divisor
            total = part if total is None else total + part
            number += len(images)
    assert total is not None, "tasks have samples"
    return total / number


def _backbone_weights(network: Network) -> dict[str, torch.Tensor]:
    """Return the weights of the backbone by their names in the network, without biases."""
    return {
        f"backbone.{name}": parameter.detach()
        for name, parameter in network.backbone.named_parameters()
        if name.rpartition(".")[2] == "weight"
    }


def _sample_squares(
    network: Network, task: str, weights: dict[str, torch.Tensor], image: torch.Tensor, signs: torch.Tensor
) -> list[torch.Tensor]:
    """Return the mean squared gradients of each filter of each weight for one sample, summed over directions."""

    def scores(current: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        outputs = functional_call(network, current, (image[None], task), strict=False)[0]
        return _scores(outputs.float(), network.heads[task])

    values, pull_back, probabilities = vjp(scores, weights, has_aux=True)
    sums = [torch.zeros(len(weight), device=image.device) for weight in weights.values()]
    for sign in signs:
        (gradients,) = pull_back((sign * probabilities.sqrt()).to(values.dtype))
        sums = [total + _filter_squares(gradients[name]) for total, name in zip(sums, weights, strict=True)]
    return sums


def backbone_digest(network: Network) -> str:
    """Return 16 digits of a digest of a backbone's weights, as different backbones are not comparable."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.backbone.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _scores(outputs: torch.Tensor, head: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the scores of a sample, and their weights in the sum of squared gradients, the Fisher information.

    Args:
        outputs: logits of classes or labels, values, or logits of classes of pixels (classes×H×W).
        head: description of the task's head.
    """
    kind = TASK_TYPES[head["task_type"]]
    if kind.has_values:
        return outputs / head["std"], torch.ones_like(outputs)
    if kind.is_multilabel:
        # p (∂ log p)² + (1 − p) (∂ log (1 − p))² = p (1 − p) (∂ logit)²
        probabilities = outputs.sigmoid()
        return outputs, (probabilities * (1 - probabilities)).detach()
    logs = outputs.log_softmax(dim=0)
    return logs, logs.exp().detach()


def _directions(
    network: Network, task: str, images: torch.Tensor, directions: int, generator: torch.Generator
) -> tuple[torch.Tensor, int]:
    """Return the signs of the outputs in each direction, N×K×outputs, and the divisor of the squares."""
    kind = TASK_TYPES[network.heads[task]["task_type"]]
    shape = (network.heads[task]["outputs"], *(images.shape[2:] if kind.has_masks else ()))
    if not kind.has_masks and shape[0] <= directions:
        return torch.eye(shape[0], device=images.device).expand(len(images), -1, -1), 1
    signs = torch.randint(2, (len(images), directions, *shape), generator=generator) * 2 - 1
    return signs.to(images.device, torch.float32), directions


def _filter_squares(gradient: torch.Tensor) -> torch.Tensor:
    """Return the mean square of each filter of a gradient, over all dimensions except the first."""
    return gradient.square().flatten(1).mean(dim=1) if gradient.ndim > 1 else gradient.square()
