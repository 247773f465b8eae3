"""Bare loops: what a researcher would write instead of a study, with the same work and without its files.

`python -m tests.benchmarks.bare_loops digits|pillow|cv2 FOLDER`: the demo study's networks, or the JPEGs of a folder as
an array with a table of their sizes, digests and statistics.
"""

import csv
import hashlib
import io
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

SIZE, FOLDS, EPOCHS, BATCH = 224, 5, 10, 64
CORES = len(os.sched_getaffinity(0))


def train_digits(folder: Path) -> None:
    """Train a network per fold on the digits of scikit-learn, and write weights, test predictions and accuracies."""
    import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (where torchvision's build is not that of torch)
    import timm
    import torch
    from PIL import Image
    from sklearn.datasets import load_digits
    from sklearn.model_selection import StratifiedKFold, train_test_split

    digits = load_digits()
    pictures = (Image.fromarray(np.uint8(image * 255 / 16)).convert("RGB") for image in digits.images)
    arrays = np.stack([np.asarray(picture.resize((32, 32), Image.Resampling.BILINEAR)) for picture in pictures])
    labels = torch.tensor(digits.target)
    rest, test = train_test_split(np.arange(len(labels)), test_size=0.2, stratify=digits.target, random_state=0)
    images = torch.from_numpy(arrays).permute(0, 3, 1, 2)
    loss_function, accuracies = torch.nn.CrossEntropyLoss(), []
    for fold, (train, val) in enumerate(StratifiedKFold(FOLDS).split(rest, digits.target[rest])):
        train, val = rest[train], rest[val]
        torch.manual_seed(fold)
        pixels = images[train].float() / 255
        mean, std = (moment.view(1, 3, 1, 1) for moment in (pixels.mean((0, 2, 3)), pixels.std((0, 2, 3))))
        network = timm.create_model("test_resnet", num_classes=10)
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.003)
        steps = EPOCHS * -(-len(train) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.003, steps)

        def outputs(rows: np.ndarray, network=network, mean=mean, std=std) -> torch.Tensor:
            return network((images[rows].float() / 255 - mean) / std)

        for _ in range(EPOCHS):
            network.train()
            order = np.random.permutation(train)
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                optimizer.zero_grad()
                loss_function(outputs(rows), labels[rows]).backward()
                optimizer.step()
                schedule.step()
            network.eval()
            with torch.inference_mode():
                for start in range(0, len(val), BATCH):
                    loss_function(outputs(val[start : start + BATCH]), labels[val[start : start + BATCH]])
        with torch.inference_mode():
            logits = torch.cat([outputs(test[start : start + BATCH]) for start in range(0, len(test), BATCH)])
        accuracies.append(float((logits.argmax(1) == labels[test]).float().mean()))
        torch.save(network.state_dict(), folder / f"{fold}.pt")
        np.save(folder / f"{fold}.npy", logits.numpy())
    (folder / "accuracy.txt").write_text(" ".join(map(str, accuracies)))


def by_pillow(content: bytes) -> tuple[tuple[int, ...], np.ndarray]:
    """Return size and resized pixels of a JPEG."""
    from PIL import Image

    image = Image.open(io.BytesIO(content)).convert("RGB")
    return image.size, np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR, reducing_gap=2.0))


def by_cv2(content: bytes) -> tuple[tuple[int, ...], np.ndarray]:
    """Return size and resized pixels of a JPEG."""
    import cv2

    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    return image.shape[:2], cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def pack_jpegs(folder: Path, shrink: Callable[[bytes], tuple[tuple[int, ...], np.ndarray]]) -> None:
    """Write an array of all images, and a table of sizes, digests of contents, means and deviations."""
    import cv2

    cv2.setNumThreads(1)  # beside the threads of the loop

    files = sorted((folder / "images").rglob("*.jpg"))
    array = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (len(files), SIZE, SIZE, 3))

    def pack(row: int) -> list[object]:
        content = files[row].read_bytes()
        size, array[row] = shrink(content)
        moments = (moment.ravel() / 255 for moment in cv2.meanStdDev(array[row]))
        return [files[row], size, hashlib.sha256(content).hexdigest(), *moments]

    with ThreadPoolExecutor(CORES) as pool, open(folder / "table.csv", "w", newline="") as table:
        csv.writer(table).writerows(pool.map(pack, range(len(files))))
    array.flush()


if __name__ == "__main__":
    work, target = sys.argv[1], Path(sys.argv[2])
    if work == "digits":
        train_digits(target)
    else:
        pack_jpegs(target, {"pillow": by_pillow, "cv2": by_cv2}[work])
