"""Tags: what each gives, whatever the task, and what it refuses."""

import functools
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.task_types import LEARNABLE, TASK_TYPES
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.tags import TAGS, Shape, plan_tag
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.deliveries import delivered, described, samples
from tests.support.places import REPOSITORY
from tests.support.tagged_tasks import LAYOUTS, base, tagged

FOR_ALL = ["identity", "duplicate~2"]
FOR_LABELS = ["subset~0.5", "subset~0_5~7", "shrink_train~30", "redistribute~0.6"]
FOR_LABELS += ["redistribute~0.5~0.5", "redistribute~0.5~0.25", "redistribute~0.5~0.25~0.25"]
FOR_FOLDS = ["nested~1", "nested~0~2", "subset~0.6+nested~0", "nested~2+subset~0.5+redistribute~0.5~0.25~0.25"]
FOR_CLASSES = ["shrink_equal~6", "confuse~0.2~3", "subclass~a~c", "subclass~0~1"]
FOR_CLASSES += ["subclass~b~c+confuse~0.5+shrink_equal~5"]


def admitted() -> Iterator[tuple[str, str, str]]:
    """Yield each tag with each layout of a classification, and with each task type; each task type with each layout."""
    yield from (("no_task", "folds", tag) for tag in FOR_ALL)
    for layout in LAYOUTS:
        tags = FOR_ALL + FOR_LABELS + (FOR_FOLDS if layout != "val split" else [])
        yield from (("classification", layout, tag) for tag in tags + FOR_CLASSES)
        for kind in (kind for kind in LEARNABLE if kind != "classification"):
            yield from ((kind, layout, tag) for tag in (tags if layout == "folds" else FOR_LABELS[:1]))


def labels(task: TaskDescription, split: str, fold: int | None = None) -> list:
    """Return the labels of a split, or of a fold of it."""
    columns = zip(task.samples["label"], task.samples["split"], task.samples["fold"], strict=True)
    return [label for label, of_split, number in columns if of_split == split and fold in (None, number)]


def occurrences(task: TaskDescription) -> dict[str, int]:
    """Return how often each class is in the training samples, counted from the columns alone."""
    column = task.samples["pixels" if task.header["task_type"] == "semantic_segmentation" else "label"]
    numbers: Counter = Counter()
    for value, split in zip(column, task.samples["split"], strict=True):
        if split == "train":
            numbers.update([value] if isinstance(value, int) else [n for n, part in enumerate(value) if part])
    return {label: numbers[number] for number, label in enumerate(task.header["classes"])}


@pytest.mark.parametrize(("kind", "layout", "tags"), list(admitted()))
def test_tagged_tasks_are_what_was_planned_and_tell_the_truth(kind: str, layout: str, tags: str):
    task, untagged = tagged(base(kind, layout), tags), base(kind, layout)
    header, split = task.header, task.samples["split"]
    folds = {fold for fold, of in zip(task.samples["fold"], split, strict=True) if of == "train" and fold >= 0}
    real = Shape(kind, len(folds), "test" in split, "unlabelled" in split)
    assert functools.reduce(plan_tag, tags.split("+"), Shape.of(untagged.header)) == real
    assert folds == set(range(header["num_folds"]))

    homes: dict[str, set] = {}
    for group, *home in zip(task.samples["group"], split, task.samples["fold"], strict=True):
        homes.setdefault(group, set()).add(tuple(home))
    assert all(len(splits) == 1 for group, splits in homes.items() if group is not None)

    row_of = dict(zip(untagged.samples["id"], untagged.samples["row"], strict=True))
    assert task.samples["row"] == [row_of[id_] for id_ in task.samples["id"]]
    assert header["num_samples"] == {"all": len(split), **Counter(split)}
    assert len(header["protocol"]) == 2 + tags.count("+")
    if kind not in ("regression", "no_task"):
        assert header["class_occ"] == occurrences(task)
        assert header["num_classes"] == len(header["classes"]) == len(set(header["idx_to_class"].values()))
        assert header["imbalance_ratio"] == round(max(occurrences(task).values()) / min(occurrences(task).values()), 3)
    if kind == "regression":
        assert header["target"]["mean"] == pytest.approx(np.mean(labels(task, "train")))


def test_every_built_in_tag_is_among_those_that_are_tested():
    tested = {tag.split("~")[0] for _, _, tags in admitted() for tag in tags.split("+")}
    assert tested == {name for name, tag in TAGS.items() if tag.function.__module__.startswith("mml_lib.")}


