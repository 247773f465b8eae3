"""The section of a study about features: embeddings of images by a frozen backbone."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveInt, StringConstraints, model_validator

from mml_lib.config.sections import RunId, Section, Target
from mml_lib.config.task_options import TAGGED_NAME, Preprocessing
from mml_lib.errors import nearest

SELECTIONS = ("performance", "created", "random")
"""Selections among several trained networks: best validation performance, latest, random."""

TIMM = "mml_lib.models.network.timm_backbone"
DEFAULT_NAME = "resnet18"


def _selection(criterion: str) -> str:
    if criterion not in SELECTIONS:
        raise ValueError(f"there is no selection '{criterion}' of networks{nearest(criterion, SELECTIONS)}")
    return criterion


class Extraction(Section):
    """Extraction of features: a frozen backbone that maps images to vectors."""

    arch: Target | None = Field(
        None,
        description="The backbone: the name of a timm network, or a value of the section `arch`: a preset (timm, "
        "smp) with a name, or your own function. Unset: resnet18.",
    )
    pretrained: bool | str | None = Field(
        None,
        description="Load the weights of the backbone from the hub (true, the default), or keep random ones (false).",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of random weights.")
    task: Annotated[str, StringConstraints(pattern=TAGGED_NAME)] | None = Field(
        None,
        description="Use a trained network of this task instead of `arch`: of this study, which trains it first, of "
        "the projects of reuse.models, or of this project.",
    )
    run: RunId | None = Field(None, description="Run of the trained network; unset: chosen by model_selection.")
    fold: int | None = Field(
        None, ge=0, description="Fold of the trained network; unset: the first one of this study, or any stored one."
    )
    model_selection: Annotated[str, AfterValidator(_selection)] = Field(
        "performance",
        description="Choice among several trained networks: the best validation performance, the latest created, or "
        "a random one.",
    )
    pooling: Literal["pooled", "tokens"] = Field(
        "pooled",
        description="pooled: one vector per image, the input of a classification head; tokens: one vector per token "
        "of a transformer, or per position of the last feature map.",
    )
    preprocessing: Preprocessing | None = Field(
        None, description="Preprocessing of the images; unset: that of the study."
    )
    batch_size: PositiveInt = Field(64, description="Images per batch. It does not change features.")
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = Field(
        "32-true", description="Numerical precision of the backbone; 16-mixed is for GPUs only."
    )

    @model_validator(mode="after")
    def _one_backbone(self) -> "Extraction":
        if self.is_trained and self.arch is not None:
            key = "run" if self.run else "task"
            raise ValueError(f"arch and {key} both name a backbone; leave one of them out")
        if self.is_trained and self.pretrained is not None:
            raise ValueError("pretrained applies to arch only; a trained network of a project has its own weights")
        if self.fold is not None and not self.is_trained:
            raise ValueError("fold applies to a trained network only; set task or run too, or leave fold out")
        return self

    @property
    def is_trained(self) -> bool:
        """True for a trained network of a project."""
        return self.task is not None or self.run is not None

    @property
    def backbone(self) -> dict[str, Any]:
        """Target of a backbone that is not a trained network of a project, with its arguments."""
        spec: dict[str, Any] = {"_target_": TIMM, "name": DEFAULT_NAME} if self.arch is None else self.arch.spec()
        if self.pretrained is not None:
            spec["pretrained"] = self.pretrained
        elif spec["_target_"].startswith("mml_lib.models."):
            spec.setdefault("pretrained", True)
        return spec
