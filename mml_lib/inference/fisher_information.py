"""Diagonal Fisher information of a frozen backbone, for the embedding of a task (task2vec, Achille et al. 2019)."""

import hashlib
from collections.abc import Iterable
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
"""Most values of gradients in memory at a time: 256 MiB."""

BATCH = 32
"""Images that are read at a time."""

SAMPLES = 500
"""Most images of a task that its Fisher information is averaged over."""

DIRECTIONS = 16
"""Random directions of a sample; the expectation over labels is exact for tasks with no more outputs."""


def embed_task(model: MMLModule, images: TaskImages, seed: int, device: torch.device) -> FisherEmbedding:
    """Return the Fisher embedding of a task.

    Args:
        model: a network with a trained head for the task.
        images: images of the task, of which `SAMPLES` are drawn at most.
        seed: seed of the draw, and of random directions.
        device: where to compute.

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

    It is E_x E_y (∂ log p(y|x) / ∂w)², with labels y as the network itself predicts them: no label is read. The
    expectation over y is exact for tasks with at most `directions` outputs. Otherwise it is estimated by so many random
    directions: with independent signs s, the square of Σ s·√p·∂ log p has this expectation.

    Labels of a multi-label classification and pixels of a segmentation are independent given x; the value of a
    regression is normally distributed with the standard deviation of its training targets.

    Args:
        network: a backbone with a head for the task.
        task: name of the task.
        batches: normalised images, N×C×H×W each, on the network's device.
        directions: number of random directions of a sample.
        seed: seed of these.

    Returns:
        F float64 on the CPU: for each filter of each weight of the backbone, in their order, the mean over its values.
    """
    network.eval()
    weights = {
        f"backbone.{name}": parameter.detach()
        for name, parameter in network.backbone.named_parameters()
        if name.rpartition(".")[2] == "weight"
    }
    chunk = max(1, GRADIENTS // sum(weight.numel() for weight in weights.values()))
    generator = torch.Generator().manual_seed(seed)

    def of_sample(image: torch.Tensor, signs: torch.Tensor) -> list[torch.Tensor]:
        """Return the squared gradients of one sample, means of each filter, summed over directions."""

        def scores(current: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
            outputs = functional_call(network, current, (image[None], task), strict=False)[0]
            return _scores(outputs.float(), network.heads[task])

        values, pull, probabilities = vjp(scores, weights, has_aux=True)
        sums = [torch.zeros(len(weight), device=image.device) for weight in weights.values()]
        for sign in signs:
            (gradients,) = pull((sign * probabilities.sqrt()).to(values.dtype))
            sums = [total + _of_filters(gradients[name]) for total, name in zip(sums, weights, strict=True)]
        return sums

    total: torch.Tensor | None = None
    number = 0
    for batch in batches:
        for images in batch.split(chunk):
            signs, divisor = _directions(network, task, images, directions, generator)
            squares = vmap(of_sample)(images, signs)
            part = torch.cat([square.double().sum(dim=0) for square in squares]).cpu() / divisor
            total = part if total is None else total + part
            number += len(images)
    assert total is not None, "there is a sample at least"
    return total / number


def backbone_digest(network: Network) -> str:
    """Return 16 digits of a digest of a backbone's weights: Fisher information of different ones is not compared."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.backbone.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _scores(outputs: torch.Tensor, head: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scores of a sample, and weights: the Fisher information is the weighted sum of their squared gradients.

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
    """Return the signs of the outputs in each direction, N×K×outputs, and the number to divide the squares by."""
    kind = TASK_TYPES[network.heads[task]["task_type"]]
    shape = (network.heads[task]["outputs"], *(images.shape[2:] if kind.has_masks else ()))
    if not kind.has_masks and shape[0] <= directions:
        return torch.eye(shape[0], device=images.device).expand(len(images), -1, -1), 1
    signs = torch.randint(2, (len(images), directions, *shape), generator=generator) * 2 - 1
    return signs.to(images.device, torch.float32), directions


def _of_filters(gradient: torch.Tensor) -> torch.Tensor:
    """Return the mean square of each filter of a gradient: over all dimensions but the first."""
    return gradient.square().flatten(1).mean(dim=1) if gradient.ndim > 1 else gradient.square()
