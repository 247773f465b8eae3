"""Bias by the number of samples: distances of equal distributions, from n samples and from 4n."""

from collections.abc import Callable

import numpy as np
import pytest

from mml_lib.distances import MEASURES
from tests.support.gaussian_tasks import standard_task

WIDTH, REPEATS = 16, 12


def distances(measure: str, number: int, shift: float = 0, **options) -> np.ndarray:
    """Return distances of independent draws."""
    options_read = MEASURES[measure].read_options(options)
    tasks = [
        (standard_task("a", number, WIDTH, seed=2 * seed), standard_task("b", number, WIDTH, 2 * seed + 1, shift))
        for seed in range(REPEATS)
    ]
    return np.array([MEASURES[measure].compare(*pair, options_read) for pair in tasks])


@pytest.mark.parametrize("kernel", ["cauchy", "gaussian", "energy"])
@pytest.mark.parametrize("number", [50, 200])
def test_mmd_of_equal_distributions_is_0_on_the_average(kernel: str, number: int):
    values = distances("mmd", number, kernel=kernel)
    assert abs(values.mean()) < 4 * values.std(ddof=1) / np.sqrt(REPEATS)


def test_mmd_does_not_depend_on_the_number_of_samples():
    few, many = (distances("mmd", number, shift=0.5, kernel="gaussian", bandwidth=4) for number in (50, 200))
    assert few.mean() == pytest.approx(many.mean(), abs=4 * few.std(ddof=1) / np.sqrt(REPEATS))


def test_fid_of_few_samples_is_too_large_by_about_one_in_n():
    few, many = (distances("fid", number).mean() for number in (100, 400))
    assert 3 < few / many < 5


@pytest.mark.parametrize("shift", [0, 0.5])
def test_corrected_fid_has_a_small_part_of_the_bias(shift: float):
    exact = WIDTH * shift**2
    plain = distances("fid", 200, shift).mean() - exact
    corrected = distances("fid", 200, shift, correct_bias=True).mean() - exact
    assert plain > 0
    assert abs(corrected) < plain / 3


def test_emd_of_few_samples_is_too_large_by_about_one_in_the_root_of_n():
    few, many = (distances("emd", number).mean() for number in (100, 400))
    assert 1.7 < few / many < 2.3


def test_sinkhorn_of_few_samples_is_too_large():
    few, many = (distances("emd", number, method="sinkhorn").mean() for number in (50, 200))
    assert few > many > 0


@pytest.mark.parametrize("correct", [False, True])
def test_fid_warns_of_few_samples(correct: bool, monkeypatch: pytest.MonkeyPatch):
    lines: list[str] = []
    collect: Callable[[str], None] = lines.append
    monkeypatch.setattr("mml_lib.distances.gaussian_fits.warn", collect)
    MEASURES["fid"].compare(
        standard_task("few", 40, WIDTH),
        standard_task("many", 160, WIDTH),
        MEASURES["fid"].options(correct_bias=correct),
    )
    assert [line.split()[1] for line in lines] == ([] if correct else ["few"])
    assert all("correct_bias" in line for line in lines)
