"""Rooms of the library: names, sizes, and what planning imports. `lint-imports` checks the direction of imports."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.support.places import REPOSITORY

LIBRARY = REPOSITORY / "mml_lib"
MODULES = [path for path in LIBRARY.rglob("*.py") if path.stem not in ("__init__", "__main__")]
MOST_MODULES = 16

PLANNING = ("engine", "cleaning", "schedulers", "studies", "pipelines", "config", "machine", "files", "tasks")
"""Rooms that each plan may import."""

IN_A_PROCESS_OF_THEIR_OWN = tuple(
    f"mml_lib.engine.preflight.{name}" for name in ("stand_in", "tried_backbone", "tried_pipelines")
)
SLOW = ("torch", "lightning", "pandas", "sklearn", "matplotlib", "scipy")
"""Packages that take from half a second to seconds to import."""


def test_no_two_modules_share_a_name():
    names = Counter(path.stem for path in MODULES)
    assert not [name for name, number in names.items() if number > 1]


def test_rooms_are_small():
    sizes = Counter(str(path.parent.relative_to(REPOSITORY)) for path in MODULES)
    assert not {room: size for room, size in sizes.items() if size > MOST_MODULES}, "which idea is missing?"


def test_no_module_is_empty():
    assert not [path for path in MODULES if not path.read_text("utf-8").strip()]


@pytest.mark.parametrize("package", sorted({path.parent for path in MODULES}), ids=lambda path: path.name)
def test_each_folder_of_modules_is_a_package(package: Path):
    assert (package / "__init__.py").exists(), "it would be left out of an installed copy"


def test_planning_imports_no_slow_package():
    rooms = [path.relative_to(REPOSITORY).with_suffix("").parts for path in MODULES]
    names = sorted(".".join(parts) for parts in rooms if parts[1] in PLANNING)
    names = [*(name for name in names if name not in IN_A_PROCESS_OF_THEIR_OWN), "mml_lib.steps.open_step"]
    code = (
        "import importlib, json, sys\n"
        f"imported = {{name: (importlib.import_module(name), [p for p in {SLOW} if p in sys.modules])[1] for name in "
        f"{names}}}\n"
        "print(json.dumps(next(((name, slow) for name, slow in imported.items() if slow), None)))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=REPOSITORY)
    assert json.loads(process.stdout) is None, "import it in the function that needs it"
