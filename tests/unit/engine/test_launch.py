"""The warm process that a plan needs: with torch, light, or none."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from mml_lib.engine import hooks


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], bool]]:
    """Return the scripts of each process that is launched, and whether it is light."""
    processes: list[tuple[list[str], bool]] = []

    def launch(scripts: map, light: bool) -> None:
        processes.append(([Path(script).stem for script in scripts], light))

    monkeypatch.setattr(hooks, "launch_warm_process", launch)
    monkeypatch.setattr(hooks, "launch_relay", lambda: None)
    return processes


def jobs(*scripts: str | None) -> list[SimpleNamespace]:
    """Return planned steps of rules with some scripts."""
    return [SimpleNamespace(rule=SimpleNamespace(script=script and f"../scripts/{script}.py")) for script in scripts]


def test_one_step_that_needs_torch_launches_the_whole_process(launched: list):
    hooks.launch_warm_process_for(jobs("predict_fold"))
    assert launched == [(["predict_fold"], False)]


def test_three_light_steps_launch_a_light_process(launched: list):
    hooks.launch_warm_process_for(jobs("test_fold", "test_fold", "summarize"))
    assert launched == [(["summarize", "test_fold"], True)]


def test_fewer_light_steps_and_scripts_of_others_launch_none(launched: list):
    hooks.launch_warm_process_for(jobs("test_fold", "summarize", "of_a_user", "of_a_user", None))
    assert launched == []
