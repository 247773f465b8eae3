"""Patches: what they find that resizing loses, and how fast crops are read and windows are put together."""

import csv
import time
from collections.abc import Callable
from pathlib import Path

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before torch modules that need torchvision)
import numpy as np
import pytest
import torch
from PIL import Image

from mml_lib.data.crops import cut
from mml_lib.data.sliding_window import SlidingWindow
from mml_lib.files.removing import size_of
from mml_lib.images.stores.sized_store import PIXELS, SizedPixels, SizedWriter
from mml_lib.models.network import Network
from tests.benchmarks.lesions import draw_lesions
from tests.support.benchmark_figures import Figures
from tests.support.small_tasks import ARCH, DECODER
from tests.support.timing import median_ratio, take_turns
from tests.support.workplaces import Workplace

SIDE = 256
"""Height and width of crops and windows."""

EPOCHS = 8
IMAGES, TESTED = 32, 8

STUDY = {
    "mode": {"preset": "train", "cv": False, "folds": [0], "eval": ["test"]},
    "normalization": "task",
    "arch": "test_resnet",
    "decoder": "unet_small",
    "augmentations": "flips",
    "loss": "default",
    "optimizer": {"preset": "adamw", "lr": 0.003},
    "lr_scheduler": "one_cycle",
    "sampling": {"batch_size": 16},
    "metrics": ["dice"],
}
RUNS = {
    # 8 epochs of 18×16 crops, and 9 of 256 images, to which fewer are repeated (sampling.min_sample_num): 2,304 each.
    "patches": {"preprocessing": "none", "patches": {"size": SIDE, "per_image": 16}, "trainer": {"max_epochs": EPOCHS}},
    "resized": {"preprocessing": {"size": 224}, "trainer": {"max_epochs": EPOCHS + 1}},
}


def dice(workplace: Workplace, project: str) -> float:
    """Return the Dice coefficient of the test images at their original size."""
    (table,) = workplace.files(f"results/{project}/METRICS/*/*/test-classes.csv")
    with open(table) as file:
        values = {row["metric"]: row["value"] for row in csv.DictReader(file) if not row["class"]}
    return float(values["dice_original"])


@pytest.mark.benchmark
def test_patches_find_lesions_that_resizing_loses(tmp_path: Path, figures: Figures):
    (tmp_path / "images").mkdir()
    table = draw_lesions(tmp_path / "images", IMAGES, TESTED)
    workplace, values = Workplace(tmp_path), {}
    for project, changes in RUNS.items():
        task = {"creator": "csv", "path": str(table), "idx_to_class": {0: "background", 1: "lesion"}, "folds": 4}
        every = {"check_val_every_n_epoch": changes["trainer"]["max_epochs"], "accelerator": "cpu"}
        study = STUDY | changes | {"project": project, "tasks": {"lesions": task}}
        workplace.write(study | {"trainer": changes["trainer"] | every})
        workplace.run()
        values[project] = dice(workplace, project)
    gain = values["patches"] - values["resized"]
    figures.record("Dice of small lesions by patches", values["patches"])
    figures.record("Dice of small lesions by patches: gain", gain, of="resized images", at_least=0.1)


@pytest.mark.benchmark
def test_crops_are_read_faster_from_a_mapped_file_than_from_zarr(tmp_path: Path, figures: Figures):
    zarr = pytest.importorskip("zarr")
    (tmp_path / "images").mkdir()
    count, crops = 8, 200
    draw_lesions(tmp_path / "images", count, 1)
    images = [np.asarray(Image.open(tmp_path / f"images/{number}.jpg")) for number in range(count)]
    stores = {"zarr, compressed": {"compressors": "auto"}, "zarr, raw": {"compressors": None}}
    arrays: dict[str, list] = {}
    for name, options in stores.items():
        group = zarr.open_group(str(tmp_path / name), mode="w")
        arrays[name] = []
        for number, image in enumerate(images):
            array = group.create_array(
                str(number), shape=image.shape, chunks=(SIDE, SIDE, 3), dtype=image.dtype, **options
            )
            array[:] = image
            arrays[name].append(array)
    (tmp_path / "mapped file").mkdir()
    with SizedWriter(tmp_path / "mapped file", count, masks=False) as writer:
        for number, image in enumerate(images):
            writer.write(number, image, None)
    mapped = SizedPixels(tmp_path / "mapped file" / PIXELS)
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, (count, 1500 - SIDE, 2000 - SIDE), (crops, 3)).tolist()
    out = np.zeros((SIDE, SIDE, 3), np.uint8)

    def read(name: str) -> None:
        for number, top, left in drawn:
            out[:] = arrays[name][number][top : top + SIDE, left : left + SIDE]

    def read_mapped() -> None:
        for number, top, left in drawn:
            cut(mapped[number], top, left, out)

    feeds = {"mapped file": read_mapped, **{name: lambda name=name: read(name) for name in stores}}
    seconds = take_turns(feeds, 5, time.perf_counter)
    for name in stores:
        ratio = median_ratio(seconds["mapped file"], seconds[name])
        figures.record(f"crops of a mapped file, to {name}", ratio, of=name, by="clock", at_most=1)
        bytes_ratio = size_of([tmp_path / "mapped file"]) / size_of([tmp_path / name])
        figures.record(f"bytes of a mapped file, to {name}", bytes_ratio, of=name)


@pytest.mark.benchmark
@torch.inference_mode()
def test_sliding_window_is_as_fast_as_that_of_monai(figures: Figures):
    inferers = pytest.importorskip("monai.inferers")
    image = np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), dtype=np.uint8)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    spec = {"task_type": "semantic_segmentation", "outputs": 2, "decoder": DECODER}
    network = Network(ARCH, {"lesions": spec}).eval()
    convolution = torch.nn.Conv2d(3, 2, 3, padding=1)
    answers = {
        "test_resnet, unet_small": lambda windows: network(windows.float() / 255, "lesions").softmax(1),
        "one convolution": lambda windows: convolution(windows.float() / 255).softmax(1),
    }
    window = SlidingWindow((SIDE, SIDE), 0.5, 16)
    for name, answer in answers.items():

        def ours(answer: Callable = answer) -> torch.Tensor:
            return torch.cat(list(window.rows_of(image, answer, torch.device("cpu"))), dim=1)

        def theirs(answer: Callable = answer) -> torch.Tensor:
            return inferers.sliding_window_inference(tensor, (SIDE, SIDE), 16, answer, overlap=0.5, mode="gaussian")[0]

        assert torch.allclose(ours(), theirs(), atol=1e-5)
        seconds = take_turns({"ours": ours, "MONAI": theirs}, 5)
        ratio = median_ratio(seconds["ours"], seconds["MONAI"])
        figures.record(f"sliding window of {name}", ratio, of="MONAI's", by="processor", at_most=1.25)
