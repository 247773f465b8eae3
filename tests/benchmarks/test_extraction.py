"""Extraction: images per second, of one processor, next to a bare loop of the same backbone over the packed array."""

import time
from collections.abc import Callable
from pathlib import Path

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before timm)
import numpy as np
import pytest
import torch

from mml_lib.data.datamodule import images_of
from mml_lib.features.part_store import PartStore
from mml_lib.images.packing import IMAGES
from mml_lib.inference.extraction import extract_features
from mml_lib.inference.frozen_backbone import library_backbone
from mml_lib.inference.prediction import best_device
from mml_lib.tasks.struct import TaskStruct
from tests.support.benchmark_figures import Figures
from tests.support.timing import median_ratio, take_turns

ROUNDS = 5
BATCH = 64
ARCH = {"_target_": "mml_lib.models.network.timm_backbone", "name": "resnet18", "pretrained": False}


@torch.inference_mode()
def bare_loop(network: torch.nn.Module, task: TaskStruct, settings: dict, device: torch.device) -> np.ndarray:
    """Return features by the loop that one would write: slices of the array, scaled, normalised, seen."""
    array = np.load(task.paths["packed"] / IMAGES, mmap_mode="r")
    mean, std = (torch.tensor(settings[key], device=device).view(1, -1, 1, 1) for key in ("mean", "std"))
    features = []
    for start in range(0, len(array), BATCH):
        images = torch.from_numpy(np.array(array[start : start + BATCH])).permute(0, 3, 1, 2).to(device)
        features.append(network((images.float() / 255 - mean) / std).cpu().numpy())
    return np.concatenate(features)


@pytest.mark.benchmark
@pytest.mark.parametrize(("count", "size"), [(512, 64), (64, 224)])
def test_extraction_is_as_fast_as_a_bare_loop(
    packed: Callable[..., TaskStruct], count: int, size: int, tmp_path: Path, figures: Figures
):
    torch.set_num_threads(1)  # whatever else runs on this machine, seconds of one processor are comparable
    task = packed(count, size)
    device = best_device("auto")
    backbone = library_backbone(ARCH, task, 0).to(device)
    network, settings = backbone.network.backbone, backbone.network.pretrained_cfg
    images = images_of(task, np.arange(count), device.type == "cuda", masks=False)

    def ours() -> np.ndarray:
        store = PartStore(tmp_path / "parts", {}, count)
        extract_features(backbone, images, store, device, "t", BATCH)
        values = np.array(store.values)
        store.remove()
        return values

    def bare() -> np.ndarray:
        return bare_loop(network, task, settings, device)[task.samples["row"]]

    clock = time.process_time if device.type == "cpu" else time.perf_counter
    np.testing.assert_allclose(ours(), bare(), atol=1e-4)
    seconds = take_turns({"ours": ours, "bare": bare}, ROUNDS, clock)
    ratio = median_ratio(seconds["ours"], seconds["bare"])
    by = "processor" if device.type == "cpu" else "clock"
    name = f"features by resnet18 of {size}×{size}, {device.type}"
    figures.record(name, ratio, of="a bare loop", by=by, at_most=1 / 0.9)
