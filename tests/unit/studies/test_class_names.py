"""Classes that a study names or counts are checked while planning, or by the step that describes a task."""

from pathlib import Path
from typing import Any

import pytest

from mml_lib.config.task_options import Task
from mml_lib.engine.preflight.tried_pipelines import TriedPipelines
from mml_lib.errors import MMLError
from mml_lib.studies.checks.class_names import check_described
from mml_lib.tasks.creators.creator_registry import CREATORS, create
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.image_folders import images_of
from tests.support.small_projects import small_study

TASKS: dict[str, dict[str, Any]] = {
    "image_folder": {"creator": "image_folder", "folds": 2},
    "csv": {"creator": "csv", "folds": 2},
    "fake": {"creator": "fake", "num_classes": 2, "folds": 2},
}


def source(folder: Path, creator: str) -> dict[str, Any]:
    """Return a task of the classes cat and dog, or of two kinds of stripes."""
    root = images_of(folder / "img", *(f"{label}/{n}.png" for label in ("cat", "dog") for n in range(6)))
    (root / "t.csv").write_text(
        "\n".join(["image,label", *(f"{c}/{n}.png,{c}" for c in ("cat", "dog") for n in range(6))])
    )
    path = {"image_folder": {"path": str(root)}, "csv": {"path": str(root / "t.csv")}}.get(creator, {})
    return TASKS[creator] | path


@pytest.mark.parametrize("creator", TASKS)
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"class_weights": {"dgo": 2}}, r"class_weights: \w+ has no class 'dgo'"),
        (
            {"loss": {"_target_": "torch.nn.CrossEntropyLoss", "weight": [1, 2, 3]}},
            r"loss\.weight: there are 3 numbers, .* 2",
        ),
    ],
)
def test_classes_that_there_are_not_are_refused_while_planning(tmp_path: Path, creator: str, change: dict, why: str):
    study = small_study(tmp_path, tasks={"shapes": source(tmp_path, creator)}, **change)
    with pytest.raises(MMLError, match=why):
        study.scheduler("train").runs_of("shapes")


def test_classes_of_a_tag_are_refused_by_its_step(tmp_path: Path):
    tasks = {"shapes": source(tmp_path, "csv"), "shapes+subclass~cat~dog": None}
    study = small_study(tmp_path, tasks=tasks, class_weights={"bird": 2})
    assert study.task("shapes+subclass~cat~dog").classes is None
    assert study.task("shapes+nested~0").classes == ("cat", "dog")
    header = {"name": "shapes+subclass~cat~dog", "task_type": "classification", "classes": ["cat", "dog"]}
    with pytest.raises(MMLError, match=r"class_weights: .* has no class 'bird'"):
        check_described(study.scheduler("train"), header)
    check_described(study.scheduler("train"), header | {"classes": ["bird", "cat"]})


@pytest.mark.parametrize("prior", [[0.2, 0.3, 0.5], [0.25] * 4])
def test_prior_of_another_length_is_refused(tmp_path: Path, prior: list[float]):
    tasks = {"shapes": source(tmp_path, "csv")}
    study = small_study(tmp_path, tasks=tasks, mode={"preset": "post", "prior": prior})
    with pytest.raises(MMLError, match=rf"mode\.prior: there are {len(prior)} numbers, and shapes has 2 classes"):
        study.scheduler("post").steps  # noqa: B018


def test_evaluation_on_a_task_of_other_classes_is_refused_while_planning(tmp_path: Path):
    tasks = {"shapes": source(tmp_path, "csv"), "other": source(tmp_path, "fake")}
    study = small_study(tmp_path, tasks=tasks, pivot={"name": "shapes"}, mode={"preset": "train", "eval_on": ["other"]})
    with pytest.raises(MMLError, match=r"mode\.eval_on: .*angle000, angle090"):
        study.scheduler("train").steps  # noqa: B018


@pytest.mark.parametrize(
    ("mapping", "classes", "why"),
    [
        ({0: "pet", 1: "pet"}, None, "everything is 'pet'"),
        ({0: "cat"}, None, "name a class for each of 0: cat, 1: dog"),
        ({0: "cat", 1: "dog", 2: "bird"}, None, "and no other"),
        ({0: "a", 1: "b"}, ("a", "b"), None),
        (None, ("cat", "dog"), None),
    ],
)
def test_merged_classes_are_checked_while_planning(tmp_path: Path, mapping: dict, classes: Any, why: str | None):
    task = Task(**source(tmp_path, "csv"), idx_to_class=mapping)
    if why is None:
        assert TaskIdentity.of("t", task).classes == classes
        return
    with pytest.raises(MMLError, match=rf"tasks\.t\.idx_to_class.* {why}"):
        TaskIdentity.of("t", task)


@pytest.mark.parametrize("creator", [*TASKS, "digits"])
def test_planning_knows_the_classes_that_are_delivered(tmp_path: Path, creator: str):
    task = Task(**(source(tmp_path, creator) if creator in TASKS else {"creator": "digits"}))
    arguments = CREATORS[creator].arguments(task)
    delivered = create(creator, arguments, tmp_path / "data")
    assert TaskIdentity.of("t", task).classes == tuple(delivered.classes)


@pytest.mark.parametrize("count", [2, 5])
def test_trial_of_a_pipeline_has_as_many_classes_as_the_task(tmp_path: Path, count: int):
    tasks = {"shapes": {"creator": "fake", "num_classes": count, "folds": 2}}
    loss = {"_target_": "torch.nn.CrossEntropyLoss", "weight": [1.0] * count}
    scheduler = small_study(tmp_path, tasks=tasks, loss=loss).scheduler("train")
    assert TriedPipelines(scheduler.study).mistakes(scheduler.runs_of("shapes")[0].pipeline) == []
