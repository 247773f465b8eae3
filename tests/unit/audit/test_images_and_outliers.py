"""Bad images of any depth and number of channels, and outliers among features."""

import cv2
import numpy as np
import pytest

from mml_lib.audit.image_measures import ImageMeasures, find_faults, measure_images
from mml_lib.audit.neighbours import nearest_neighbours, scaled
from mml_lib.audit.outlier_scores import DEVIATIONS, neighbour_scores, robust_scores

COUNT = 60
FAULTS = {3: "dark", 11: "over-exposed", 23: "blurred", 37: "blank", 41: "blank"}


def images(depth: str, channels: int) -> list[np.ndarray]:
    """Return textured images of one format, of which some have faults."""
    rng = np.random.default_rng(0)
    pictures = []
    for number in range(COUNT):
        coarse = cv2.resize(rng.random((12, 12)), (48, 48), interpolation=cv2.INTER_CUBIC)
        picture = np.clip(0.15 + 0.6 * coarse + 0.05 * rng.normal(size=(48, 48)), 0, 1)
        fault = FAULTS.get(number)
        picture = {
            "dark": picture * 0.1,
            "over-exposed": np.clip(picture * 4, 0, 1),
            "blurred": cv2.GaussianBlur(picture, (0, 0), 6),
            "blank": np.full_like(picture, number / COUNT),
            None: picture,
        }[fault]
        scale = {"uint8": 255, "uint16": 65535, "float16": 1, "float32": 1}[depth]
        stacked = np.repeat(picture[:, :, None], channels, axis=2) * scale
        pictures.append(stacked.astype(depth))
    return pictures


@pytest.mark.parametrize(("depth", "channels"), [("uint8", 3), ("uint16", 1), ("float16", 2), ("float32", 5)])
def test_faults_are_found_in_any_format(depth: str, channels: int):
    ids = [str(number) for number in range(COUNT)]
    measures = measure_images(images(depth, channels), range(COUNT), ids, threads=2)
    assert {row: fault for row, fault, _ in find_faults(measures)} == FAULTS
    assert measures.thumbnails.shape == (COUNT, 32, 32)
    assert measures.thumbnails.mean() == pytest.approx(110, abs=15)


def test_measures_follow_the_rows_and_are_read_back(tmp_path):
    pictures = images("uint8", 1)
    measures = measure_images(pictures, [5, 2], ["b", "a"])
    grey = pictures[5][:, :, 0] / 255
    assert measures.contrast[0] == pytest.approx(grey.std(), rel=1e-4)
    top = pictures[2][0] / 255
    assert measures.border[1][:2] == pytest.approx([top.mean(), top.std()], rel=1e-3)
    measures.write(tmp_path / "m.npz")
    read = ImageMeasures.read(tmp_path / "m.npz")
    assert read.ids.tolist() == ["b", "a"]
    assert np.array_equal(read.thumbnails, measures.thumbnails)


def test_samples_far_from_all_others_are_outliers():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(500, 12)) * 0.3
    values[:, 0] += 3
    values[[7, 70]] = rng.normal(size=(2, 12)) - 2
    scores = neighbour_scores(nearest_neighbours(scaled(values), 10).distances)
    assert set(np.argsort(-scores)[:2].tolist()) == {7, 70}
    assert scores[[7, 70]].min() >= DEVIATIONS > np.delete(scores, [7, 70]).max()


def test_normal_values_have_their_own_deviation():
    scores = robust_scores(np.random.default_rng(0).normal(5, 2, 20_000))
    assert scores.std() == pytest.approx(1, abs=0.03)
    assert np.median(scores) == pytest.approx(0)


def test_rare_values_beside_equal_ones_are_far():
    assert robust_scores(np.array([0.0] * 90 + [1.0] * 10))[-1] > DEVIATIONS
    assert (robust_scores(np.ones(5)) == 0).all()
