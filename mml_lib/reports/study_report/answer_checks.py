"""Checks of a task's answer: leakage, sample sizes, missing folds, and results that need care."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mml_lib.evaluation.comparisons.leaderboard import ENSEMBLE
from mml_lib.reports.study_report.standing_rows import StandingRow
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.description import TaskDescription
from mml_lib.wording import counted, enumerated

FEW_SAMPLES = 100
"""Number of tested images below which intervals are wide."""
FEW_OF_CLASS = 10
"""Number of tested images of a class below which its metrics are unreliable."""
IMBALANCE = 10
"""Ratio of the largest to the smallest class from which accuracy misleads."""


@dataclass(frozen=True)
class Check:
    """One line of the list of checks.

    Args:
        state: `passed`, `care` (needs the reader's care) or `note`.
        text: the sentence.
    """

    state: Literal["passed", "care", "note"]
    text: str


def answer_checks(
    task: TaskDescription,
    split: str,
    rows: Sequence[StandingRow],
    metric: str,
    evaluated: Mapping[str, Mapping[int, Collection[str]]],
    compared: Sequence[Mapping[str, Any]],
) -> list[Check]:
    """Return all checks of a task's answer.

    Args:
        task: the task.
        split: the split of the results: test, val or out_of_fold.
        rows: its procedures, the best first.
        metric: the main metric.
        evaluated: ids of the evaluated images, by run and fold of the networks whose predictions are finite.
        compared: comparisons of images with other tasks, from the files of overlaps.
    """
    ids = {id_ for folds in evaluated.values() for part in folds.values() for id_ in part}
    checks = [*_leakage(task, compared), *_sizes(task, ids), *_folds(task, evaluated)]
    undefined = [row.title for row in rows if np.isnan(row.mean)]
    if undefined:
        checks.append(Check("care", f"{metric} is undefined for {enumerated(undefined)}; see the table of runs."))
    procedures = [row for row in rows if row.name != ENSEMBLE]
    if split != "test":
        checks.append(
            Check("care", "There is no test split; the results are on validation images of the same data set.")
        )
    if len(procedures) > 1:
        text = "The best of several runs was found on these same images, so its value is slightly optimistic."
        checks.append(Check("note", text))
    if procedures and procedures[0].networks == 1:
        text = "Each run has a single network, so the variance between trainings is unknown."
        checks.append(Check("care", text))
    return checks


def _leakage(task: TaskDescription, compared: Sequence[Mapping[str, Any]]) -> list[Check]:
    """Compare the images and groups of the test split with those of the training."""
    split, digests = np.array(task.samples["split"]), np.array(task.samples["digest"], dtype=object)
    tested, learned = set(digests[split == "test"]), set(digests[split == "train"])
    checks = []
    if None in tested | learned:
        text = "The images of this task have no digests, so MML did not look for copies."
        checks.append(Check("care", text))
    elif shared := len(tested & learned):
        text = f"{counted(shared, 'test image')} also occur among the training images (same content)."
        checks.append(Check("care", text))
    elif tested:
        checks.append(Check("passed", "No test image is a copy of a training image (compared by content)."))
    groups = np.array(task.samples.get("group", [None] * len(split)), dtype=object)
    of_test, of_train = ({group for group in groups[split == part] if group} for part in ("test", "train"))
    if of_test and of_train:
        both = len(of_test & of_train)
        text = (
            f"{counted(both, 'group')} (patient or the like) have images in the training and the test split."
            if both
            else "No group (patient or the like) has images in the training and in the test split."
        )
        checks.append(Check("care" if both else "passed", text))
    others = {guard["learned"][0] for guard in compared if guard["tested"][0] == task.header["name"]}
    others -= {task.header["name"]}
    if others:
        text = f"No test image is a training image of another task ({enumerated(sorted(others))})."
        checks.append(Check("passed", text))
    return checks


def _sizes(task: TaskDescription, ids: Collection[str]) -> list[Check]:
    """Check the numbers of evaluated samples."""
    rows = np.flatnonzero([id_ in ids for id_ in task.samples["id"]])
    if not len(rows):
        return []
    checks = []
    if len(rows) < FEW_SAMPLES:
        text = f"Only {counted(len(rows), 'image')} to evaluate on: differences between runs are hard to see."
        checks.append(Check("care", text))
    else:
        checks.append(Check("passed", f"{counted(len(rows), 'image')} to evaluate on."))
    if TASK_TYPES[task.header["task_type"]].has_probabilities:
        presence = task.targets.take(rows).presence.sum(axis=0)
        classes = zip(task.header["classes"], presence.tolist(), strict=True)
        rare = [f"{name} ({number})" for name, number in classes if number < FEW_OF_CLASS]
        if rare:
            listed = enumerated(rare[:4]) if len(rare) <= 4 else f"{', '.join(rare[:4])} and {len(rare) - 4} more"
            text = f"Classes with fewer than {FEW_OF_CLASS} images to evaluate on: {listed}."
            checks.append(Check("care", text))
        ratio = task.header.get("imbalance_ratio")
        if ratio and ratio >= IMBALANCE:
            text = f"The largest class is {ratio:.0f} times as frequent as the smallest: look at each class."
            checks.append(Check("care", text))
    return checks


def _folds(task: TaskDescription, evaluated: Mapping[str, Collection[int]]) -> list[Check]:
    """Compare the evaluated folds of each run with those of the task."""
    number = task.header["num_folds"]
    if not evaluated:
        return [Check("care", "No network has finite predictions on these images.")]
    if number < 2:
        return []
    incomplete = [run for run, folds in evaluated.items() if len(folds) < number]
    if not incomplete:
        return [Check("passed", f"All {number} folds were trained and evaluated.")]
    fewest = min(len(evaluated[run]) for run in incomplete)
    if len(incomplete) == len(evaluated):
        text = f"Only {fewest} of {number} folds were evaluated; train all of them (mode.cv: true, without mode.folds)."
        return [Check("care", text)]
    runs = counted(len(incomplete), "run")
    return [Check("care", f"{runs} of {len(evaluated)} have fewer than {number} evaluated folds, at least {fewest}.")]
