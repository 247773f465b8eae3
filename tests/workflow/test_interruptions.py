"""A study that is killed at random moments ends as one that was not: a short form of the harness."""

import random
from pathlib import Path

import pytest

from tests.workflow.interruptions import run


@pytest.mark.long
def test_interrupted_study_ends_with_the_same_bytes_and_leaves_nothing(tmp_path: Path):
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    assert len(run(tmp_path, kills=3, seed=seed, longest=20)) <= 3
