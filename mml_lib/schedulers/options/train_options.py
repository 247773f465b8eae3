"""Options of the modes that train."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, model_validator

from mml_lib.pipelines.feature_baselines import BaselineEntries
from mml_lib.schedulers.base import Options

ALONE = "none"
"""Value of `co_tasks` for networks without co-tasks."""


class TrainOptions(Options):
    """Options of the mode `train`."""

    subroutines: list[Literal["train", "predict", "test", "draw"]] | None = Field(
        None, description="Parts of the mode; unset: all. Each brings what it needs."
    )
    cv: bool = Field(True, description="Train on every fold; false: on the first one only.")
    folds: list[int] | None = Field(
        None, min_length=1, description="Folds to train on, of those that cv allows; unset: all."
    )
    nested: bool = Field(
        False,
        description="Hold each of these folds out in turn: train on its nested task, test on the fold itself and "
        "on the own test split.",
    )
    eval: list[Literal["val", "test", "unlabelled"]] | None = Field(
        None,
        description="Splits to predict and test on; unset: the test split, or val where there is none, and "
        "predictions of unlabelled samples where there are some.",
    )
    eval_on: list[str] = Field(
        default_factory=list,
        description="Other tasks of the study to predict and test on: of the same type and classes, without labels, or "
        "learned as co-tasks.",
    )
    multitask: bool = Field(
        False, strict=True, description="Learn other tasks beside the pivot: one backbone, a head for each task."
    )
    co_tasks: list[str] | Literal["none"] | Annotated[int, Field(strict=True)] | None = Field(
        None,
        description="With multitask: their names, or how many to draw with the seed; unset: all with labels; none: the "
        "task is learned alone.",
    )
    task_weights: list[Annotated[PositiveFloat, Field(allow_inf_nan=False)]] | None = Field(
        None, description="With multitask: weights of the losses, the pivot's first, then the co-tasks'; unset: 1 each."
    )
    store_blueprint: bool = Field(
        False, description="Keep the pipeline of each task's best run, by validation, as a blueprint for other studies."
    )
    feature_baselines: BaselineEntries = Field(
        [],
        description="Baselines on features, as rows beside networks: a method, or a method with its options.",
    )
    use_blueprint: str | None = Field(
        None,
        description="Train by the blueprint that was made on this task, in a project of reuse.blueprint; task#2: by "
        "suggestion 2 for the task; task#best: by the best trial of a search.",
    )
    suggestion: Annotated[int, Field(strict=True, ge=1)] | Literal["none"] | None = Field(
        None,
        description="Train the pivot by this suggestion of the section suggest, which is made first: 1, 2, …; unset or "
        "none: by the study's own pipeline.",
    )
    pipeline_keys: list[str] | None = Field(
        None, description="Sections to take from the blueprint; unset: all but the seed."
    )

    @model_validator(mode="after")
    def _what_needs_what(self) -> "TrainOptions":
        for key in ("co_tasks", "task_weights"):
            if getattr(self, key) is not None and not self.multitask:
                raise ValueError(f"{key} mean nothing without multitask: true")
        if self.pipeline_keys is not None and self.use_blueprint is None:
            raise ValueError("pipeline_keys mean nothing without use_blueprint")
        if self.follows and (self.use_blueprint is not None or self.multitask):
            other = "use_blueprint" if self.use_blueprint is not None else "multitask"
            raise ValueError(f"suggestion cannot be combined with {other}; leave one of them out")
        if self.pipeline_keys == []:
            raise ValueError("pipeline_keys name no section; name some, or leave them out to take all but the seed")
        return self

    @property
    def learns_co_tasks(self) -> bool:
        """True if networks have co-tasks."""
        return self.multitask and self.co_tasks != ALONE

    @property
    def follows(self) -> int | None:
        """Number of the suggestion that trainings follow; None: they follow none."""
        return self.suggestion if isinstance(self.suggestion, int) else None
