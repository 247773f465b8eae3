"""Pixels whose dimension is estimated, and the figure of dimensions and performances."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mml_lib.audit.dimension.dimension_figure import draw_dimensions, performances
from mml_lib.audit.dimension.intrinsic_dimension import estimate_dimension
from mml_lib.audit.dimension.pixel_vectors import LONGEST, PixelVectors


def test_pixels_are_shares_of_the_full_scale_and_scaled_down():
    images = np.random.default_rng(0).integers(0, 65536, (4, 128, 96, 2), dtype=np.uint16)
    vectors = PixelVectors(images, np.array([3, 1]))
    assert len(vectors) == 2
    assert vectors[np.array([1])].shape == (1, LONGEST * 48 * 2)
    assert vectors[np.array([0])].mean() == pytest.approx(images[3].mean() / 65535, abs=1e-4)


def test_dimension_of_pixels_counts_the_ways_in_which_images_vary():
    rng = np.random.default_rng(0)
    patterns = rng.random((2, 16, 16, 1))
    images = np.einsum("np,phwc->nhwc", rng.random((600, 2)), patterns).astype(np.float32) / 2
    assert estimate_dimension(PixelVectors(images, np.arange(600)), 10).mackay_ghahramani == pytest.approx(2, abs=0.2)


def models() -> pd.DataFrame:
    rows = [
        ("a", "r1", 0.8, None),
        ("a", "r1", 0.6, None),
        ("a", "r2", 0.9, None),
        ("b", "r3", None, 3.0),
        ("b", "r4", None, 2.0),
    ]
    return pd.DataFrame(rows, columns=["task", "run", "val/accuracy", "val/mae"])


def test_performance_is_that_of_the_best_run():
    table = performances(models(), {"a": "accuracy", "b": "-mae", "c": "accuracy"})
    assert table.to_dict("records") == [
        {"task": "a", "metric": "accuracy", "value": 0.9},
        {"task": "b", "metric": "mae", "value": 2.0},
    ]


def test_figure_has_a_point_for_each_task(tmp_path: Path):
    tasks = pd.DataFrame({"task": ["a", "b", "c"], "dimension": [3.0, 7.0, 5.0]})
    draw_dimensions(tasks, models(), {"a": "accuracy", "b": "-mae", "c": "accuracy"}, tmp_path / "d.svg")
    text = (tmp_path / "d.svg").read_text()
    assert text.count("intrinsic dimension") == 2
    assert "lower is better" in text
