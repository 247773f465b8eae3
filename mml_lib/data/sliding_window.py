"""Sliding windows: their places in an image, and the merging of their outputs.

Places and weights are those of MONAI's `sliding_window_inference` with `mode="gaussian"`: neighbours overlap, the last
windows end with the image, smaller images are padded with black on both sides, and weights are largest at the centre of
a window. Merging needs the memory of one row of windows: rows of pixels are returned as soon as no further window
covers them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from mml_lib.config.training_options import Patches
from mml_lib.data.crops import cut
from mml_lib.data.merging import merge_outputs
from mml_lib.task_types import TASK_TYPES

SIGMA = 0.125
"""Standard deviation of the Gaussian weights of a window, as a share of its side."""

LEAST_WEIGHT = 1e-3

Place = tuple[int, int]
"""Upper left corner of a window in its image; negative if the image is smaller."""

Answer = Callable[[torch.Tensor], torch.Tensor]
"""Outputs of a network, N×… for windows N×C×h×w of the stored type."""


@dataclass(frozen=True)
class SlidingWindow:
    """Windows of one size, in batches.

    Args:
        size: height and width of a window in pixels.
        overlap: overlap of neighbours, as a share of their size.
        batch_size: number of windows in a batch.
    """

    size: tuple[int, int]
    overlap: float
    batch_size: int

    @classmethod
    def of(cls, patches: Patches, batch_size: int) -> "SlidingWindow":
        """Return the windows for predictions of a network that is trained on the crops of a study."""
        return cls(patches.sides, patches.overlap, batch_size)

    def places(self, size: tuple[int, int]) -> list[Place]:
        """Return the places of windows in an image of a height and width, row by row."""
        rows, columns = (_starts(side, length, self.overlap) for side, length in zip(size, self.size, strict=True))
        return [(row, column) for row in rows for column in columns]

    def batches(self, image: np.ndarray) -> Iterator[tuple[list[Place], torch.Tensor]]:
        """Yield batches of windows of an image, H×W×C, as their places, N, and pixels, N×C×h×w."""
        places = self.places((image.shape[0], image.shape[1]))
        for start in range(0, len(places), self.batch_size):
            batch = places[start : start + self.batch_size]
            windows = torch.from_numpy(np.zeros((len(batch), *self.size, image.shape[2]), image.dtype))
            for window, (top, left) in zip(windows, batch, strict=True):
                cut(image, top, left, window.numpy())
            yield batch, windows.permute(0, 3, 1, 2)

    def rows_of(self, image: np.ndarray, answer: Answer, device: torch.device) -> Iterator[torch.Tensor]:
        """Yield the weighted mean of the outputs of all windows, C×rows×W (float32), from top to bottom.

        Args:
            image: image, H×W×channels.
            answer: function that returns outputs N×C×h×w for windows.
            device: device of the computation.
        """
        height, width = image.shape[:2]
        band = _Band(self.size, (height, width), device)
        for places, windows in self.batches(image):
            outputs = answer(windows.to(device, non_blocking=True)).float()
            for (top, left), output in zip(places, outputs, strict=True):
                if top > band.top:
                    yield from band.finished(min(top, height))
                band.add(output, top, left)
        yield from band.finished(height)

    def mean_of(self, image: np.ndarray, answer: Answer, device: torch.device, task_type: str) -> torch.Tensor:
        """Return the outputs of a whole image: the mean of probabilities or values over its windows, as logits.

        Args:
            image: image, H×W×channels.
            answer: function that returns outputs N×outputs for windows.
            device: device of the computation.
            task_type: task type of the outputs, except segmentation.
        """
        outputs = [answer(windows.to(device, non_blocking=True)).float() for _, windows in self.batches(image)]
        return merge_outputs(torch.cat(outputs).unsqueeze(1), task_type, "mean")[0]

    def outputs_of(self, images: torch.Tensor, answer: Answer, task_type: str) -> torch.Tensor:
        """Return logits or values of whole images, N×C×H×W, in the shapes of a network's outputs for whole images."""
        arrays = images.permute(0, 2, 3, 1).cpu().numpy()
        if not TASK_TYPES[task_type].has_masks:
            return torch.stack([self.mean_of(array, answer, images.device, task_type) for array in arrays])

        def probabilities(windows: torch.Tensor) -> torch.Tensor:
            return answer(windows).float().softmax(1)

        maps = [torch.cat(list(self.rows_of(array, probabilities, images.device)), dim=1) for array in arrays]
        return torch.stack(maps).clamp_min(torch.finfo(torch.float32).tiny).log()


def _starts(side: int, length: int, overlap: float) -> list[int]:
    """Return the starts of windows of a length along a side."""
    if side <= length:
        return [-((length - side) // 2)]
    step = max(1, int(length * (1 - overlap)))
    return [*range(0, side - length, step), side - length]


def window_weights(size: tuple[int, int], device: torch.device | None = None) -> torch.Tensor:
    """Return the weight of each pixel of a window, h×w: a Gaussian around the centre, at least `LEAST_WEIGHT`."""
    sides = []
    for length in size:
        distance = torch.arange(length, dtype=torch.float32, device=device) - (length - 1) / 2
        sides.append(torch.exp(-(distance**2) / (2 * (SIGMA * length) ** 2)))
    weights = sides[0][:, None] * sides[1]
    return weights.clamp_min(max(weights.min().item(), LEAST_WEIGHT))


class _Band:
    """Weighted sums of the outputs of windows, for the rows of an image that further windows may cover.

    Args:
        window: height and width of windows.
        size: height and width of the image.
        device: device of the sums.
    """

    def __init__(self, window: tuple[int, int], size: tuple[int, int], device: torch.device):
        self.height, self.width = size
        self.weights = window_weights(window, device)
        self.top = _starts(size[0], window[0], 0)[0]
        self.left = _starts(size[1], window[1], 0)[0]
        self.columns = max(size[1], window[1])
        self.sums: torch.Tensor | None = None
        self.counts = torch.zeros(window[0], self.columns, device=device)

    def add(self, output: torch.Tensor, top: int, left: int) -> None:
        """Add the outputs of a window, C×h×w."""
        if self.sums is None:
            self.sums = output.new_zeros(len(output), *self.counts.shape)
        columns = slice(left - self.left, left - self.left + self.weights.shape[1])
        self.sums[:, :, columns].addcmul_(output, self.weights)
        self.counts[:, columns] += self.weights

    def finished(self, end: int) -> Iterator[torch.Tensor]:
        """Yield the means of the rows above `end`, and drop these rows."""
        assert self.sums is not None, "a window was added"
        begin = max(0, -self.top)
        number = min(end - self.top, len(self.counts))
        inside = slice(-self.left, -self.left + self.width)
        yield self.sums[:, begin:number, inside] / self.counts[begin:number, inside]
        self.sums = _moved_up(self.sums, number)
        self.counts = _moved_up(self.counts, number)
        self.top += number


def _moved_up(rows: torch.Tensor, number: int) -> torch.Tensor:
    """Return rows, …×h×w, without the first `number` rows, and with as many zeros at the end."""
    return torch.cat([rows[..., number:, :], torch.zeros_like(rows[..., :number, :])], dim=-2)
