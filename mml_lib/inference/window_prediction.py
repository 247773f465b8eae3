"""Prediction by a sliding window: images of any size are read and predicted in parts."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from mml_lib.data.datamodule import TaskImages
from mml_lib.inference.delivered_masks import DeliveredMasks
from mml_lib.inference.merged_views import MergedViews
from mml_lib.task_types import IGNORE, TASK_TYPES
from mml_lib.training.module import MMLModule


def predict_by_windows(
    model: MMLModule,
    images: TaskImages,
    positions: np.ndarray,
    device: torch.device,
    tta: MergedViews | None = None,
    delivered: DeliveredMasks | None = None,
) -> Iterator[tuple[np.ndarray, Any]]:
    """Yield the output for each image, and its target.

    Args:
        model: the network, with its sliding window.
        images: images of a part.
        positions: positions of the images to predict, N.
        device: device of the computation.
        tta: test-time augmentation of windows; None without it.
        delivered: delivered masks, whose sizes predicted masks get; None: the packed size.

    Yields:
        The best class of each pixel, H×W (uint8), or logits or a value; and the target as in a batch.
    """
    assert model.window is not None, "networks of whole images have no window"
    masks = TASK_TYPES[model.task_type].has_masks

    def outputs(windows: torch.Tensor) -> torch.Tensor:
        return model(windows) if tta is None else tta(model, windows)

    def scores(windows: torch.Tensor) -> torch.Tensor:
        return outputs(windows) if tta else outputs(windows).float().softmax(1)

    for position in positions.tolist():
        image, row = images.image(position), int(images.rows[position])
        if not masks:
            output = model.window.mean_of(image, outputs, device, model.task_type)
            yield output.cpu().numpy(), images.targets[position]
            continue
        bands = model.window.rows_of(image, scores, device)
        if delivered is not None:
            yield delivered.predicted(bands, row, (image.shape[0], image.shape[1])), delivered.target(row)
            continue
        mask = np.concatenate([band.argmax(0).to(torch.uint8).cpu().numpy() for band in bands])
        yield mask, np.full_like(mask, IGNORE) if images.lookup is None else images.lookup[images.mask(position)]
