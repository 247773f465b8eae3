"""The key `filter` of tables: what an expression means, and what is refused."""

from pathlib import Path

import pytest

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.tasks.creators.creator_registry import CREATORS, read_metadata
from mml_lib.tasks.creators.table import TableOptions, read_table
from mml_lib.tasks.creators.tables.row_filter import RowFilter
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.messages import mentions
from tests.support.small_tables import read, write


def kept(root: Path, text: str, expression: str, missing: list[str] | None = None) -> str:
    """Return the names of the images that a filter keeps, without suffix."""
    table = read_table(write(root, text), TableOptions(filter=expression, missing=missing))
    return "".join(Path(sample.id).stem for sample in table.samples)


TABLE = "image,label,view,age,patient id\nx.png,a,frontal,60,P1\ny.png,b,lateral,17.5,P2\nz.png,a,NA,,P3"


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("view == 'frontal'", "x"),
        ('view == "frontal" and age > 18', "x"),
        ("age > 18 or view == 'lateral'", "xy"),
        ("17 < age <= 60", "xy"),
        ("18 < age", "x"),
        ("age == 60.0", "x"),
        ("age >= -1", "xy"),
        ("view in ['frontal', 'lateral']", "xy"),
        ("age in (17.5, 61)", "y"),
        ("`patient id` != 'P1'", "yz"),
        ("label\n  == 'a'", "xz"),
        ("view == label or `patient id` == 'P2'", "y"),
    ],
)
def test_rows_that_fulfil_the_expression_are_read(tmp_path: Path, text: str, images: str):
    assert kept(tmp_path, TABLE, text) == images


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("view != 'frontal'", "y"),
        ("not view == 'frontal'", "y"),
        ("view not in ['frontal']", "y"),
        ("not (view == 'frontal' and age > 18)", "y"),
        ("view == 'lateral' or age is None", "yz"),
        ("view is not None", "xy"),
        ("view != 'frontal' or label == 'a'", "xyz"),
    ],
)
def test_comparison_with_a_missing_value_is_unknown_and_keeps_no_row(tmp_path: Path, text: str, images: str):
    assert kept(tmp_path, TABLE, text) == images


def test_missing_values_are_those_of_the_task(tmp_path: Path):
    assert kept(tmp_path, TABLE, "view != 'frontal'", missing=["lateral"]) == "z"


def test_texts_are_compared_as_written_and_numbers_by_value(tmp_path: Path):
    text = "image,label,site\nx.png,a,07\ny.png,b,7.0\nz.png,a,seven"
    assert kept(tmp_path, text, "site == '07'") == "x"
    assert kept(tmp_path, text, "site == 7") == "xy"
    assert kept(tmp_path, text, "site != 7") == "z"


def test_rows_that_are_left_out_may_be_incomplete(tmp_path: Path):
    text = "image,label,kind\nx.png,a,good\ngone.png,,bad\ny.png,b,good"
    assert kept(tmp_path, text, "kind == 'good'") == "xy"


def test_a_row_that_an_unquoted_comma_shifts_is_not_left_out(tmp_path: Path):
    with pytest.raises(MMLError, match="line 3: there are 4 cells, 3 in the header"):
        read(tmp_path, "image,label,kind\nx.png,a,good\ny.png,b,c,good", filter="kind == 'good'")


def test_kept_rows_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lines: list[str] = []
    monkeypatch.setattr("mml_lib.tasks.creators.table.print_line", lines.append)
    read(tmp_path, TABLE, filter="age > 0")
    assert mentions(lines[0], '"age > 0"', "2 of 3 rows")


def test_metadata_are_those_of_the_kept_rows(tmp_path: Path):
    path = write(tmp_path, TABLE)
    values = read_metadata("csv", {"path": str(path), "filter": "label == 'a'"}, ["view"])
    assert values == {"view": {"x.png": "frontal", "z.png": ""}}


