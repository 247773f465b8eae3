"""Cells of tables: missing values, separators of labels, numbers, splits and folds."""

from pathlib import Path

import pytest

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.tasks.creators.creator_registry import read_metadata
from mml_lib.tasks.creators.labels import missed_separator
from mml_lib.tasks.missing import MISSING, Missing
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.image_folders import sample_fields
from tests.support.small_tables import read, write

# --- missing values ---------------------------------------------------------------------------------------------

PANDAS = (
    *(
        "",
        " ",
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
    ),
    *("NULL", "NaN", "None", "n/a", "nan", "null"),
)
"""Texts that pandas reads as missing by default, and a space."""


@pytest.mark.parametrize("cell", [*PANDAS, "none", "NaT", "?", "-", "NAN", "Null"])
def test_missing_value_is_the_same_in_every_column(tmp_path: Path, cell: str):
    text = f"image,labels,group,fold,site\nx.png,a,{cell},0,A\ny.png,{cell},p,1,{cell}\nz.png,a|{cell},{cell},{cell},A"
    delivery = read(tmp_path, text)
    assert sample_fields(delivery, "label", "group", "fold") == [
        ({"a": 1.0}, None, 0),
        ({}, "p", 1),
        ({"a": 1.0}, None, None),
    ]
    assert read_metadata("csv", {"path": str(tmp_path)}, ["site"])["site"]["y.png"] == ""
    for column, first in {"label": "a", "value": "1", "mask": "mask/x.png"}.items():
        with pytest.raises(MMLError, match=f"line 3: the column '{column}' is (empty|missing)"):
            read(tmp_path, f"image,{column}\nx.png,{first}\ny.png,{cell}")
    split = read(tmp_path, f"image,label,split\nx.png,a,{cell}\ny.png,b,{cell}")
    assert sample_fields(split, "split") == [None, None]


def test_spelled_missing_values_are_named(tmp_path: Path, warnings: list[str]):
    read(tmp_path, "image,label,group\nx.png,a,nan\ny.png,b,nan\nz.png,b,")
    assert len(warnings) == 1
    assert "'nan' in group (2)" in warnings[0]


def test_class_may_be_named_like_a_missing_value(tmp_path: Path, warnings: list[str]):
    text = "image,label,group\nx.png,None,NA\ny.png,mild,\nz.png,None,unknown"
    delivery = read(tmp_path, text, missing=["", "unknown"])
    assert sample_fields(delivery, "label", "group") == [("None", "NA"), ("mild", None), ("None", None)]
    assert [line for line in warnings if "named like a missing value" in line]


def test_every_default_of_pandas_is_missing():
    assert all(Missing()(spelling) for spelling in PANDAS)
    assert not any(Missing()(text) for text in ("0", "no", "false", "normal", "nano", "a-b", "+"))
    assert all(spelling == spelling.lower() for spelling in MISSING)


# --- separators of labels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [" ", ",", ";", "/", "+", "&"])
def test_separator_that_was_overlooked_is_refused_and_can_be_named(tmp_path: Path, separator: str):
    text = f"image\tlabels\nx.png\tscab\ny.png\trust\nz.png\tscab{separator}rust"
    with pytest.raises(MMLError, match=r"write separator: \""):
        TaskIdentity.of("t", Task(creator="csv", path=str(write(tmp_path, text))))
    assert read(tmp_path, text, separator=separator).samples[2].label == {"scab": 1.0, "rust": 1.0}
    assert len(read(tmp_path, text, separator="|").classes) == 3


@pytest.mark.parametrize("cell", ["['a', 'b']", '["a"]', "[]", "{'a'}"])
def test_list_of_a_program_is_refused(tmp_path: Path, cell: str):
    quoted = '"' + cell.replace('"', '""') + '"'
    with pytest.raises(MMLError, match=r"line 2: .* is a list of a program"):
        read(tmp_path, f"image,labels\nx.png,{quoted}\ny.png,b")


@pytest.mark.parametrize(("joined", "separator"), [("a|b", ";"), ("a;b", "|")])
def test_separator_that_no_label_has_is_warned_of(tmp_path: Path, warnings: list[str], joined: str, separator: str):
    assert len(read(tmp_path, f"image,labels\nx.png,{joined}\ny.png,a\nz.png,b", separator=separator).classes) == 3
    assert len(warnings) == 1
    assert f"look like several ones joined by '{joined[1]}'" in warnings[0]


