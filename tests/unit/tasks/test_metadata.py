"""Metadata: columns of a data set, and the sub-groups that results are told by."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.evaluation.comparisons.answer import Answer, ComparedNetwork
from mml_lib.reports.canvas import run_styles
from mml_lib.reports.group_figures import draw_groups
from mml_lib.tasks.creators.creator_registry import CREATORS, read_metadata, register_creator
from mml_lib.tasks.dataset import Delivery, Sample
from mml_lib.tasks.metadata import read_metadata_table, sub_groups, write_metadata
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.image_folders import images_of
from tests.support.post_studies import IDS, NETWORKS, described, predictions
from tests.support.small_projects import small_study


def table(root: Path, rows: int = 12, sep: str = ",") -> Path:
    """Write images of two classes and a table with further columns; each `code` is another."""
    images_of(root, *(f"{row}.png" for row in range(rows)))
    lines = [["image", "label", "sex", " age", "code"]]
    lines += [[f"{row}.png", "ab"[row % 2], "mf"[row % 3 == 0], str(20 + row), f"x{row}"] for row in range(rows)]
    (root / "table.csv").write_text("\n".join(sep.join(line) for line in lines))
    return root / "table.csv"


def task(path: Path, *columns: str) -> Task:
    return Task(creator="csv", path=str(path), folds=2, metadata=list(columns))


# --- columns of a data set --------------------------------------------------------------------------------------


@pytest.mark.parametrize("sep", [",", ";"])
def test_table_says_of_each_image_what_its_columns_do(sep: str, tmp_path: Path):
    columns = read_metadata("csv", {"path": str(table(tmp_path, sep=sep))}, ["age", "sex"])
    assert list(columns) == ["age", "sex"]
    assert columns["age"]["3.png"] == "23"
    assert columns["sex"]["3.png"] == "f"


def test_naming_columns_changes_neither_task_nor_data_set(tmp_path: Path):
    path = table(tmp_path)
    plain, described_task = (TaskIdentity.of("t", task(path, *columns)) for columns in ((), ("sex", "age")))
    assert plain.definition() == described_task.definition()


def test_naming_columns_changes_no_run_and_brings_their_table(tmp_path: Path):
    source = {"creator": "csv", "path": str(table(tmp_path)), "folds": 2}
    plain, with_columns = (
        small_study(tmp_path, tasks={"shapes": source | more, "shapes+nested~0": None})
        for more in ({}, {"metadata": ["sex"]})
    )
    runs = [study.scheduler("train").runs_of("shapes")[0].id for study in (plain, with_columns)]
    assert runs[0] == runs[1]
    assert plain.tasks.metadata_paths("shapes") == []
    assert (
        with_columns.tasks.metadata_paths("shapes+nested~0")
        == with_columns.tasks.metadata_paths("shapes")
        == [with_columns.fm.path("sample_metadata", task="shapes")]
    )


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        (["sexx"], "tasks.t: .*table.csv: metadata: the column 'sexx'.*did you mean 'sex'"),
        (["code"], "tasks.t.metadata: 'code' has 60 values, 60.*'x0'"),
    ],
)
def test_columns_without_sub_groups_are_refused_while_planning(columns: list[str], why: str, tmp_path: Path):
    with pytest.raises(MMLError, match=why):
        TaskIdentity.of("t", task(table(tmp_path, 60), *columns))


def test_creator_without_columns_is_refused():
    with pytest.raises(MMLError, match=r"tasks.t.metadata: the creator 'digits'.*use csv"):
        TaskIdentity.of("t", Task(creator="digits", metadata=["sex"]))


@pytest.fixture
def scans() -> Iterator[str]:
    """A user's creator whose samples each have a scanner."""

    def scanners(columns: Sequence[str], number: int = 4) -> dict[str, dict[str, str]]:
        return {column: {f"s{row}": f"{column}{row % 2}" for row in range(number)} for column in columns}

    @register_creator("scans", metadata=scanners)
    def scans(folder: Path, number: int = 4) -> Delivery:
        return Delivery([Sample(f"s{row}", f"{row}.png", "ab"[row % 2]) for row in range(number)], ["a", "b"])

    yield "scans"
    del CREATORS["scans"]


