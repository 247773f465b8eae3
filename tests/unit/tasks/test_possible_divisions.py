"""Divisions: given whenever there is one in which each part has each class, and refused with what would help if not."""

import re
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import lil_array

from mml_lib.errors import MMLError
from mml_lib.tasks.dataset import Sample
from mml_lib.tasks.splits.dividing import Divider
from mml_lib.tasks.splits.splitting import Assignment, Splitting, assign
from mml_lib.tasks.targets import Targets


@dataclass(frozen=True)
class Problem:
    """A data set to divide: which classes each sample shows (bool, N×C), the group of each, and the settings."""

    shows: np.ndarray
    groups: np.ndarray
    folds: int
    test: float
    multilabel: bool

    @property
    def parts(self) -> int:
        return self.folds + (self.test > 0)

    @property
    def in_groups(self) -> np.ndarray:
        """Classes that each group shows (bool, G×C)."""
        _, row = np.unique(self.groups, return_inverse=True)
        shows = np.zeros((row.max() + 1, self.shows.shape[1]), dtype=bool)
        np.logical_or.at(shows, row, self.shows)
        return shows

    def twice(self) -> "Problem":
        """Return the problem with two samples in place of each."""
        return replace(self, shows=np.repeat(self.shows, 2, axis=0), groups=np.repeat(self.groups, 2))

    def assigned(self) -> Assignment:
        classes = [f"c{number}" for number in range(self.shows.shape[1])]
        if self.multilabel:
            targets = Targets("multilabel_classification", classes, self.shows.astype(float))
        else:
            targets = Targets("classification", classes, self.shows.argmax(axis=1))
        pairs = enumerate(self.groups.tolist())
        samples = [
            Sample(f"i{row:05}", f"{row}.png", None, group=None if group < 0 else f"g{group:04}")
            for row, group in pairs
        ]
        return assign(samples, targets, "t", Splitting(self.folds, self.test, seed=0, time_limit=1))


def drawn(seed: int) -> Problem:
    """Return a random problem: classes of very different frequency, groups of one class or mixed.

    In most, each class is in as many groups as there are parts, or a few more; in some, groups that show several
    classes are so few that no division has all in each part.
    """
    rng = np.random.default_rng(seed)
    folds, test = int(rng.integers(2, 11)), float(rng.choice([0, rng.uniform(0.05, 0.4)], p=[0.3, 0.7]))
    parts, classes = folds + (test > 0), int(rng.integers(2, 7))
    kind = rng.choice(["single images", "pure groups", "mixed groups", "overlapping groups"], p=[0.15, 0.3, 0.4, 0.15])
    multilabel = bool(rng.random() < 0.3) or kind == "overlapping groups"
    if kind == "overlapping groups":
        shows = np.zeros((int(parts * rng.uniform(1.2, 1.8)) + 1, classes), dtype=bool)
        for column in shows.T:
            column[rng.permutation(len(shows))[: parts + int(rng.integers(0, 2))]] = True
        shows[~shows.any(axis=1), 0] = True
        return Problem(shows, np.arange(len(shows)), folds, test, multilabel).twice()
    number = int(rng.integers(parts * 3, parts * 8))
    sizes = (
        np.ones(number, int) if kind == "single images" else (1 + 2 * rng.pareto(1.2, number)).astype(int).clip(max=60)
    )
    group, prior = np.repeat(np.arange(number), sizes), rng.dirichlet(np.full(classes, rng.choice([0.3, 1, 5])))
    main, other = rng.choice(classes, number, p=prior), rng.choice(classes, len(group), p=prior)
    label = np.where((kind == "mixed groups") & (rng.random(len(group)) < 0.4), other, main[group])
    if rng.random() < 0.85:
        for rare in rng.permutation(classes).tolist() * 2:  # twice, as classes take from each other
            least = parts + int(rng.integers(0, 3))
            for row in rng.permutation(len(group)):
                if len(set(group[label == rare].tolist())) >= least:
                    break
                if (label == label[row]).sum() > 2 * parts:
                    label[group == group[row] if kind == "pure groups" else row] = rare
    shows = label[:, None] == np.arange(classes)
    if multilabel:
        shows |= rng.random(shows.shape) < prior * rng.uniform(0, 0.8)
    return Problem(shows, np.full(number, -1) if kind == "single images" else group, folds, test, multilabel)