def test_column_of_splits_that_is_filtered_by_is_not_overlooked(tmp_path: Path, warnings: list[str]):
    text = "image,label,phase\nx.png,a,train\ny.png,b,train\nz.png,a,test"
    read(tmp_path, text)
    assert len(warnings) == 1
    read(tmp_path, text, filter="phase == 'train'")
    assert len(warnings) == 1


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "is not an expression .*write a comparison"),
        ("view = 'frontal'", "equality is =="),
        ("patient id == 'P1'", "columns such as `patient id` in backticks"),
        ("view ==", "is not an expression"),
        ("view", "view alone is not a comparison"),
        ("not `patient id`", "`patient id` alone is not a comparison"),
        ("18", "18 is not a comparison"),
        ("len(view) > 3", r"len\(view\) is not a column, text or number"),
        ("view.upper() == 'A'", "is not a column, text or number"),
        ("().__class__ == 'A'", "is not a column, text or number"),
        ("__import__('os').system('true')", "is not a comparison"),
        ("age + 1 > 18", "age \\+ 1 is not a column"),
        ("(lambda: 1)() == view", "is not a column"),
        ("[x for x in view] == 'a'", "is not a column"),
        ("view == f'{age}'", "is not a column"),
        ("view == 'a' & label == 'b'", "has & or \\|; write and, or"),
        ("view == True", "write 'True' in quotes"),
        ("view == None", "write is None"),
        ("view is 'frontal'", "view is None, for a missing value; write =="),
        ("'a' == 'b'", "neither is a column"),
        ("'a' in view", "'a' before 'in' is not a column"),
        ("view in 'frontal'", r"write \['AP', 'PA'\]"),
        ("view in []", r"write \['AP', 'PA'\]"),
        ("view in [label]", r"write \['AP', 'PA'\]"),
        ("age > '18'", "write 18 without quotes"),
        ("view > 'g'", "'g' has no order: it is neither a number nor a date"),
        ("view > '2015-9-1'", "'2015-9-1' has no order"),
        ("age > 1" + 400 * "0", "is not a filter"),
        ("(" * 5000 + "view == 'a'" + ")" * 5000, "is no"),
        ("not " * 5000 + "view == 'a'", "is no"),
    ],
)
def test_expression_that_is_no_filter_is_refused_in_one_line(text: str, error: str):
    with pytest.raises(MMLError, match=f"(?s)^filter: .*{error}"):
        RowFilter.of(text)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("vieww == 'frontal'", "filter: the column 'vieww' does not exist, did you mean 'view'"),
        ("age > view", "line 2: filter: the column 'view' is 'frontal', which is not a number"),
        ("label > 3", "line 2: filter: the column 'label' is 'a', which is not a number"),
        ("view == 'Frontal'", "keeps none of the 3 rows; the column view has frontal, lateral, NA"),
        ("age > 18 and", "is not an expression"),
    ],
)
def test_filter_that_does_not_fit_the_table_is_refused_while_planning(tmp_path: Path, text: str, error: str):
    path = write(tmp_path, TABLE)
    with pytest.raises(MMLError, match=rf"^tasks\.t: .*{error}"):
        TaskIdentity.of("t", Task(creator="csv", path=str(path), filter=text))


def test_expression_for_a_downloaded_table_is_checked_while_planning():
    downloads = [{"url": "https://example.org/table.csv", "trust": "first_use"}]
    arguments = {"creator": "csv", "downloads": downloads, "path": "table.csv"}
    with pytest.raises(MMLError, match="equality is =="):
        TaskIdentity.of("t", Task(**arguments, filter="view = 'frontal'"))
    assert TaskIdentity.of("t", Task(**arguments, filter="view == 'frontal'")).task_type == "classification"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("date >= '2015-10-01'", [False, True, True, True]),
        ("date <= '2015-12-31'", [True, True, True, True]),
        ("date <= '2015-12-31 07:59'", [True, True, True, False]),
        ("'2015-12-31 08:00' == date", [False, False, False, True]),
    ],
)
def test_dates_are_compared_as_dates(text: str, kept: list[bool]):
    condition = RowFilter.of(text)
    dates = ("2015-09-30", "2015-10-01", "2015-12-31", "2015-12-31 08:00")
    assert [condition.keeps({"date": date}) for date in dates] == kept


@pytest.mark.parametrize("cell", ["2015-9-1", "01.02.2016", "2015-02-30", "soon"])
def test_cells_that_are_no_dates_are_not_ordered(cell: str):
    with pytest.raises(ValueError, match=f"the column 'date' is '{cell}', which is not a date of the form"):
        RowFilter.of("date > '2015-01-01'").keeps({"date": cell})


def test_whole_numbers_are_compared_exactly():
    ids = [str(2**53 + offset) for offset in range(3)]
    assert [RowFilter.of(f"id != {2**53 + 1}").keeps({"id": id_}) for id_ in ids] == [True, False, True]
    assert [RowFilter.of(f"id in [{2**53 + 1}]").keeps({"id": id_}) for id_ in ids] == [False, True, False]
    assert [RowFilter.of(f"id > {2**53}").keeps({"id": id_}) for id_ in ids] == [False, True, True]


def test_escaped_quotes_end_no_text():
    condition = RowFilter.of(r"""v == 'it\'s `x`'""")
    assert (condition.columns, condition.keeps({"v": "it's `x`"})) == (("v",), True)


def test_filter_makes_another_data_set(tmp_path: Path):
    survey = CREATORS["csv"].planned_survey
    arguments = {"creator": "csv", "path": str(write(tmp_path, TABLE))}
    prints = [
        survey(Task(**arguments, **more)).fingerprint
        for more in ({}, {"filter": "view is not None"}, {"filter": "age is not None"})
    ]
    assert len(set(prints)) == 3
