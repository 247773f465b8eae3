"""Fisher information of backbones, against closed forms and sums over all labels."""

import itertools
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before timm)
import numpy as np
import pytest
import torch
from torch import nn

from mml_lib.inference.fisher_information import backbone_digest, fisher_information
from mml_lib.models.network import Network
from tests.support.small_tasks import ARCH

CLASSIFICATION = {"task_type": "classification", "outputs": 3}
LABELS = {"task_type": "multilabel_classification", "outputs": 3}
VALUES = {"task_type": "regression", "outputs": 1, "mean": 5.0, "std": 4.0}


class Linear(nn.Module):
    """A network whose backbone is a linear layer, or a convolution where its outputs are pixels."""

    def __init__(self, head: dict[str, Any], pixels: int = 12, width: int = 4):
        super().__init__()
        torch.manual_seed(0)
        self.heads = {"t": head}
        if head["task_type"] == "semantic_segmentation":
            self.backbone: nn.Module = nn.Conv2d(3, width, 1)
            self.head: nn.Module = nn.Conv2d(width, head["outputs"], 1)
        else:
            self.backbone = nn.Sequential(nn.Flatten(), nn.Linear(pixels, width))
            self.head = nn.Linear(width, head["outputs"])

    def forward(self, images: torch.Tensor, task: str) -> torch.Tensor:
        return self.head(self.backbone(images))


def images(number: int = 7, side: int = 2, seed: int = 1) -> torch.Tensor:
    return torch.randn(number, 3, side, side, generator=torch.Generator().manual_seed(seed))


def fisher(network: nn.Module, batches: list[torch.Tensor], directions: int = 16) -> np.ndarray:
    return fisher_information(network, "t", batches, directions, seed=0).numpy()


def test_fisher_information_of_a_logistic_regression_is_the_closed_form():
    network = Linear(CLASSIFICATION)
    inputs = images(50)
    x = inputs.flatten(1).double().numpy()
    w, b = (parameter.detach().double().numpy() for parameter in network.backbone.parameters())
    v, c = (parameter.detach().double().numpy() for parameter in network.head.parameters())
    logits = (x @ w.T + b) @ v.T + c
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = np.zeros_like(w)
    for sample, probabilities in zip(x, p, strict=True):
        for label in range(3):
            score = v.T @ (np.eye(3)[label] - probabilities)  # ∂ log p(label) / ∂ features
            expected += probabilities[label] * np.outer(score, sample) ** 2 / len(x)
    assert fisher(network, [inputs[:30], inputs[30:]]) == pytest.approx(expected.mean(axis=1), rel=1e-5)


def squares_of(network: nn.Module, log_probability: torch.Tensor) -> np.ndarray:
    """Return squared gradients of the backbone's weights, means of each filter, by plain automatic differentiation."""
    weights = [value for name, value in network.backbone.named_parameters() if name.endswith("weight")]
    gradients = torch.autograd.grad(log_probability, weights, retain_graph=True)
    return np.concatenate(
        [
            gradient.double()
            .square()
            .flatten(1 if gradient.ndim > 1 else 0)
            .numpy()
            .reshape(len(gradient), -1)
            .mean(axis=1)
            for gradient in gradients
        ]
    )


def test_fisher_information_of_a_deep_network_is_the_expectation_over_its_own_labels():
    network = Network(ARCH, {"t": CLASSIFICATION}).eval()
    inputs = images(3, 32)
    network(images(20, 32), "t")  # batch statistics are not those of its inputs
    expected = 0
    for image in inputs:
        logs = network(image[None], "t")[0].log_softmax(0)
        expected = expected + sum(logs[label].exp().item() * squares_of(network, logs[label]) for label in range(3)) / 3
    network.freeze()
    assert fisher(network, [inputs]) == pytest.approx(expected, rel=1e-4, abs=1e-12)
    assert not network.backbone.training


def test_fisher_information_of_several_labels_is_the_expectation_over_all_their_combinations():
    network = Linear(LABELS)
    inputs, expected = images(), 0
    for image in inputs:
        p = network(image[None], "t")[0].sigmoid()
        for labels in itertools.product([0, 1], repeat=3):
            y = torch.tensor(labels, dtype=torch.float32)
            log = (y * p.log() + (1 - y) * (1 - p).log()).sum()
            expected = expected + log.exp().item() * squares_of(network, log) / len(inputs)
    assert fisher(network, [inputs]) == pytest.approx(expected, rel=1e-5)


def test_fisher_information_of_values_is_that_of_a_normal_distribution():
    network = Linear(VALUES)
    inputs, expected = images(), 0
    for image in inputs:
        # Over y of N(f, σ²) the mean of ((y − f)/σ² ∂f)² is (∂f)²/σ².
        expected = expected + squares_of(network, network(image[None], "t")[0, 0]) / 4.0**2 / len(inputs)
    assert fisher(network, [inputs]) == pytest.approx(expected, rel=1e-5)


def test_random_directions_have_the_exact_expectation():
    network = Linear(CLASSIFICATION)
    inputs = images(20)
    exact = fisher(network, [inputs])
    many = fisher(network, [inputs.repeat(400, 1, 1, 1)], directions=2)
    assert many == pytest.approx(exact, rel=0.05)
    assert many != pytest.approx(exact, rel=1e-4)


def test_pixels_of_a_segmentation_are_independent():
    network = Linear({"task_type": "semantic_segmentation", "outputs": 2})
    inputs, expected = images(4), 0
    for image in inputs:
        logs = network(image[None], "t")[0].log_softmax(0)
        for place in itertools.product(range(2), range(2), range(2)):
            expected = expected + logs[place].exp().item() * squares_of(network, logs[place]) / len(inputs)
    assert fisher(network, [inputs.repeat(1000, 1, 1, 1)], directions=4) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("values", [1, 200, 2**26])
def test_memory_and_batches_change_nothing(values: int, monkeypatch: pytest.MonkeyPatch):
    network = Linear(CLASSIFICATION)
    inputs = images(9)
    expected = fisher(network, [inputs])
    monkeypatch.setattr("mml_lib.inference.fisher_information.GRADIENTS", values)
    assert fisher(network, list(inputs.split(4))) == pytest.approx(expected, rel=1e-6)


def test_digest_is_that_of_the_backbone():
    first, second = Network(ARCH, {"t": CLASSIFICATION}), Network(ARCH, {"t": CLASSIFICATION})
    second.backbone.load_state_dict(first.backbone.state_dict())
    assert backbone_digest(first) == backbone_digest(second)
    with torch.no_grad():
        next(second.backbone.parameters()).view(-1)[0] += 1
    assert backbone_digest(first) != backbone_digest(second)