def test_creator_of_ones_own_may_have_columns(scans: str):
    identity = TaskIdentity.of("t", Task(creator=scans, number=3, metadata=["scanner"]))
    assert read_metadata(scans, {"number": 3}, ["scanner"]) == {
        "scanner": {"s0": "scanner0", "s1": "scanner1", "s2": "scanner0"}
    }
    assert identity.source["arguments"] == {"number": 3}


def test_planning_by_columns_imports_no_torch(tmp_path: Path):
    import subprocess

    code = (
        "import sys; from mml_lib.config.task_options import Task; "
        "from mml_lib.tasks.task_identity import TaskIdentity; "
        f"TaskIdentity.of('t', Task(creator='csv', path={str(table(tmp_path))!r}, metadata=['age'])); "
        "sys.exit(bool({'torch', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- sub-groups -------------------------------------------------------------------------------------------------


def column(values: Sequence[object]) -> dict[str, str]:
    return {f"s{row}": str(value) for row, value in enumerate(values)}


def test_values_are_groups_and_what_is_no_value_is_in_none():
    assert list(sub_groups(column(["m", "f", "", "NA", "nan"])).values()) == ["m", "f", None, None, None]
    assert list(sub_groups(column([1, 2, 10, 2])).values()) == ["1", "2", "10", "2"]


def test_many_numbers_are_divided_by_quartiles():
    ages = np.random.default_rng(0).integers(18, 90, 200)
    groups = sub_groups(column(ages))
    names = sorted(set(groups.values()))
    low, mid, high = np.quantile(ages, [0.25, 0.5, 0.75])
    assert names[0] == f"Q1: {ages.min()} to {low:g}"
    assert names[3] == f"Q4: above {high:g} to {ages.max()}"
    for (id_, group), age in zip(groups.items(), ages, strict=True):
        assert int(group[1]) == 1 + (age > low) + (age > mid) + (age > high), id_


def test_quartiles_that_are_equal_are_one_group():
    groups = sub_groups(column([0] * 60 + list(range(1, 21))))
    assert sorted(set(groups.values())) == ["Q1: 0 to 0", "Q4: above 0.25 to 20"]


def test_table_of_columns_is_read_as_it_was_written(tmp_path: Path):
    columns = {"sex": column(["m", "", 'a "b", c']), "age": column([1, 2.5, "ü"])}
    write_metadata(tmp_path / "t.csv", columns)
    assert read_metadata_table(tmp_path / "t.csv") == columns


# --- results ----------------------------------------------------------------------------------------------------


def answered() -> pd.DataFrame:
    metadata = {
        "sex": column(["m", "f"] * 12),
        "age": column(range(24)),
        "site": column(["one"] * 24),
    }
    answer = Answer(["accuracy"], 50, metadata=metadata)
    for seed, network in enumerate(NETWORKS):
        label = {"run": network.run, "label": "", "fold": network.fold}
        compared = ComparedNetwork.of({**network.tokens, "shown": label})
        answer.add(compared, predictions(IDS[:12], seed), described(["a", "b"] * 6 + [None] * 12))
    return answer.groups()


def test_results_are_told_by_group_and_by_each_column_with_several_values():
    groups = answered()
    own = groups[(groups["run"] == "aaaaaaaa") & (groups["fold"] == 0)]
    assert own.groupby("column", sort=False)["group"].agg(list).to_dict() == {
        "group": ["a", "b"],
        "sex": ["f", "m"],
        "age": ["Q1: 0 to 5.75", "Q2: above 5.75 to 11.5"],
    }
    assert own.groupby("column")["samples"].sum().tolist() == [12, 12, 12]


def test_groups_of_a_column_are_drawn(tmp_path: Path):
    groups = answered()
    of_sex = groups[groups["column"] == "sex"]
    runs = ["bbbbbbbb", "aaaaaaaa"]
    draw_groups(of_sex, "accuracy", runs, run_styles(runs), tmp_path / "g.svg", {"aaaaaaaa": "first"})
    drawn = (tmp_path / "g.svg").read_text()
    for text in ("m (n = 6)", "f (n = 6)", "first", "bbbbbbbb", "accuracy"):
        assert text in drawn
    with pytest.raises(MMLError, match="no group defines auroc"):
        draw_groups(of_sex, "auroc", runs, run_styles(runs), tmp_path / "g.svg")