def possible(shows: np.ndarray, parts: int) -> bool:
    """Return True if groups can be divided so that each part shows each class, by an integer program (HiGHS).

    Args:
        shows: classes of each group, G×C.
        parts: how many.
    """
    shows = shows[:, shows.any(axis=0)]
    groups, classes = shows.shape
    rows = lil_array((groups + parts * classes + parts, groups * parts))
    for group in range(groups):
        rows[[group], group * parts : (group + 1) * parts] = 1
    for part in range(parts):
        rows[[groups + parts * classes + part], part::parts] = 1
        for label in range(classes):
            rows[[groups + part * classes + label], part::parts] = shows[:, label].astype(float)
    low = np.ones(rows.shape[0])
    high = np.where(np.arange(len(low)) < groups, 1, np.inf)
    solution = milp(
        np.zeros(rows.shape[1]),
        constraints=LinearConstraint(rows.tocsr(), low, high),
        integrality=1,
        bounds=Bounds(0, 1),
    )
    assert solution.status in (0, 2), solution.message
    return solution.status == 0


def outcome(problem: Problem) -> str:
    """Return `divided` or `refused`; check a division, and what a refusal says."""
    grouped = (problem.groups >= 0).all()
    shows = problem.in_groups if grouped else problem.shows
    can = possible(shows, problem.parts)
    try:
        assignment = problem.assigned()
    except MMLError as error:
        check_refusal(str(error), problem, shows)
        return "refused although possible" if can else "refused"
    fold = np.array(assignment.fold)
    parts = [fold == number for number in range(-1 if problem.test else 0, problem.folds)]
    present = problem.shows.any(axis=0)
    for part in parts:
        assert part.any()
        assert (
            not present[present].any()
            or (problem.shows[part].any(axis=0) == present).all()
            or lacks_room(part, problem)
        )
    assert can or any(lacks_room(part, problem) for part in parts)
    if grouped:
        assert all(len(set(fold[problem.groups == group].tolist())) == 1 for group in set(problem.groups.tolist()))
    return "divided"


def lacks_room(part: np.ndarray, problem: Problem) -> bool:
    """Return True if the test split is too small for a sample of each class."""
    return problem.test * len(problem.groups) < problem.shows.any(axis=0).sum()


def check_refusal(output: str, problem: Problem, shows: np.ndarray) -> None:
    """Check that numbers are those of the data, and that what is advised is possible."""
    for label, count in re.findall(r"'c(\d+)' (?:has )?(\d+)", output):
        assert shows[:, int(label)].sum() == int(count), output
    if "classes share" in output:
        assert shows.sum(axis=0)[shows.any(axis=0)].min() >= problem.parts
    for folds in re.findall(r"tasks\.t\.folds: (\d+) gives", output):
        assert possible(shows, int(folds) + (problem.test > 0)), output
        assert not possible(shows, int(folds) + 1 + (problem.test > 0)), output
    for folds in re.findall(r"test_fraction: 0.* gives (\d+) folds", output):
        assert possible(shows, int(folds)), output


QUICK = [1, 6, 11, 14, 16, 19, 21, 23, 24, 27, 28, 31, 34, 35, 37, 38, 40, 43, 47, 51, 54, 56, 138]
"""Problems that take less than a second or two; in the last, classes share groups too much."""