def test_identity_and_duplicate_change_nothing_but_name_and_id():
    origin = TaskIdentity.of("t", Task(creator="fake"))
    for tag in FOR_ALL:
        assert tagged(base(), tag).samples == base().samples
    twins = [origin, *(origin.tagged(tag) for tag in ("identity", "duplicate~1", "duplicate~2"))]
    assert len({twin.id for twin in twins}) == 4
    assert {twin.dataset for twin in twins} == {origin.dataset}


def test_nested_fold_becomes_the_test_split_and_the_old_one_is_left_out():
    column, ids = base().column, np.array(base().samples["id"])
    task = tagged(base(), "nested~1~2")
    parts = dict(zip(task.samples["id"], task.samples["split"], strict=True))
    assert {id_ for id_, split in parts.items() if split == "test"} == set(ids[column["fold"] == 1])
    assert set(parts) == set(ids[column["split"] == "train"])
    assert Counter(task.samples["fold"]) == {-1: 24, 0: 24, 1: 24}
    assert Counter(labels(task, "train", 0)) == {0: 8, 1: 8, 2: 8}


def test_nested_of_groups_tells_how_well_they_were_balanced():
    report = tagged(base(layout="groups"), "nested~0").header["folding"]
    assert set(report) == {"folds"}
    assert report["folds"] != base(layout="groups").header["folding"]["folds"]


@pytest.mark.parametrize(("tag", "kept"), [("subset~0.5", 36), ("shrink_train~36~5", 36), ("shrink_equal~12", 36)])
def test_thinned_tasks_keep_their_proportions_and_the_test_split(tag: str, kept: int):
    task = tagged(base(), tag)
    assert (task.header["num_samples"]["train"], labels(task, "test")) == (kept, labels(base(), "test"))
    assert [Counter(labels(task, "train", fold)) for fold in range(3)] == [{0: 4, 1: 4, 2: 4}] * 3


CURVES = {
    "subset": "subset~0.5~3",
    "shrink_train": "shrink_train~20",
    "shrink_equal": "shrink_equal~4",
    "confuse": "confuse~0.5",
}


def test_tags_that_form_curves_leave_the_test_split_alone():
    assert CURVES.keys() == {name for name, tag in TAGS.items() if tag.axis}
    for layout in ("folds", "groups", "unlabelled too", "val split"):
        task = base(layout=layout)
        for tag in CURVES.values():
            derived = tagged(task, tag)
            for column in ("id", "label", "group"):
                kept = [
                    [
                        value
                        for value, split in zip(description.samples[column], description.samples["split"], strict=True)
                        if split == "test"
                    ]
                    for description in (task, derived)
                ]
                assert kept[0] == kept[1] != [], (layout, tag, column)


def test_thinning_many_label_sets_keeps_folds_even():
    bits = [{c: 1.0 for position, c in enumerate("abcdefg") if n >> position & 1} for n in range(128)]
    task = described(delivered(samples(128, bits), "abcdefg", "multilabel_classification"), folds=4, test=0)
    thin = tagged(task, "subset~0.25")
    assert Counter(thin.samples["fold"]) == dict.fromkeys(range(4), 8)


def test_shrink_equal_keeps_the_shares_of_unequal_folds():
    task = tagged(base(layout="val split"), "shrink_equal~8")
    assert task.header["class_occ"] == {"a": 8, "b": 8, "c": 8}
    assert Counter(labels(task, "train", 0)) == {0: 2, 1: 2, 2: 2}


@pytest.mark.parametrize("tag", ["subset~0.5", "shrink_train~36", "shrink_equal~12", "confuse~0.5"])
def test_another_seed_makes_another_choice(tag: str):
    def drawn(text: str) -> tuple:
        return (task := tagged(base(), text)).samples["id"], task.samples["label"]

    assert drawn(tag) == drawn(f"{tag}~0") != drawn(f"{tag}~1")


def test_confused_labels_are_wrong_ones_of_training_samples_only():
    task = tagged(base(), "confuse~0.25")
    assert labels(task, "test") == labels(base(), "test")
    changed = [
        (old, new) for old, new in zip(base().samples["label"], task.samples["label"], strict=True) if old != new
    ]
    assert len(changed) == 18
    assert set(changed) == {(old, new) for old in range(3) for new in range(3) if old != new}


