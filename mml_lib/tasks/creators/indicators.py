"""One-hot columns of a table: one column for each class, 1 where an image has the class."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mml_lib.machine.terminal import summarized
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.creators.labels import NUMBER
from mml_lib.tasks.dataset import Label, label_names

YES, NO = ("true", "yes"), ("false", "no")


@dataclass(frozen=True)
class Indicators:
    """One-hot columns, as in the tables of ISIC (classes) and CheXpert (labels).

    Args:
        names: names of the classes, as the header has them.
        parts: the place of each column in a row.
    """

    names: tuple[str, ...]
    parts: tuple[int, ...]

    place = None

    @property
    def text(self) -> str:
        return summarized(self.names, 3)

    def read(self, cells: Sequence[str], missing: Callable[[str], bool]) -> str:
        """Return the cells that have a value, joined; empty where none has one."""
        return " ".join(cells[place] for place in self.parts if place < len(cells) and not missing(cells[place]))

    def label(self, cells: Sequence[str], kind: str, missing: Callable[[str], bool]) -> Label:
        """Return the label of a row: the class whose column is 1, or the labels with their probabilities.

        Args:
            cells: of the row.
            kind: the task type, classification or multi-label classification.
            missing: the test for cells without a value, which count as 0.

        Raises:
            ValueError: a cell that is no 0, 1 or probability; a class is needed, and none or several are 1.
        """
        values = {name: self._value(name, cells, place, missing) for name, place in self._columns}
        labels = {name: value for name, value in values.items() if value > 0}
        if TASK_TYPES[kind].is_multilabel:
            return labels
        soft = next((name for name, value in labels.items() if value != 1), None)
        if soft is not None:
            raise ValueError(f"the column '{soft}' has {values[soft]}; one-hot columns of a class hold 0 and 1")
        if len(labels) != 1:
            several = f"{summarized(labels, 3)} are 1" if labels else f"none of the columns {self.text} is 1"
            raise ValueError(f"{several}, where one class an image is needed; for several write columns: {{labels: …}}")
        return next(iter(labels))

    @property
    def _columns(self) -> list[tuple[str, int]]:
        return list(zip(self.names, self.parts, strict=True))

    def _value(self, name: str, cells: Sequence[str], place: int, missing: Callable[[str], bool]) -> float:
        text = cells[place].strip().lower() if place < len(cells) else ""
        if missing(text) or text in NO:
            return 0.0
        value = 1.0 if text in YES else float(text) if NUMBER.fullmatch(text) else -1.0
        if not 0 <= value <= 1:
            raise ValueError(
                f"the column '{name}' has '{text}'; one-hot columns hold 0, 1, or a probability between (for labels); "
                "say what others mean by replacing them"
            )
        return value

    def unused(self, labels: Sequence[Label]) -> list[str]:
        """Return the classes that no row has."""
        present = {name for label in labels for name in label_names(label)}
        return [name for name in self.names if name not in present]


def one_hot_names(header: Sequence[str], first: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the columns that look one-hot by the first row: at least two, each 0 or 1.

    Args:
        header: names of all columns.
        first: cells of the first row.
        others: columns that are used otherwise.
    """
    cells = zip(header, first, strict=False)
    names = [name for name, text in cells if name and name not in others and text.strip() in ("0", "1", "0.0", "1.0")]
    return names if len(names) > 1 else []
