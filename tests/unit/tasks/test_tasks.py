"""Tasks: descriptions, structs, identities, and the data sets below them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.files.containers import PACKED_FORMAT
from mml_lib.files.stored import json_text
from mml_lib.pipelines.digests import digest
from mml_lib.task_types import LEARNABLE, TASK_TYPES
from mml_lib.tasks.creators import CREATORS
from mml_lib.tasks.dataset import Dataset, Delivery
from mml_lib.tasks.description import TaskDescription, check_planned, read_header
from mml_lib.tasks.splits.splitting import Splitting, assign
from mml_lib.tasks.struct import TaskStruct
from mml_lib.tasks.tags import apply_tag
from mml_lib.tasks.targets import Targets
from mml_lib.tasks.task_identity import TaskIdentity, lineage
from tests.support.deliveries import delivered, described, generated, samples


@pytest.fixture
def struct(tmp_path: Path) -> TaskStruct:
    rows = samples(20, fold=[n % 4 for n in range(20)])
    dataset = Dataset("DSET_x", Delivery(rows, ["a", "b"]), [(10 + n, 30) for n in range(20)], tmp_path)
    targets = Targets.of(dataset, None, "t")
    assignment = assign(rows, targets, "t", Splitting(4))
    TaskDescription.of({"name": "t", "id": "0" * 8}, dataset, targets, assignment).write(tmp_path / "t.json")
    pixels = np.random.default_rng(0).random((20, 5, 5, 3))
    np.save(tmp_path / "moments.npy", np.stack([pixels.mean((1, 2)), (pixels**2).mean((1, 2))], 1))
    np.save(tmp_path / "pixels.npy", pixels)
    (tmp_path / PACKED_FORMAT).write_text(json_text("packed", {}))
    return TaskStruct("t", {"description": tmp_path / "t.json", "packed": tmp_path})


def test_struct_tells_what_the_description_says(struct: TaskStruct):
    assert (struct.task_type, struct.num_classes, struct.num_folds) == ("classification", 2, 4)
    assert struct.idx_to_class == {0: "a", 1: "b"}
    assert struct.class_occ == {"a": 10, "b": 10}
    assert struct.sizes == {"min_height": 10, "max_height": 29, "min_width": 30, "max_width": 30}
    assert struct.modalities == {"image": "unknown"}
    pixels = np.load(struct.paths["packed"] / "pixels.npy")
    assert np.allclose(struct.means, pixels.mean((0, 1, 2)))
    assert np.allclose(struct.stds, pixels.std((0, 1, 2)))


def test_struct_of_a_subset_has_statistics_of_its_own(struct: TaskStruct, tmp_path: Path):
    base = TaskDescription.read(struct.paths["description"])
    half = base.changed("second half", keep=np.arange(20) >= 10)
    half.write(tmp_path / "half.json")
    pixels = np.load(struct.paths["packed"] / "pixels.npy")
    half_struct = TaskStruct("t+half", {**struct.paths, "description": tmp_path / "half.json"})
    assert np.allclose(half_struct.means, pixels[10:].mean((0, 1, 2)))
    assert not np.allclose(half_struct.means, struct.means)


def test_struct_selects_train_and_val_by_fold(struct: TaskStruct):
    assert struct.select("val", 1).tolist() == [1, 5, 9, 13, 17]
    assert len(struct.select("train", 1)) == 15
    with pytest.raises(MMLError, match="has no samples in 'test'"):
        struct.select("test")


@pytest.mark.parametrize(
    ("kind", "dtype", "shape", "outputs"),
    [
        ("classification", np.int64, (97,), 3),
        ("multilabel_classification", np.float32, (97, 3), 3),
        ("semantic_segmentation", np.int64, (97, 3), 3),
        ("regression", np.float32, (97,), 1),
    ],
)
def test_struct_gives_the_targets_of_each_type(tmp_path: Path, kind: str, dtype: type, shape: tuple, outputs: int):
    described(generated(kind, unlabelled=7)).write(tmp_path / "t.json")
    struct = TaskStruct("t", {"description": tmp_path / "t.json"})
    assert (struct.targets.dtype, struct.targets.shape, struct.num_outputs) == (dtype, shape, outputs)
    unknown = {"classification": -1, "semantic_segmentation": 0}.get(kind, np.nan)
    assert np.array_equal(struct.targets[90:], np.full((7, *shape[1:]), unknown), equal_nan=True)
    assert struct.select("unlabelled").tolist() == list(range(90, 97))


def test_mask_values_of_one_name_are_looked_up_as_one_class(tmp_path: Path):
    data = generated("semantic_segmentation")
    definition = {"name": "t+identity", "idx_to_class": None}
    for merged in ({0: "rest", 1: "disc", 2: "disc"}, {"0": "rest", "1": "disc", "2": "disc"}):
        task = described(data, idx_to_class=merged)
        for number, description in enumerate([task, apply_tag(task, "identity").renamed(definition)]):
            description.write(tmp_path / f"{number}.json")
            lookup = TaskStruct("t", {"description": tmp_path / f"{number}.json"}).lookup
            assert lookup[[0, 1, 2, 3, 255]].tolist() == [0, 1, 1, 255, 255]
    assert task.header["pixel_occ"] == {"rest": 72 * 50, "disc": 72 * 20}


@pytest.mark.parametrize("kind", TASK_TYPES)
def test_description_survives_its_file(tmp_path: Path, kind: str):
    task = described(generated(kind, per_group=3, unlabelled=0 if kind == "no_task" else 7), reference="Größe\n, 1")
    task.write(tmp_path / "t.json")
    read = TaskDescription.read(tmp_path / "t.json")
    assert read == task
    assert read.header == read_header(tmp_path / "t.json")
    assert np.array_equal(read.targets.values, task.targets.values, equal_nan=kind != "classification")
    assert "NaN" not in (tmp_path / "t.json").read_text()


@pytest.mark.parametrize("kind", LEARNABLE)
def test_counts_and_statistics_are_those_of_the_training_samples(kind: str):
    task = described(generated(kind, unlabelled=7))
    training = task.targets.take(np.flatnonzero(task.column["split"] == "train"))
    assert task.header["num_samples"] == {"all": 97, "test": 18, "train": 72, "unlabelled": 7}
    occurrences = {
        "classification": ({"a": 24, "b": 24, "c": 24}, 1.0),
        "multilabel_classification": ({"a": 48, "b": 24, "c": 24}, 2.0),
        "semantic_segmentation": ({"a": 72, "b": 36, "c": 36}, 2.0),
        "regression": ({}, None),
    }
    assert (task.header["class_occ"], task.header["imbalance_ratio"]) == occurrences[kind]
    if kind == "regression":
        values = training.values
        statistics = {"mean": values.mean(), "std": values.std(), "min": values.min(), "max": values.max()}
        assert task.header["target"] == pytest.approx(statistics)


def test_what_the_study_says_of_a_task_wins_over_its_data_set():
    data = delivered(samples(30))
    targets = Targets.of(data, None, "t")
    assignment = assign(data.delivery.samples, targets, "t", Splitting(3))
    header = TaskDescription.of({"name": "t"}, data, targets, assignment, {"license": "CC0", "keywords": ["x"]}).header
    assert [header[key] for key in ("license", "keywords", "reference")] == ["CC0", ["x"], ""]


def test_header_is_read_without_the_samples(struct: TaskStruct):
    path = struct.paths["description"]
    first, _ = path.read_text().split("\n", 1)
    path.write_text(first + "\nno JSON from here on")
    assert read_header(path)["num_classes"] == 2
    with pytest.raises(MMLError, match="is damaged"):
        TaskDescription.read(path)


def test_data_set_survives_its_manifest(tmp_path: Path):
    delivery = CREATORS["fake"].function(tmp_path, num_samples=6, num_classes=2, size=8)
    Dataset("DSET_fake", delivery, [(8, 8)] * 6, tmp_path).write(tmp_path / "dataset.json")
    read = Dataset.read(tmp_path / "dataset.json")
    assert (read.delivery, read.sizes) == (delivery, [(8, 8)] * 6)
    assert read.image_path(5).is_file()


def test_newer_format_is_refused(tmp_path: Path):
    (tmp_path / "dataset.json").write_text('{"format": 99}')
    with pytest.raises(MMLError, match=r"format 99, .*install a newer MML"):
        Dataset.read(tmp_path / "dataset.json")


def test_digits_come_with_their_class_names(tmp_path: Path):
    delivery = CREATORS["digits"].function(tmp_path)
    assert len(delivery.samples) == 1797
    assert delivery.classes[:3] == ["zero", "one", "two"]
    assert (tmp_path / delivery.samples[0].image).is_file()


def test_csv_with_byte_order_mark_is_read(tmp_path: Path):
    for name in "xy":
        (tmp_path / f"{name}.png").write_bytes(b"any")
    (tmp_path / "t.csv").write_text("image,label\nx.png,dog\ny.png,cat\n", encoding="utf-8-sig")
    delivery = CREATORS["csv"].function(tmp_path, path=str(tmp_path / "t.csv"))
    assert (delivery.classes, [sample.label for sample in delivery.samples]) == (["cat", "dog"], ["dog", "cat"])


def test_task_identity_depends_on_arguments_and_splitting():
    changes = [{}, {"num_samples": 9}, {"folds": 3}, {"test_fraction": 0.1}, {"seed": 4}, {"fold_0_fraction": 0.5}]
    changes += [{"idx_to_class": {0: "a", 1: "b", 2: "b"}}, {"task_type": "regression"}]
    assert len({TaskIdentity.of("t", Task(creator="fake", **change)).id for change in changes}) == len(changes)
    assert TaskIdentity.of("t", Task(creator="digits")).dataset == "DSET_digits"
    assert TaskIdentity.of("t", Task(creator="fake", size=9)).dataset.startswith("DSET_fake-")


def test_identity_names_the_division_of_groups_where_there_are_some(tmp_path: Path):
    (tmp_path / "images").mkdir()
    for name in "abcd":
        Image.new("L", (4, 4)).save(tmp_path / f"images/{name}.png")
    table = tmp_path / "t.csv"
    table.write_text("image,label,group\n" + "".join(f"images/{n}.png,{n in 'ab'},{n}\n" for n in "abcd"))
    plain, grouped = (
        TaskIdentity.of("t", Task(creator="csv", path=str(table), columns=columns))
        for columns in ({"group": None}, None)
    )
    content = {
        "version": 2,
        "source": plain.source,
        "folds": 5,
        "fold_0_fraction": None,
        "test_fraction": 0.0,
        "seed": 0,
    }
    without = digest({**content, "test_fraction": plain.test_fraction, "idx_to_class": None})
    assert plain.id == without
    source = {**content, "source": grouped.source, "test_fraction": grouped.test_fraction, "idx_to_class": None}
    assert grouped.id == digest({**source, "groups": 2})


def test_task_identity_does_not_depend_on_what_is_said_or_on_time_limits():
    plain, *others = (
        TaskIdentity.of("t", Task(creator="fake", **change))
        for change in ({}, {"license": "CC0"}, {"keywords": ["x"]}, {"fold_time_limit": 1})
    )
    assert {other.id for other in others} == {plain.id}


def test_classes_may_be_merged_in_any_order():
    one, other = ({0: "a", 1: "b", 2: "a"}, {2: "a", 1: "b", 0: "a"})
    ids = {TaskIdentity.of("t", Task(creator="fake", idx_to_class=mapping)).id for mapping in (one, other)}
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("arguments", "planned"),
    [
        ({}, (5, True, False)),
        ({"folds": 3, "test_fraction": 0}, (3, False, False)),
        ({"unlabelled": 4}, (5, True, True)),
        ({"task_type": "no_task"}, (0, False, True)),
    ],
)
def test_task_is_what_was_planned(tmp_path: Path, arguments: dict, planned: tuple):
    identity = TaskIdentity.of("t", Task(creator="fake", num_samples=30, size=4, **arguments))
    assert (identity.num_folds, identity.has_test, identity.has_unlabelled) == planned
    delivery = CREATORS["fake"].function(tmp_path, **identity.source["arguments"])
    dataset = Dataset("DSET_fake", delivery, [(4, 4)] * len(delivery.samples), tmp_path)
    targets, definition = Targets.of(dataset, None, "t"), identity.definition()
    assignment = assign(delivery.samples, targets, "t", Splitting.of(definition))
    task = TaskDescription.of(definition, dataset, targets, assignment)
    check_planned(task, vars(identity))
    splits = set(task.header["num_samples"])
    assert (task.header["num_folds"], "test" in splits, "unlabelled" in splits) == planned


PLANNED = {"task_type": "classification", "num_folds": 5, "has_test": True, "has_unlabelled": False}
GIVEN = [("train", "train", "val", "test")[n % 4] for n in range(90)]


@pytest.mark.parametrize(
    ("data", "folds", "why"),
    [
        (generated("regression"), 5, "^tasks.t: .*set task_type: regression"),
        (
            generated("classification", split=GIVEN),
            5,
            r"splits train, val, test and 1 folds, .* set splits: \[train, val, test\]$",
        ),
        (generated("classification"), 3, "and 3 folds, .*; leave out splits and set folds: 3"),
        (generated("classification", unlabelled=1), 5, r"set splits: \[unlabelled\]$"),
    ],
)
def test_downloads_that_are_other_than_planned_are_refused(data: Dataset, folds: int, why: str):
    with pytest.raises(MMLError, match=why):
        check_planned(described(data, folds), PLANNED, data.delivery.splits)
    check_planned(described(data, folds), None)


def test_lineage_leads_from_the_base_to_the_tagged_task():
    base = TaskIdentity.of("t", Task(creator="fake", idx_to_class={0: "a", 1: "b", 2: "b"}))
    steps = [base, base.tagged("subset~0.5~7"), base.tagged("subset~0.5~7").tagged("nested~0~3")]
    assert lineage(steps[-1].definition()) == [step.definition() for step in steps]
    assert (steps[-1].num_folds, steps[-1].has_test, steps[-1].dataset) == (3, True, base.dataset)


def test_tags_tell_where_they_cannot_be():
    with pytest.raises(MMLError, match=r"t\+identity\+confuse~0.1: the tag 'confuse'"):
        TaskIdentity.of("t", Task(creator="fake", task_type="regression")).tagged("identity").tagged("confuse~0.1")


def test_type_that_a_creator_does_not_make_is_refused():
    with pytest.raises(MMLError, match=r"tasks.t.task_type: the creator 'digits'"):
        TaskIdentity.of("t", Task(creator="digits", task_type="regression"))


def test_models_are_read_when_they_are_asked_for(tmp_path: Path):
    """Another step may be writing one of them."""

    def read_models() -> list[str]:
        reads.append(1)
        return ["model"]

    reads: list[int] = []
    struct = TaskStruct("t", {}, read_models)
    assert not reads
    assert struct.models == struct.models == ["model"]
    assert len(reads) == 1
