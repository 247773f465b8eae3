"""Defaults: what a study with tasks alone trains by, and augmentations by task type."""

from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before torch modules that need torchvision)
import pytest
import torch

from mml_lib.config.loading import load_study
from mml_lib.config.reading.layers import with_defaults
from mml_lib.config.schema import StudyConfig
from mml_lib.config.training_options import Augmentations
from mml_lib.data.augmentation import Augmentation
from mml_lib.errors import MMLError
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.pipelines.variants import expand
from mml_lib.task_types import LEARNABLE
from mml_lib.training.objectives import build_objectives
from tests.support.small_tasks import PRESETS, fake_task, small_model

BASE = {"tasks": {"t": {"creator": "digits"}}, "paths": {"presets": [str(PRESETS)]}}
FLIP = {"_target_": "kornia.augmentation.RandomHorizontalFlip", "p": 1.0}
INVERT = {"_target_": "kornia.augmentation.RandomInvert", "p": 1.0}


def study(**changes: Any) -> StudyConfig:
    return load_study(with_defaults(BASE, changes))


def names(transforms: list[Any]) -> list[str]:
    return [transform.target.rpartition(".")[2] for transform in transforms]


def content(cfg: StudyConfig, task_type: str) -> dict[str, Any]:
    task = {"name": "t", "id": "0" * 8, "task_type": task_type, "pack": "default-01234567"}
    return dict(Pipeline.of(cfg, task).content)


def test_every_default_but_for_masks_leaves_left_and_right():
    for task_type in LEARNABLE:
        flips = {name for name in names(study().augmentations.of(task_type)) if "Flip" in name}
        assert bool(flips) == (task_type == "semantic_segmentation")


def test_the_default_of_a_regression_keeps_sizes_and_angles():
    shift, light = study().augmentations.of("regression")
    assert shift.spec()["degrees"] == 0
    assert "scale" not in shift.spec()
    assert light.target == "kornia.augmentation.ColorJitter"


@pytest.mark.parametrize("task_type", LEARNABLE)
@pytest.mark.parametrize("size", [16, 33])
def test_default_augmentations_change_images_and_keep_their_range(task_type: str, size: int):
    torch.manual_seed(0)
    config = Augmentations(transforms=study().augmentations.of(task_type))
    augmentation = Augmentation(config, masks=task_type == "semantic_segmentation")
    images, masks = torch.rand(8, 3, size, size), torch.randint(0, 3, (8, size, size))
    if task_type == "semantic_segmentation":
        changed, moved = augmentation.with_masks(images.clone(), masks)
        assert set(moved.unique().tolist()) <= {0, 1, 2, 255}
    else:
        changed = augmentation(images.clone())
    assert changed.shape == images.shape
    assert torch.isfinite(changed).all()
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert not torch.equal(changed, images)


@pytest.mark.parametrize("study_layer", [{"augmentations": {"transforms": [FLIP]}}, {"augmentations": "flips"}])
def test_augmentations_of_a_study_replace_those_of_all_task_types(study_layer: dict[str, Any]):
    cfg = study(**study_layer)
    for task_type in LEARNABLE:
        assert names(cfg.augmentations.of(task_type))[0] == "RandomHorizontalFlip"


def test_a_variant_replaces_the_augmentations_of_all_task_types():
    config = with_defaults(BASE, {"variants": {"flipped": {"augmentations.transforms": [FLIP]}, "plain": {}}})
    flipped, plain = expand(config)
    assert {tuple(names(flipped.study.augmentations.of(kind))) for kind in LEARNABLE} == {("RandomHorizontalFlip",)}
    assert plain.study.augmentations == study().augmentations


def test_a_list_for_one_task_type_leaves_the_others():
    cfg = study(augmentations={"regression": [FLIP]})
    assert names(cfg.augmentations.of("regression")) == ["RandomHorizontalFlip"]
    assert cfg.augmentations.of("classification") == study().augmentations.of("classification")
    preset = study(augmentations={"preset": "flips", "regression": []})
    assert preset.augmentations.of("regression") == []
    assert len(preset.augmentations.of("classification")) == 2


def test_transforms_that_no_task_type_would_use_are_refused():
    with pytest.raises(MMLError, match="augmentations: every task type has its own list"):
        study(augmentations={"preset": "default", "transforms": [FLIP]})


def test_a_run_names_the_augmentations_of_its_task_type_only():
    kept = content(study(), "classification")
    assert content(study(augmentations={"regression": [FLIP]}), "classification") == kept
    assert content(study(augmentations={"regression": [FLIP]}), "regression")["augmentations"] == {"transforms": [FLIP]}
    assert list(kept["augmentations"]) == ["transforms"]


def test_a_least_number_of_samples_is_part_of_a_run_where_it_is_set():
    assert content(study(), "classification")["sampling"]["min_sample_num"] == 256
    assert "min_sample_num" not in content(study(sampling={"preset": "default"}), "classification")["sampling"]


class Seen:
    """Keeps the images of the first batch of each task."""

    def __init__(self) -> None:
        self.images: dict[str, torch.Tensor] = {}

    def observe_batch(self, task: str, images: torch.Tensor, targets: torch.Tensor) -> None:
        self.images.setdefault(task, images)


def test_tasks_that_are_learned_together_are_augmented_each_by_its_type(tmp_path: Path):
    structs = []
    for kind in ("classification", "regression"):
        struct = fake_task(tmp_path / kind, kind)
        struct.name = kind
        structs.append(struct)
    cfg = study(augmentations={"preset": "none", "transforms": [], "regression": [INVERT]})
    model = small_model(
        structs[0],
        objectives=build_objectives(cfg, structs, 0, [1.0, 1.0]),
        augmentation={kind: Augmentation(Augmentations(transforms=cfg.augmentations.of(kind))) for kind in LEARNABLE},
    )
    model.network.head["regression"] = small_model(structs[1]).network.head["regression"]
    model.observer = seen = Seen()
    images = torch.full((4, 3, 32, 32), 51, dtype=torch.uint8)
    targets = {"classification": torch.zeros(4, dtype=torch.long), "regression": torch.zeros(4)}
    model.training_step({kind: {"image": images, "target": target} for kind, target in targets.items()}, 0)
    assert seen.images["classification"].unique().tolist() == pytest.approx([0.2])
    assert seen.images["regression"].unique().tolist() == pytest.approx([0.8])
