"""Small learnable data sets of any size and every task type, for trials."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.creators.creator_registry import Survey, register_creator
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, About, Delivery, Label, Sample

Drawing = tuple[np.ndarray, Label, np.ndarray | None]
"""Pattern, label and mask of an image."""


def _survey(
    task_type: str = "classification",
    unlabelled: int = 0,
    num_samples: int = 120,
    num_classes: int = 3,
    size: int = 32,
    **_: Any,
) -> Survey:
    if num_classes < 2 or not num_classes <= num_samples <= 10**7 or not 4 <= size <= 2**14 or unlabelled < 0:
        raise MMLError(
            "creator fake: it takes num_classes >= 2, num_samples >= num_classes and size >= 4, up to 10⁷ samples of "
            "16384 pixels, and unlabelled >= 0"
        )
    has_unlabelled = unlabelled > 0 or not TASK_TYPES[task_type].is_learnable
    return Survey(task_type=task_type, has_unlabelled=has_unlabelled, classes=tuple(_classes(task_type, num_classes)))


@register_creator("fake", survey=_survey)
def fake(
    folder: Path,
    num_samples: int = 120,
    num_classes: int = 3,
    size: int = 32,
    image_seed: int = 0,
    task_type: str = "classification",
    unlabelled: int = 0,
    soft: bool = False,
) -> Delivery:
    """Generated noisy images: stripes whose angles are classes or values, or discs to segment.

    Args:
        folder: folder for the images.
        num_samples: labelled images.
        num_classes: angles, evenly spread over half a turn; kinds of discs, background included.
        size: height and width in pixels.
        image_seed: seed of the images; the task's own `seed` divides the samples.
        task_type: name of the task type.
        unlabelled: further images without labels.
        soft: multi-label only: labels are the strengths of the stripes, not 0 and 1.
    """
    from PIL import Image

    _survey(task_type, unlabelled, num_samples, num_classes, size)
    rng = np.random.default_rng(image_seed)
    draw = _drawer(rng, task_type, num_classes, size, soft)
    samples = []
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(num_samples + unlabelled):
        pattern, label, mask = draw(number)
        image = 128 + 60 * pattern[..., None] * rng.uniform(0.5, 1, 3) + rng.normal(0, 25, (size, size, 3))
        file = folder / f"{number:06d}.png"
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(file)
        if number >= num_samples or not TASK_TYPES[task_type].is_learnable:
            samples.append(Sample(file.stem, file.name, None, "unlabelled"))
            continue
        mask_name = None
        if mask is not None:
            mask_name = f"{number:06d}-mask.png" if mask.any() else EMPTY_MASK_TOKEN
            if mask.any():
                Image.fromarray(mask).save(folder / mask_name)
        samples.append(Sample(file.stem, file.name, label, mask=mask_name))
    metadata = About({"image": "generated"}, ["fake"], "MIT")
    return Delivery(samples, _classes(task_type, num_classes), task_type, metadata)


def _classes(task_type: str, number: int) -> list[str]:
    if TASK_TYPES[task_type].has_masks:
        return ["background", *(f"disc{k}" for k in range(1, number))]
    if TASK_TYPES[task_type].has_probabilities:
        return [f"angle{180 * k // number:03d}" for k in range(number)]
    return []


def _drawer(
    rng: np.random.Generator, task_type: str, num_classes: int, size: int, soft: bool
) -> Callable[[int], Drawing]:
    """Return a function that draws pattern (H×W, about -1..1), label and mask of an image."""
    rows, columns = np.mgrid[:size, :size] / size
    classes = _classes(task_type, num_classes)

    def stripes(angle: float) -> np.ndarray:
        return np.sin(2 * np.pi * (3 * (columns * np.cos(angle) + rows * np.sin(angle)) + rng.random()))

    def one_angle(number: int) -> Drawing:
        index = number % num_classes
        return stripes(np.pi * index / num_classes), classes[index] if classes else None, None

    def several_angles(number: int) -> Drawing:
        strengths = rng.uniform(0.3, 1, num_classes) * (rng.random(num_classes) < 0.5)
        pattern = sum(s * stripes(np.pi * k / num_classes) for k, s in enumerate(strengths))
        strengths = strengths if soft else np.ceil(strengths)
        return (
            pattern * np.ones_like(rows),
            {classes[k]: round(float(strengths[k]), 3) for k in strengths.nonzero()[0]},
            None,
        )

    def any_angle(number: int) -> Drawing:
        angle = rng.uniform(0, 90)
        return stripes(np.radians(angle)), round(float(angle), 2), None

    def disc(number: int) -> Drawing:
        kind = number % num_classes
        centre, radius = rng.uniform(0.3, 0.7, 2), rng.uniform(0.15, 0.3)
        distance = np.hypot(rows - centre[0], columns - centre[1])
        mask = (kind * (distance < radius)).astype(np.uint8)
        mask[(np.abs(distance - radius) < 0.5 / size) & (kind > 0)] = 255  # the rim is ignored
        return stripes(0) * 0.3 + (distance < radius) * kind * 1.5, None, mask

    drawers = {"multilabel_classification": several_angles, "regression": any_angle, "semantic_segmentation": disc}
    return drawers.get(task_type, one_angle)
