"""Task descriptions: one learning problem in one JSON file, its header in the first line."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_text
from mml_lib.files.checksums import damaged
from mml_lib.files.containers import header_first
from mml_lib.files.formats import FORMATS
from mml_lib.files.stored import read_json
from mml_lib.machine.terminal import summarized
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.dataset import SPLITS, Dataset
from mml_lib.tasks.group_folds import Balance
from mml_lib.tasks.splits.copies import group_names, merge_groups
from mml_lib.tasks.splits.splitting import Assignment
from mml_lib.tasks.targets import Targets, class_mapping


@dataclass(frozen=True)
class TaskDescription:
    """A task: a header, and columns of samples.

    Columns of `samples`, a value for each sample:

    - `id`, `split`, `fold` and `group`.
    - `row`: index of the packed image.
    - `digest`: digest of the image's content; None in older descriptions.
    - `label`: class index, list of probabilities, or number; None where unlabelled or unknown. For segmentation instead
      `pixels`: number of pixels of each class.
    - `weight`, if samples have weights: weight in the loss, and in metrics if the study sets `weighted_metrics`.

    Args:
        header: name, id, definition and counts of the task.
        samples: the columns by name.
    """

    header: Mapping[str, Any]
    samples: Mapping[str, list[Any]]

    @classmethod
    def of(
        cls,
        identity: Mapping[str, Any],
        dataset: Dataset,
        targets: Targets,
        assignment: Assignment,
        about: Mapping[str, Any] | None = None,
        rows: Sequence[int] | None = None,
    ) -> "TaskDescription":
        """Describe a task on a data set.

        Args:
            identity: name, id and definition of the task.
            dataset: data set of its samples.
            targets: targets of the samples.
            assignment: splits and folds of the samples.
            about: description in the study, in addition to that of the data set.
            rows: index of each sample in the manifest and in the packed images; None: samples are in the order of both.
        """
        delivery = dataset.delivery
        heights, widths = zip(*dataset.sizes, strict=True)
        header = {
            **identity,
            "task_type": delivery.task_type,
            "classes": targets.classes,
            "idx_to_class": {str(index): label for index, label in _mapping(identity, dataset, targets).items()},
            "sizes": {
                "min_height": min(heights),
                "max_height": max(heights),
                "min_width": min(widths),
                "max_width": max(widths),
            },
            **asdict(delivery.about),
            **(about or {}),
            "folding": {part: asdict(balance) for part, balance in assignment.balance.items()},
            "protocol": [f"created from {dataset.name}"],
        }
        samples: dict[str, list[Any]] = {
            "id": [sample.id for sample in delivery.samples],
            "row": list(range(len(delivery.samples))) if rows is None else list(rows),
            "split": assignment.split,
            "fold": assignment.fold,
            "group": [sample.group for sample in delivery.samples],
            "digest": dataset.digests or [None] * len(delivery.samples),
            **targets.columns(),
        }
        if delivery.weights is not None:
            samples["weight"] = delivery.weights
        return cls(header, samples)._counted(assignment.num_folds)

    def _counted(self, num_folds: int) -> "TaskDescription":
        """Return the description with counts of its samples in the header."""
        split = np.array(self.samples["split"])
        train, weights = self.targets.take(np.flatnonzero(split == "train")), self.weights
        occurrences = [count for count in train.class_occ.values() if count]
        counts = {
            "num_samples": {"all": len(split), **{str(s): int((split == s).sum()) for s in np.unique(split)}},
            "num_folds": num_folds,
            "num_classes": len(train.classes),
            "class_occ": train.class_occ,
            "imbalance_ratio": round(max(occurrences) / min(occurrences), 3) if occurrences else None,
        }
        if self.targets.is_partial:
            counts["label_counts"] = {
                str(s): self.targets.take(np.flatnonzero(split == s)).label_counts
                for s in np.unique(split)
                if s != "unlabelled"
            }
        if TASK_TYPES[train.task_type].has_masks:
            counts["pixel_occ"] = dict(zip(train.classes, train.values.sum(axis=0).tolist(), strict=True))
        if TASK_TYPES[train.task_type].has_values and len(train):
            counts["target"] = _moments(train.values, None if weights is None else weights[split == "train"])
        if weights is not None:
            counts["weights"] = {str(s): _spread(weights[split == s]) for s in np.unique(split) if s != "unlabelled"}
        if one_sided := self._one_sided_labels(num_folds):
            counts["one_sided_labels"] = one_sided
        header = {key: value for key, value in self.header.items() if key not in ("label_counts", "one_sided_labels")}
        return TaskDescription({**header, **counts}, self.samples)

    def _one_sided_labels(self, num_folds: int) -> dict[str, list[str]]:
        """Return the labels whose known entries in a split or fold are all equal, by split and fold."""
        if not TASK_TYPES[self.header["task_type"]].is_multilabel:
            return {}
        split, fold = np.array(self.samples["split"]), np.array(self.samples["fold"], dtype=object)
        parts = {f"the split {name}": split == name for name in ("train", "test")}
        parts |= {f"fold {number}": (split == "train") & (fold == number) for number in range(num_folds)}
        one_sided: dict[str, list[str]] = {}
        for part, rows in parts.items():
            counts = self.targets.take(np.flatnonzero(rows)).label_counts if rows.any() else {}
            labels = [label for label, count in counts.items() if count["positive"] in (0, count["known"])]
            one_sided |= {part: labels} if labels else {}
        return one_sided

    @cached_property
    def targets(self) -> Targets:
        """Targets of the samples."""
        return Targets.from_columns(self.header["task_type"], self.header["classes"], self.samples)

    @cached_property
    def weights(self) -> np.ndarray | None:
        """Weight of each sample in the loss (float, N); None if samples have no weights."""
        return np.array(self.samples["weight"], dtype=float) if "weight" in self.samples else None

    @property
    def weights_by_id(self) -> dict[str, float] | None:
        """Weight of each sample by its id; None if samples have no weights."""
        return self.by_id("weight") if "weight" in self.samples else None

    @cached_property
    def column(self) -> dict[str, np.ndarray]:
        """Split (str) and fold (int) of each sample, N each."""
        return {key: np.array(self.samples[key]) for key in ("split", "fold")}

    @cached_property
    def groups(self) -> np.ndarray:
        """Group of each sample (str, N).

        A sample without a group is a group of its own. Groups that share an image are merged.
        """
        return merge_groups(group_names(self.samples["group"], self.samples["id"]), self.samples["digest"])

    def by_id(self, name: str) -> dict[str, Any]:
        """Return a column of the samples by sample id."""
        return dict(zip(self.samples["id"], self.samples[name], strict=True))

    @property
    def number_of_groups(self) -> int:
        """Number of groups that the data define."""
        return len({group for group in self.samples["group"] if group is not None})

    def groups_of(self, ids: Iterable[str]) -> list[str]:
        """Return the group of each sample, as in `groups`, by the ids of samples."""
        groups = dict(zip(self.samples["id"], self.groups.tolist(), strict=True))
        return [groups[id_] for id_ in ids]

    def changed(
        self,
        protocol: str,
        split: np.ndarray | None = None,
        fold: np.ndarray | None = None,
        targets: Targets | None = None,
        keep: np.ndarray | None = None,
        num_folds: int | None = None,
        balance: Mapping[str, Balance] | None = None,
    ) -> "TaskDescription":
        """Return a task derived from this one, with new counts of its samples.

        Args:
            protocol: description of the change.
            split: new split of each sample (str, N).
            fold: new fold of each sample (int, N).
            targets: new targets of the N samples.
            keep: mask of the samples that the task keeps (bool, N).
            num_folds: new number of folds.
            balance: balance of the new test split and folds, if groups were divided.
        """
        samples = dict(self.samples)
        samples |= {} if split is None else {"split": split.tolist()}
        samples |= {} if fold is None else {"fold": fold.tolist()}
        samples |= {} if targets is None else targets.columns()
        if keep is not None:
            samples = {
                key: [value for value, is_kept in zip(column, keep, strict=True) if is_kept]
                for key, column in samples.items()
            }
        header = {**self.header, "protocol": [*self.header["protocol"], protocol]}
        if balance is not None:
            header["folding"] = {part: asdict(part_balance) for part, part_balance in balance.items()}
        if targets is not None:
            header["classes"] = targets.classes
            if not TASK_TYPES[targets.task_type].has_masks:
                header["idx_to_class"] = {str(index): label for index, label in enumerate(targets.classes)}
        folds = self.header["num_folds"] if num_folds is None else num_folds
        return TaskDescription(header, samples)._counted(folds)

    def renamed(self, identity: Mapping[str, Any]) -> "TaskDescription":
        """Return the description under the identity of a tagged task, whose classes may differ from its base's."""
        mapping = {"idx_to_class": self.header["idx_to_class"]}
        return TaskDescription({**self.header, **identity, **mapping}, self.samples)

    def write(self, path: str | Path) -> None:
        """Write the description as JSON whose first line, the header, can be read alone."""
        write_text(path, header_first({"header": self.header, "samples": self.samples}))

    @classmethod
    def read(cls, path: str | Path) -> "TaskDescription":
        """Read a whole description.

        Raises:
            MMLError: the file is damaged or of a newer format.
        """
        content = read_json(path, "description", "header", "samples")
        return cls(content["header"], content["samples"])


