"""A study that is killed at random moments ends as one that was not: a short form of the harness."""

from pathlib import Path

import pytest

from tests.workflow.interruptions import run

SEED = 21
"""SIGKILL to Snakemake and to a step; the long form takes more, other moments and other signals each time."""


@pytest.mark.thorough
def test_interrupted_study_ends_with_the_same_bytes_and_leaves_nothing(tmp_path: Path):
    assert len(run(tmp_path, kills=2, seed=SEED, longest=20)) <= 2
