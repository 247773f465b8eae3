"""A table of images with known faults: copies, wrong labels, dark, blank and blurred images, and a site that shows."""

import csv
from pathlib import Path

import cv2
import numpy as np

PER_CLASS = 60
CLASSES = ("columns", "rows")
WRONG = ("c3", "c14", "r5", "r22", "r41")
FAULTS = {"c20": "dark", "c21": "blank", "r30": "blurred", "r31": "over-exposed"}
COPIES = {"copy0": "c1", "copy1": "r2", "copy2": "c8"}
"""The image that each copy shows; copies are in the test split, images in that of training."""


def write_audited_images(folder: Path) -> None:
    """Write `images/*.png` and `table.csv` with the columns `id image label split site`."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    rows, pictures = [], {}
    for number in range(2 * PER_CLASS):
        label, place = number % 2, number // 2
        name = f"{CLASSES[label][0]}{place}"
        site = "north" if rng.random() < 0.5 else "south"
        pictures[name] = _stripes(rng, label, site)
        stated = CLASSES[1 - label if name in WRONG else label]
        rows.append([name, stated, "test" if place % 4 == 3 else "train", site])
    by_name = {row[0]: row for row in rows}
    for name, fault in FAULTS.items():
        pictures[name] = _spoiled(pictures[name], fault)
    for copy, name in COPIES.items():
        compressed = cv2.imencode(".jpg", pictures[name], [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
        pictures[copy] = cv2.imdecode(compressed, cv2.IMREAD_GRAYSCALE)
        rows.append([copy, by_name[name][1], "test", by_name[name][3]])
    for name, picture in pictures.items():
        cv2.imwrite(str(folder / f"images/{name}.png"), picture)
    with open(folder / "table.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", "image", "label", "split", "site"])
        table.writerows([name, f"images/{name}.png", *rest] for name, *rest in rows)


def _stripes(rng: np.random.Generator, label: int, site: str) -> np.ndarray:
    """Return stripes over a pattern of its own, uint8 48×48; one site has a brighter corner."""
    wave = np.sin(np.arange(48) * rng.uniform(0.5, 0.7) + rng.uniform(0, 6))
    stripes = np.tile(wave, (48, 1)) if label == 0 else np.tile(wave[:, None], (1, 48))
    pattern = cv2.resize(rng.normal(size=(6, 6)), (48, 48), interpolation=cv2.INTER_CUBIC)
    picture = 110 + 25 * stripes + 25 * pattern + 6 * rng.normal(size=(48, 48))
    if site == "north":
        picture[:12, :12] += 60
    return picture.clip(0, 255).astype(np.uint8)


def _spoiled(picture: np.ndarray, fault: str) -> np.ndarray:
    if fault == "dark":
        return (picture * 0.15).astype(np.uint8)
    if fault == "blank":
        return np.full_like(picture, 90)
    if fault == "blurred":
        return cv2.GaussianBlur(picture, (0, 0), 5)
    return (picture * 3.5).clip(0, 255).astype(np.uint8)
