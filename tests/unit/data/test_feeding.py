"""Feeding: the batches of a task, of images of one size or of many, and what augmentation makes of them."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import pytest
import torch
from PIL import Image

from mml_lib.config.training_options import Sampling
from mml_lib.data.datamodule import MMLDataModule, PackedImages, SizedImages, by_size, positions_of
from mml_lib.errors import MMLError
from mml_lib.images.packing import IMAGES, pack
from mml_lib.images.stores.sized_store import PIXELS
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, Dataset, Delivery, Label, Sample
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.pixel_format import FULL_SCALE
from mml_lib.tasks.splits.splitting import Assignment
from mml_lib.tasks.struct import TaskStruct
from mml_lib.tasks.targets import Targets

COUNT, VAL = 24, list(range(12, 18))
RESIZE = ({"name": "resize", "size": [8, 6]},)
SPLITS = ["train"] * 18 + ["test"] * 3 + ["unlabelled"] * 3
FOLDS = [0] * 12 + [1] * 6 + [-1] * 6
SIZES = [(8, 6), (5, 9), (8, 6), (4, 4)]
MERGED = {0: "rest", 1: "lesion", 2: "rest", 255: "lesion"}

LABELS: dict[str, list[Label]] = {
    "classification": [f"c{n % 3}" for n in range(COUNT)],
    "multilabel_classification": [{f"c{n % 3}": 1.0} | ({"c0": 0.25} if n % 2 else {}) for n in range(COUNT)],
    "regression": [n / 4 for n in range(COUNT)],
    "semantic_segmentation": [None] * COUNT,
    "no_task": [None] * COUNT,
}

SCRIPT = """
import sys
from pathlib import Path
from mml_lib.config.training_options import Sampling
from mml_lib.data.datamodule import MMLDataModule, torch
from mml_lib.tasks.struct import TaskStruct

