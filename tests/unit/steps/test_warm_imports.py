"""Modules that the warm process imports for the steps of a plan."""

from pathlib import Path

from mml_lib.steps.warm_imports import modules_of_scripts


def test_modules_of_scripts_come_with_those_that_their_functions_import(tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text("import pandas as pd\nfrom mml_lib.reports.gallery import Gallery\n")
    modules = list(modules_of_scripts([str(script)]))
    assert modules[0] == "pandas"
    assert {"pandas.io.formats.csvs", "mml_lib.reports.gallery", "matplotlib.pyplot"} <= set(modules)
