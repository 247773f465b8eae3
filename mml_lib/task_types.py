"""Task types: the properties that everything else asks for, in one place.

Files and configs name a task type; code looks up its properties: `TASK_TYPES[struct.task_type].has_masks`. A new type
is one entry here, plus its implementations where a module has one per kind of target.
"""

from dataclasses import dataclass
from typing import Literal

from mml_lib.registry import Registry

TaskTypeName = Literal["classification", "multilabel_classification", "semantic_segmentation", "regression", "no_task"]


@dataclass(frozen=True)
class TaskType:
    """Properties of a task type.

    Args:
        name: name in configs and files.
        title: name in texts.
        target: kind of target of a sample: one class, any number of labels, a mask, a number; None: there is none.
        shapes: outputs and targets of a batch, as losses take them.
        default_metrics: metrics of a study that names none; also the preset `default`.
        default_loss: `_target_` of the usual loss; also in the preset `default`.
        is_mixable: MixUp and CutMix can mix the targets.
    """

    name: TaskTypeName
    title: str
    target: Literal["class", "labels", "mask", "value"] | None
    shapes: str = ""
    default_metrics: tuple[str, ...] = ()
    default_loss: str = ""
    is_mixable: bool = False

    @property
    def is_learnable(self) -> bool:
        """True if a network can be trained on such tasks."""
        return self.target is not None

    @property
    def is_single_label(self) -> bool:
        """True if an image has exactly one class: probabilities of classes add up to 1."""
        return self.target == "class"

    @property
    def is_multilabel(self) -> bool:
        """True if an image has any number of classes: each has a probability of its own."""
        return self.target == "labels"

    @property
    def has_masks(self) -> bool:
        """True if each pixel has a class."""
        return self.target == "mask"

    @property
    def has_values(self) -> bool:
        """True if targets are numbers."""
        return self.target == "value"

    @property
    def has_probabilities(self) -> bool:
        """True if predictions hold probabilities of each sample; those of pixels are not stored."""
        return self.is_single_label or self.is_multilabel

    @property
    def has_classes(self) -> bool:
        """True if the targets have classes."""
        return self.has_probabilities or self.has_masks

    @property
    def activation(self) -> Literal["softmax", "sigmoid", "identity"]:
        """Function that turns outputs of a network into predictions."""
        if self.is_multilabel:
            return "sigmoid"
        return "softmax" if self.has_classes else "identity"

    def num_outputs(self, classes: int) -> int:
        """Return the number of outputs of a network for a number of classes."""
        return 1 if self.has_values else classes


TASK_TYPES: Registry[TaskType] = Registry(
    "task type",
    *(
        (task_type.name, task_type)
        for task_type in (
            TaskType(
                "classification",
                "classification",
                "class",
                "logits N×classes, class indices N",
                ("accuracy", "balanced_accuracy", "f1", "auroc"),
                "torch.nn.CrossEntropyLoss",
                is_mixable=True,
            ),
            TaskType(
                "multilabel_classification",
                "multi-label classification",
                "labels",
                "logits N×classes, probabilities N×classes",
                ("auroc", "average_precision", "f1", "exact_match"),
                "torch.nn.BCEWithLogitsLoss",
                is_mixable=True,
            ),
            TaskType(
                "semantic_segmentation",
                "segmentation",
                "mask",
                "logits N×classes×H×W, class indices N×H×W; 255 is ignored",
                ("dice", "iou", "pixel_accuracy"),
                "mml_lib.models.losses.CrossEntropyDice",
            ),
            TaskType(
                "regression",
                "regression",
                "value",
                "standardised predictions N, standardised targets N",
                ("mae", "rmse", "r2", "spearman"),
                "torch.nn.MSELoss",
            ),
            TaskType("no_task", "no task", None),
        )
    ),
)
"""Task types by name; of `no_task` are unlabelled images."""

LEARNABLE = tuple(name for name, task_type in TASK_TYPES.items() if task_type.is_learnable)
"""Names of the types that a network can be trained on."""

IGNORE = 255
"""Value of mask pixels that no loss and no metric looks at."""

IGNORED = "ignore"
"""Name, in place of that of a class, of mask values or colours that no loss and no metric looks at."""