@pytest.mark.parametrize(
    "names",
    [
        ["basal cell carcinoma", "squamous cell carcinoma", "melanoma", "nevus"],
        ["left upper lobe", "left lower lobe", "right upper lobe", "right middle lobe", "right lower lobe"],
        ["T-shirt/top", "Trouser", "Ankle boot"],
        [f"grade {number}" for number in range(20)],
        ["No Finding", "Pleural Thickening", "Pleural Effusion"],
        ["Diabetes, type 2", "Hypertension", "Obesity"],
        ["a", "b"],
        [],
    ],
)
def test_names_of_several_words_are_whole(names: list[str]):
    assert missed_separator(names) is None


@pytest.mark.parametrize(
    ("names", "separator"),
    [
        (["scab", "frog_eye_leaf_spot", "complex", "scab frog_eye_leaf_spot complex", "healthy"], " "),
        (["a b", "b a", "b c"], " "),
        (["a,b", "b,c", "a"], ","),
        (["edema, nodule", "nodule, mass"], ","),
        (["x;y", "x", "z"], ";"),
        (["a:0.7,b:0.2", "a:1,c:0.3", "b:1"], ","),
    ],
)
def test_joined_names_are_noticed(names: list[str], separator: str):
    missed = missed_separator(names)
    assert missed is not None
    assert missed[0] == separator


def test_joined_classes_are_warned_of(tmp_path: Path, warnings: list[str]):
    read(tmp_path, "image,label\nx.png,a\ny.png,b\nz.png,a|b")
    assert "task_type: multilabel_classification" in warnings[0]


@pytest.mark.parametrize("separator", ["", ":", "and", "."])
def test_separator_that_cannot_be_is_refused(tmp_path: Path, separator: str):
    with pytest.raises(MMLError, match="cannot stand between labels"):
        read(tmp_path, "image,labels\nx.png,a\ny.png,b", separator=separator)


# --- numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("1,5", r"'1,5' has a decimal comma; write 1\.5"),
        ("1.234,5", "separators of thousands"),
        ("1 234", "separators of thousands"),
        ("1_000", "'1_000' is not a number"),
        ("50%", "is not a number"),
        ("0x1F", "is not a number"),
        ("inf", "value inf"),
        ("1e400", "value inf"),
    ],
)
def test_value_that_is_no_number_is_refused(tmp_path: Path, cell: str, why: str):
    with pytest.raises(MMLError, match=why):
        read(tmp_path, f"image;value\nx.png;1\ny.png;{cell}")


@pytest.mark.parametrize("cell", ["1.5", "-1.5e3", "+.5", "7.", "1E-3", "007"])
def test_numbers_are_read(tmp_path: Path, cell: str):
    assert read(tmp_path, f"image,value\nx.png,{cell}\ny.png,2").samples[0].label == float(cell)


@pytest.mark.parametrize("cell", ["a:0,7", "a:70%", "a:70 %"])
def test_probability_that_is_no_number_is_refused(tmp_path: Path, cell: str):
    with pytest.raises(MMLError, match=r"is not a number; write it as 0\.7"):
        read(tmp_path, f"image;labels\nx.png;{cell}\ny.png;b")


@pytest.mark.parametrize("cell", ["a:nan", "a:-0.1", "a:1.1", "a:inf"])
def test_probability_out_of_range_is_refused(tmp_path: Path, cell: str):
    with pytest.raises(MMLError, match=r"must lie in 0\.\.1"):
        read(tmp_path, f"image;labels\nx.png;{cell}\ny.png;b")


@pytest.mark.parametrize("cell", ["1.0", "1.", "01"])
def test_folds_that_pandas_made_numbers_are_read(tmp_path: Path, cell: str):
    assert read(tmp_path, f"image,label,fold\nx.png,a,{cell}\ny.png,b,0").samples[0].fold == 1


@pytest.mark.parametrize(
    ("word", "meant"), [("Train", "train"), ("training", "train"), ("valid", "val"), ("dev", "val")]
)
def test_split_that_is_called_otherwise_is_refused_with_its_name(tmp_path: Path, word: str, meant: str):
    with pytest.raises(MMLError, match=rf"line 2: there is no split '{word}'; .* did you mean '{meant}'"):
        read(tmp_path, f"image,label,split\nx.png,a,{word}\ny.png,b,test")
