"""Tables of others: delimiters, encodings, columns and templates."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.tasks.creators.creator_registry import CREATORS, read_metadata
from mml_lib.tasks.creators.delimited import delimiter_of
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.image_folders import images_of, sample_fields
from tests.support.plans import deliver
from tests.support.small_tables import read, write

# --- the text ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "   "])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_ends_of_lines_are_detected(tmp_path: Path, delimiter: str, end: str):
    rows = [("image", "label", "note"), ("x.png", "a", "1"), ("y.png", "b", "2")]
    text = end.join(delimiter.join(row) for row in rows)
    assert sample_fields(read(tmp_path, text + end), "id", "label") == [("x.png", "a"), ("y.png", "b")]


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
    assert sample_fields(deliver("csv", write(tmp_path, text, encoding=encoding)), "id", "label") == [
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
    assert sample_fields(read(tmp_path, text, columns=columns), "id", "label", "group", "split", "fold") == [
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
    assert sample_fields(delivery, field)[0] == (str(tmp_path / value) if role == "mask" else value)


def test_templates_make_names_of_several_columns(tmp_path: Path):
    columns = {"image": "{folder}/{id}.png", "mask": "mask/{id}.png", "group": "{site}-{pat id}"}
    text = "folder,id,site,pat id\nimg,x,A,1\nimg/deep,y,B,1\nimg,z,B,"
    delivery = read(tmp_path, text, columns=columns)
    assert sample_fields(delivery, "id", "group") == [
        ("img/x.png", "A-1"),
        ("img/deep/y.png", "B-1"),
        ("img/z.png", None),
    ]
    assert sample_fields(delivery, "mask") == [str(tmp_path / f"mask/{name}.png") for name in "xyz"]
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
    with pytest.raises(MMLError, match=r"the first line \(x\.png, a\) is not a header"):
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
    images_of(tmp_path, f"{unicodedata.normalize('NFD', 'ö')}.png")
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
