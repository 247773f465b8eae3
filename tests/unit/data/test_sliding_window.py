"""Sliding windows: MONAI's inferer gives the same values, and the memory does not grow with the image."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mml_lib.data.sliding_window import SlidingWindow, window_weights

SIZES = [(64, 48), (100, 75), (33, 90), (20, 20), (20, 90), (49, 48)]
CPU = torch.device("cpu")


def convolved(windows: torch.Tensor) -> torch.Tensor:
    """Return outputs that depend on where a pixel lies in its window."""
    weights = torch.randn(3, 3, 5, 5, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.conv2d(windows.float() / 255, weights, padding=2)


def stitched(window: SlidingWindow, image: np.ndarray, answer: Callable = convolved) -> torch.Tensor:
    return torch.cat(list(window.rows_of(image, answer, CPU)), dim=1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("side", "overlap"), [((32, 32), 0.5), ((32, 24), 0.25), ((17, 32), 0.7), ((32, 32), 0.0)])
def test_outputs_are_those_of_monai(size: tuple[int, int], side: tuple[int, int], overlap: float):
    inferers = pytest.importorskip("monai.inferers")
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    reference = inferers.sliding_window_inference(tensor, side, 4, convolved, overlap=overlap, mode="gaussian")[0]
    for batch_size in (1, 7):
        outputs = stitched(SlidingWindow(side, overlap, batch_size), image)
        assert outputs.shape == (3, *size)
        assert torch.allclose(outputs, reference, atol=1e-5)


@pytest.mark.parametrize("side", [(32, 32), (256, 256), (64, 31), (7, 5)])
def test_weights_are_those_of_monai(side: tuple[int, int]):
    utils = pytest.importorskip("monai.data.utils")
    assert torch.allclose(window_weights(side), utils.compute_importance_map(side, "gaussian"), atol=1e-7)


@pytest.mark.parametrize("size", SIZES)
def test_every_pixel_is_covered_and_answers_that_agree_stay(size: tuple[int, int]):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    window = SlidingWindow((32, 24), 0.5, 5)
    same = stitched(window, image, lambda windows: windows.float())
    assert torch.allclose(same, torch.from_numpy(image).permute(2, 0, 1).float(), atol=1e-3)
    for places, windows in window.batches(image):
        assert len(places) == len(windows) <= 5
        assert windows.shape[1:] == (3, 32, 24)
        assert windows.dtype == torch.uint8


def test_rows_come_as_soon_as_no_window_covers_them_so_memory_does_not_grow_with_the_image():
    image, number = np.zeros((1000, 40, 3), np.uint8), []

    def counted(windows: torch.Tensor) -> torch.Tensor:
        number.append(len(windows))
        return windows[:, :2].float()

    bands = SlidingWindow((32, 32), 0.5, 4).rows_of(image, counted, CPU)
    first = next(bands)
    assert sum(number) <= 8
    rest = list(bands)
    assert max(len(band[0]) for band in [first, *rest]) <= 32
    assert sum(len(band[0]) for band in [first, *rest]) == 1000


@pytest.mark.parametrize("kind", ["classification", "multilabel_classification", "regression"])
def test_whole_images_have_the_mean_of_their_windows(kind: str):
    image = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    window = SlidingWindow((16, 16), 0.5, 3)

    def answer(windows: torch.Tensor) -> torch.Tensor:
        outputs = windows.float().mean((2, 3)) / 20
        return outputs[:, :1] if kind == "regression" else outputs

    outputs = window.mean_of(image, answer, CPU, kind)
    single = torch.cat([answer(windows) for _, windows in window.batches(image)])
    activation = {"classification": lambda x: x.softmax(-1), "multilabel_classification": torch.sigmoid}
    activate = activation.get(kind, lambda x: x)
    assert torch.allclose(activate(outputs), activate(single).mean(0), atol=1e-6)
    images = torch.from_numpy(image).permute(2, 0, 1)[None]
    assert torch.equal(window.outputs_of(images, answer, kind)[0], outputs)


def test_masks_of_whole_images_are_logarithms_of_mean_probabilities():
    image = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    window = SlidingWindow((16, 16), 0.5, 3)
    images = torch.from_numpy(image).permute(2, 0, 1)[None]
    outputs = window.outputs_of(images, convolved, "semantic_segmentation")
    probabilities = stitched(window, image, lambda windows: convolved(windows).softmax(1))
    assert torch.allclose(outputs.softmax(1)[0], probabilities, atol=1e-6)
