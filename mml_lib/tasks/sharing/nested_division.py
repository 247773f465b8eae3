"""Nested division: the inner folds of nested tasks whose data set declares one division for all of its tasks.

Nested tasks of the same fold then validate and test on the same images.
"""

from dataclasses import dataclass

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.tasks.dataset import Dataset, Delivery
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.sharing.shared_division import divide_again, divide_images
from mml_lib.tasks.splits.dividing import Splitting
from mml_lib.tasks.tags.built_in import hold_out


@dataclass(frozen=True)
class NestedDivision:
    """The division of a data set's images that its nested tasks have in common.

    Args:
        dataset: the manifest, with the digests of its images.
        delivery: split, fold, group and label of each image; None: those of the manifest.
        name: name of the data set, for errors.
        splitting: options of the division.
    """

    dataset: Dataset
    delivery: Delivery | None
    name: str
    splitting: Splitting

    def nested(self, task: TaskDescription, fold: int, folds: int = 0) -> TaskDescription:
        """Return a task with a fold as its test split, and the other samples in the inner folds of their images.

        Args:
            task: the task. Its folds are those of the division.
            fold: fold to hold out.
            folds: number of inner folds; 0: the number of folds of the task.

        Raises:
            MMLError: an inner fold has no sample of the task.
        """
        number = folds or task.header["num_folds"]
        inner = Splitting(number, seed=self.splitting.seed, time_limit=self.splitting.time_limit)
        outer = divide_images(self.dataset, self.delivery, self.name, self.splitting)
        image_folds, balance = divide_again(self.dataset, self.delivery, self.name, inner, outer, fold)
        learned = (task.column["split"] == "train") & (task.column["fold"] != fold)
        new = np.where(learned, image_folds[task.samples["row"]], -1)
        if empty := [inner_fold for inner_fold in range(number) if not (new == inner_fold).any()]:
            raise MMLError(
                f"{task.header['name']}: no labelled sample outside of fold {fold} is in the inner fold {empty[0]} of "
                f"the division that {self.name} declares; use fewer inner folds, +nested~{fold}~{number - 1}, or give "
                "the task folds, or a seed, of its own"
            )
        return hold_out(task, fold, number, new, balance)
