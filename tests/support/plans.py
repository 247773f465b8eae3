"""Plans: does a task turn out as its creator's survey said?"""

from pathlib import Path

from mml_lib.config.task_options import Task
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.creators.creator_registry import CREATORS, create
from mml_lib.tasks.dataset import Delivery
from mml_lib.tasks.delivery_checks import check_delivery
from mml_lib.tasks.description import TaskDescription, check_planned
from mml_lib.tasks.splits.splitting import Splitting, assign
from mml_lib.tasks.targets import Targets
from mml_lib.tasks.task_identity import TaskIdentity


def deliver(creator: str, path: Path, folder: Path = Path("unused"), **arguments: object) -> Delivery:
    """Read and check a data set; own data leave its folder unused."""
    delivery = create(creator, {"path": str(path), **arguments}, folder)
    check_delivery(delivery, "t")
    return delivery


def check_plan(task: Task, folder: Path) -> None:
    """Make a task as its rules do; fail if its type, folds or splits are not those that it was planned with."""
    identity = TaskIdentity.of("t", task)
    delivery = create(task.creator, CREATORS[task.creator].arguments(task), folder)
    check_delivery(delivery, "t")
    dataset = survey_images(delivery, "d", folder, 1)
    definition = identity.definition()
    targets = Targets.of(dataset, task.idx_to_class, "t")
    assignment = assign(delivery.samples, targets, "t", Splitting.of(definition))
    description = TaskDescription.of(definition, dataset, targets, assignment)
    planned = ("task_type", "num_folds", "has_test", "has_unlabelled")
    check_planned(description, {key: getattr(identity, key) for key in planned})
