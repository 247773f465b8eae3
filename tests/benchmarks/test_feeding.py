"""Feeding: images per second out of a packed task, next to NumPy."""

import statistics
import time
from collections.abc import Callable

import numpy as np
import pytest

from mml_lib.config.training_options import Sampling
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.images.packing import IMAGES
from mml_lib.tasks.pixel_format import GREY, RGB, PixelFormat
from mml_lib.tasks.struct import TaskStruct

COUNT, SIZE, BATCH = 2500, 224, 64


def rate(feed: Callable[[], int]) -> float:
    started = time.perf_counter()
    return feed() / (time.perf_counter() - started)


@pytest.mark.benchmark
@pytest.mark.parametrize("pixels", [PixelFormat(), PixelFormat("uint16", GREY), PixelFormat("uint16", RGB)], ids=str)
def test_data_module_yields_at_least_half_of_what_numpy_slices(
    packed: Callable[..., TaskStruct], pixels: PixelFormat, capsys: pytest.CaptureFixture[str]
):
    struct = packed(COUNT, SIZE, pixels)
    loader = MMLDataModule(struct, 1, Sampling(batch_size=BATCH), seed=0).train_dataloader()
    array = np.load(struct.paths["packed"] / IMAGES, mmap_mode="r")
    order = np.random.default_rng(0).permutation(COUNT)

    def ours() -> int:
        return sum(len(batch["image"]) for batch in loader)

    def shuffled() -> int:
        return sum(len(array[order[start : start + BATCH]]) for start in range(0, COUNT, BATCH))

    def contiguous() -> int:
        return sum(len(np.array(array[start : start + BATCH])) for start in range(0, COUNT, BATCH))

    rates: dict[str, list[float]] = {"ours": [], "shuffled": [], "contiguous": []}
    for feed in (ours, shuffled, contiguous):
        feed()
    for _ in range(7):
        for feed in (ours, shuffled, contiguous):
            rates[feed.__name__].append(rate(feed))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    ratio = statistics.median(a / b for a, b in zip(rates["ours"], rates["contiguous"], strict=True))
    with capsys.disabled():
        print(
            f"\nfeeding {SIZE}×{SIZE} ({pixels}): {medians['ours']:,.0f} images/s shuffled by the data module, NumPy "
            f"{medians['shuffled']:,.0f} shuffled, {medians['contiguous']:,.0f} in order; "
            f"ratio to the latter {ratio:.2f}"
        )
    assert ratio >= 0.5