print("begun", flush=True)
folder = Path(sys.argv[1])
struct = TaskStruct("t", {name: folder / name for name in ("description", "dataset", "packed")})
data = MMLDataModule(struct, 1, Sampling(batch_size=4), seed=0, num_workers=2)
torch.save(list(data.train_dataloader()), folder / "batches")
"""


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., tuple[TaskStruct, Dataset]]:
    """Return a function that makes a task of a type, packed or not; image n has the size `SIZES[n % 4]`."""

    def build(kind: str, transforms: tuple = RESIZE, **identity: Any) -> tuple[TaskStruct, Dataset]:
        rng = np.random.default_rng(0)
        samples = []
        for number, label in enumerate(LABELS[kind]):
            size = SIZES[number % 4]
            Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
            mask = None
            if kind == "semantic_segmentation" and number < 21:
                mask = EMPTY_MASK_TOKEN if number == 13 else str(tmp_path / f"mask{number}.png")
                classes = rng.choice(np.array([0, 1, 2, 255], np.uint8), size)
                Image.fromarray(classes).save(tmp_path / f"mask{number}.png")
            value = label if number < 21 else None
            samples.append(Sample(f"s{number}", str(tmp_path / f"{number}.png"), value, SPLITS[number], mask=mask))
        names = ["c0", "c1", "c2"] if kind.endswith("classification") else []
        dataset = survey_images(Delivery(samples, names, kind), "d", tmp_path, 1)
        targets = Targets.of(dataset, identity.get("idx_to_class"), "t")
        split, fold = (["unlabelled"] * COUNT, [-1] * COUNT) if kind == "no_task" else (SPLITS, FOLDS)
        assignment = Assignment(split, fold, max(fold) + 1)
        paths = {key: tmp_path / key for key in ("description", "dataset", "packed")}
        dataset.write(paths["dataset"])
        TaskDescription.of({"name": "t", **identity}, dataset, targets, assignment).write(paths["description"])
        pack(dataset, range(COUNT), transforms, str(paths["packed"]), 1)
        return TaskStruct("t", paths), dataset

    return build


def module(struct: TaskStruct, fold: int = 1, batch_size: int = 4, **arguments: Any) -> MMLDataModule:
    return MMLDataModule(struct, fold, Sampling(batch_size=batch_size), seed=0, **arguments)


def raw(dataset: Dataset, row: int) -> np.ndarray:
    return np.asarray(Image.open(dataset.image_path(row)))


@pytest.mark.parametrize(
    ("kind", "dtype", "expected"),
    [
        ("classification", torch.int64, [n % 3 for n in VAL]),
        ("multilabel_classification", torch.float32, None),
        ("regression", torch.float32, [n / 4 for n in VAL]),
    ],
)
def test_packed_batch_has_images_and_targets_of_its_part(build: Callable, kind: str, dtype: torch.dtype, expected):
    struct, dataset = build(kind)
    data = module(struct)
    batches = list(data.val_dataloader())
    images, targets = (torch.cat([batch[key] for batch in batches]) for key in ("image", "target"))
    assert isinstance(data.part("val"), PackedImages)
    assert [len(batch["image"]) for batch in batches] == [4, 2]
    assert images.dtype == torch.uint8
    assert batches[0]["image"].is_contiguous(memory_format=torch.channels_last)
    resized = [Image.fromarray(raw(dataset, row)).resize((6, 8), Image.Resampling.BILINEAR) for row in VAL]
    assert (images.permute(0, 2, 3, 1).numpy() == np.stack(resized)).all()
    assert targets.dtype == dtype
    if expected is None:
        expected = [[LABELS[kind][n].get(name, 0) for name in ("c0", "c1", "c2")] for n in VAL]
    assert targets.tolist() == expected


@pytest.mark.parametrize("depth", ["uint8", "uint16", "float16", "float32"])
@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("transforms", [RESIZE, ()])
def test_batches_keep_the_type_and_the_channels_of_the_pack(
    build: Callable, depth: str, channels: int, transforms: tuple
):
    struct, _ = build("classification", transforms)
    file = struct.paths["packed"] / (IMAGES if transforms else PIXELS)
    rng = np.random.default_rng(0)
    pixels = rng.random((*np.load(file).shape[:-1], channels)) * FULL_SCALE[depth]
    np.save(file, pixels.astype(depth))
    images = module(struct).part("val")
    for position in range(len(images)):
        batch = images[np.array([position])]["image"]
        assert batch.dtype == getattr(torch, depth)
        assert np.array_equal(batch[0].permute(1, 2, 0).numpy(), images.image(position))
        assert batch.shape[1] == channels


def test_epoch_shows_every_training_sample_once(build: Callable):
    struct, _ = build("regression")
    data = module(struct, fold=0)
    targets = torch.cat([batch["target"] for batch in data.train_dataloader()])
    assert sorted((4 * targets).int().tolist()) == VAL
    assert [len(module(struct).part(part)) for part in ("train", "val", "test", "unlabelled")] == [12, 6, 3, 3]
    with pytest.raises(MMLError, match=r"2 folds,.*fold 2"):
        module(struct, fold=2)


@pytest.mark.parametrize("kind", LABELS)
def test_unlabelled_images_come_with_targets_that_say_nothing(build: Callable, kind: str):
    extra = {"idx_to_class": MERGED} if kind == "semantic_segmentation" else {}
    struct, _ = build(kind, **extra)
    data = module(struct, fold=-1 if kind == "no_task" else 1)
    target = torch.cat([batch["target"] for batch in data.ordered("unlabelled")])
    assert len(target) == (COUNT if kind == "no_task" else 3)
    empty = {"classification": target == -1, "semantic_segmentation": target == 255}
    assert empty.get(kind, target.isnan()).all()


@pytest.mark.parametrize("transforms", [RESIZE, ()], ids=["one size", "many sizes"])
def test_masks_are_looked_up_in_merged_classes(build: Callable, transforms: tuple):
    struct, dataset = build("semantic_segmentation", transforms, idx_to_class=MERGED)
    data = module(struct)
    loader = data.ordered("val")
    order = iter(positions_of(loader))
    for batch in loader:
        assert batch["target"].dtype == torch.int64
        for target in batch["target"].numpy():
            row = VAL[next(order)]
            mask = np.zeros(dataset.sizes[row], np.uint8)
            if row != 13:
                mask = np.asarray(Image.open(dataset.mask_path(row)))
            if transforms:
                mask = np.asarray(Image.fromarray(mask).resize((6, 8), Image.Resampling.NEAREST))
            assert (target == np.isin(mask, [1, 255])).all()


def test_mask_value_without_a_class_is_ignored(build: Callable):
    struct, dataset = build("semantic_segmentation", idx_to_class={0: "a", 1: "b", 2: "c"})
    target = next(iter(module(struct, batch_size=1).val_dataloader()))["target"]
    mask = Image.open(dataset.mask_path(12)).resize((6, 8), Image.Resampling.NEAREST)
    assert target[0].tolist() == np.asarray(mask).tolist()


@pytest.mark.parametrize("kind", ["classification", "semantic_segmentation"])
def test_images_of_many_sizes_are_padded_for_training_alone(build: Callable, kind: str):
    extra = {"idx_to_class": MERGED} if kind == "semantic_segmentation" else {}
    struct, dataset = build(kind, (), **extra)
    data = module(struct, fold=0, batch_size=6)
    assert isinstance(data.part("train"), SizedImages)
    (batch,) = data.train_dataloader()
    assert batch["image"].shape == (6, 3, 8, 9)
    places = {image.numpy().tobytes(): place for place, image in enumerate(batch["image"])}
    for row in VAL:
        height, width = dataset.sizes[row]
        padded = np.zeros((8, 9, 3), np.uint8)
        padded[:height, :width] = raw(dataset, row)
        place = places[padded.transpose(2, 0, 1).tobytes()]
        if kind == "classification":
            assert batch["target"][place] == row % 3
        else:
            assert (batch["target"][place, height:] == 255).all()
            assert (batch["target"][place, :, width:] == 255).all()
            assert (batch["target"][place, :height, :width] < 2).all()
    loader = data.ordered("val")
    assert [tuple(b["image"].shape[2:]) for b in loader] == [(4, 4), (5, 9), (8, 6)]
    rows = np.array(range(12))[positions_of(loader)]
    images = [image.permute(1, 2, 0).numpy() for batch in loader for image in batch["image"]]
    assert all((image == raw(dataset, row)).all() for image, row in zip(images, rows, strict=True))


def test_batches_by_size_keep_all_positions_in_their_order():
    sizes = np.random.default_rng(0).integers(1, 3, (50, 2))
    batches = by_size(sizes, 4)
    assert sorted(np.concatenate(batches)) == list(range(50))
    for batch in batches:
        assert len(batch) <= 4
        assert len(np.unique(sizes[batch], axis=0)) == 1
        assert (np.diff(batch) > 0).all()
    assert len(batches) == sum(-(-count // 4) for count in np.unique(sizes, axis=0, return_counts=True)[1])


@pytest.mark.parametrize("transforms", [RESIZE, ()], ids=["one size", "many sizes"])
def test_what_is_open_stays_in_its_process(build: Callable, transforms: tuple):
    struct, _ = build("semantic_segmentation", transforms, idx_to_class=MERGED)
    images = module(struct).part("val")
    sent = pickle.dumps(images)
    batch = images[np.arange(2)]
    assert pickle.dumps(images) == sent
    again = pickle.loads(sent)[np.arange(2)]
    assert all(torch.equal(batch[key], again[key]) for key in ("image", "target"))


@pytest.mark.long
def test_workers_read_what_a_training_reads_itself_and_do_not_run_its_script_again(build: Callable, tmp_path: Path):
    struct, _ = build("semantic_segmentation", (), idx_to_class=MERGED)
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, tmp_path / "script.py", tmp_path], capture_output=True, text=True)
    assert done.stdout == "begun\n", done.stderr
    for own, read in zip(module(struct).train_dataloader(), torch.load(tmp_path / "batches"), strict=True):
        assert torch.equal(own["image"], read["image"])
        assert torch.equal(own["target"], read["target"])


def test_images_that_an_earlier_version_did_not_pack_are_to_be_packed(build: Callable):
    struct, _ = build("classification", ())
    (struct.paths["packed"] / PIXELS).unlink()
    with pytest.raises(MMLError, match=r"packed are not packed.*remove the folder"):
        module(struct).part("val")
