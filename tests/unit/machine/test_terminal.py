"""Lines for the terminal and the log: warnings once, in one line, capped; lists that are summarized."""

import io
import sys

import pytest

from mml_lib.machine import terminal
from mml_lib.machine.terminal import MAX_WARNINGS, summarized, warn, warnings_about


@pytest.fixture(autouse=True)
def _no_warning_yet(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(terminal, "_printed_warnings", set())


class Log(io.StringIO):
    name = "step.log"


def printed(monkeypatch: pytest.MonkeyPatch, texts: list[str]) -> tuple[list[str], list[str]]:
    """Return the lines in the terminal and in the log of a step that warns."""
    screen, log = io.StringIO(), Log()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "__stdout__", screen)
        patch.setattr(sys, "stdout", log)
        for text in texts:
            warn(text)
    return screen.getvalue().splitlines(), log.getvalue().splitlines()


def test_warning_is_one_line_in_terminal_and_log(monkeypatch: pytest.MonkeyPatch):
    line = ["warning: a.png is odd"]
    assert printed(monkeypatch, ["a.png\n  is odd"] * 2) == (line, line)


def test_warning_names_its_subject(monkeypatch: pytest.MonkeyPatch):
    with warnings_about("tasks.edema"):
        screen, _ = printed(monkeypatch, ["a.csv is odd"])
    assert screen == ["warning: tasks.edema: a.csv is odd"]
    assert printed(monkeypatch, ["a.csv is odd"])[0] == ["warning: a.csv is odd"]


def test_terminal_is_referred_to_the_log_after_many_warnings(monkeypatch: pytest.MonkeyPatch):
    screen, log = printed(monkeypatch, [f"image {number}" for number in range(MAX_WARNINGS + 5)])
    assert len(log) == MAX_WARNINGS + 5
    assert screen == [*log[:MAX_WARNINGS], "warning: further warnings are in step.log"]


def test_long_lists_end_with_the_number_left_out():
    assert summarized(["a", "b", "c"]) == "a, b, c"
    assert summarized(range(1315), limit=2) == "0, 1 and 1,313 more"
