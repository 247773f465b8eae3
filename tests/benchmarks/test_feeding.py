"""Feeding: images per second out of a packed task, next to NumPy."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from mml_lib.config.training_options import Sampling
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.images.packing import IMAGES
from mml_lib.tasks.pixel_format import GREY, RGB, PixelFormat
from mml_lib.tasks.struct import TaskStruct
from tests.support.benchmark_figures import Figures
from tests.support.timing import median_ratio, take_turns

COUNT, SIZE, BATCH = 2500, 224, 64


@pytest.mark.benchmark
@pytest.mark.parametrize("pixels", [PixelFormat(), PixelFormat("uint16", GREY), PixelFormat("uint16", RGB)], ids=str)
def test_data_module_yields_at_least_half_of_what_numpy_slices(
    packed: Callable[..., TaskStruct], pixels: PixelFormat, figures: Figures
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

    seconds = take_turns({"ours": ours, "shuffled": shuffled, "in order": contiguous}, 7, time.perf_counter)
    for order, limit in (("shuffled", None), ("in order", 2)):
        ratio = median_ratio(seconds["ours"], seconds[order])
        name = f"feeding 224×224, {pixels}, {order}"
        figures.record(name, ratio, of=f"slices of NumPy, {order}", by="clock", at_most=limit)
