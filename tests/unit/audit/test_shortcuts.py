"""Shortcuts: what gives a target away, and what does not."""

import numpy as np
import pytest

from mml_lib.audit.shortcuts import Source, Target, check_shortcut

COUNT = 400
RNG = np.random.default_rng(0)
SITE = RNG.integers(0, 2, COUNT)
FEATURES = RNG.normal(size=(COUNT, 20))
IDS = np.array([str(number) for number in range(COUNT)])


def names(values: np.ndarray) -> list[str]:
    return [f"site {value}" for value in values]


@pytest.mark.parametrize("is_linear", [True, False])
def test_source_that_tells_the_target_is_above_chance(is_linear: bool):
    values = FEATURES.copy()
    values[:, 3] += 3 * SITE
    shortcut = check_shortcut(Source("features", values, is_linear), Target("site", names(SITE)), IDS, IDS)
    assert shortcut.above_chance
    assert shortcut.balanced_accuracy > 0.85
    assert shortcut.ci_low < shortcut.balanced_accuracy < shortcut.ci_high
    assert (shortcut.chance, shortcut.classes, shortcut.samples) == (0.5, 2, COUNT)


@pytest.mark.parametrize("is_linear", [True, False])
def test_noise_is_at_chance(is_linear: bool):
    shortcut = check_shortcut(Source("features", FEATURES, is_linear), Target("site", names(SITE)), IDS, IDS)
    assert not shortcut.above_chance
    assert shortcut.ci_low < 0.5 < shortcut.ci_high


def test_imbalance_does_not_pass_for_knowledge():
    rare = (np.arange(COUNT) % 10 == 0).astype(int)
    shortcut = check_shortcut(Source("features", FEATURES, True), Target("site", names(rare)), IDS, IDS)
    assert shortcut.balanced_accuracy < 0.6
    assert not shortcut.above_chance


def test_groups_are_kept_together():
    groups = np.repeat(np.arange(40), 10)
    own = np.eye(40)[groups]  # tells the group, of which each has one site
    shortcut = check_shortcut(
        Source("features", own, True), Target("site", names(RNG.integers(0, 2, 40)[groups])), IDS, groups.astype(str)
    )
    assert not shortcut.above_chance


@pytest.mark.parametrize(
    ("values", "target", "note"),
    [
        (FEATURES, ["one"] * COUNT, "fewer than two values"),
        (FEATURES, ["one"] * (COUNT - 3) + ["two"] * 3, "fewer than two values"),
        (np.ones((COUNT, 2)), names(SITE), "the same for all samples"),
    ],
)
def test_reason_stands_where_nothing_can_be_measured(values: np.ndarray, target: list[str], note: str):
    shortcut = check_shortcut(Source("image size", values), Target("label", target), IDS, IDS)
    assert note in shortcut.note
    assert np.isnan(shortcut.balanced_accuracy)
