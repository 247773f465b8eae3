"""A small learnable data set of any size, for trials."""

from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.tasks.creators.registry import register_creator
from mml_lib.tasks.dataset import Delivery, Sample


@register_creator("fake")
def fake(folder: Path, num_samples: int = 120, num_classes: int = 3, size: int = 32, seed: int = 0) -> Delivery:
    """Write noisy images whose class is the angle of their stripes.

    Args:
        folder: where the images go.
        num_samples: images in all, classes in turn.
        num_classes: angles, evenly spread over half a turn.
        size: height and width in pixels.
        seed: seed of noise, phase and colour.
    """
    import numpy as np
    from PIL import Image

    if num_classes < 2 or num_samples < num_classes or size < 4:
        raise MMLError("creator fake: it takes num_classes >= 2, num_samples >= num_classes and size >= 4")
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size] / size
    classes = [f"angle{180 * k // num_classes:03d}" for k in range(num_classes)]
    samples = []
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(num_samples):
        angle = np.pi * (number % num_classes) / num_classes
        wave = np.sin(2 * np.pi * (3 * (columns * np.cos(angle) + rows * np.sin(angle)) + rng.random()))
        image = 128 + 60 * wave[..., None] * rng.uniform(0.5, 1, 3) + rng.normal(0, 25, (size, size, 3))
        file = folder / f"{number:06d}.png"
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(file)
        samples.append(Sample(id=f"{number:06d}", image=file.name, label=classes[number % num_classes]))
    return Delivery(samples, classes, modalities={"image": "generated"}, keywords=["fake"])
