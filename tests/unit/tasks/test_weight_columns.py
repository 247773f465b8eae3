"""Weights of samples: from a column of a table to the task description."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mml_lib.config.loading import load_study
from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.creators.own_data import state_of_targets
from mml_lib.tasks.creators.table import TableOptions, read_table
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.delivery_checks import check_delivery
from mml_lib.tasks.description import TaskDescription, check_weights
from mml_lib.tasks.splits.splitting import Assignment
from mml_lib.tasks.tags import apply_tag
from mml_lib.tasks.targets import Targets
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.image_folders import sample_fields
from tests.support.places import CONFIG as PRESETS
from tests.support.small_tables import read, write
from tests.support.workplaces import TINY

TEXT = "image,label,w,split\nx.png,a,2,\ny.png,b,0.5,\nz.png,a,,unlabelled"


def test_a_column_weighs_samples(tmp_path: Path):
    delivery = read(tmp_path, TEXT, columns={"weight": "w"})
    assert sample_fields(delivery, "weight") == [2.0, 0.5, None]
    assert delivery.weights == [2.0, 0.5, 1.0]


def test_a_column_of_that_name_weighs_samples_and_is_named(tmp_path: Path):
    text = TEXT.replace("w,", "weight,")
    assert sample_fields(read(tmp_path, text), "weight") == [2.0, 0.5, None]
    read_weights = {key: TableOptions(columns=key and {"weight": key}) for key in (None, "weight")}
    lines = {
        key: read_table(tmp_path / "table.csv", options).warnings(options) for key, options in read_weights.items()
    }
    assert any(
        "'weight' (0.5 to 2) weighs samples in the loss; write columns: {weight: weight}" in s for s in lines[None]
    )
    assert lines["weight"] == []


@pytest.mark.parametrize("columns", [{"weight": None}, {"value": "weight", "label": None}])
def test_a_column_that_means_something_else_weighs_nothing(tmp_path: Path, columns: dict[str, Any]):
    text = TEXT.replace("w,", "weight,")
    assert sample_fields(read(tmp_path, text, columns=columns), "weight") == [None] * 3


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("heavy", "line 3: the column 'w' has 'heavy', which is not a weight; write 0, or a number from 1e-12 to 1e12"),
        ("-1", "line 3: the column 'w' has '-1', which is not a weight"),
        ("inf", "line 3: the column 'w' has 'inf', which is not a weight"),
        ("1e400", "line 3: the column 'w' has '1e400', which is not a weight"),
        ("1e308", "line 3: the column 'w' has '1e308', which is not a weight"),
        ("1e-60", "line 3: the column 'w' has '1e-60', which is not a weight"),
        ("50%", "line 3: the column 'w' has '50%', which is not a weight"),
        ("nan", "line 3: the column 'w' has no weight"),
        ("", r"line 3: the column 'w' has no weight; .*columns: \{weight: null\}"),
    ],
)
def test_cells_that_are_no_weights_are_refused(tmp_path: Path, cell: str, why: str):
    with pytest.raises(MMLError, match=why):
        read(tmp_path, TEXT.replace("b,0.5", f"b,{cell}"), columns={"weight": "w"})


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        ((0.0, None, 0.0), None),
        ((0, 0, 0), "weight 0"),
        ((1, -1, 1), "weight -1"),
        ((1, "2", 1), "weight '2'"),
        ((1, float("nan"), 1), "weight nan; write 0, or a number"),
        ((1, 1e20, 1), r"weight 1e\+20"),
    ],
)
def test_weights_of_a_creator_are_checked(weights: tuple[float | None, ...], why: str | None):
    samples = [Sample(str(row), f"{row}.png", "ab"[row % 2], weight=weight) for row, weight in enumerate(weights)]
    delivery = Delivery(samples, ["a", "b"])
    if why is None:
        check_delivery(delivery, "t")
    else:
        with pytest.raises(MMLError, match=why):
            check_delivery(delivery, "t")


def test_a_manifest_has_weights_where_samples_have_some(tmp_path: Path):
    texts = []
    for text in (TEXT, TEXT.replace(",w,", ",weight,")):
        dataset = survey_images(read(tmp_path, text), "d", tmp_path, 1)
        dataset.write(tmp_path / "dataset.json")
        texts.append((tmp_path / "dataset.json").read_text())
        weights = [sample.weight for sample in Dataset.read(tmp_path / "dataset.json").delivery.samples]
        assert weights == sample_fields(dataset.delivery, "weight")
    assert ["weight" in text for text in texts] == [False, True]


def test_tables_without_weights_keep_their_identity(tmp_path: Path):
    path = write(tmp_path, TEXT.replace(",w,", ",weight,").replace("unlabelled", ""))
    task = {"creator": "csv", "path": str(path)}
    (tmp_path / "table.csv").write_text((tmp_path / "table.csv").read_text().replace("z.png,a,,", "z.png,a,1,"))
    ids = [TaskIdentity.of("t", Task(**task, columns={"weight": name})).id for name in ("weight", None)]
    assert ids[0] != ids[1]


def test_tasks_of_a_shared_data_set_have_weights(tmp_path: Path):
    path = write(tmp_path, TEXT)
    tasks = {name: {"dataset": "d", "label": "label", **keys} for name, keys in (("a", {}), ("b", {"weight": "w"}))}
    shared = {"d": {"creator": "csv", "path": str(path), "image": "image"}}
    cfg = load_study(TINY | {"tasks": tasks, "datasets": shared, "paths": {"presets": [str(PRESETS)]}})
    columns = {name: task.arguments["columns"] for name, task in cfg.tasks.items()}
    assert columns["b"] == {**columns["a"], "weight": "w"}
    samples = [Sample("0", "0.png", "a", weight=weight) for weight in (None, 1.0, 2.0)]
    assert len({state_of_targets([sample], "classification") for sample in samples}) == 3


# --- tasks ------------------------------------------------------------------------------------------------------------


def task_of(weights: list[float | None], fold: list[int], split: list[str] | None = None) -> TaskDescription:
    split = split or ["train"] * len(weights)
    samples = [
        Sample(str(row), f"{row}.png", "ab"[row % 2], part, weight=weight)
        for row, (weight, part) in enumerate(zip(weights, split, strict=True))
    ]
    dataset = Dataset("d", Delivery(samples, ["a", "b"]), [(4, 4)] * len(samples), Path())
    targets = Targets.of(dataset, None, "t")
    return TaskDescription.of({"name": "t", "id": "1"}, dataset, targets, Assignment(split, fold, max(fold) + 1))


def test_description_holds_weights_and_their_range():
    task = task_of([0.0, None, 4.0, 2.0], [0, 1, 0, -1], ["train", "train", "train", "test"])
    assert task.samples["weight"] == [0.0, 1.0, 4.0, 2.0]
    assert task.header["weights"]["train"] == {"min": 0.0, "max": 4.0, "mean": pytest.approx(5 / 3), "zero": 1}
    assert task.header["weights"]["test"]["zero"] == 0
    plain = task_of([None] * 4, [0, 1, 0, 1])
    assert "weight" not in plain.samples
    assert "weights" not in plain.header


def test_weights_follow_a_derived_task():
    task = task_of([float(row) for row in range(1, 41)], [row % 2 for row in range(40)])
    subset = apply_tag(task, "subset~0.5")
    assert len(subset.samples["weight"]) == len(subset.samples["id"]) == 20
    assert subset.samples["weight"] == [float(id_) + 1 for id_ in subset.samples["id"]]
    assert subset.header["weights"]["train"]["mean"] == pytest.approx(np.mean(subset.samples["weight"]))


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        ([0, 1, 0, 1, 1, 1], "all samples of fold 0 have the weight 0"),
        ([1, 1, 1, 1, 0, 0], "all samples of the test split have the weight 0"),
        ([1, 0, 1, 0, 1, 1], "all samples of fold 1 have the weight 0"),
    ],
)
def test_parts_without_weight_are_refused(weights: list[float], why: str):
    with pytest.raises(MMLError, match=why):
        check_weights(task_of([*weights], [0, 1, 0, 1, -1, -1], ["train"] * 4 + ["test"] * 2))
    with pytest.raises(MMLError, match="all samples of the training set have the weight 0"):
        check_weights(task_of([1.0, 0.0, 0.0], [0, -1, -1]))
    check_weights(task_of([0, 1, 1, 0, 0, 1], [0, 1, 0, 1, -1, -1], ["train"] * 4 + ["test"] * 2))
