"""Partial labels: entries of label columns that are unknown or uncertain, from the table to the task description."""

import json
import re
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.reports.task_table import label_page, label_table
from mml_lib.tasks.creators.table import TableOptions, read_table
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.delivery_checks import check_delivery
from mml_lib.tasks.description import TaskDescription, one_sided_labels
from mml_lib.tasks.names import join_spellings
from mml_lib.tasks.splits.splitting import Assignment
from mml_lib.tasks.targets import Targets
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.small_tables import read, write

COLUMNS = {"labels": ["Edema", "Mass"]}
KIND = "multilabel_classification"


def labels_of(root: Path, cells: str, **arguments: Any) -> list[Any]:
    """Return the labels of three images, whose cells are `a,b;a,b;a,b`."""
    rows = [f"{name}.png,{row}" for name, row in zip("xyz", cells.split(";"), strict=True)]
    text = "\n".join(["image,Edema,Mass", *rows])
    return [sample.label for sample in read(root, text, columns=COLUMNS, **arguments).samples]


@pytest.mark.parametrize(
    ("arguments", "cells", "labels"),
    [
        ({"unknown": [-1, ""]}, "1,-1.0;0,;1,0", [{"Edema": 1.0, "Mass": None}, {"Mass": None}, {"Edema": 1.0}]),
        ({"unknown": [""]}, "nan,1;0,0;1,1", [{"Edema": None, "Mass": 1.0}, {}, {"Edema": 1.0, "Mass": 1.0}]),
        ({"unknown": ["U"]}, "u,1;0,;1,0", [{"Edema": None, "Mass": 1.0}, {}, {"Edema": 1.0}]),
        (
            {"uncertain": {"value": -1, "as": "ignore"}},
            "-1,1;,1;1,0",
            [{"Edema": None, "Mass": 1.0}, {"Mass": 1.0}, {"Edema": 1.0}],
        ),
        ({"uncertain": {"value": -1, "as": "positive"}}, "-1,0;0,1;0,0", [{"Edema": 1.0}, {"Mass": 1.0}, {}]),
        (
            {"uncertain": {"value": -1, "as": "negative"}},
            "-1,1;1,1;0,0",
            [{"Mass": 1.0}, {"Edema": 1.0, "Mass": 1.0}, {}],
        ),
        (
            {"unknown": [""], "uncertain": {"value": -1, "as": 0.5}},
            "-1,1;,0;0,0",
            [{"Edema": 0.5, "Mass": 1.0}, {"Edema": None}, {}],
        ),
        (
            {"unknown": {"Edema": [0.5], "Mass": ["", "U"]}},
            "0.5,0.5;1,;1,u",
            [{"Edema": None, "Mass": 0.5}, {"Edema": 1.0, "Mass": None}, {"Edema": 1.0, "Mass": None}],
        ),
        (
            {"unknown": {"Mass": [9]}, "uncertain": {"value": -1, "as": "ignore"}},
            "-1,9;1,1;0,1",
            [None, {"Edema": 1.0, "Mass": 1.0}, {"Mass": 1.0}],
        ),
    ],
)
def test_cells_are_unknown_or_uncertain_as_the_task_says(tmp_path: Path, arguments: dict, cells: str, labels: list):
    assert labels_of(tmp_path, cells, **arguments) == labels


@pytest.mark.parametrize("meaning", ["ignore", "positive", "negative", 0.5])
def test_meaning_alone_is_that_of_minus_one(tmp_path: Path, meaning: str | float):
    cells = "-1,1;1,0;0,1"
    states = {"value": -1, "as": meaning}
    assert labels_of(tmp_path, cells, uncertain=meaning) == labels_of(tmp_path, cells, uncertain=states)
    tasks = [Task(creator="csv", path=str(tmp_path), columns=COLUMNS, uncertain=form) for form in (meaning, states)]
    ids = [TaskIdentity.of("t", task) for task in tasks]
    assert ids[0].id == ids[1].id
    assert ids[0].is_partial == (meaning == "ignore")


