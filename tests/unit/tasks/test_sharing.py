"""Several tasks on the images of one data set: its identity, and its samples in each task."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mml_lib.config.loading import load_study, open_files
from mml_lib.errors import MMLError
from mml_lib.images.readers.frames import expand_frames
from mml_lib.images.surveying import survey_images
from mml_lib.studies.runs import Runs
from mml_lib.studies.study_tasks import StudyTasks
from mml_lib.tasks.creators import CREATORS, Delivery, Sample, Sharing, class_names, register_creator, table_rows
from mml_lib.tasks.creators.creator_registry import create
from mml_lib.tasks.targets import Targets
from tests.support.shared_data import make_dataset, match, shared_tasks
from tests.support.studies import study

TABLE = """Path,patient,Sex,Age,Edema,Mass,view
0.png,p1,F,20,1,0,frontal
1.png,p1,F,20,-1,1,lateral
2.png,p2,M,31,0,,frontal
3.png,p3,F,43,,0,frontal
4.png,p4,M,52,1,1,lateral
"""
CHEST = {"creator": "csv", "path": "t.csv", "image": "Path", "group": "patient"}
TASKS = {
    "sex": {"label": "Sex"},
    "age": {"label": "Age", "task_type": "regression"},
    "frontal": {"label": "Sex", "filter": "view == 'frontal'"},
    "findings": {"labels": ["Edema", "Mass"], "unknown": [-1, ""]},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text(TABLE)
    draw(range(5))
    return tmp_path


def draw(numbers: Sequence[int]) -> None:
    for number in numbers:
        Image.fromarray(np.full((4 + number, 6), 9 * number + 1, np.uint8)).save(f"{number}.png")


def tasks_of(tasks: dict[str, Any] | None = None, dataset: dict[str, Any] | None = None) -> StudyTasks:
    """Return the tasks of a study, all on one data set."""
    return shared_tasks(dataset or CHEST, tasks or TASKS)


def identities(tasks: StudyTasks) -> tuple[set[str], dict[str, str]]:
    return {task.dataset for task in tasks.values()}, {name: task.id for name, task in tasks.items()}


# --- identity ---------------------------------------------------------------------------------------------------------


def test_all_tasks_have_one_data_set_and_ids_of_their_own():
    folders, ids = identities(tasks_of())
    assert len(folders) == 1
    assert len(set(ids.values())) == len(TASKS)


def test_further_tasks_columns_and_folds_change_no_other_task():
    before = identities(tasks_of())
    lines = TABLE.splitlines()
    Path("t.csv").write_text(
        "\n".join([f"{lines[0]},new", *(f"{line},{'ab'[n % 2]}" for n, line in enumerate(lines[1:]))])
    )
    folders, ids = identities(tasks_of(TASKS | {"new": {"label": "new"}, "sex3": {"label": "Sex", "folds": 3}}))
    assert folders == before[0]
    assert {name: ids[name] for name in TASKS} == before[1]
    assert ids["sex3"] != ids["sex"]


def test_corrected_label_makes_the_tasks_that_learn_it_anew():
    folders, before = identities(tasks_of())
    Path("t.csv").write_text(TABLE.replace("p4,M,52", "p4,F,52"))
    now_folders, ids = identities(tasks_of())
    assert now_folders == folders
    assert {name for name in TASKS if ids[name] != before[name]} == {"sex"}


def test_order_of_rows_does_not_repack():
    before, _ = identities(tasks_of())
    head, *rows = TABLE.splitlines()
    Path("t.csv").write_text("\n".join([head, *reversed(rows)]))
    assert identities(tasks_of())[0] == before


@pytest.mark.parametrize("change", ["added", "removed", "edited"])
def test_other_images_are_another_data_set(change: str):
    before, _ = identities(tasks_of())
    if change == "added":
        draw([5])
        Path("t.csv").write_text(TABLE + "5.png,p5,F,20,1,0,frontal\n")
    elif change == "removed":
        Path("t.csv").write_text(TABLE.replace("4.png,p4,M,52,1,1,lateral\n", ""))
    else:
        shutil.copy("3.png", "2.png")
    assert identities(tasks_of())[0] != before


def test_data_set_at_another_place_is_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch):
    before = identities(tasks_of())
    shutil.copytree(folder, folder / "elsewhere")
    monkeypatch.chdir(folder / "elsewhere")
    assert identities(tasks_of()) == before


def test_images_that_a_creator_labels_are_the_data_set_of_a_plain_task():
    fake = {"creator": "fake", "num_samples": 24}
    tasks = tasks_of({"t": {}, "merged": {"idx_to_class": {0: "a", 1: "b", 2: "b"}}}, fake)
    cfg = load_study(study(tasks={"t": fake}))
    fm = open_files(cfg)
    plain = StudyTasks(cfg, fm, Runs(fm))["t"]
    assert (tasks["t"].id, tasks["t"].dataset) == (plain.id, plain.dataset)
    assert tasks["merged"].dataset == plain.dataset
    assert tasks.targets(tasks["t"].definition()) is None


def test_downloads_are_unpacked_once_whatever_is_learned():
    downloads = [{"url": "file:///a.zip", "sha256": "1f" * 31 + "2e"}]
    chest = CHEST | {"downloads": downloads}
    tasks = tasks_of(dataset=chest)
    folders, ids = identities(tasks)
    assert len(folders) == 1
    assert len(set(ids.values())) == len(TASKS)
    other = tasks_of({"sex": TASKS["sex"]}, chest | {"unknown": [-1], "group": "view"})
    assert identities(other)[0] == folders
    assert other["sex"].id != ids["sex"]
    targets = tasks.targets(tasks["age"].definition())
    assert targets is not None
    assert targets["downloaded"]
    assert targets["arguments"]["columns"] == {"image": "Path", "group": "patient", "value": "Age"}


# --- samples ----------------------------------------------------------------------------------------------------------


def test_samples_of_a_task_are_rows_of_the_data_set():
    tasks = tasks_of()
    dataset = make_dataset(tasks, "sex")
    assert [sample.label for sample in dataset.delivery.samples] == [None] * 5
    view, rows = match(tasks, "frontal", dataset)
    assert rows == [0, 2, 3]
    assert [sample.label for sample in view.delivery.samples] == ["F", "M", "F"]
    assert [sample.group for sample in view.delivery.samples] == ["p1", "p2", "p3"]
    assert view.sizes == [(4, 6), (6, 6), (7, 6)]
    assert view.digests == [dataset.digests[row] for row in rows] if dataset.digests else False


def test_targets_are_those_of_a_plain_task():
    tasks = tasks_of()
    dataset = make_dataset(tasks, "sex")
    findings, _ = match(tasks, "findings", dataset)
    expected = np.array([[1, 0], [np.nan, 1], [0, np.nan], [np.nan, 0], [1, 1]])
    np.testing.assert_array_equal(Targets.of(findings, None, "t").values, expected)
    age, _ = match(tasks, "age", dataset)
    np.testing.assert_array_equal(Targets.of(age, None, "t").values, [20, 20, 31, 43, 52])


def test_masks_and_labels_of_one_data_set():
    for number in range(3):
        mask = np.zeros((4 + number, 6), np.uint8)
        mask[: number + 1] = 1
        Image.fromarray(mask).save(f"m{number}.png")
    Path("t.csv").write_text("image,mask,grade\n0.png,m0.png,a\n1.png,m1.png,b\n2.png,m2.png,a\n3.png,,b\n")
    dataset_keys = {"creator": "csv", "path": "t.csv"}
    marked = {"filter": "mask is not None"}
    tasks = tasks_of({"lesion": marked, "grade": {"label": "grade"}}, dataset_keys)
    assert len({task.dataset for task in tasks.values()}) == 1
    assert tasks["lesion"].task_type == "semantic_segmentation"
    dataset = make_dataset(tasks, "lesion")
    assert dataset.values == [{0: 18, 1: 6}, {0: 18, 1: 12}, {0: 18, 1: 18}, None]
    lesion, rows = match(tasks, "lesion", dataset)
    assert rows == [0, 1, 2]
    assert Targets.of(lesion, None, "t").values.tolist() == [[18, 6], [18, 12], [18, 18]]
    grade, rows = match(tasks, "grade", dataset)
    assert rows == [0, 1, 2, 3]
    assert Targets.of(grade, None, "t").values.tolist() == [0, 1, 0, 1]


def test_frames_of_a_file_have_its_label():
    frames = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (3, 4)]
    frames[0].save("0.tif", save_all=True, append_images=frames[1:])
    Path("t.csv").write_text("image,label\n0.tif,a\n1.png,b\n")
    tasks = tasks_of({"t": {}}, {"creator": "csv", "path": "t.csv", "images": {"frames": "all"}})
    source = tasks.source(tasks["t"].dataset)
    from mml_lib.config.image_options import Images

    delivery = create("csv", source["arguments"], Path("d"), images_alone=True)
    images = Images(**source["images"])
    dataset = survey_images(expand_frames(delivery, "d", Path("d"), 1, images), "d", Path("d"), 1, images=images)
    view, rows = match(tasks, "t", dataset)
    assert rows == [0, 1, 2]
    assert [(s.id, s.label, s.group) for s in view.delivery.samples] == [
        ("0.tif#0", "a", "0.tif"),
        ("0.tif#1", "a", "0.tif"),
        ("1.png", "b", None),
    ]


def test_patients_of_image_files_stay_together_in_each_task(capsys: pytest.CaptureFixture[str]):
    tasks = tasks_of(
        {"age": {"value": "Age"}, "sex": {"label": "Sex"}}, {"creator": "csv", "path": "t.csv", "image": "Path"}
    )
    dataset = make_dataset(tasks, "age")
    patients = ["patient-1", "patient-1", "patient-2", None, None]
    pairs = zip(dataset.delivery.samples, patients, strict=True)
    samples = [replace(sample, group=patient) for sample, patient in pairs]
    dataset = replace(dataset, delivery=replace(dataset.delivery, samples=samples))
    view, _ = match(tasks, "age", dataset)
    assert [sample.group for sample in view.delivery.samples] == patients
    other = tasks_of({"age": {"value": "Age", "group": "view"}}, {"creator": "csv", "path": "t.csv", "image": "Path"})
    view, _ = match(other, "age", dataset)
    assert [sample.group for sample in view.delivery.samples][:2] == ["frontal", "lateral"]
    assert "divide 1 of 2 groups" in capsys.readouterr().out


def test_folders_of_images_share_them_by_layouts():
    for path in ("oesophagus/polyp/0.png", "oesophagus/cyst/1.png", "colon/polyp/2.png", "colon/cyst/3.png"):
        Path("tree", path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(path).name, Path("tree", path))
    keys = {"creator": "image_folder", "path": "tree", "layout": "*/{label}/*"}
    organs = {"layout": "{label}/*/*"}
    tasks = tasks_of({"finding": {}, "organ": organs, "colon": {"layout": "colon/{label}/*"}}, keys)
    assert len({task.dataset for task in tasks.values()}) == 1
    dataset = make_dataset(tasks, "finding")
    view, _ = match(tasks, "organ", dataset)
    assert sorted(str(s.label) for s in view.delivery.samples) == ["colon", "colon", "oesophagus", "oesophagus"]
    view, rows = match(tasks, "colon", dataset)
    assert {dataset.delivery.samples[row].image for row in rows} == {s.image for s in view.delivery.samples}
    assert len(rows) == 2


def test_own_creator_may_be_asked_again_for_each_task(folder: Path):
    @register_creator("own_chest", sharing=Sharing(("label",)))
    def own_chest(folder: Path, path: str, label: str = "Sex") -> Delivery:
        (folder / "notes.txt").write_text(label)
        samples = [Sample(row["Path"], str(Path(row["Path"]).absolute()), row[label]) for row in table_rows(path)]
        return Delivery(samples, class_names(samples))

    try:
        keys = {"creator": "own_chest", "path": "t.csv"}
        tasks = tasks_of({"sex": {}, "view": {"label": "view"}}, keys)
        assert len({task.dataset for task in tasks.values()}) == 1
        Path("d").mkdir()
        view, rows = match(tasks, "view", make_dataset(tasks, "sex"))
        assert rows == [0, 1, 2, 3, 4]
        assert view.delivery.classes == ["frontal", "lateral"]
    finally:
        CREATORS.pop("own_chest", None)


# --- bad input --------------------------------------------------------------------------------------------------------


def test_image_that_the_data_set_lacks_is_named():
    tasks = tasks_of()
    dataset = make_dataset(tasks, "sex")
    draw([5])
    Path("t.csv").write_text(TABLE + "5.png,p5,F,20,1,0,frontal\n")
    with pytest.raises(MMLError, match=r"sex: .*5\.png.* not in the data set .* run the command again"):
        match(tasks, "sex", dataset)


def test_image_with_two_masks_is_refused():
    Path("t.csv").write_text("image,mask\n0.png,1.png\n0.png,2.png\n")
    with pytest.raises(MMLError, match=r"datasets\.shared: .*line 3: .*0\.png has two masks"):
        identities(tasks_of({"t": {}}, {"creator": "csv", "path": "t.csv"}))


@pytest.mark.parametrize(
    ("dataset", "task", "words"),
    [
        (CHEST | {"path": "none.csv"}, {"label": "Sex"}, ["datasets.shared", "none.csv"]),
        (CHEST | {"image": "Pth"}, {"label": "Sex"}, ["datasets.shared", "Pth", "Path"]),
        (CHEST | {"creator": "cvs"}, {"label": "Sex"}, ["datasets.shared.creator", "csv"]),
        (CHEST | {"layuot": "a"}, {"label": "Sex"}, ["datasets.shared", "layuot"]),
        (CHEST, {"label": "Sx"}, ["tasks.t", "Sx", "Sex"]),
        (CHEST, {"label": "Sex", "encoding": "latin-1"}, ["tasks.t.encoding", "datasets.shared"]),
        ({"creator": "fake"}, {"num_samples": 9}, ["tasks.t.num_samples", "datasets.shared", "fake"]),
        ({"creator": "fake"}, {"task_type": "regression"}, ["tasks.t.task_type", "datasets.shared"]),
    ],
)
def test_mistakes_are_named_where_they_are(dataset: dict[str, Any], task: dict[str, Any], words: list[str]):
    with pytest.raises(MMLError) as error:
        identities(tasks_of({"t": task}, dataset))
    assert all(word in str(error.value) for word in words), error.value
