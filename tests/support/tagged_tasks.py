"""Tagged tasks."""

import functools

from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.tags import apply_tag
from tests.support.deliveries import described, generated

GIVEN = [("train", "train", "train", "val", "test")[n // 3 % 5] for n in range(90)]


LAYOUTS = {
    "folds": lambda kind: described(generated(kind)),
    "groups": lambda kind: described(generated(kind, 60, per_group=5)),
    "no test": lambda kind: described(generated(kind), test=0),
    "unlabelled too": lambda kind: described(generated(kind, unlabelled=7)),
    "val split": lambda kind: described(generated(kind, split=GIVEN)),
    "given folds": lambda kind: described(generated(kind, fold=[n // 3 % 4 for n in range(90)])),
    "some in no fold": lambda kind: described(
        generated(kind, split=["train"] * 90, fold=[(0, 1, 2, None)[n // 3 % 4] for n in range(90)])
    ),
}


@functools.cache
def base(kind: str = "classification", layout: str = "folds") -> TaskDescription:
    return LAYOUTS[layout](kind)


def tagged(task: TaskDescription, tags: str) -> TaskDescription:
    return functools.reduce(apply_tag, tags.split("+"), task)
