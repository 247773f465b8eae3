"""Copies: identical images of a data set stay together, are refused across given splits, and named if they disagree."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.splits.copies import Copies, merge_groups
from mml_lib.tasks.splits.splitting import Assignment, Splitting, assign
from mml_lib.tasks.tags import apply_tag
from mml_lib.tasks.targets import Targets
from tests.support.messages import mentions

SPLITTING = Splitting(3, test_fraction=0.25)


def made(samples: list[Sample], digests: list[str], kind: str = "classification", **fields: Any) -> Dataset:
    classes = {"classification": ["a", "b"], "multilabel_classification": ["a", "b"]}.get(kind, [])
    sizes = [(8, 8)] * len(samples)
    return Dataset("DSET_x", Delivery(samples, classes, kind), sizes, Path("/d"), digests=digests, **fields)


def divide(dataset: Dataset, allowed: bool = False, splitting: Splitting = SPLITTING) -> Assignment:
    targets = Targets.of(dataset, None, "t")
    return assign(dataset.delivery.samples, targets, "t", splitting, Copies(dataset, "t", allowed))


def twins(count: int = 48, **fields: Any) -> Dataset:
    """A data set in which samples 2k and 2k + 1 are one image."""
    samples = [Sample(str(n), f"{n}.png", label="ab"[n // 2 % 2], **fields) for n in range(count)]
    return made(samples, [str(n // 2) for n in range(count)])


def homes(assignment: Assignment) -> list[tuple[str, int]]:
    return list(zip(assignment.split, assignment.fold, strict=True))


def test_groups_that_share_an_image_are_one_along_any_chain():
    groups = np.array(["p", "p", "q", "q", "r", "s", "t"])
    merged = merge_groups(groups, ["1", "2", "2", "3", "3", "4", None])
    assert merged.tolist() == ["p", "p", "p", "p", "p", "s", "t"]


def test_groups_stay_as_they_are_where_all_images_differ():
    groups = np.array(["p", "p", "q"])
    assert merge_groups(groups, ["1", "2", "3"]) is groups
    assert merge_groups(groups, [None, None, None]) is groups


def test_different_images_are_divided_as_if_they_were_not_compared():
    dataset = twins()
    dataset = replace(dataset, digests=[str(n) for n in range(48)])
    targets = Targets.of(dataset, None, "t")
    assert divide(dataset) == assign(dataset.delivery.samples, targets, "t", SPLITTING)


def test_copies_stay_in_one_split_and_fold(warnings: list[str]):
    placed = homes(divide(twins()))
    assert placed[::2] == placed[1::2]
    assert {split for split, _ in placed} == {"train", "test"}
    assert mentions(warnings[0], "t: 48 images", "copies", "24 different")


def test_copies_bind_the_groups_that_they_are_in():
    dataset = twins()
    samples = [replace(sample, group=str((n + 1) // 4)) for n, sample in enumerate(dataset.delivery.samples)]
    dataset = made(samples, [str(n if n % 8 else n // 8 * 8 + 7) for n in range(48)])
    placed = homes(divide(dataset, splitting=Splitting(2, test_fraction=0.3)))
    for first in range(0, 48, 8):
        assert placed[first] == placed[first + 7], "one image in two groups"


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({"split": "train"}, {"split": "test"}, "train and test"),
        ({"split": "test"}, {"split": "val"}, "val and test"),
        ({"fold": 0}, {"fold": 2}, "fold 0 and fold 2"),
        ({"fold": 1}, {}, "fold 1 and no fold"),
    ],
)
def test_copies_across_what_the_data_bring_are_refused_or_allowed(
    first: dict[str, Any], second: dict[str, Any], words: str, warnings: list[str]
):
    dataset = twins(24)
    by_split = "split" in first
    rest = [{"split": split} for split in ("train", "val", "test")] if by_split else [{"fold": n} for n in range(3)]
    if not by_split and not second:
        rest.append({})
    samples = [replace(sample, **rest[n // 4 % len(rest)]) for n, sample in enumerate(dataset.delivery.samples)]
    samples[0], samples[1] = (replace(dataset.delivery.samples[n], **part) for n, part in enumerate((first, second)))
    dataset = made(samples, dataset.digests)
    message = rf"^t: 1 image is in {words}.* /d/0.png = /d/1.png; .*tasks.t.duplicates: allow"
    with pytest.raises(MMLError, match=message):
        divide(dataset)
    assert not warnings
    assert len(divide(dataset, allowed=True).split) == 24
    assert [line for line in warnings if f"1 image is in {words}, as tasks.t.duplicates allows" in line]


def test_unlabelled_copies_measure_nothing():
    dataset = twins(24)
    samples = [replace(s, split="unlabelled" if n == 1 else "train") for n, s in enumerate(dataset.delivery.samples)]
    assert divide(made(samples, dataset.digests)).split[1] == "unlabelled"


@pytest.mark.parametrize(
    ("kind", "labels", "words"),
    [
        ("classification", ("a", "b"), r"/d/0.png \(a\), /d/1.png \(b\)"),
        ("multilabel_classification", ({"a": 1.0}, {"a": 1.0, "b": 1.0}), r"/d/0.png \(a\), /d/1.png \(a, b\)"),
        ("regression", (0.5, 0.75), r"/d/0.png \(0.5\), /d/1.png \(0.75\)"),
    ],
)
def test_identical_images_with_different_labels_are_named(
    kind: str, labels: tuple[Any, Any], words: str, warnings: list[str]
):
    others = {"classification": "ab", "multilabel_classification": ({"a": 1.0}, {"b": 1.0}), "regression": (0.1, 0.2)}
    samples = [Sample(str(n), f"{n}.png", label=others[kind][n % 2]) for n in range(40)]
    samples[:2] = [replace(samples[n], label=labels[n]) for n in range(2)]
    digests = ["same", "same", *(str(n) for n in range(2, 40))]
    divide(made(samples, digests, kind))
    (line,) = [line for line in warnings if "different labels" in line]
    assert re.search(f"1 image has different labels in identical copies: {words}; correct", line)


def test_identical_images_with_equal_labels_are_no_contradiction(warnings: list[str]):
    divide(twins())
    assert not [line for line in warnings if "different labels" in line]


@pytest.mark.parametrize("tag", ["nested~0", "redistribute~0.6~0.2~0.2", "redistribute~0.7"])
def test_tags_that_divide_anew_keep_copies_together(tag: str):
    dataset = twins()
    targets = Targets.of(dataset, None, "t")
    definition = {"name": "t", "id": "0a1b2c3d", "dataset": "d", "seed": 1, "fold_time_limit": 10}
    task = apply_tag(TaskDescription.of(definition, dataset, targets, divide(dataset)), tag)
    where: dict[str, set[tuple[str, int]]] = {}
    for digest, *home in zip(*(task.samples[key] for key in ("digest", "split", "fold")), strict=True):
        where.setdefault(digest, set()).add(tuple(home))
    assert all(len(places) == 1 for places in where.values())


def test_identical_images_with_different_masks_are_named(tmp_path: Path, warnings: list[str]):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (3, 6, 6, 3), dtype=np.uint8)
    mask = (np.arange(36).reshape(6, 6) % 3 == 0).astype(np.uint8)
    samples = []
    for name, image, drawn in [
        ("a", 0, mask),
        ("b", 0, mask[:, ::-1]),
        ("c", 1, mask),
        ("d", 1, mask),
        ("e", 2, mask.T),
    ]:
        Image.fromarray(pixels[image]).save(tmp_path / f"{name}.png")
        Image.fromarray(np.ascontiguousarray(drawn)).save(tmp_path / f"{name}-mask.png")
        samples.append(Sample(name, str(tmp_path / f"{name}.png"), mask=str(tmp_path / f"{name}-mask.png")))
    survey_images(Delivery(samples, [], "semantic_segmentation"), "d", tmp_path, 1)
    (line,) = [line for line in warnings if "different masks" in line]
    assert "1 image has different masks in identical copies" in line
    assert "a.png = " in line
    assert "c.png" not in line
