"""Layout of the tests: they mirror the rooms of the library, and share builders through `tests/support` alone."""

import re

import pytest

from tests.support.places import REPOSITORY

TESTS = REPOSITORY / "tests"
MODULES = sorted(path for path in TESTS.rglob("*.py") if path.name != "__init__.py")
MOST_LINES = 400
# In the text rather than in the syntax tree: code for subprocesses stands in strings.
IMPORT_OF_A_TEST = re.compile(
    r"\btests(\.\w+)*\.(test_\w+|conftest)\s+import\b"
    r"|\btests(\.\w+)* import (test_|conftest)"
)


@pytest.mark.parametrize("room", sorted(path.parent.name for path in TESTS.glob("unit/*/__init__.py")))
def test_each_room_of_unit_tests_is_a_room_of_the_library(room: str):
    assert (REPOSITORY / "mml_lib" / room / "__init__.py").exists()


def test_each_unit_test_lies_in_a_room():
    top_level = {path.stem for path in (REPOSITORY / "mml_lib").glob("*.py")}
    misplaced = [path.name for path in TESTS.glob("unit/test_*.py") if path.stem.removeprefix("test_") not in top_level]
    assert not misplaced, "move to tests/unit/<room>/"


def test_no_module_imports_a_test():
    importing = [
        str(path.relative_to(REPOSITORY)) for path in MODULES if IMPORT_OF_A_TEST.search(path.read_text("utf-8"))
    ]
    assert not importing, "move what tests share to tests/support/"


def test_no_two_test_modules_share_a_name():
    names = [path.name for path in TESTS.glob("unit/**/test_*.py")]
    assert len(names) == len(set(names))


def test_test_files_are_small():
    sizes = {path.name: len(path.read_text("utf-8").splitlines()) for path in TESTS.rglob("*.py")}
    assert not {name: size for name, size in sizes.items() if size > MOST_LINES}, "split it by subject"