@pytest.mark.parametrize(
    ("arguments", "cells", "why"),
    [
        ({"unknown": [""]}, "1,-1;0,1;0,0", r"line 2: the column 'Mass' has '-1'; .*unknown: \[-1\] and uncertain"),
        ({"unknown": [-1]}, "1,-2;0,1;0,0", r"line 2: the column 'Mass' has '-2'"),
        ({"unknown": [-1]}, "1,-1;0,-1;1,-1", "every entry of the label 'Mass' is unknown"),
        (
            {"unknown": [-1], "uncertain": {"value": -1, "as": "ignore"}},
            "1,1;0,0;1,0",
            "uncertain: the value -1 is one of",
        ),
        ({"uncertain": {"value": -1}}, "1,1;0,0;1,0", r"uncertain: the keys are value; write uncertain: \{value: -1"),
        (
            {"uncertain": "maybe"},
            "1,1;0,0;1,0",
            "uncertain.as: 'maybe' is not one of",
        ),
        (
            {"uncertain": {"value": -1, "as": "maybe"}},
            "1,1;0,0;1,0",
            "uncertain.as: 'maybe' is not one of ignore, positive",
        ),
        ({"uncertain": {"value": -1, "as": 1.5}}, "1,1;0,0;1,0", "uncertain.as: 1.5 is not one of"),
        ({"unknown": [1]}, "1,1;0,0;1,0", "unknown: 1 says that an image has a label"),
        ({"unknown": ["no"]}, "1,1;0,0;1,0", "unknown: 'no' says that an image has a label"),
        ({"unknown": {"Mas": [-1]}}, "1,1;0,0;1,0", "unknown: 'Mas' is not the column of a label, did you mean 'Mass'"),
        ({"unknown": {"Mass": [9]}}, "9,1;0,0;1,0", "line 2: the column 'Edema' has '9'"),
        ({"unknown": {"Mass": [1]}}, "1,1;0,0;1,0", "unknown: 1 says that an image has a label"),
        (
            {"unknown": {"Mass": [-1]}, "uncertain": {"value": -1, "as": "ignore"}},
            "1,1;0,0;1,0",
            "uncertain: the value -1 is one of",
        ),
        ({"unknown": ["Mass"]}, "1,1;0,0;1,0", "unknown: 'Mass' is the column of a class; .*filter: \"Mass != 1\""),
    ],
)
def test_wrong_values_are_refused(tmp_path: Path, arguments: dict, cells: str, why: str):
    with pytest.raises(MMLError, match=why):
        labels_of(tmp_path, cells, **arguments)


@pytest.mark.parametrize(("unknown", "is_told"), [(None, True), ([""], False)])
def test_blanks_beside_uncertain_values_are_named(
    tmp_path: Path, unknown: list | None, is_told: bool, capsys: pytest.CaptureFixture[str]
):
    labels_of(tmp_path, "1,-1;,1;0,0", unknown=unknown, uncertain={"value": -1, "as": "ignore"})
    assert ('count as 0 (absent); write unknown: [""]' in capsys.readouterr().out) == is_told


def targets_of(root: Path, text: str, **arguments: Any) -> list[tuple[str | None, Any]]:
    """Return split and label of each image of a table."""
    return [(sample.split, sample.label) for sample in read(root, text, **arguments).samples]


