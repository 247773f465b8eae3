"""Generated data sets of every task type, and the digits of scikit-learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.images.decoding import decode
from mml_lib.images.surveying import survey_images
from mml_lib.task_types import IGNORE, TASK_TYPES
from mml_lib.tasks.creators.creator_registry import CREATORS
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, Dataset
from mml_lib.tasks.delivery_checks import check_delivery
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.plans import check_plan


def fake(folder: Path, **arguments: Any) -> Dataset:
    delivery = CREATORS["fake"].function(folder, **({"num_samples": 30, "size": 16} | arguments))
    check_delivery(delivery, "fake")
    return survey_images(delivery, "fake", folder, 1)


@pytest.mark.parametrize("unlabelled", [0, 5])
@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_every_task_type_turns_out_as_planned(tmp_path: Path, task_type: str, unlabelled: int):
    arguments = {"num_samples": 40, "size": 8, "unlabelled": unlabelled}
    check_plan(Task(creator="fake", task_type=task_type, folds=3, **arguments), tmp_path)


def test_unlabelled_images_come_on_top(tmp_path: Path):
    samples = fake(tmp_path, unlabelled=4).delivery.samples
    assert [sample.split for sample in samples] == [None] * 30 + ["unlabelled"] * 4
    assert {sample.label for sample in samples} == {"angle000", "angle060", "angle120", None}


def test_labels_are_soft_on_request(tmp_path: Path):
    for soft in (False, True):
        delivery = fake(tmp_path, task_type="multilabel_classification", soft=soft).delivery
        probabilities = {p for sample in delivery.samples for p in sample.label.values()}
        assert all(0 < p <= 1 for p in probabilities)
        assert (probabilities == {1.0}) is not soft


def test_masks_are_empty_for_the_background_and_have_an_ignored_rim(tmp_path: Path):
    data = fake(tmp_path, task_type="semantic_segmentation")
    assert data.delivery.classes == ["background", "disc1", "disc2"]
    for row, values in enumerate(data.values):
        kind = row % 3
        assert (data.mask_path(row) == EMPTY_MASK_TOKEN) is (kind == 0)
        assert set(values) - {IGNORE} == {0, kind}
    assert any(IGNORE in values for values in data.values)


def test_values_are_angles(tmp_path: Path):
    values = [sample.label for sample in fake(tmp_path, task_type="regression").delivery.samples]
    assert len(set(values)) > 20
    assert all(0 <= value <= 90 for value in values)


def test_images_depend_on_the_seed_alone(tmp_path: Path):
    first, again, other = (
        decode(fake(tmp_path / name, image_seed=seed).image_path(3))[0] for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"num_classes": 1}, "num_classes >= 2"),
        ({"num_samples": 2}, "num_samples >= num_classes"),
        ({"size": 3}, "size >= 4"),
    ],
)
def test_numbers_that_make_no_task_are_refused(tmp_path: Path, arguments: dict[str, int], why: str):
    with pytest.raises(MMLError, match=why):
        fake(tmp_path, **arguments)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"num_sample": 9}, "'num_sample', did you mean 'num_samples'"),
        ({"num_samples": "many"}, r"tasks.t.num_samples: 'many'.*integer"),
        ({"soft": 1}, r"tasks.t.soft: 1 does not fit: .* boolean"),
        ({"downloads": [{"url": "https://x.org/a.zip", "sha256": "0a1b" * 15 + "cdef"}]}, "reads no files"),
        ({"splits": ["train"]}, "only for downloads"),
    ],
)
def test_keys_that_the_creator_cannot_take_are_refused_when_planning(arguments: dict[str, Any], why: str):
    with pytest.raises(MMLError, match=why):
        TaskIdentity.of("t", Task(creator="fake", **arguments))


def test_digits_come_with_their_class_names(tmp_path: Path):
    delivery = CREATORS["digits"].function(tmp_path)
    check_delivery(delivery, "digits")
    assert len(delivery.samples) == 1797
    assert delivery.classes[:3] == ["zero", "one", "two"]
    image, _ = decode(survey_images(delivery, "digits", tmp_path, 1).image_path(0))
    assert (image.shape, image.max()) == ((8, 8, 3), 239)  # grey level 15 of 16
    assert (delivery.samples[0].label, delivery.about.license) == ("zero", "CC BY 4.0")


def test_study_may_ask_for_other_images_and_for_another_division_of_the_same():
    plain = TaskIdentity.of("t", Task(creator="fake"))
    assert TaskIdentity.of("t", Task(creator="fake", image_seed=1)).dataset != plain.dataset
    divided = TaskIdentity.of("t", Task(creator="fake", seed=1))
    assert divided.dataset == plain.dataset
    assert divided.id != plain.id
