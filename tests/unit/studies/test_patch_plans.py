"""Plans with `patches`: what cannot be right is refused before anything is made, and runs without it keep their ids."""

from pathlib import Path
from typing import Any

import pytest

from mml_lib.errors import MMLError
from mml_lib.images.transforms import transforms_of_masks
from tests.support.small_projects import small_study

LONGEST = [{"name": "resize_longest", "size": 64}]
SEGMENTATION = {"creator": "fake", "task_type": "semantic_segmentation", "num_samples": 24, "size": 64, "folds": 2}
MASKS = {"tasks": {"shapes": SEGMENTATION}, "decoder": "unet_small", "loss": "default", "metrics": "default"}


def run(folder: Path, **changes: Any) -> Any:
    return small_study(folder, **changes).scheduler("train").runs_of("shapes")[0]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"patches": {"size": 64}, "preprocessing": "size32"}, r"patches\.size: .*64×64 than 32×32 pixels; lower it"),
        ({"patches": {"size": [32, 40]}, "preprocessing": "size32"}, r"patches\.size: .*32×40 than 32×32"),
        ({"patches": {"size": 65}, "preprocessing": LONGEST}, r"patches\.size: .*65×65 than 64×64"),
        ({"patches": {"size": 32, "foreground": 0.5}}, r"patches\.foreground: shapes .*; leave it out"),
        ({"patches": {"size": 32, "per_image": 0}}, r"patches\.per_image: .*greater than 0"),
        ({"patches": {"size": 0}}, r"patches\.size: .*than 0"),
        ({"patches": {"size": 32, "overlap": 1}}, r"patches\.overlap: .*less than 1"),
        ({"patches": {"size": 32, "foreground": 1.5}}, r"patches\.foreground: .*1"),
        ({"patches": {"per_image": 2}}, r"patches\.size. is missing"),
    ],
)
def test_patches_that_cannot_be_are_refused_while_planning(tmp_path: Path, changes: dict[str, Any], line: str):
    with pytest.raises(MMLError, match=line):
        run(tmp_path, **changes)


def test_patches_that_fit_are_part_of_a_run_and_only_where_they_are_set(tmp_path: Path):
    plain = run(tmp_path, preprocessing=LONGEST)
    assert "patches" not in plain.pipeline.content
    assert run(tmp_path, preprocessing=LONGEST, patches=None).id == plain.id
    runs = [run(tmp_path, preprocessing=LONGEST, patches={"size": size}) for size in (32, [32, 32], 48)]
    assert runs[0].id == runs[1].id != runs[2].id != plain.id
    assert runs[0].pipeline.task["pack"] == plain.pipeline.task["pack"], "the same packed images"
    assert run(tmp_path, **MASKS, patches={"size": 32, "foreground": 0.7}, preprocessing=LONGEST).id


def test_masks_that_networks_of_patches_predict_are_as_delivered(tmp_path: Path):
    for patches, transforms in ((None, LONGEST), ({"size": 32}, [])):
        pipeline = run(tmp_path, **MASKS, preprocessing=LONGEST, patches=patches).pipeline
        assert transforms_of_masks(pipeline) == transforms


@pytest.mark.parametrize(
    ("variants", "sizes"),
    [
        ([{"patches": {"size": 32}}, {"patches": None}], 2),
        ([{"preprocessing": "size32"}, {}], 2),
        ([{"patches": {"size": 32}}, {"patches": {"size": 48}}], 1),
        ([{"patches": {"size": 32}}, {"patches": {"size": 32}, "preprocessing": "none"}], 1),
    ],
)
def test_masks_of_several_sizes_are_compared_as_delivered(tmp_path: Path, variants: list[dict[str, Any]], sizes: int):
    named = dict(zip("ab", variants, strict=True))
    changes = {**MASKS, "preprocessing": LONGEST, "variants": named, "mode": {"preset": "post", "cv": False}}
    scheduler = small_study(tmp_path, **changes).scheduler("post")
    assert scheduler.steps
    assert any("shapes" in line and "delivered" in line for line in scheduler.announcement) == (sizes == 2)
