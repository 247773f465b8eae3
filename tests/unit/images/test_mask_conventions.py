"""Masks of all conventions, alone and side by side: what is accepted without a word is what was drawn."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.images import surveying
from mml_lib.images.mask_files import decode_mask
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, Delivery, Sample
from mml_lib.tasks.mask_classes import check_masks
from mml_lib.tasks.targets import Targets

BLACK, WHITE, RED = [0, 0, 0], [255, 255, 255], [255, 0, 0]


def paletted(indices: np.ndarray, *colors: Sequence[int]) -> Image.Image:
    image = Image.fromarray(indices)
    image.putpalette([channel for color in colors for channel in color])
    return image


def colored(mask: np.ndarray, *colors: Sequence[int]) -> Image.Image:
    return Image.fromarray(np.array(colors, np.uint8)[mask])


def smoothed(mask: np.ndarray) -> Image.Image:
    return Image.fromarray(mask * 255).resize((64, 64)).resize(mask.shape, Image.Resampling.BILINEAR)


CONVENTIONS: dict[str, Callable[[np.ndarray], Image.Image]] = {
    "0 and 1.png": Image.fromarray,
    "0 and 255.png": lambda mask: Image.fromarray(mask * 255),
    "one bit.png": lambda mask: Image.fromarray(mask > 0),
    "one bit.tif": lambda mask: Image.fromarray(mask > 0),
    "16 bits, 1.png": lambda mask: Image.fromarray(mask.astype(np.uint16)),
    "16 bits, 255.tif": lambda mask: Image.fromarray(mask.astype(np.uint16) * 255),
    "16 bits, 65535.png": lambda mask: Image.fromarray(mask.astype(np.uint16) * 65535),
    "floats.tif": lambda mask: Image.fromarray(mask.astype(np.float32)),
    "palette of black and white.png": lambda mask: paletted(mask, BLACK, WHITE),
    "palette of black and white.bmp": lambda mask: paletted(mask, BLACK, WHITE),
    "palette of black and white.gif": lambda mask: paletted(mask, BLACK, WHITE),
    "palette of white and black.png": lambda mask: paletted(1 - mask, WHITE, BLACK),
    "palette of black and red.png": lambda mask: paletted(mask, BLACK, RED),
    "palette of red and black.png": lambda mask: paletted(1 - mask, RED, BLACK),
    "black and white in colour.png": lambda mask: colored(mask, BLACK, WHITE),
    "black and red.png": lambda mask: colored(mask, BLACK, RED),
    "white on nothing.png": lambda mask: colored(mask, [9, 9, 9, 0], [255] * 4),
    "grey on nothing.png": lambda mask: Image.merge("LA", [Image.fromarray(mask * 255)] * 2),
    "compressed.jpg": lambda mask: Image.fromarray(mask * 255),
    "compressed numbers.jpg": Image.fromarray,
    "compressed.webp": lambda mask: colored(mask, BLACK, WHITE),
    "smoothed.png": smoothed,
    EMPTY_MASK_TOKEN: lambda mask: Image.fromarray(mask),
}

TASKS: dict[str, tuple[dict[int, str] | None, Any]] = {
    "no names": (None, None),
    "0 and 1": ({0: "background", 1: "lesion"}, None),
    "0 and 255": ({0: "background", 255: "lesion"}, None),
    "0, 1 and 255": ({0: "background", 1: "lesion", 255: "lesion"}, None),
    "white": (None, [["background", [BLACK]], ["lesion", [WHITE]]]),
    "red": (None, [["background", [BLACK]], ["lesion", [RED]]]),
}

UNDERSTOOD = {
    "0 and 1.png": {"no names", "0 and 1", "0, 1 and 255"},
    "0 and 255.png": {"no names", "0 and 255", "0, 1 and 255", "white"},
    "one bit.png": {"no names", "0 and 1", "0 and 255", "0, 1 and 255", "white"},
    "black and white in colour.png": {"no names", "0 and 255", "0, 1 and 255", "white"},
    "black and red.png": {"red"},
    "palette of black and red.png": {"no names", "0 and 1", "0, 1 and 255", "red"},
    "smoothed.png": set(),
}
"""Classes and bounds that files of one convention must be accepted with."""


def accepted(folder: Path, names: Sequence[str], patch: pytest.MonkeyPatch) -> set[str]:
    """Return the tasks that accept masks of these conventions, all of which get what was drawn or a warning."""
    samples, drawn, warnings = [], [], []
    patch.setattr(surveying, "warn", warnings.append)
    for number, name in enumerate(names):
        mask = np.zeros((32, 32), np.uint8)
        mask[4 : 9 + 3 * number, 5 : 20 - number] = name != EMPTY_MASK_TOKEN
        Image.new("RGB", (32, 32), (number, 0, 0)).save(folder / f"image{number}.png")
        file = EMPTY_MASK_TOKEN if name == EMPTY_MASK_TOKEN else str(folder / f"{number} {name}")
        if file != EMPTY_MASK_TOKEN:
            CONVENTIONS[name](mask).save(file)
        samples.append(Sample(str(number), str(folder / f"image{number}.png"), mask=file))
        drawn.append(int(mask.sum()))
    try:
        data = surveying.survey_images(Delivery(samples, [], "semantic_segmentation"), "d", folder, 1)
    except MMLError:
        return set()
    for row, counts in enumerate(data.values):
        values, pixels = np.unique(decode_mask(data.mask_path(row), (32, 32), data.mask_colors), return_counts=True)
        assert dict(zip(values.tolist(), pixels.tolist(), strict=True)) == counts
    right = set()
    for task, (idx_to_class, colors) in TASKS.items():
        try:
            targets = Targets.of(data, idx_to_class, "t", colors)
            lines = [*warnings, *check_masks(data, idx_to_class, "t", colors)]
        except MMLError:
            continue
        if targets.values[:, 1].tolist() == drawn:
            right.add(task)
        else:
            assert any("loss" in line or "if colours are meant" in line for line in lines), (names, task, lines)
    return right


@pytest.mark.parametrize("name", [name for name in CONVENTIONS if name != EMPTY_MASK_TOKEN])
def test_one_convention(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    tasks = accepted(tmp_path, [name] * 3, monkeypatch)
    assert tasks == UNDERSTOOD.get(name, tasks)


@pytest.mark.long
@pytest.mark.parametrize("first", CONVENTIONS)
def test_two_conventions_side_by_side(tmp_path: Path, first: str, monkeypatch: pytest.MonkeyPatch):
    order = list(CONVENTIONS)
    for second in order:
        if second != first:
            accepted(tmp_path, [first] + [second] * 3, monkeypatch)
    for second, number in itertools.product(order[order.index(first) + 1 :], (1, 2)):
        accepted(tmp_path, [first] * number + [second] * number, monkeypatch)
