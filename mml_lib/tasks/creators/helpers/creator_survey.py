"""Properties of a data set for planning, which creators state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mml_lib.tasks.creators.helpers.image_sketch import sketch
from mml_lib.tasks.creators.labels import class_names
from mml_lib.tasks.dataset import Sample


@dataclass(frozen=True)
class Survey:
    """Properties of a data set that planning needs.

    A creator with a parameter `survey` returns them whenever a study is planned, before the data set is made. Creators
    whose task type and splits are always the same state them in `register_creator` instead.

    Args:
        fingerprint: digest of the present state of own data, wherever it lies; None: the arguments define the data.
        task_type: name of the task type.
        folds: number of folds in the data; None: there are none.
        has_test: there is a test split; None: the task decides.
        has_unlabelled: there are unlabelled samples.
        classes: the classes as delivered; None where they are unknown until the data set is made.
        is_partial: some labels of labelled samples are unknown.
        files: sketch of the image files, by which planning finds images that are declared twice.
        is_weighted: samples have weights.
        is_grouped: samples have groups.

    Example:
        >>> def survey(path: str) -> Survey:
        ...     fingerprint = state_of_files(find_files(path, "*.png"))
        ...     return Survey.of_splits({"train", "test"}, task_type="regression", fingerprint=fingerprint)
    """

    fingerprint: str | None = None
    task_type: str = "classification"
    folds: int | None = None
    has_test: bool | None = None
    has_unlabelled: bool = False
    classes: tuple[str, ...] | None = None
    is_partial: bool = False
    files: tuple[int, ...] = ()
    is_weighted: bool = False
    is_grouped: bool = False

    @classmethod
    def of_splits(cls, splits: set[str] | frozenset[str] = frozenset(), **about: Any) -> "Survey":
        """Return the properties that follow from the splits of a data set."""
        labelled = splits - {"unlabelled"}
        return cls(
            folds=1 if "val" in splits else None,
            has_test="test" in splits if labelled else None,
            has_unlabelled="unlabelled" in splits,
            **about,
        )

    @classmethod
    def of_samples(cls, samples: Sequence[Sample], task_type: str, fingerprint: str) -> "Survey":
        """Return the properties that follow from the samples of own data."""
        splits = {sample.split for sample in samples if sample.split}
        survey = cls.of_splits(
            splits,
            task_type=task_type,
            fingerprint=fingerprint,
            classes=tuple(class_names(samples)),
            is_partial=any(isinstance(s.label, Mapping) and None in s.label.values() for s in samples),
            files=sketch([sample.image for sample in samples]),
            is_weighted=any(sample.weight is not None for sample in samples),
            is_grouped=any(sample.group is not None for sample in samples),
        )
        folds = {sample.fold for sample in samples if sample.split in (None, "train")}
        if folds <= {None}:
            return survey
        # A test split beside folds: the samples without a fold.
        has_test = None in folds if survey.has_test is None else survey.has_test
        return replace(survey, has_test=has_test, folds=len(folds - {None} | ({0} if survey.folds else set())))