@pytest.mark.parametrize(
    ("text", "arguments", "targets"),
    [
        (
            "image,value\nx.png,3.5\ny.png,-1.0\nz.png,\nimg/x.png,2",
            {"unknown": [-1, ""]},
            [(None, 3.5), ("unlabelled", None), ("unlabelled", None), (None, 2.0)],
        ),
        (
            "image,label\nx.png,a\ny.png,Unclear\nz.png,n/a\nimg/x.png,b",
            {"unknown": ["unclear", ""]},
            [(None, "a"), ("unlabelled", None), ("unlabelled", None), (None, "b")],
        ),
        (
            "image,a,b\nx.png,1,0\ny.png,-1,0\nz.png,0,1\nimg/x.png,-1,1",
            {"columns": {"label": ["a", "b"]}, "unknown": [-1]},
            [(None, "a"), ("unlabelled", None), (None, "b"), (None, "b")],
        ),
        (
            "image,labels\nx.png,a:-1|b\ny.png,\nz.png,a:0.5|b:-2\nimg/x.png,b",
            {"unknown": [-1, ""], "uncertain": {"value": -2, "as": 0.25}},
            [(None, {"a": None, "b": 1.0}), ("unlabelled", None), (None, {"a": 0.5, "b": 0.25}), (None, {"b": 1.0})],
        ),
    ],
    ids=["value", "label", "one-hot label", "labels"],
)
def test_images_of_unknown_targets_are_unlabelled(tmp_path: Path, text: str, arguments: dict, targets: list):
    assert targets_of(tmp_path, text, **arguments) == targets


def test_a_sample_without_a_mask_is_unlabelled_if_unknown_says_so(tmp_path: Path):
    text = "image,mask\nx.png,EMPTY_MASK_TOKEN\ny.png,\n"
    with pytest.raises(MMLError, match=r"line 3: the column 'mask' is empty; .*unknown: \[\"\"\]"):
        read(tmp_path, text)
    samples = read(tmp_path, text, unknown=["", 7, [1, 2, 3]]).samples
    assert [(sample.split, sample.mask) for sample in samples] == [(None, "EMPTY_MASK_TOKEN"), ("unlabelled", None)]


def test_values_of_pixels_are_no_part_of_a_table(tmp_path: Path):
    path = write(tmp_path, "image,mask\nx.png,EMPTY_MASK_TOKEN\ny.png,EMPTY_MASK_TOKEN")
    task = {"creator": "csv", "path": str(path)}
    datasets = [TaskIdentity.of("t", Task(**task, **key)).dataset for key in ({}, {"unknown": [7]})]
    assert datasets[0] == datasets[1]


@pytest.mark.parametrize(
    ("text", "arguments", "why"),
    [
        ("image,value\nx.png,1\ny.png,2", {"uncertain": {"value": -1, "as": "ignore"}}, "uncertain: only for several"),
        ("image\nx.png", {"unknown": [-1]}, "unknown: .* has no targets that could be unknown"),
        ("image,value\nx.png,-1\ny.png,-1", {"unknown": [-1]}, "all images are unlabelled"),
        (
            "image,value\nx.png,1\ny.png,",
            {"unknown": [-1]},
            r"line 3: the column 'value' is empty; .*unknown: \[\"\"\]",
        ),
    ],
)
def test_unknown_targets_without_a_meaning_are_refused(tmp_path: Path, text: str, arguments: dict, why: str):
    with pytest.raises(MMLError, match=why):
        read(tmp_path, text, **arguments)


@pytest.mark.parametrize(
    ("text", "arguments", "values"),
    [
        ("image,value\nx.png,1\ny.png,-9", {"unknown": [-9, "", "none"]}, "'', 'none'"),
        ("image,Edema,Mass\nx.png,1,0\ny.png,,1", {"columns": COLUMNS, "unknown": [-1, ""]}, "-1"),
        ("image,labels\nx.png,a:-1|b\ny.png,a", {"unknown": [-1, -2]}, "-2"),
    ],
)
def test_unknown_values_that_no_row_has_are_named(tmp_path: Path, text: str, arguments: dict, values: str):
    options = TableOptions(**arguments)
    lines = read_table(write(tmp_path, text), options).warnings(options)
    assert [line for line in lines if f"no row has {values}, which" in line]


