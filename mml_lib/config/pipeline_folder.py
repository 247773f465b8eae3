"""Folder of the pipeline: its presets and the demo study."""

from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import mml_lib

LIBRARY = Path(mml_lib.__file__).parents[1]
"""Folder of the pipeline, with `mml_lib` in it."""

DEMO = Path("config/config.yaml")
"""The demo study, in the working folder or the folder of the pipeline. MML reads it if no file is named."""


def demo_study(pipeline: Path) -> Path:
    """Return the file of the demo study."""
    return DEMO.absolute() if DEMO.is_file() else pipeline / DEMO


def add_presets(config: MutableMapping[str, Any], folder: Path) -> None:
    """Append the pipeline's own folder of presets to those that the study names."""
    paths = config.get("paths")
    if paths is None or isinstance(paths, Mapping):
        folders = (paths or {}).get("presets") or []
        folders = list(folders) if isinstance(folders, list) else [folders]
        config["paths"] = {**(paths or {}), "presets": [*folders, *([] if str(folder) in folders else [str(folder)])]}