def _moments(values: np.ndarray, weights: np.ndarray | None) -> dict[str, float]:
    """Return mean, standard deviation and range of regression targets; samples of weight 0 do not count."""
    if weights is None or not weights.any():
        mean, std = values.mean(), values.std()
    else:
        mean = np.average(values, weights=weights)
        std = np.sqrt(np.average((values - mean) ** 2, weights=weights))
        values = values[weights > 0]
    return {"mean": float(mean), "std": float(std), "min": float(values.min()), "max": float(values.max())}


def _spread(weights: np.ndarray) -> dict[str, float]:
    """Return the range of weights, their mean, and the number of those that are 0."""
    low, high, mean = (float(value) for value in (weights.min(), weights.max(), weights.mean()))
    return {"min": low, "max": high, "mean": mean, "zero": int((weights == 0).sum())}


def check_weights(task: TaskDescription) -> None:
    """Refuse weights that leave nothing to train, validate or test on.

    Raises:
        MMLError: all samples of the test split, of a fold, or of the only training set have the weight 0.
    """
    if task.weights is None:
        return
    split, fold = task.column["split"], np.array(task.samples["fold"], dtype=object)
    train = split == "train"
    parts = {f"fold {number}": train & (fold == number) for number in range(task.header["num_folds"])}
    parts |= {"the test split": split == "test", "the training set": train & (fold != 0)}
    for part, is_in_part in parts.items():
        if is_in_part.any() and not task.weights[is_in_part].any():
            raise MMLError(f"{task.header['name']}: all samples of {part} have the weight 0; raise some of them")


