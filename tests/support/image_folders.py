"""Folders of small images."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mml_lib.tasks.dataset import Delivery


def images_of(root: Path, *names: str) -> Path:
    """Write a different image of 2×2 pixels for each name; in a folder `mask`, a mask of 0 and 1. Return the folder."""
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        code = zlib.crc32(name.encode())
        values = [[0, 1], [code % 2, 1]] if "mask" in file.parts else [[code % 251, 9]] * 2
        Image.fromarray(np.array(values, dtype=np.uint8)).save(file)
    return root


def sample_fields(delivery: Delivery, *fields: str) -> list[Any]:
    """Return a field, or a tuple of fields, of each sample."""
    rows = [tuple(getattr(sample, name) for name in fields) for sample in delivery.samples]
    return [row[0] for row in rows] if len(fields) == 1 else rows


def write_images(folder: Path, count: int, seed: int) -> list[Path]:
    """Write images of one grey level and noise, in turn in every format that is understood."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    files = []
    for number in range(count):
        suffix = ("png", "jpg", "bmp", "tif", "webp")[number % 5]
        image = Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))
        files.append(folder / f"{number}.{suffix}")
        image.save(files[-1])
    return files
