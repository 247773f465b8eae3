"""Modules that the warm process imports for the steps of a plan."""

import subprocess
import sys
from pathlib import Path

from mml_lib.config.pipeline_folder import LIBRARY
from mml_lib.steps.warm_imports import IMPORTED_BY_STEPS, modules_of_scripts


def test_modules_of_scripts_come_with_those_that_their_functions_import(tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text("import pandas as pd\nfrom mml_lib.reports.gallery import Gallery\n")
    modules = list(modules_of_scripts([str(script)]))
    assert modules[0] == "pandas"
    assert {"pandas.io.formats.csvs", "mml_lib.reports.gallery", "matplotlib.pyplot"} <= set(modules)


def test_modules_that_only_drawing_needs_come_with_it():
    assert "sklearn.metrics" in modules_of_scripts([str(LIBRARY / "scripts/draw_results.py")])
    assert "PIL.WebPImagePlugin" in modules_of_scripts([str(LIBRARY / "scripts/write_report.py")])


def test_warm_process_of_info_imports_few_modules():
    rules = ("draw_task", "list_tasks", "list_models", "list_resources", "finish_exp")
    modules = modules_of_scripts(str(LIBRARY / f"scripts/{rule}.py") for rule in rules)
    code = f"import sys; [__import__(name) for name in {[*IMPORTED_BY_STEPS, *modules]}]; print(*sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    imported = process.stdout.split()
    assert len(imported) <= 1_400
    assert {"torch", "sklearn", "scipy.stats", "lightning", "timm"}.isdisjoint(imported)
