"""Task descriptions: one learning problem in one JSON file, its header in the first line."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_text
from mml_lib.tasks.dataset import FORMAT, Dataset, read_json
from mml_lib.tasks.splitting import Assignment


@dataclass(frozen=True)
class TaskDescription:
    """A task: a header, and columns of samples (`id`, `row` in the packed images, `label`, `split`, `fold`)."""

    header: Mapping[str, Any]
    samples: Mapping[str, list[Any]]

    @classmethod
    def of(cls, identity: Mapping[str, Any], dataset: Dataset, assignment: Assignment) -> "TaskDescription":
        """Describe a task on a data set.

        Args:
            identity: name, id and definition of the task.
            dataset: where its samples come from.
            assignment: their splits and folds.
        """
        delivery = dataset.delivery
        index = {label: number for number, label in enumerate(delivery.classes)}
        labels = [index[sample.label] for sample in delivery.samples]
        heights, widths = zip(*dataset.sizes, strict=True)
        header = {
            **identity,
            "task_type": delivery.task_type,
            "num_samples": {
                "all": len(labels),
                **{split: assignment.split.count(split) for split in sorted(set(assignment.split))},
            },
            "num_folds": assignment.num_folds,
            "num_classes": len(delivery.classes),
            "idx_to_class": {str(number): label for number, label in enumerate(delivery.classes)},
            "class_occ": {
                label: sum(a == number and b == "train" for a, b in zip(labels, assignment.split, strict=True))
                for number, label in enumerate(delivery.classes)
            },
            "sizes": {
                "min_height": min(heights),
                "max_height": max(heights),
                "min_width": min(widths),
                "max_width": max(widths),
            },
            "modalities": delivery.modalities,
            "keywords": delivery.keywords,
        }
        samples = {
            "id": [sample.id for sample in delivery.samples],
            "row": list(range(len(labels))),
            "label": labels,
            "split": assignment.split,
            "fold": assignment.fold,
        }
        return cls(header, samples)

    def write(self, path: str | Path) -> None:
        """Write the description: valid JSON whose first line can be read alone."""
        header = json.dumps({"format": FORMAT, "header": dict(self.header)})
        columns = ",\n".join(f"{json.dumps(key)}: {json.dumps(column)}" for key, column in self.samples.items())
        write_text(path, f'{header[:-1]},\n"samples": {{\n{columns}\n}}}}\n')

    @classmethod
    def read(cls, path: str | Path) -> "TaskDescription":
        """Read a whole description.

        Raises:
            MMLError: the file is damaged or of a newer format.
        """
        content = read_json(Path(path), FORMAT)
        return cls(content["header"], content["samples"])


def read_header(path: str | Path) -> dict[str, Any]:
    """Read the header of a task description without its samples.

    Raises:
        MMLError: the file is damaged.
    """
    with open(path, encoding="utf-8") as file:
        first = file.readline()
    try:
        return json.loads(first.rstrip().rstrip(",") + "}")["header"]
    except (ValueError, KeyError) as error:
        raise MMLError(f"{path} is damaged ({error}); remove it, and the next run makes it again") from error
