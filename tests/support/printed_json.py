"""Modules of `tests.support` that are run as commands, and print their result as a line of JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from mml_lib.config.pipeline_folder import LIBRARY


def printed_json(folder: Path, module: str, *arguments: str) -> Any:
    """Run a module of `tests.support` in a folder, and return the content of the last line that it prints."""
    process = subprocess.run(
        [sys.executable, "-m", f"tests.support.{module}", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(LIBRARY)},
        text=True,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(process.stdout.splitlines()[-1])
