"""Options of the creator `image_folder`."""

from collections.abc import Sequence
from dataclasses import dataclass

from mml_lib.errors import MMLError
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.creators.folders.path_layout import NamePattern, PathLayout
from mml_lib.tasks.creators.indicators import CellValue, PartialLabels
from mml_lib.tasks.dataset import Label, label_names
from mml_lib.tasks.missing import is_missing


@dataclass(frozen=True)
class FolderOptions:
    """Options of folders of images in a task.

    Args:
        masks: folder of the masks, for a segmentation.
        task_type: name of the task type; None: segmentation with masks, else classification.
        separator: separator of labels in the name of a folder; None: `|`.
        layout: template of the images' paths; None: folders of splits and classes.
        classes: the classes that are read; None: all of them.
        exclude: patterns of files and folders that are passed over.
        unknown: names of classes, or values, whose images have no target.
    """

    masks: str | None = None
    task_type: str | None = None
    separator: str | None = None
    layout: str | None = None
    classes: Sequence[str] | None = None
    exclude: str | Sequence[str] | None = None
    unknown: Sequence[CellValue] | None = None

    @property
    def kind(self) -> str:
        return self.task_type or ("semantic_segmentation" if self.masks else "classification")

    @property
    def patterns(self) -> list[NamePattern]:
        texts = [self.exclude] if isinstance(self.exclude, str) else self.exclude
        return [NamePattern(text) for text in texts or ()]

    @property
    def meaning(self) -> list[object]:
        """Options that decide the samples, in addition to the files themselves."""
        unknown = [list(self.unknown or ())] if self.leaves_targets_out else []
        return [self.layout, self.classes and sorted(self.classes), self.separator, *unknown]

    @property
    def leaves_targets_out(self) -> bool:
        """True if images of some classes or values have no target; of masks, `unknown` is about their pixels."""
        return bool(self.unknown) and not TASK_TYPES[self.kind].has_masks

    def is_unknown(self, label: Label) -> bool:
        """Return True if the class, one of the labels, or the value of a folder is one of `unknown`."""
        partial = PartialLabels(tuple(self.unknown or ()))
        texts = [str(label)] if isinstance(label, float) else label_names(label)
        return any(partial.is_unknown(text, is_missing) for text in texts)

    @property
    def path_layout(self) -> PathLayout | None:
        """The parsed template of paths.

        Raises:
            MMLError: it is none, or has other fields than the task type needs.
        """
        if self.layout is None:
            return None
        layout, task_type = PathLayout.of(self.layout), TASK_TYPES[self.kind]
        if task_type.has_probabilities or task_type.has_values:
            if "label" not in layout.fields:
                raise MMLError(f"layout: '{self.layout}' has no {{label}}, which a {self.kind} needs")
            return layout
        useless = ("label",) if task_type.is_learnable else ("label", "split", "fold")
        if superfluous := [field for field in layout.fields if field in useless]:
            raise MMLError(f"layout: a {self.kind} has no {superfluous[0]}; write * in place of {{{superfluous[0]}}}")
        return layout

    def check(self) -> None:
        """Refuse options that no data fit.

        Raises:
            MMLError: the first one.
        """
        _ = self.path_layout
        if self.classes is not None and not TASK_TYPES[self.kind].is_single_label:
            raise MMLError(f"classes: only a classification has them, this is a {self.kind}; leave it out")
        if named := next((name for name in self.classes or () if self.is_unknown(name)), None):
            raise MMLError(f"unknown: '{named}' is one of classes too; name it in one of them")
        if self.classes == []:
            raise MMLError("classes: the list is empty; name the classes to read, or leave it out")
        if any(not pattern.text.strip("/") for pattern in self.patterns):
            raise MMLError('exclude: a pattern is empty; write a file name such as "*_thumb.png"')