def test_subclass_numbers_the_chosen_classes_anew_in_all_splits():
    task = tagged(base(layout="unlabelled too"), "subclass~c~a")
    assert (task.header["classes"], task.header["idx_to_class"]) == (["a", "c"], {"0": "a", "1": "c"})
    assert Counter(task.samples["label"]) == {0: 30, 1: 30, None: 7}
    assert Counter(labels(task, "test")) == {0: 6, 1: 6}


def test_classes_are_named_as_paths_can_spell_them():
    names = ["Größe 1", "1", "a b", "a/b"]
    task = described(delivered(samples(48, names)), test=0)
    by_index = {name: str(number) for number, name in enumerate(task.header["classes"])}
    assert tagged(task, "subclass~Gr__e_1~1").header["classes"] == ["1", "Größe 1"]
    assert tagged(task, f"subclass~{by_index['a/b']}~1").header["classes"] == ["1", "a/b"]
    with pytest.raises(MMLError, match=r"'a_b'.*a/b; write its index, 2 or 3"):
        tagged(task, "subclass~a_b~1")


@pytest.mark.parametrize(
    ("tag", "trained", "validated", "tested"),
    [
        ("redistribute~0.75", 54, 18, 18),
        ("redistribute~0.5~0.5", 36, 36, 0),
        ("redistribute~0.5~0.25", 36, 18, 18),
        ("redistribute~0.5~0.2~0.3", 45, 18, 27),
    ],
)
def test_redistributed_shares(tag: str, trained: int, validated: int, tested: int):
    task = tagged(base(), tag)
    validation = labels(task, "train", 0)
    assert (len(labels(task, "train")) - len(validation), len(validation)) == (trained, validated)
    assert len(labels(task, "test")) == tested
    assert set(Counter(validation).values()) == {validated // 3}
    old = set(np.array(base().samples["id"])[base().column["split"] == "test"])
    new = {id_ for id_, split in zip(task.samples["id"], task.samples["split"], strict=True) if split == "test"}
    assert (new == old) == (tag == "redistribute~0.75")
    assert old.isdisjoint(task.samples["id"]) == (tag.count("~") == 2)


def test_chained_tags_are_tasks_of_their_own_with_a_protocol():
    task = tagged(base(), "subset~0.5~7+nested~0")
    assert task.header["protocol"] == [
        "created from DSET_x",
        "0.5 of the training samples, seed 7",
        "fold 0 became the test split, the rest was split into 3 folds",
    ]
    origin = TaskIdentity.of("t", Task(creator="fake"))
    chain = origin.tagged("subset~0.5~7").tagged("nested~0")
    assert (chain.name, chain.bases) == ("t+subset~0.5~7+nested~0", (origin.id, origin.tagged("subset~0.5~7").id))
    assert chain.id != origin.tagged("nested~0").tagged("subset~0.5~7").id


WRITE = """
from pathlib import Path
from tests.support.tagged_tasks import base, tagged
for layout in ("folds", "groups"):
    for tags in ("subset~0.5~7+confuse~0.2+nested~0", "shrink_equal~9+redistribute~0.5~0.25~0.25"):
        tagged(base(layout=layout), tags).write(Path(f"{layout}-{tags}.json"))
"""


def test_two_processes_write_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("own", "other"):
        (tmp_path / name).mkdir()
    path = os.pathsep.join([str(REPOSITORY), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", WRITE], env=environment, cwd=tmp_path / "other", check=True)
    monkeypatch.chdir(tmp_path / "own")
    exec(WRITE, {})
    own, other = ({file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("own", "other"))
    assert len(own) == 4
    assert own == other


BAD_ARGUMENTS = {
    "subset~0.5~-1": "a seed is a whole number from 0 on, not -1",
    "subst~0.1": "tag 'subst', did you mean 'subset'?",
    "subset": r"tag 'subset'.*subset~FRACTION\[~SEED\],.*given 0 arguments",
    "identity~1": "tag 'identity'.*given 1 argument$",
    "subset~0.1~2~3": "it was given 3 arguments",
    "subset~half": r"subset~FRACTION\[~SEED\]: 'half'",
    "subset~0.5~0.5": "'0.5' is not a whole number",
    "subset~": "'' is not a number",
    "subset~0": "tag 'subset'.*between 0 and 1, not 0",
    "subset~nan": "not nan",
    "confuse~1.5": "tag 'confuse'.*between 0 and 1, not 1.5",
    "shrink_train~0": "tag 'shrink_train'.*1 on, not 0",
    "shrink_equal~-3": "tag 'shrink_equal'.*1.*-3",
    "duplicate~0": "tag 'duplicate'.*1 on, not 0",
    "nested~3": "tag 'nested'.*0 to 2, not 3",
    "nested~0~1": "tag 'nested'.*not 1",
    "subclass": "tag 'subclass'.*subclass~CLASSES…,.*given 0 arguments",
    "subclass~a~a": "the tag 'subclass' takes two classes or more",
    "redistribute~1": "tag 'redistribute'.*between 0 and 1, not 1",
    "redistribute~0.5~0": "tag 'redistribute'.*between 0 and 1.*most 1",
    "redistribute~0.5~-1~0.5": "takes shares between 0 and 1",
    "redistribute~0.5~nan": "takes shares between 0 and 1",
    "redistribute~0.5~0.6": "with a sum of at most 1",
    "redistribute~0.5~0.2~0.2": "the tag 'redistribute' takes three shares with a sum of 1",
}


@pytest.mark.parametrize(("tag", "why"), BAD_ARGUMENTS.items(), ids=BAD_ARGUMENTS)
def test_bad_arguments_are_refused_while_planning(tag: str, why: str):
    with pytest.raises(MMLError, match=why):
        plan_tag(Shape("classification", 3, True), tag)
    with pytest.raises(MMLError, match=r"^task t\+" + tag.split("~")[0]):
        TaskIdentity.of("t", Task(creator="fake", folds=3)).tagged(tag)


@pytest.mark.parametrize("kind", TASK_TYPES)
@pytest.mark.parametrize("tag", FOR_LABELS[:1] + FOR_LABELS[2:4] + FOR_FOLDS[:1] + FOR_CLASSES[:3])
def test_tags_are_refused_by_task_types_that_they_are_not_for(kind: str, tag: str):
    name = tag.split("~")[0]
    if name in ("shrink_equal", "confuse", "subclass") and kind != "classification":
        why = f"the tag '{name}' is for classification, not for {kind}"
    elif kind == "no_task":
        why = f"the tag '{name}' needs labels, which this task has none of"
    else:
        assert plan_tag(Shape(kind, 3, True), tag).task_type == kind
        return
    with pytest.raises(MMLError, match=why):
        plan_tag(Shape(kind, 3, True), tag)


IMPOSSIBLE = {
    "shrink_train~73": "t: the tag 'shrink_train' asks for 73 of 72 samples",
    "shrink_equal~25": "t: the tag 'shrink_equal' asks for 25 samples of 'a',.*24",
    "subclass~a~bb": "t: the tag 'subclass':.*class 'bb', did you mean 'b'?",
    "subclass~a~7": "t: the tag 'subclass':.*class '7'; known: a, b, c",
    "subclass~a~0": "t: the tag 'subclass' takes two classes or more, not only 'a'",
    "subset~0.001": "class 'a'.*choose more samples",
    "subset~0.2+subset~0.1": "'subset~0.1'.*class '[abc]'",
    "shrink_train~3+shrink_equal~1+nested~0": "t: the class '[abc]' has 1 image .*, 3 folds need .*; add images, or",
    "shrink_equal~2+nested~0~5": "t: the class 'a' has [12].*fold 0 .*, 5 folds.*least 5",
    "redistribute~0.999~0.001": "t: .*0.001 of 72 images.*set a larger one",
}


@pytest.mark.parametrize(("tags", "why"), IMPOSSIBLE.items(), ids=IMPOSSIBLE)
def test_tags_that_leave_nothing_to_learn_are_refused(tags: str, why: str):
    with pytest.raises(MMLError, match=why):
        tagged(base(), tags)


def test_tags_that_a_task_cannot_bear_are_refused():
    with pytest.raises(MMLError, match=r"'shrink_train~2'.*fold 2.*choose more samples"):
        tagged(base("regression"), "shrink_train~2")
    with pytest.raises(MMLError, match="needs a task with two folds or more; this one brings its validation split"):
        tagged(base(layout="val split"), "nested~1")
    with pytest.raises(MMLError, match=r"t: the class 'a' has [67] groups .*, 9 folds need .*; or add groups"):
        tagged(base(layout="groups"), "nested~0~9")