def check_created(task: TaskDescription, planned: Mapping[str, Any] | None, data_splits: Collection[str]) -> list[str]:
    """Check a new task, and return warnings about its labels.

    Args:
        task: description of the created task.
        planned: type, folds and splits in the plan; None: there was no plan.
        data_splits: splits that the data define.

    Raises:
        MMLError: weights leave nothing to train, validate or test on, or the task differs from its plan.
    """
    check_weights(task)
    check_planned(task, planned, data_splits)
    return one_sided_labels(task.header)


def one_sided_labels(header: Mapping[str, Any]) -> list[str]:
    """Return a warning for each split and fold of a task in which all known entries of a label are equal."""
    return [
        f"{header['name']}: the known entries of {summarized(map(repr, labels))} in {part} are all alike, so metrics "
        "that need both are undefined there"
        for part, labels in header.get("one_sided_labels", {}).items()
    ]


def _mapping(identity: Mapping[str, Any], dataset: Dataset, targets: Targets) -> dict[int, str]:
    """Return the class of each index; for segmentation, of each mask value that occurs. Values may share a class."""
    if not TASK_TYPES[dataset.delivery.task_type].has_masks:
        return dict(enumerate(targets.classes))
    mapping = class_mapping(dataset, identity.get("idx_to_class"), identity["name"], identity.get("colors"))
    values = {value for counts in dataset.values or [] for value in counts or ()}
    return {value: label for value, label in mapping.items() if value in values}


def read_header(path: str | Path) -> dict[str, Any]:
    """Read the header of a task description without its samples.

    Raises:
        MMLError: the file is damaged or of a newer format.
    """
    try:
        with open(path, encoding="utf-8") as file:
            first_line = file.readline()
        content = json.loads(first_line.rstrip().rstrip(",") + "}")
        return FORMATS["description"].migrated(content, path)["header"]
    except OSError as error:
        raise MMLError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(path, str(error)) from error


def check_planned(task: TaskDescription, planned: Mapping[str, Any] | None, data_splits: Collection[str] = ()) -> None:
    """Refuse a task that differs from its plan. Only tasks of downloads can differ.

    Args:
        task: description of the created task.
        planned: type, folds and splits in the plan; None: there was no plan.
        data_splits: splits that the data define.

    Raises:
        MMLError: the task has another type, or other folds or splits.
    """
    if planned is None:
        return
    header, name = task.header, task.header["name"]
    splits = set(header["num_samples"]) - {"all"}
    if header["task_type"] != planned["task_type"]:
        raise MMLError(f"tasks.{name}: the data are a {header['task_type']}; set task_type: {header['task_type']}")
    actual = {"has_test": "test" in splits, "has_unlabelled": "unlabelled" in splits, "num_folds": header["num_folds"]}
    if any(actual[key] != planned[key] for key in actual):
        listed = ", ".join(split for split in SPLITS if split in data_splits)
        raise MMLError(
            f"tasks.{name}: the data have {f'the splits {listed}' if listed else 'no splits'} and "
            f"{actual['num_folds']} folds, unlike the plan; "
            + (f"set splits: [{listed}]" if listed else "leave out splits")
            + (f" and set folds: {actual['num_folds']}" if actual["num_folds"] not in (1, planned["num_folds"]) else "")
        )
