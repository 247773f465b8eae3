"""Tables of others: delimiters, encodings, columns and templates, missing values, separators of labels."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.tasks.creators.creator_registry import CREATORS, read_metadata
from mml_lib.tasks.creators.delimited import delimiter_of
from mml_lib.tasks.creators.labels import missed_separator
from mml_lib.tasks.dataset import Delivery
from mml_lib.tasks.missing import MISSING, Missing
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.image_folders import lay, told
from tests.support.plans import deliver

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


def write(root: Path, text: str, **encoding: Any) -> Path:
    """Write a table beside images x.png to z.png, and more of them below `img/`."""
    lay(root, *(f"{place}{name}.png" for name in "xyz" for place in ("", "img/", "img/deep/", "mask/")))
    (root / "table.csv").write_bytes(text.encode(**({"encoding": "utf-8"} | encoding)))
    return root / "table.csv"


def read(root: Path, text: str, **arguments: Any) -> Delivery:
    return deliver("csv", write(root, text), **arguments)


# --- the text ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "   "])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_ends_of_lines_are_detected(tmp_path: Path, delimiter: str, end: str):
    rows = [("image", "label", "note"), ("x.png", "a", "1"), ("y.png", "b", "2")]
    text = end.join(delimiter.join(row) for row in rows)
    assert told(read(tmp_path, text + end), "id", "label") == [("x.png", "a"), ("y.png", "b")]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("image,labels\nx.png,a|b|c\ny.png,b|c", ","),
        ("image;note, with comma;label\nx.png;1,5;a\ny.png;2,5;b", ";"),
        ('"a;b;c",label\n"1;2;3",x\n"4;5;6",y', ","),
        ("image\tfindings\nx.png\ta, b; c\ny.png\ta", "\t"),
        ("image|label\nx.png|a,b\ny.png|c", "|"),
        ("image,a;b,c;d\nx,1,2\ny,1,2", ","),
        ("image\nmy x.png\ny.png", ","),
        ("image   label \nx.png   a\nlonger.png b  \n", " "),
        ("image\n", ","),
        ("", ","),
    ],
)
def test_delimiter_is_what_divides_all_rows_alike(text: str, delimiter: str):
    assert delimiter_of(text) == delimiter


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("image,label\nx.png,ä\ny.png,b", "utf-8-sig"),
        ("sep=;\nimage;label\nx.png;ä\ny.png;b", "utf-8"),
        ('"image", "label",\n"x.png", "ä",\n\n , ,\n"y.png","b",\n', "utf-8"),
        (",image,label\n0,x.png,ä\n1,y.png,b", "utf-8"),
    ],
    ids=["byte order mark", "sep of Excel", "quotes and trailing commas", "index of pandas"],
)
def test_tables_are_read_as_programs_save_them(tmp_path: Path, text: str, encoding: str):
    assert told(deliver("csv", write(tmp_path, text, encoding=encoding)), "id", "label") == [
        ("x.png", "ä"),
        ("y.png", "b"),
    ]


def test_other_encoding_is_refused_with_its_line_and_read_by_name(tmp_path: Path):
    path = write(tmp_path, "image,label\nx.png,b\ny.png,Größe", encoding="cp1252")
    with pytest.raises(
        MMLError, match=r"not UTF-8 \(line 3, byte 0xf6\); .* encoding: cp1252 if 'y\.png,Größe' is right"
    ):
        deliver("csv", path)
    assert deliver("csv", path, encoding="cp1252").classes == ["Größe", "b"]
    write(tmp_path, "image,label\nx.png,ä\ny.png,b", encoding="utf-16")
    with pytest.raises(MMLError, match=r"not UTF-8 but UTF-16; .* encoding: utf-16"):
        deliver("csv", path)
    assert deliver("csv", path, encoding="utf-16").classes == ["b", "ä"]
    with pytest.raises(MMLError, match="no encoding 'cp9999'"):
        deliver("csv", path, encoding="cp9999")


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"PK\x03\x04rest", "Excel workbook"), ("image,label\nx.png,a".encode("utf-16-le"), "encoding: utf-16-le")],
)
def test_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, why: str):
    write(tmp_path, "").write_bytes(content)
    with pytest.raises(MMLError, match=why):
        deliver("csv", tmp_path)


def test_line_of_a_mistake_counts_all_lines(tmp_path: Path):
    with pytest.raises(MMLError, match=r"line 6: .*q\.png"):
        read(tmp_path, 'sep=,\nimage,note,label\n\nx.png,"two\nlines",a\nq.png,,b')


# --- columns ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "row", "line"),
    [
        (
            "file_name,diagnosis,patient_id",
            "x.png,a,1",
            "columns: {image: file_name, label: diagnosis, group: patient_id}",
        ),
        ("filename,class", "x.png,a", "columns: {image: filename, label: class}"),
        (
            "Image Index,Finding Labels,Patient ID",
            "x.png,a,1",
            "{image: Image Index, labels: Finding Labels, group: Patient ID}",
        ),
        ("isic_id,dx,lesion_id", "x,a,1", '{image: "{isic_id}.png", label: dx, group: lesion_id}'),
        ("id_code,level", "img_only,a", '{image: "only/{id_code}.jpg", label: level}'),
        ("img,label,subset", "x.png,a,train", "columns: {image: img, split: subset}"),
        ("image,diagnosis", "x.png,a", "columns: {label: diagnosis}"),
        ("path,value", "x.png,1", "columns: {image: path}"),
    ],
)
def test_line_to_write_is_in_the_error(tmp_path: Path, header: str, row: str, line: str):
    (tmp_path / "only").mkdir()
    (tmp_path / "only/img_only.jpg").touch()
    with pytest.raises(MMLError) as error:
        read(tmp_path, f"{header}\n{row}")
    assert line in str(error.value)


def test_columns_are_named_by_the_task(tmp_path: Path):
    text = "file_name,Diagnosis,patient,set,cv,label\nx.png,a,p,train,0,no\ny.png,b,q,train,1,no\nz.png,a,r,test,,no"
    columns = {"image": "file_name", "label": "Diagnosis", "group": "patient", "split": "set", "fold": "cv"}
    assert told(read(tmp_path, text, columns=columns), "id", "label", "group", "split", "fold") == [
        ("x.png", "a", "p", "train", 0),
        ("y.png", "b", "q", "train", 1),
        ("z.png", "a", "r", "test", None),
    ]


@pytest.mark.parametrize(
    ("column", "role", "field", "value"),
    [
        ("truth", "labels", "label", {"a": 1.0}),
        ("truth", "value", "label", 1.0),
        ("truth", "mask", "mask", "mask/x.png"),
    ],
)
def test_named_column_says_what_is_learned(tmp_path: Path, column: str, role: str, field: str, value: Any):
    cells = {"labels": "a", "value": "1", "mask": "mask/x.png"}[role]
    delivery = read(tmp_path, f"f,{column}\nx.png,{cells}\ny.png,{cells}", columns={"image": "f", role: column})
    assert told(delivery, field)[0] == (str(tmp_path / value) if role == "mask" else value)


def test_templates_make_names_of_several_columns(tmp_path: Path):
    columns = {"image": "{folder}/{id}.png", "mask": "mask/{id}.png", "group": "{site}-{pat id}"}
    text = "folder,id,site,pat id\nimg,x,A,1\nimg/deep,y,B,1\nimg,z,B,"
    delivery = read(tmp_path, text, columns=columns)
    assert told(delivery, "id", "group") == [("img/x.png", "A-1"), ("img/deep/y.png", "B-1"), ("img/z.png", None)]
    assert told(delivery, "mask") == [str(tmp_path / f"mask/{name}.png") for name in "xyz"]
    metadata = read_metadata("csv", {"path": str(tmp_path), "columns": columns}, ["site"])
    assert metadata == {"site": {"img/x.png": "A", "img/deep/y.png": "B", "img/z.png": "B"}}


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"image": "{foldr}/{id}.png"}, r"line 1: columns\.image.*column 'foldr', .*did you mean 'folder'"),
        ({"image": "{folder}/{id}.jpg"}, r"line 2: the image .*img/x\.jpg, made by the template .* does not exist"),
        (
            {"image": "id"},
            r"line 2: the image .*/x does not exist; there is 'x\.png': write columns: \{image: \"\{id\}\.png",
        ),
        ({"image": "file"}, r"columns\.image: .* has no column 'file'"),
        ({"imag": "id"}, r"columns: .*'imag', did you mean 'image'"),
        ({"image": None}, r"columns\.image"),
        ({"image": "{folder}/{id}.png", "label": "{folder}-{folder}x{what}"}, "names the column 'what'"),
    ],
)
def test_wrong_columns_are_refused_while_planning(tmp_path: Path, columns: dict[str, str], why: str):
    path = write(tmp_path, "folder,id,label\nimg,x,a\nimg,y,b")
    with pytest.raises(MMLError, match=why):
        TaskIdentity.of("t", Task(creator="csv", path=str(path), columns=columns))


def test_header_that_is_missing_is_named(tmp_path: Path):
    with pytest.raises(MMLError, match=r"the first line \(x\.png, a\) is no header"):
        read(tmp_path, "x.png,a\ny.png,b")


@pytest.mark.parametrize("name", ["patient_id", "PatientID", "Subject", "anon_patient_no"])
def test_column_that_looks_like_a_patient_is_warned_of(tmp_path: Path, warnings: list[str], name: str):
    text = f"image,label,{name}\nx.png,a,1\ny.png,b,1\nz.png,b,2"
    read(tmp_path, text)
    assert f"columns: {{group: {name}}}" in warnings[0]
    warnings.clear()
    read(tmp_path, text, columns={"group": name})
    read(tmp_path, text, columns={"group": None})
    read(tmp_path, text.replace("y.png,b,1", "y.png,b,3"))  # an image a patient
    assert warnings == []


def test_column_that_looks_like_splits_or_folds_is_warned_of(tmp_path: Path, warnings: list[str]):
    read(tmp_path, "image,label,subset,kfold\nx.png,a,Train,0\ny.png,b,test,1")
    assert [line for line in warnings if "{split: subset}" in line or "{fold: kfold}" in line] == warnings
    assert len(warnings) == 2


def test_paths_of_windows_and_of_macos_are_found(tmp_path: Path):
    lay(tmp_path, f"{unicodedata.normalize('NFD', 'ö')}.png")
    delivery = read(tmp_path, "image,label\nimg\\x.png,a\nö.png,b")
    assert all(Path(sample.image).is_file() for sample in delivery.samples)


def test_file_in_another_case_is_named(tmp_path: Path):
    with pytest.raises(MMLError, match=r"line 2: .*X\.PNG.*there is 'x\.png'"):
        read(tmp_path, "image,label\nX.PNG,a")


def test_table_of_files_that_are_no_pictures_is_refused(tmp_path: Path):
    (tmp_path / "x.mha").write_bytes(b"DICM")
    with pytest.raises(MMLError, match=r"line 2: .*x\.mha.*\(volumes.*: export"):
        read(tmp_path, "image,label\nx.mha,a")


def test_options_of_a_table_make_another_data_set(tmp_path: Path):
    path = str(write(tmp_path, "image,labels,c\nx.png,a;b,p\ny.png,a|b,q"))
    options: list[dict[str, Any]] = [
        {"separator": "|"},
        {"separator": ";"},
        {"separator": "|", "columns": {"group": "c"}},
    ]
    assert len({CREATORS["csv"].survey(path, **option).fingerprint for option in options}) == 3


# --- missing values ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", [*PANDAS, "none", "NaT", "?", "-", "NAN", "Null"])
def test_missing_value_is_the_same_in_every_column(tmp_path: Path, cell: str):
    text = f"image,labels,group,fold,site\nx.png,a,{cell},0,A\ny.png,{cell},p,1,{cell}\nz.png,a|{cell},{cell},{cell},A"
    delivery = read(tmp_path, text)
    assert told(delivery, "label", "group", "fold") == [({"a": 1.0}, None, 0), ({}, "p", 1), ({"a": 1.0}, None, None)]
    assert read_metadata("csv", {"path": str(tmp_path)}, ["site"])["site"]["y.png"] == ""
    for column, first in {"label": "a", "value": "1", "mask": "mask/x.png"}.items():
        with pytest.raises(MMLError, match=f"line 3: the column '{column}' is (empty|missing)"):
            read(tmp_path, f"image,{column}\nx.png,{first}\ny.png,{cell}")
    split = read(tmp_path, f"image,label,split\nx.png,a,{cell}\ny.png,b,{cell}")
    assert told(split, "split") == [None, None]


def test_spelled_missing_values_are_named(tmp_path: Path, warnings: list[str]):
    read(tmp_path, "image,label,group\nx.png,a,nan\ny.png,b,nan\nz.png,b,")
    assert len(warnings) == 1
    assert "'nan' in group (2)" in warnings[0]


def test_class_may_be_named_like_a_missing_value(tmp_path: Path, warnings: list[str]):
    text = "image,label,group\nx.png,None,NA\ny.png,mild,\nz.png,None,unknown"
    delivery = read(tmp_path, text, missing=["", "unknown"])
    assert told(delivery, "label", "group") == [("None", "NA"), ("mild", None), ("None", None)]
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
    with pytest.raises(MMLError, match=r"is no number; write it as 0\.7"):
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
