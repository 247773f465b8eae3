"""A user's own tags: how they are parsed, and what registering and planning refuses."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.task_types import LEARNABLE
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.tags import TAGS, Shape, plan_tag, register_tag
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.tagged_tasks import base, tagged


@pytest.fixture(autouse=True)
def _only_built_in_tags() -> Iterator[None]:
    before = dict(TAGS)
    yield
    TAGS.clear()
    TAGS.update(before)


def odd(task: TaskDescription, parity: int = 1) -> TaskDescription:
    return task.changed("odd rows only", keep=np.array(task.samples["row"]) % 2 == parity)


def test_own_tag_is_parsed_by_its_annotations_and_part_of_the_id():
    register_tag("odd")(odd)
    assert {row % 2 for row in tagged(base(), "odd+odd~1").samples["row"]} == {1}
    assert TAGS["odd"].usage == "odd[~PARITY]"
    with pytest.raises(MMLError, match=r"the tag odd\[~PARITY\]: 'x' is not a whole number"):
        plan_tag(Shape("no_task", 0, False), "odd~x")
    origin = TaskIdentity.of("t", Task(creator="fake"))
    first = origin.tagged("odd").id
    register_tag("odd", version=2)(odd)
    assert origin.tagged("odd").id != first


def test_annotations_of_own_tags_may_be_texts_or_lacking():
    @register_tag("told")
    def told(task: TaskDescription, word, number: "int") -> TaskDescription:
        return task.changed(f"{word} {number + 1}")

    assert tagged(base(), "told~so~6").header["protocol"][1:] == ["so 7"]


def by_list(task: TaskDescription, words: list[str]) -> TaskDescription:
    return task


@pytest.mark.parametrize(
    ("name", "function", "why"),
    [
        ("Odd-1", odd, "tag 'Odd-1'.*name it by lower-case letters and _"),
        ("subset", odd, "tag 'subset'.*mml_lib.tasks.tags.built_in already"),
        ("listed", by_list, "tag 'listed':.*parameter 'words'"),
    ],
)
def test_tags_that_cannot_be_written_are_not_registered(name: str, function: Callable, why: str):
    with pytest.raises(MMLError, match=why):
        register_tag(name)(function)
    assert name not in TAGS or TAGS[name].function is not function


@pytest.mark.parametrize(
    ("keep", "why"),
    [
        (lambda task: task.column["fold"] != 2, "tag 'own'.*fold 2"),
        (lambda task: task.column["split"] != "test", "the tag 'own' leaves no test sample in t"),
        (lambda task: task.column["split"] != "unlabelled", "the tag 'own' leaves no unlabelled sample in t"),
        (lambda task: np.zeros(97, dtype=bool), "the tag 'own' leaves no training sample"),
    ],
)
@pytest.mark.parametrize("kind", LEARNABLE)
def test_own_tags_that_leave_too_little_are_refused(kind: str, keep: Callable, why: str):
    register_tag("own")(lambda task: task.changed("", keep=keep(task)))
    with pytest.raises(MMLError, match=why):
        tagged(base(kind, "unlabelled too"), "own")


def test_own_tag_that_changes_folds_has_to_plan_them():
    def two(task: TaskDescription) -> TaskDescription:
        return task.changed("two folds", fold=np.minimum(task.column["fold"], 1), num_folds=2)

    register_tag("two")(two)
    with pytest.raises(MMLError, match=r"tag 'two' gives .*num_folds=2.*num_folds=3.*; correct"):
        tagged(base(), "two")
    register_tag("two", plan=lambda shape: replace(shape, num_folds=2))(two)
    assert tagged(base(), "two").header["num_folds"] == 2