def test_values_by_column_are_planned_and_need_columns_of_labels(tmp_path: Path):
    rows = "\n".join(["image,a,b", *(f"{name}.png,{number % 2},{number // 2}" for number, name in enumerate("xyz"))])
    columns = {"labels": ["a", "b"]}
    path = write(tmp_path, rows)
    task = {"creator": "csv", "path": str(path), "columns": columns}
    ids = [TaskIdentity.of("t", Task(**task, unknown=value)) for value in (None, {"b": [7]}, {"a": [7]})]
    assert len({identity.id for identity in ids}) == 3
    with pytest.raises(MMLError, match=r"unknown: values by column are for several columns of labels; write a list"):
        TaskIdentity.of("t", Task(creator="csv", path=str(path), columns={"label": "a"}, unknown={"a": [7]}))


def test_splits_without_a_known_target_are_named(tmp_path: Path):
    text = "image,label,split\nx.png,a,train\ny.png,?,test\nz.png,?,val"
    for unknown, rows, splits in (
        (["?"], text, ["test", "val"]),
        (["?"], text.replace("y.png,?", "y.png,b"), ["val"]),
        (None, text.replace("?", "b"), []),
    ):
        options = TableOptions(unknown=unknown)
        lines = read_table(write(tmp_path, rows), options).warnings(options)
        lost = [line for line in lines if "has a known target, so there is no such split" in line]
        assert [line.split("the split '")[1].split("'")[0] for line in lost] == splits


def test_images_without_a_known_label_are_unlabelled(tmp_path: Path):
    text = "image,Edema,Mass,split\nx.png,1,-1,train\ny.png,-1,-1,test\nz.png,0,1,test"
    delivery = read(tmp_path, text, columns=COLUMNS, unknown=[-1])
    assert [sample.split for sample in delivery.samples] == ["train", "unlabelled", "test"]
    options = TableOptions(columns=COLUMNS, unknown=[-1])
    warnings = read_table(tmp_path / "table.csv", options).warnings(options)
    assert any("column '" in line and "1 of 3 rows have no known target" in line for line in warnings)


def test_tables_without_unknown_labels_keep_their_identity(tmp_path: Path):
    path = write(tmp_path, "image,Edema,Mass\nx.png,1,0\ny.png,0,1\nz.png,1,1")
    plain = TableOptions(columns=COLUMNS).meaning
    assert TableOptions(columns=COLUMNS, unknown=[-1]).meaning[: len(plain)] == plain
    task = {"creator": "csv", "path": str(path), "columns": COLUMNS}
    identities = [TaskIdentity.of("t", Task(**task, **key)) for key in ({}, {"unknown": [-1]})]
    assert identities[0].id != identities[1].id
    assert "is_partial" not in identities[0].definition()
    assert not identities[0].is_partial
    assert not identities[1].is_partial  # no entry is unknown


# --- data sets and tasks ------------------------------------------------------------------------------------------


def dataset_of(labels: list[Any], classes: list[str], splits: list[str]) -> Dataset:
    samples = [
        Sample(str(number), f"{number}.png", label, split)
        for number, (label, split) in enumerate(zip(labels, splits, strict=True))
    ]
    return Dataset("d", Delivery(samples, classes, KIND), [(4, 4)] * len(samples), Path())


LABELS = [{"a": 1.0, "b": None}, {"a": None, "b": 1.0}, {"a": 0.25}, {"b": None, "a": None, "c": 1.0}, {}]
SPLITS = ["train", "train", "train", "test", "test"]


def task_of(labels: list[Any] = LABELS) -> TaskDescription:
    dataset = dataset_of(labels, ["a", "b", "c"], SPLITS)
    targets = Targets.of(dataset, None, "t")
    return TaskDescription.of({"name": "t", "id": "1"}, dataset, targets, Assignment(SPLITS, [0, 1, 0, -1, -1], 2))


