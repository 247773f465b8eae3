"""Planning: calls that each further step of a study takes, counted rather than timed."""

from pathlib import Path

from tests.support.counted_plan import count_plan


def test_planning_a_further_step_takes_few_calls_and_looks_at_few_files(tmp_path: Path):
    small, large = count_plan(tmp_path / "small", 4), count_plan(tmp_path / "large", 24)
    per_step = large.per_step(small)
    assert per_step["calls"] <= 7_200
    assert per_step["stats"] <= 4
    assert round(per_step["opens"], 1) == 0
    assert per_step["listings"] == 0
    assert per_step["package searches"] == 0
    assert per_step["signatures"] == 0
