"""Requests to the warm process: a Snakemake that runs many steps does not look at the whole library for each."""

import pytest

from mml_lib.machine import warm_start


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Has an entry for each time that the files of the library are looked at."""
    made: list[int] = []
    monkeypatch.setattr(warm_start, "_library_state", (-float("inf"), []))
    monkeypatch.setattr(warm_start, "_library_files", lambda: made.append(len(made)) or [("module.py", len(made))])
    return made


def test_library_is_looked_at_once_in_some_seconds(looks: list[int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(warm_start.time, "monotonic", lambda: 100.0)
    keys = [warm_start.code_key(warm_start.RECENT) for _ in range(5)]
    assert len(looks) == 1
    monkeypatch.setattr(warm_start.time, "monotonic", lambda: 100.0 + warm_start.RECENT)
    assert warm_start.code_key(warm_start.RECENT) != keys[0]
    assert keys == [keys[0]] * 5


def test_changed_library_is_noticed_at_once_without_patience(looks: list[int]):
    assert warm_start.code_key() != warm_start.code_key()
    assert len(looks) == 2


def test_changed_environment_is_noticed_at_once(looks: list[int], monkeypatch: pytest.MonkeyPatch):
    before = warm_start.code_key(warm_start.RECENT)
    monkeypatch.setenv("TORCH_LOGS", "all")
    assert warm_start.code_key(warm_start.RECENT) != before
    assert len(looks) == 1