def test_description_holds_unknown_labels_and_their_counts(tmp_path: Path):
    task_of().write(tmp_path / "t.json")
    json.loads((tmp_path / "t.json").read_text(), parse_constant=pytest.fail)  # no NaN, which JSON does not have
    task = TaskDescription.read(tmp_path / "t.json")
    assert task.samples["label"] == [[1, None, 0], [None, 1, 0], [0.25, 0, 0], [None, None, 1], [0, 0, 0]]
    assert np.array_equal(np.isnan(task.targets.values).nonzero(), [[0, 1, 3, 3], [1, 0, 0, 1]])
    assert task.targets.labelled.all()
    assert task.header["class_occ"] == {"a": 1, "b": 1, "c": 0}
    assert task.header["label_counts"]["train"] == {
        "a": {"known": 2, "positive": 1, "unknown": 1},
        "b": {"known": 2, "positive": 1, "unknown": 1},
        "c": {"known": 3, "positive": 0, "unknown": 0},
    }
    table = label_table([task.header])
    assert table.query("label == 'a' and split == 'test'")[["known", "positive", "unknown"]].values.tolist() == [
        [1, 0, 1]
    ]


def test_labels_without_both_kinds_of_entries_are_named():
    lines = one_sided_labels(task_of().header)
    assert len(lines) == 4
    for line, part in zip(lines, ("'c' in the split train", "'a', 'b' in the split test"), strict=False):
        assert part in line
    assert "'b', 'c' in fold 0" in lines[2]
    assert "in fold 1" in lines[3]


def test_fully_labelled_tasks_have_no_counts_of_labels():
    task = task_of([{"a": 1.0, "c": 1.0}, {"b": 1.0}, {"b": 1.0}, {"c": 1.0}, {"a": 1.0, "b": 1.0}])
    assert "label_counts" not in task.header
    assert task.header["one_sided_labels"] == {"fold 1": ["a", "b", "c"]}  # a single sample
    assert "one_sided_labels" not in task.changed("fewer", keep=np.array([True, False, True, True, True])).header


def test_the_page_of_labels_has_their_counts_and_names_those_that_are_alike():
    task = task_of()
    page = label_page([task.header])
    rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in page.split("<tr>")]
    assert ["t", "a", "test", "1", "0", "1"] in rows
    for line in one_sided_labels(task.header):
        assert escape(line) in page
    assert label_page([{"name": "t"}]) is None
    full = task_of([{"a": 1.0, "c": 1.0}, {"b": 1.0}, {"b": 1.0}, {"c": 1.0}, {"a": 1.0, "b": 1.0}])
    assert "in fold 1 are all alike" in label_page([full.header])


def test_counts_follow_a_derived_task():
    task = task_of()
    is_known = ~np.isnan(task.targets.values).any(axis=1)
    assert "label_counts" not in task.changed("known labels only", keep=is_known).header


def test_merged_labels_are_unknown_unless_one_is_positive():
    dataset = dataset_of([{"a": 1.0, "b": None}, {"b": None}, {"c": 1.0}], ["a", "b", "c"], ["train"] * 3)
    values = Targets.of(dataset, {0: "ab", 1: "ab", 2: "c"}, "t").values
    assert np.array_equal(values, [[1, 0], [np.nan, 0], [0, 1]], equal_nan=True)
    delivery = Delivery([Sample("0", "0.png", {"naïve": None, "nai\u0308ve": 1.0})], ["naïve", "nai\u0308ve"], KIND)
    assert join_spellings(delivery)[0].samples[0].label == {"naïve": 1.0}


def test_samples_without_any_known_label_are_refused():
    delivery = dataset_of([{"a": None, "b": None}, {"a": 1.0}], ["a", "b"], ["train"] * 2).delivery
    with pytest.raises(MMLError, match="sample '0' has no known label"):
        check_delivery(delivery, "t")
    dataset = dataset_of([{"a": None}, {"a": 1.0}], ["a", "b"], ["train"] * 2)
    with pytest.raises(MMLError, match="sample '0' has no known label"):
        Targets.of(dataset, {0: "ab", 1: "ab"}, "t")
