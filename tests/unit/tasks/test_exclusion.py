"""Samples that tables leave out: their identity, the task without them, and tables that do not fit."""

from pathlib import Path

import pytest

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.tasks.splits.copies import Copies
from mml_lib.tasks.splits.excluded_samples import ExcludedSamples
from mml_lib.tasks.tags.leaving_out import leave_out, read_planned
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.described_tasks import task_of


def written(path: Path, *rows: str, head: str = "task,id,reason") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def identity(folder: Path, *tables: str) -> TaskIdentity:
    task = Task(creator="fake", exclude=list(tables))
    excluded = ExcludedSamples.read("lesions", task.excluding_tables, folder)
    return TaskIdentity.of("lesions", task, exclude=excluded.digest)


def test_identity_follows_the_samples_and_no_file(tmp_path: Path):
    written(tmp_path / "AUDIT/lesions/labels.csv", "lesions,3,wrong label", "lesions,1,wrong label")
    written(tmp_path / "copy.csv", "1,lesions+subset~0.5", "3,lesions", "3,lesions", head="id,task")
    written(tmp_path / "more.csv", "lesions,2,")
    written(tmp_path / "none.csv")
    plain = identity(tmp_path)
    without = identity(tmp_path, "AUDIT/lesions/labels.csv")
    assert without.id != plain.id
    assert without.dataset == plain.dataset
    assert identity(tmp_path, "copy.csv").id == without.id
    assert identity(tmp_path, "copy.csv", "more.csv").id not in (without.id, plain.id)
    assert identity(tmp_path, "none.csv") == plain
    assert "exclude" not in plain.definition()
    assert without.tagged("subset~0.5").id != plain.tagged("subset~0.5").id


def test_tables_lie_in_the_project_or_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    own, of_project = written(tmp_path / "mine/a.csv"), written(tmp_path / "results/p/AUDIT/a.csv")
    excluded = ExcludedSamples.read("lesions", ["mine/a.csv", "AUDIT/a.csv"], tmp_path / "results/p")
    assert excluded.files == (own, of_project)


def test_patterns_of_files_are_still_arguments_of_the_creator():
    assert Task(creator="image_folder", exclude="*_thumb.png").arguments == {"exclude": "*_thumb.png"}
    both = Task(creator="image_folder", path="images", exclude=["*_thumb.png", "AUDIT/lesions/labels.csv"])
    assert both.arguments == {"path": "images", "exclude": ["*_thumb.png"]}
    assert both.excluding_tables == ["AUDIT/lesions/labels.csv"]
    assert Task(creator="fake", exclude="a.csv").arguments == {}
    assert Task(creator="image_folder", exclude="*.csv").arguments == {"exclude": "*.csv"}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("task,sample\nlesions,1\n", "no column 'id'.*columns task and id"),
        ("", "no column 'task'"),
        ("task,id\nlesions,1\nvessels,2\n", "samples of 'vessels', not of lesions; name the table of lesions"),
        ("task,id\nlesions,\xff\n", "cannot be read as CSV in UTF-8"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path: Path, content: str, line: str):
    (tmp_path / "t.csv").write_bytes(content.encode("latin-1"))
    with pytest.raises(MMLError, match=f"tasks.lesions.exclude: .*{line}"):
        ExcludedSamples.read("lesions", ["t.csv"], tmp_path)


def test_missing_table_is_refused(tmp_path: Path):
    with pytest.raises(MMLError, match=r"no table AUDIT/lesions/labels.csv.*snakemake audit"):
        ExcludedSamples.read("lesions", ["AUDIT/lesions/labels.csv"], tmp_path)


def test_table_that_changed_after_the_plan_is_refused(tmp_path: Path):
    path = written(tmp_path / "t.csv", "lesions,1,")
    planned = ExcludedSamples.read("lesions", [str(path)], tmp_path).digest
    assert read_planned("lesions", [str(path)], planned).ids == ("1",)
    written(path, "lesions,2,")
    with pytest.raises(MMLError, match="changed after the plan; run the command again"):
        read_planned("lesions", [str(path)], planned)


def excluded(*ids: str) -> ExcludedSamples:
    return ExcludedSamples((Path("labels.csv"),), tuple(sorted(ids)))


def test_other_samples_keep_their_split_and_fold(tmp_path: Path):
    task, _ = task_of(tmp_path, "classification")
    left = leave_out(task, excluded("0", "4", "7"))
    kept = [row for row, id_ in enumerate(task.samples["id"]) if id_ not in ("0", "4", "7")]
    for column, values in left.samples.items():
        assert values == [task.samples[column][row] for row in kept]
    assert left.header["num_samples"]["all"] == task.header["num_samples"]["all"] - 3
    assert left.header["num_folds"] == task.header["num_folds"]


@pytest.mark.parametrize(
    ("ids", "line"),
    [
        (["0", "x"], "1 samples that classification does not have .'x'.*this task"),
        ([str(number) for number in range(0, 30, 4)], "no training sample of the class 'naevus'"),
        ([str(number) for number in range(30) if number % 4 == 3 and number % 5 != 4], "no test sample"),
    ],
)
def test_too_few_samples_are_refused(tmp_path: Path, ids: list[str], line: str):
    task, _ = task_of(tmp_path, "classification")
    with pytest.raises(MMLError, match=f"tasks.classification.exclude: .*{line}"):
        leave_out(task, excluded(*ids))


def test_copies_that_are_left_out_cross_no_split(tmp_path: Path):
    task, dataset = task_of(tmp_path, "classification")
    split, fold = task.column["split"], task.column["fold"]
    train, test = (int((split == name).nonzero()[0][0]) for name in ("train", "test"))
    digests = [str(number) for number in range(30)]
    digests[test] = digests[train]
    object.__setattr__(dataset, "digests", digests)
    with pytest.raises(MMLError, match="duplicates: allow"):
        Copies(dataset, "t").check(split, fold, task.targets)
    Copies(dataset, "t", left_out=[str(train)]).check(split, fold, task.targets)