@pytest.mark.parametrize("seed", QUICK)
def test_problem_is_divided_whenever_that_is_possible(seed: int):
    assert outcome(drawn(seed)) in ("divided", "refused")


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(50, marks=pytest.mark.long),
        pytest.param(200, marks=pytest.mark.thorough),  # takes two minutes; the 50 are of the same kinds
    ],
)
def test_problems_are_divided_whenever_that_is_possible(count: int):
    outcomes = [outcome(drawn(seed)) for seed in range(count)]
    assert outcomes.count("divided") > count / 2
    assert outcomes.count("refused") > count / 10
    assert len(outcomes) == outcomes.count("divided") + outcomes.count("refused")


@pytest.mark.parametrize(("test", "grouped"), [(0.1, False), (0.2, False), (0.4, False), (0.3, True)])
def test_rare_class_is_in_the_test_split_and_in_each_fold(test: float, grouped: bool):
    label = np.arange(200) >= 194  # six of the rare class
    groups = np.concatenate([np.arange(194) // 4, np.arange(100, 106)]) if grouped else np.full(200, -1)
    problem = Problem(label[:, None] == np.array([False, True]), groups, 5, test, multilabel=False)
    assignment = problem.assigned()
    homes = [fold for fold, rare in zip(assignment.fold, label, strict=True) if rare]
    assert sorted(homes) == [-1, 0, 1, 2, 3, 4]
    assert assignment.split.count("test") == pytest.approx(200 * test, abs=8)
    assert assignment == problem.assigned()


def test_rare_label_of_several_is_in_each_part():
    shows = np.zeros((90, 3), dtype=bool)
    shows[np.arange(90), np.arange(90) % 2] = True
    shows[:4, 2] = True  # each of them with another label
    assignment = Problem(shows, np.full(90, -1), 3, 0.2, multilabel=True).assigned()
    assert sorted(assignment.fold[:4]) == [-1, 0, 1, 2]


def test_test_split_that_is_too_small_for_all_classes_keeps_its_size():
    shows = np.arange(600)[:, None] % 100 == np.arange(100)
    assert Problem(shows, np.full(600, -1), 5, 0.05, multilabel=False).assigned().split.count("test") == 30


@pytest.mark.parametrize(
    ("groups_of_rare", "remedies"),
    [
        (5, ["tasks.t.folds: 4 gives 4 folds", "tasks.t.test_fraction: 0 gives 5 folds"]),
        (
            3,
            ["tasks.t.folds: 2 gives 2 folds", "tasks.t.test_fraction: 0 with folds: 3 gives 3 folds"],
        ),
        (1, ["add groups, or leave the class out"]),
    ],
)
def test_refusal_has_the_numbers_of_the_data_and_what_each_remedy_gives(groups_of_rare: int, remedies: list[str]):
    label = np.arange(200) >= 190
    groups = np.concatenate([np.arange(190) // 5, 100 + np.arange(10) % groups_of_rare])
    problem = Problem(label[:, None] == np.array([False, True]), groups, 5, 0.2, multilabel=False)
    with pytest.raises(MMLError) as error:
        problem.assigned()
    assert f"the class 'c1' has {groups_of_rare} group" in str(error.value)
    assert "5 folds and a test split need at least 6" in str(error.value)
    assert all(remedy in str(error.value) for remedy in remedies)


def test_copies_of_one_image_count_once():
    targets = Targets("classification", ["a", "b"], np.array([0] * 30 + [1] * 6))
    divider = Divider(targets, np.array([f"s:{row // 2}" for row in range(36)]), "t", Splitting(5))
    with pytest.raises(MMLError, match=r"'b' has 3 different images, 5 folds need .*; or add different images"):
        divider.divide(np.arange(36))


def test_remedies_of_a_derived_task_are_those_of_its_base():
    targets = Targets("classification", ["a", "b"], np.array([0] * 30 + [1] * 3))
    divider = Divider(targets, np.arange(33), "t+nested~0", Splitting(5))
    with pytest.raises(MMLError, match=r"'b' has 3 images.*fold 0, 5 folds need .*tasks\.t\.folds: 3 gives"):
        divider.into_folds(np.arange(33), "outside of fold 0")
