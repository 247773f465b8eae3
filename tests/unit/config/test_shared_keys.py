"""Keys of data sets and of the tasks that share them."""

from typing import Any

import pytest

from mml_lib.config.loading import load_study
from mml_lib.config.schema import StudyConfig
from mml_lib.errors import MMLError
from tests.support.studies import study

CHEST = {"creator": "csv", "path": "train.csv", "image": "Path", "group": "patient", "unknown": [-1, ""]}


def loaded(tasks: dict[str, Any], **datasets: Any) -> StudyConfig:
    return load_study(study(datasets=datasets or {"chest": CHEST}, tasks=tasks))


def columns(**keys: Any) -> dict[str, Any]:
    return loaded({"t": {"dataset": "chest", **keys}}).tasks["t"].arguments["columns"]


def test_task_has_the_keys_of_its_data_set_and_its_own():
    task = loaded({"t": {"dataset": "chest", "label": "Edema", "folds": 3}}).tasks["t"]
    assert (task.creator, task.folds, task.dataset) == ("csv", 3, "chest")
    assert task.arguments["path"] == "train.csv"
    assert task.arguments["columns"] == {"image": "Path", "group": "patient", "label": "Edema"}


def test_data_set_keeps_what_its_tasks_add_to_themselves():
    cfg = loaded({"t": {"dataset": "chest", "label": "Edema"}})
    assert cfg.datasets["chest"].arguments["columns"] == {"image": "Path", "group": "patient"}


def test_type_of_a_task_says_which_column_its_label_is():
    assert columns(label="Age", task_type="regression")["value"] == "Age"
    assert columns(label="Tags", task_type="multilabel_classification")["labels"] == "Tags"
    assert columns(labels=["Edema", "Mass"])["labels"] == ["Edema", "Mass"]
    assert columns(columns={"label": "Sex"}, split="set") == {
        "image": "Path",
        "group": "patient",
        "label": "Sex",
        "split": "set",
    }


def test_columns_need_no_key_of_their_own_in_any_table():
    cfg = load_study(study(tasks={"t": {"creator": "csv", "path": "t.csv", "image": "file", "value": "age"}}))
    assert cfg.tasks["t"].arguments == {"path": "t.csv", "columns": {"image": "file", "value": "age"}}


def test_target_of_a_task_takes_the_place_of_that_of_the_data_set():
    masks = {"creator": "csv", "path": "t.csv", "mask": "m", "task_type": "semantic_segmentation", "colors": None}
    cfg = loaded(
        {"grade": {"dataset": "d", "label": "grade"}, "lesion": {"dataset": "d", "idx_to_class": {0: "a", 1: "b"}}},
        d=masks,
    )
    assert cfg.tasks["grade"].task_type is None
    assert cfg.tasks["grade"].arguments["columns"] == {"label": "grade"}
    assert cfg.tasks["lesion"].task_type == "semantic_segmentation"
    assert cfg.tasks["lesion"].arguments["columns"] == {"mask": "m"}


def test_both_filters_hold():
    chest = CHEST | {"filter": "view == 'frontal'"}
    cfg = loaded({"t": {"dataset": "chest", "label": "Edema", "filter": "age > 18 or sex == 'F'"}}, chest=chest)
    assert cfg.tasks["t"].arguments["filter"] == "(view == 'frontal') and (age > 18 or sex == 'F')"


def test_data_set_of_the_catalogue():
    cfg = loaded({"t": {"dataset": "chest", "folds": 4}}, chest={"catalogue": "chestmnist", "size": 64})
    written = load_study(study(tasks={"t": {"catalogue": "chestmnist", "size": 64, "folds": 4}}))
    assert cfg.tasks["t"].model_copy(update={"dataset": None}) == written.tasks["t"]
    assert cfg.datasets["chest"].downloads == written.tasks["t"].downloads


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"dataset": "chestt", "label": "Edema"}, ["tasks.t.dataset", "chestt", "did you mean 'chest'"]),
        ({"dataset": None}, ["tasks.t.dataset"]),
        ({"dataset": True}, ["tasks.t.dataset"]),
        ({"dataset": "chest", "path": "other.csv"}, ["tasks.t.path", "datasets.chest"]),
        ({"dataset": "chest", "images": {"range": [0, 1]}}, ["tasks.t.images", "datasets.chest"]),
        ({"dataset": "chest", "downloads": []}, ["tasks.t.downloads", "datasets.chest"]),
        ({"dataset": "chest", "creator": "csv"}, ["tasks.t.creator", "datasets.chest"]),
        ({"dataset": "chest", "mask": "m"}, ["tasks.t.mask", "datasets.chest"]),
        ({"dataset": "chest", "columns": {"image": "m"}}, ["tasks.t.columns.image", "datasets.chest"]),
        ({"dataset": "chest", "label": "a", "columns": {"label": "b"}}, ["tasks.t", "label", "columns.label"]),
        ({"dataset": "chest", "catalogue": "bloodmnist"}, ["tasks.t.catalogue", "chest"]),
        (
            {"dataset": "chest", "label": "Sex", "task_type": "semantic_segmentation"},
            ["tasks.t", "does not learn label", "leave label out", "masks"],
        ),
    ],
)
def test_key_of_the_data_set_is_refused_in_a_task(keys: dict[str, Any], words: list[str]):
    with pytest.raises(MMLError) as error:
        loaded({"t": keys})
    assert all(word in str(error.value) for word in words)


@pytest.mark.parametrize("key", ["metadata", "duplicates", "dataset"])
def test_key_of_a_task_is_refused_in_a_data_set(key: str):
    with pytest.raises(MMLError, match=rf"datasets\.chest\.{key}: each task has its own"):
        loaded({"t": {"dataset": "chest", "label": "a"}}, chest=CHEST | {key: 1})


def test_division_of_a_data_set_is_that_of_its_tasks():
    tasks = {"a": {"dataset": "chest", "label": "a"}, "b": {"dataset": "chest", "label": "b", "seed": 3}}
    cfg = loaded(tasks, chest=CHEST | {"folds": 4, "test_fraction": 0})
    assert cfg.datasets["chest"].division == {"folds": 4, "fold_0_fraction": None, "test_fraction": 0, "seed": 0}
    assert [(task.folds, task.test_fraction, task.seed) for task in cfg.tasks.values()] == [(4, 0, 0), (4, 0, 3)]
    assert loaded(tasks).datasets["chest"].division is None
    assert loaded(tasks, chest=CHEST | {"fold_time_limit": 5}).datasets["chest"].division is None


def test_data_set_without_a_section_is_named():
    with pytest.raises(MMLError, match=r"tasks\.t\.dataset: the study has no datasets"):
        load_study(study(tasks={"t": {"dataset": "chest", "label": "a"}}))


@pytest.mark.parametrize("keys", [None, "csv", ["csv"]])
def test_data_set_without_keys_is_refused(keys: Any):
    with pytest.raises(MMLError, match=r"datasets\.chest: .*creator: csv"):
        loaded({"t": {"dataset": "chest", "label": "a"}}, chest=keys)


def test_datasets_that_are_no_mapping_are_refused():
    with pytest.raises(MMLError, match=r"datasets: \[1\] is not a mapping; write"):
        load_study(study(datasets=[1], tasks={"t": {"dataset": "chest", "label": "a"}}))


def test_data_set_may_have_the_name_of_a_task():
    assert loaded({"chest": {"dataset": "chest", "label": "a"}}).tasks["chest"].dataset == "chest"
