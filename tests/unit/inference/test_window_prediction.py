"""Prediction window by window: masks at the size that images were delivered in, all else as of whole images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mml_lib.config.prediction_options import TTA
from mml_lib.config.training_options import Patches, Sampling
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.data.sliding_window import SlidingWindow
from mml_lib.inference.delivered_masks import DeliveredMasks
from mml_lib.inference.merged_views import MergedViews
from mml_lib.inference.prediction import predict
from mml_lib.predictions.predictions import MaskPredictions
from mml_lib.task_types import IGNORE, LEARNABLE
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, Dataset
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.module import MMLModule
from tests.support.small_tasks import fake_task, small_model

CPU = torch.device("cpu")
CUTS = [(96, 64), (50, 96), (96, 96), (20, 24)]
LONGEST = ({"name": "resize_longest", "size": 48},)
WINDOW = SlidingWindow((32, 32), 0.5, 3)


def predicted(
    struct: TaskStruct,
    model: MMLModule,
    transforms: tuple = LONGEST,
    part: str = "test",
    tta: MergedViews | None = None,
    delivered: bool = True,
) -> MaskPredictions:
    data = MMLDataModule(struct, 0, Sampling(batch_size=3), 0, Patches(size=32))
    ids = struct.samples["id"][struct.select(part, 0)]
    lookup = struct.lookup if struct.task_type == "semantic_segmentation" else None
    masks = DeliveredMasks(Dataset.read(struct.paths["dataset"]), transforms, lookup) if delivered else None
    return predict(model, data.ordered(part), ids, CPU, tta, masks)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> TaskStruct:
    folder = tmp_path_factory.mktemp("masks")
    return fake_task(folder, "semantic_segmentation", transforms=LONGEST, cuts=CUTS, size=96, unlabelled=2)


@torch.no_grad()
def enlarged(model: MMLModule, image: np.ndarray, size: tuple[int, int]) -> torch.Tensor:
    """Return the probabilities of an image's pixels at another size, all windows at once."""
    images = torch.from_numpy(image.copy()).permute(2, 0, 1)[None]
    maps = WINDOW.outputs_of(images, model.eval(), "semantic_segmentation").exp()
    return torch.nn.functional.interpolate(maps, size, mode="bilinear")[0]


def test_masks_are_those_of_enlarged_probabilities_at_the_delivered_size(task: TaskStruct):
    model = small_model(task, window=WINDOW)
    predictions, dataset = predicted(task, model), Dataset.read(task.paths["dataset"])
    images = MMLDataModule(task, 0, Sampling(), 0).part("test")
    assert predictions.sizes.tolist() == [list(dataset.sizes[row]) for row in images.rows]
    for position, (mask, target) in enumerate(predictions.images()):
        row = images.rows[position]
        maps = enlarged(model, images.image(position), dataset.sizes[row])
        best = maps.max(0).values
        assert (maps.gather(0, torch.from_numpy(mask).long()[None])[0] >= best - 1e-6).all()
        file = dataset.mask_path(row)
        raw = np.zeros(mask.shape) if file == EMPTY_MASK_TOKEN else np.asarray(Image.open(file))
        assert (target == np.where(raw == 255, IGNORE, raw)).all()


def test_masks_of_transforms_of_ones_own_stay_at_the_packed_size(task: TaskStruct):
    model = small_model(task, window=WINDOW)
    predictions = predicted(task, model, delivered=False)
    images = MMLDataModule(task, 0, Sampling(), 0).part("test")
    assert predictions.sizes.tolist() == images.sizes.tolist()
    for position, (_, target) in enumerate(predictions.images()):
        assert (target == task.lookup[images.mask(position)]).all()


def test_crops_and_borders_are_undone(tmp_path: Path):
    transforms = ({"name": "center_crop", "size": [60, 60]}, {"name": "pad_to_square"})
    struct = fake_task(tmp_path, "semantic_segmentation", transforms=transforms, cuts=CUTS, size=96)
    model = small_model(struct, window=WINDOW)
    predictions, packed = predicted(struct, model, transforms), predicted(struct, model, transforms, delivered=False)
    for (mask, _), (small, _) in zip(predictions.images(), packed.images(), strict=True):
        rows, columns = (max(0, (side - 60) // 2) for side in mask.shape)
        whole = np.zeros(mask.shape, np.uint8)
        tops, lefts = (max(0, 60 - side) // 2 for side in mask.shape)
        inside = whole[rows : rows + 60, columns : columns + 60]
        inside[:] = small[tops : tops + inside.shape[0], lefts : lefts + inside.shape[1]]
        assert (mask == whole).all()


def test_unlabelled_images_are_ignored_everywhere(task: TaskStruct):
    predictions = predicted(task, small_model(task, window=WINDOW), part="unlabelled")
    assert len(predictions.ids) == 2
    assert (predictions.targets == IGNORE).all()


def test_views_of_windows_are_merged_before_the_windows_are(task: TaskStruct):
    model = small_model(task, window=WINDOW)
    flips = TTA(transforms=[{"_target_": "mml_lib.data.tta.Flip", "horizontal": True}])
    predictions = predicted(task, model, tta=MergedViews(flips, "semantic_segmentation"))
    plain, dataset = predicted(task, model), Dataset.read(task.paths["dataset"])
    images = MMLDataModule(task, 0, Sampling(), 0).part("test")
    assert 0 < (predictions.masks != plain.masks).mean() < 0.5
    for position, (mask, _) in enumerate(predictions.images()):

        @torch.no_grad()
        def both(windows: torch.Tensor) -> torch.Tensor:
            return (model(windows).softmax(1) + model(windows.flip(-1)).softmax(1).flip(-1)).log()

        image = torch.from_numpy(images.image(position).copy()).permute(2, 0, 1)[None]
        maps = WINDOW.outputs_of(image, both, "semantic_segmentation").exp()
        maps = torch.nn.functional.interpolate(maps, dataset.sizes[images.rows[position]], mode="bilinear")[0]
        assert (maps.gather(0, torch.from_numpy(mask).long()[None])[0] >= maps.max(0).values - 1e-5).all()


@pytest.mark.parametrize("kind", [kind for kind in LEARNABLE if kind != "semantic_segmentation"])
def test_outputs_of_whole_images_are_means_over_windows(tmp_path: Path, kind: str):
    struct = fake_task(tmp_path, kind, transforms=(), cuts=CUTS, size=96)
    model = small_model(struct, window=WINDOW)
    predictions = predicted(struct, model, ())
    images = MMLDataModule(struct, 0, Sampling(), 0).part("test")
    assert np.array_equal(predictions.targets, struct.targets[struct.select("test")])
    for position, logits in enumerate(predictions.logits):
        whole = torch.from_numpy(images.image(position).copy()).permute(2, 0, 1)[None]
        with torch.no_grad():
            assert np.allclose(logits, WINDOW.outputs_of(whole, model, kind)[0], atol=1e-5)
