"""Options of the mode `tl`."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from mml_lib.config.feature_options import SELECTIONS
from mml_lib.config.task_options import TAGGED_NAME
from mml_lib.errors import nearest
from mml_lib.pipelines.suggested import SUGGESTED_SOURCE
from mml_lib.schedulers.options.train_options import TrainOptions

SCRATCH = "none"
"""The `pretrain_task` of networks that start from no model: they are trained from scratch."""


def _way_or_run(text: str) -> str:
    """Check a way to select a model, or a run id."""
    if text not in SELECTIONS and not re.fullmatch(r"[0-9a-f]{8}", text):
        raise ValueError(f"'{text}' is not a run (8 hexadecimal digits){nearest(text, SELECTIONS)}")
    return text


class TransferOptions(TrainOptions):
    """Options of the mode `tl`, beside those of `train`."""

    pretrain_task: Annotated[str, StringConstraints(pattern=TAGGED_NAME)] = Field(
        description="Task whose model to start from: trained first where it is part of the study, else looked for in "
        "the projects of reuse.models, or in this one; none: from scratch; suggested: the source that the suggestion "
        "names."
    )
    model_selection: Annotated[str, AfterValidator(_way_or_run)] = Field(
        "performance",
        description="Which of its models: that of the best validation performance, the latest created, a random one, "
        "or the best of a run.",
    )
    freeze: bool = Field(False, description="Keep the backbone as it is: only heads are trained (linear probing).")
    pretrain_cv: bool = Field(
        False, description="Train the pretrain_task on every fold, to choose among all; false: on the first one only."
    )
    pretrain_with: dict[str, Any] = Field(
        default_factory=dict,
        description="What the pretraining does otherwise than the plain study: dotted keys, {trainer.max_epochs: 50}.",
    )

    @model_validator(mode="after")
    def _what_is_frozen(self) -> "TransferOptions":
        if self.freeze and self.pretrain_task == SCRATCH:
            raise ValueError(
                "freeze: from scratch (pretrain_task: none) there is no trained backbone to keep; set mode.freeze in "
                "the variants that start from a model"
            )
        if self.pretrain_task == SUGGESTED_SOURCE and not self.follows:
            raise ValueError("pretrain_task: suggested goes with a suggestion; set mode.suggestion: 1")
        if self.pretrain_task == SUGGESTED_SOURCE and self.model_selection not in SELECTIONS:
            raise ValueError(f"model_selection: a suggested source has no run to name; take {', '.join(SELECTIONS)}")
        return self

    @property
    def source(self) -> str | None:
        """The task whose model networks start from; None: they are trained from scratch."""
        return None if self.pretrain_task == SCRATCH else self.pretrain_task
