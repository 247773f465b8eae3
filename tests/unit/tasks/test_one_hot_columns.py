"""One-hot columns of tables: one column for each class or label."""

from pathlib import Path
from typing import Any

import pytest

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.tasks.creators.table import TableOptions, read_table
from mml_lib.tasks.dataset import Delivery
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.plans import deliver


def write(root: Path, text: str) -> Path:
    """Write a table beside the images x.png to z.png."""
    for name in "xyz":
        (root / f"{name}.png").touch()
    (root / "table.csv").write_text(text)
    return root / "table.csv"


def read(root: Path, text: str, **arguments: Any) -> Delivery:
    return deliver("csv", write(root, text), **arguments)


def test_one_hot_columns_are_classes(tmp_path: Path):
    text = "image,MEL,NV,BCC,patient\nx.png,1.0,0.0,0.0,p\ny.png,0,1,0,q\nz.png,True,,False,r"
    columns = {"label": ["MEL", "NV", "BCC"], "group": "patient"}
    delivery = read(tmp_path, text, columns=columns)
    assert delivery.task_type == "classification"
    assert delivery.classes == ["MEL", "NV"]
    assert [(sample.label, sample.group) for sample in delivery.samples] == [("MEL", "p"), ("NV", "q"), ("MEL", "r")]
    options = TableOptions(columns=columns)
    assert any("no row has 1 in BCC" in line for line in read_table(tmp_path / "table.csv", options).warnings(options))


def test_one_hot_columns_are_labels_with_probabilities(tmp_path: Path):
    text = "image,a|b,Edema,7\nx.png,1,1,0\ny.png,0,0.25,\nz.png,0,0,1"
    delivery = read(tmp_path, text, columns={"labels": ["a|b", "Edema", "7"]})
    assert delivery.task_type == "multilabel_classification"
    assert [sample.label for sample in delivery.samples] == [{"a|b": 1.0, "Edema": 1.0}, {"Edema": 0.25}, {"7": 1.0}]


@pytest.mark.parametrize(
    ("role", "cells", "why"),
    [
        ("labels", "-1,0", r"line 3: the column 'a' has '-1'"),
        ("labels", "x,0", r"line 3: the column 'a' has 'x'"),
        ("label", "1,1", r"line 3: a, b are 1, where one class an image is needed; .*columns: \{labels"),
        ("label", "0,", r"line 3: none of the columns a, b is 1"),
        ("label", "0.5,0", r"line 3: the column 'a' has 0\.5"),
    ],
)
def test_wrong_cells_of_one_hot_columns_are_refused(tmp_path: Path, role: str, cells: str, why: str):
    with pytest.raises(MMLError, match=why):
        read(tmp_path, f"image,a,b\nx.png,0,1\ny.png,{cells}", columns={role: ["a", "b"]})


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"label": ["a", "c"]}, "names the column 'c'"),
        ({"label": ["a"]}, "at least two"),
        ({"label": ["a", "a"]}, "each once"),
        ({"group": ["a", "b"], "label": ["a", "b"]}, r"columns\.group"),
        ({}, r"columns: \{label: \[a, b\]\}"),
    ],
)
def test_wrong_one_hot_columns_are_refused_while_planning(tmp_path: Path, columns: dict[str, Any], why: str):
    path = write(tmp_path, "image,a,b\nx.png,0,1\ny.png,1,0")
    with pytest.raises(MMLError, match=why):
        TaskIdentity.of("t", Task(creator="csv", path=str(path), columns=columns))


def test_suggestion_for_a_column_of_images_keeps_one_hot_columns(tmp_path: Path):
    path = write(tmp_path, "file_name,a,b\nx.png,0,1\ny.png,1,0")
    with pytest.raises(MMLError, match=r"write columns: \{label: \[a, b\], image: file_name\}"):
        TaskIdentity.of("t", Task(creator="csv", path=str(path), columns={"label": ["a", "b"]}))
