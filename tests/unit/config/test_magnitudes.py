"""Magnitude of presets of augmentations."""

from typing import Any

import pytest

from mml_lib.config.loading import load_study
from mml_lib.errors import MMLError
from tests.support.studies import study


def transforms(augmentations: Any) -> list[dict[str, Any]]:
    """Return the transforms of a classification by name."""
    return [item.spec() for item in load_study(study(augmentations=augmentations)).augmentations.of("classification")]


def test_the_largest_magnitude_is_the_default():
    assert transforms({"preset": "randaugment", "magnitude": 10}) == transforms("randaugment")
    assert transforms("randaugment")[2]["bits"] == [4, 8]


def test_a_magnitude_scales_all_ranges_and_keeps_whole_numbers():
    weaker = transforms({"preset": "randaugment", "magnitude": 5})
    assert (weaker[2]["bits"], weaker[3]["thresholds"]) == ([6, 8], [0.8, 1.0])
    assert (weaker[5]["brightness"], weaker[7]["degrees"], weaker[9]["translate"]) == (0.2, 15, [0.1, 0.1])


@pytest.mark.parametrize("magnitude", [-1, 11, "strong", True, None])
def test_a_magnitude_outside_its_range_is_refused(magnitude: Any):
    with pytest.raises(MMLError, match=r"augmentations\.magnitude.* 0 to 10"):
        transforms({"preset": "randaugment", "magnitude": magnitude})


def test_a_preset_without_ranges_takes_no_magnitude():
    with pytest.raises(MMLError, match=r"augmentations.*magnitude"):
        transforms({"preset": "flips", "magnitude": 3})
