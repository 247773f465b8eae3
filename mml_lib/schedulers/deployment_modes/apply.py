"""Mode `apply`: predictions of new images, which are no task of the study, by its trained networks."""

import csv
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mml_lib.deployment.image_state import state_of_images
from mml_lib.errors import MMLError
from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.schedulers.deployment_modes.deployed_runs import DeployedRuns, used_ids
from mml_lib.task_types import TASK_TYPES
from mml_lib.wording import counted

if TYPE_CHECKING:
    from mml_lib.steps.step import Step


class ApplyScheduler(AbstractBaseScheduler):
    """Predicts the new images of the section `apply`."""

    provides: ClassVar[str] = "apply"

    def create_routine(self) -> None:
        self._check()
        self.add("apply_masks" if self.has_masks else "apply_networks", collection=self.collection)

    @cached_property
    def runs(self) -> DeployedRuns:
        """The networks that predict."""
        return DeployedRuns(self.study, "apply", self.cfg.apply)

    @property
    def has_masks(self) -> bool:
        """True if masks are written."""
        return self.cfg.apply.masks and TASK_TYPES[self.task_type].has_masks

    @property
    def task_type(self) -> str:
        """Task type of the networks."""
        return self.study.task(self.runs.task).task_type

    @property
    def images(self) -> Path:
        """The new images.

        Raises:
            MMLError: the section names none.
        """
        if self.cfg.apply.images is None:
            raise MMLError(
                'apply.images is missing: name a folder, a CSV, an archive or an image file, --config apply="{images: '
                '/path/to/images}"'
            )
        return Path(self.cfg.apply.images).expanduser().absolute()

    @property
    def collection(self) -> str:
        """Name of the table."""
        if self.cfg.apply.name:
            return self.cfg.apply.name
        name = self.images.name if self.images.is_dir() else self.images.name.partition(".")[0]
        return re.sub(r"[^A-Za-z0-9_.+~-]", "_", name).lstrip("_.+~-")[:100] or "images"

    @cached_property
    def state(self) -> str:
        """A digest that changes with the files of the new images."""
        return state_of_images(self.images)

    def _check(self) -> None:
        """Refuse images that are not there, networks that are not there, and distances that they do not have.

        Raises:
            MMLError: the first problem.
        """
        _ = self.state, self.runs.networks
        kind = TASK_TYPES[self.task_type]
        if self.cfg.apply.distance == "confidence" and kind.has_values:
            raise MMLError(
                f"apply.distance: confidence is of classes, labels and masks, and {self.runs.task} is a {kind.title}; "
                "set it to features or none"
            )

    @property
    def announcement(self) -> list[str]:
        networks = self.runs.networks
        runs = ", ".join(used_ids(networks))
        chosen = f"run {runs}" if self.cfg.apply.run in runs else f"{self.cfg.apply.run} ({runs})"
        return [f"{self.images}: predicted by {chosen}, {counted(len(networks), 'network')}"]

    def before_finishing_hook(self, step: "Step") -> None:
        """Return the table, its number of images, how many are unlike the training images, and how many are refused."""
        (table,), (refused,) = step.input.applied, step.input.refused_images
        rows, left_out = _rows(table), len(_rows(refused))
        unlike = sum(bool(row.get("warning")) for row in rows)
        step.return_value = {"table": table, "images": len(rows), "unlike": unlike, "refused": left_out}


def _rows(table: str) -> list[dict[str, str]]:
    with open(table, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
