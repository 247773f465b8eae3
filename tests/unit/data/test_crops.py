"""Crops: random parts of training images, around labelled pixels where that is asked for, drawn by seed and epoch."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mml_lib.config.training_options import Patches, Sampling
from mml_lib.data.crops import PLACES, Crops, CropSampler
from mml_lib.data.datamodule import MMLDataModule, PackedImages, SizedImages
from mml_lib.errors import MMLError
from mml_lib.task_types import IGNORE
from mml_lib.tasks.struct import TaskStruct
from tests.support.small_tasks import fake_task

CUTS = [(32, 24), (20, 32), (32, 32), (12, 10)]
RESIZE = ({"name": "resize", "size": [32, 32]},)


def crops_of(struct: TaskStruct, fold: int = 0, sampling: Sampling | None = None, **patches: object) -> Crops:
    data = MMLDataModule(struct, fold, sampling or Sampling(batch_size=4), 0, Patches(**{"size": 16} | patches))
    return data.train_dataloader().dataset


def epoch(struct: TaskStruct, number: int, seed: int = 0, **patches: object) -> list[dict[str, torch.Tensor]]:
    data = MMLDataModule(struct, 0, Sampling(batch_size=5), seed, Patches(**{"size": 16} | patches))
    loader = data.train_dataloader()
    loader.sampler.set_epoch(number)
    return list(loader)


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> TaskStruct:
    return fake_task(tmp_path_factory.mktemp("masks"), "semantic_segmentation", transforms=(), cuts=CUTS)


@pytest.mark.parametrize("transforms", [RESIZE, ()], ids=["one size", "many sizes"])
def test_each_crop_is_a_part_of_its_image_and_mask(tmp_path: Path, transforms: tuple):
    struct = fake_task(tmp_path, "semantic_segmentation", transforms=transforms, cuts=CUTS)
    crops = crops_of(struct)
    images = crops.images
    assert isinstance(images, PackedImages if transforms else SizedImages)
    draws = next(iter(CropSampler(np.zeros(len(images) * 4, int), Sampling(batch_size=40), 0)))
    batch = crops[draws]
    assert batch["image"].shape[1:] == (3, 16, 16)
    assert batch["image"].dtype == torch.uint8
    for draw, image, target in zip(draws.positions // 4, batch["image"], batch["target"], strict=True):
        whole, mask = images.image(draw), images.lookup[images.mask(draw)]
        padded = np.pad(whole, ((16, 16), (16, 16), (0, 0)))
        classes = np.pad(mask, 16, constant_values=IGNORE)
        views = np.lib.stride_tricks.sliding_window_view(padded, (16, 16), axis=(0, 1))
        rows, columns = np.nonzero((views == image.numpy()).all(axis=(2, 3, 4)))
        assert any(
            (classes[row : row + 16, column : column + 16] == target.numpy()).all()
            for row, column in zip(rows, columns, strict=True)
        )


def test_images_smaller_than_a_crop_lie_in_its_middle_and_what_is_beyond_is_ignored(masks: TaskStruct):
    crops = crops_of(masks, per_image=1)
    (small,) = [n for n in range(len(crops)) if tuple(crops.images.sizes[n]) == (12, 10)][:1]
    draws = next(iter(CropSampler(np.zeros(len(crops), int), Sampling(batch_size=len(crops)), 0)))
    place = draws.positions.tolist().index(small)
    batch = crops[draws]
    image, target = batch["image"][place].permute(1, 2, 0).numpy(), batch["target"][place].numpy()
    assert (image[2:14, 3:13] == crops.images.image(small)).all()
    assert (target[2:14, 3:13] == crops.images.lookup[crops.images.mask(small)]).all()
    image[2:14, 3:13], target[2:14, 3:13] = 0, IGNORE
    assert (image == 0).all()
    assert (target == IGNORE).all()


def test_a_share_of_crops_has_a_labelled_pixel(masks: TaskStruct):
    def share(foreground: float) -> float:
        batches = [batch for number in range(20) for batch in epoch(masks, number, size=4, foreground=foreground)]
        targets = torch.cat([batch["target"] for batch in batches])
        return float(((targets > 0) & (targets != IGNORE)).any(dim=(1, 2)).float().mean())

    crops = crops_of(masks)
    labelled = np.mean([crops.labelled.pick(n, 0.5) is not None for n in range(len(crops))])
    none, half, all_ = share(0), share(0.5), share(1)
    assert all_ >= labelled, "each image with labelled pixels"
    assert half == pytest.approx((none + all_) / 2, abs=0.05)


def test_labelled_pixels_are_of_all_foreground_classes_and_of_no_other(masks: TaskStruct):
    crops = crops_of(masks, fold=1)
    for position in range(len(crops)):
        classes = crops.images.lookup[crops.images.mask(position)]
        picked = {crops.labelled.pick(position, share) for share in np.linspace(0, 0.999, 2000)}
        if picked == {None}:
            assert not np.isin(classes, [1, 2]).any()
            continue
        values, counts = np.unique([classes[place] for place in picked], return_counts=True)
        assert values.tolist() == [value for value in (1, 2) if (classes == value).any()]
        assert all(count == min(PLACES, (classes == value).sum()) for value, count in zip(values, counts, strict=True))


def test_crops_follow_from_seed_and_epoch_alone(masks: TaskStruct):
    first, again, later, other = epoch(masks, 3), epoch(masks, 3), epoch(masks, 4), epoch(masks, 3, seed=1)
    for one, two in zip(first, again, strict=True):
        assert torch.equal(one["image"], two["image"])
        assert torch.equal(one["target"], two["target"])
    assert not torch.equal(first[0]["image"], later[0]["image"])
    assert not torch.equal(first[0]["image"], other[0]["image"])


def test_an_epoch_has_as_many_crops_of_each_image_as_asked_for(masks: TaskStruct):
    for per_image in (1, 3):
        crops = crops_of(masks, per_image=per_image)
        batches = list(CropSampler(np.zeros(len(crops) * per_image, int), Sampling(batch_size=5), 0))
        positions = np.concatenate([draws.positions for draws in batches])
        dropped = len(crops) * per_image - len(positions)
        assert dropped < 2, "a last batch of one is left out"
        counts = np.bincount(positions // per_image, minlength=len(crops))
        assert counts.sum() == len(positions)
        assert set(counts) <= {per_image, per_image - dropped}


def test_processes_that_train_together_share_the_crops_of_one(masks: TaskStruct):
    labels, sampling = np.zeros(16, int), Sampling(batch_size=6)
    whole = list(CropSampler(labels, sampling, 0))
    halves = [list(CropSampler(labels, sampling, 0, rank, 2)) for rank in (0, 1)]
    for batch, *parts in zip(whole, *halves, strict=True):
        for rank, part in enumerate(parts):
            assert (part.positions == batch.positions[rank::2]).all()
            assert (part.rows == batch.rows[rank::2]).all()
            assert (part.pixels == batch.pixels[rank::2]).all()


@pytest.mark.parametrize("kind", ["classification", "regression", "multilabel_classification"])
def test_crops_of_images_without_masks_keep_the_target_of_their_image(tmp_path: Path, kind: str):
    struct = fake_task(tmp_path, kind, transforms=(), cuts=CUTS)
    crops = crops_of(struct, per_image=2)
    assert crops.labelled is None
    draws = next(iter(CropSampler(np.zeros(len(crops) * 2, int), Sampling(batch_size=8), 0)))
    batch = crops[draws]
    assert batch["image"].shape == (8, 3, 16, 16)
    assert np.array_equal(batch["target"].numpy(), crops.images.targets[draws.positions // 2])


def test_crops_larger_than_every_image_are_refused(masks: TaskStruct):
    with pytest.raises(MMLError, match=r"patches\.size: .*40×40.*32×32; lower it"):
        crops_of(masks, size=40)
    assert len(crops_of(masks, size=[40, 20])) > 0
