"""Plain English: the prose linter finds nothing, and its patterns match."""

import pytest

from tests.texts.prose import NAMES, findings, in_python, in_rules, in_text


def test_all_texts_are_plain_english():
    assert list(findings()) == [], "see Language in .github/CONTRIBUTING.md"


@pytest.mark.parametrize(
    "text",
    [
        '"""What a step needs."""',
        'def f():\n    """Return what a step needs."""',
        'x = 1\n"""Whether it is one or two."""',
        'raise ValueError("it is laid over the study")',
        *(f"{name} = 1" for name in sorted(NAMES)),
        "for each in paths: pass",
        "def f(told): pass",
        "paths = [found for found in files]",
    ],
)
def test_patterns_are_found_in_python(text: str):
    assert len(list(in_python(text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        '"""Return the path of a step."""',
        "def f(path):\n    known_paths = path.each()",
        'raise ValueError("each path is known; found none")',
    ],
)
def test_plain_code_has_no_findings(text: str):
    assert list(in_python(text)) == []


def test_patterns_are_found_in_texts_and_rules():
    assert [line for line, _ in in_text("As far as\nof one's own\nplain")] == [1, 2]
    assert len(list(in_rules('rule a:\n    """What it does."""\n    params:\n        told=study.told,\n'))) == 2
