"""Prediction by a sliding window: images are read, seen and answered for part by part, however large they are."""

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
        images: the images of a part.
        positions: which of them, N.
        device: where to compute.
        tta: looks at windows in several views; None: as they are.
        delivered: masks at whose sizes classes of pixels are predicted; None: at the packed size.

    Yields:
        Of pixels the best class (uint8, H×W), otherwise logits or a value; targets are those of a batch.
    """
    assert model.window is not None, "networks of whole images see them at once"
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
