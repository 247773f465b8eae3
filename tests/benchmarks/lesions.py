"""Generated large images with small lesions, for what patches find and resizing loses."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

HEIGHT, WIDTH = 1500, 2000
SMALLEST, LARGEST = 12, 40
"""Diameters of lesions in pixels."""

LESIONS = 10


def draw_lesions(folder: Path, count: int, tested: int) -> Path:
    """Write images of 2,000×1,500 pixels and masks of their lesions; return the table of them, the last ones tested.

    Lesions are brighter than the tissue around them and lie among as many darker spots of the same sizes, on a ground
    of slow changes, threads and noise.
    """
    rows = ["image,mask,split"]
    for number in range(count):
        image, mask = _drawn(np.random.default_rng(number))
        Image.fromarray(image).save(folder / f"{number}.jpg", quality=95)
        Image.fromarray(mask).save(folder / f"{number}-mask.png")
        rows.append(f"{number}.jpg,{number}-mask.png,{'test' if number >= count - tested else 'train'}")
    table = folder / "lesions.csv"
    table.write_text("\n".join(rows) + "\n")
    return table


def _drawn(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    slow = cv2.resize(rng.normal(0, 25, (6, 8)).astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    image, mask = 110 + slow, np.zeros((HEIGHT, WIDTH), np.uint8)
    threads = np.zeros((HEIGHT, WIDTH), np.uint8)
    for _ in range(40):
        ends = rng.integers(0, (WIDTH, HEIGHT), (2, 2)).tolist()
        cv2.line(threads, ends[0], ends[1], 255, int(rng.integers(2, 8)), cv2.LINE_AA)
    image += threads * np.float32(30 / 255)
    for sign in (1, -1):
        spots = np.zeros((HEIGHT, WIDTH), np.uint8)
        for _ in range(LESIONS):
            axes = (rng.integers(SMALLEST, LARGEST + 1, 2) / 2).astype(int).tolist()
            centre = rng.integers(LARGEST, (WIDTH - LARGEST, HEIGHT - LARGEST)).tolist()
            cv2.ellipse(spots, centre, axes, float(rng.uniform(0, 180)), 0, 360, 255, -1)
        image += cv2.GaussianBlur(spots, (0, 0), 1.5) * np.float32(sign * 40 / 255)
        if sign > 0:
            mask[spots > 0] = 1
    channels = image[..., None] * np.array([1.0, 0.85, 0.8]) + rng.normal(0, 14, (HEIGHT, WIDTH, 3))
    return channels.clip(0, 255).astype(np.uint8), mask
