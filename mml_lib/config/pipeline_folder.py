"""Folder of the pipeline: its presets and the demo study."""

from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import mml_lib

LIBRARY = Path(mml_lib.__file__).parents[1]
"""Folder of the pipeline, with `mml_lib` in it."""

DEMO = Path("config/config.yaml")
"""The demo study, in the working folder or in that of the pipeline: read where no file is named."""


def demo_study(pipeline: Path) -> Path:
    """Return the file of the demo study."""
    return DEMO.absolute() if DEMO.is_file() else pipeline / DEMO


def add_presets(config: MutableMapping[str, Any], folder: Path) -> None:
    """Append the pipeline's own folder of presets to those that the study names."""
    paths = config.get("paths")
    if paths is None or isinstance(paths, Mapping):
        own = (paths or {}).get("presets") or []
        own = list(own) if isinstance(own, list) else [own]
        config["paths"] = {**(paths or {}), "presets": [*own, *([] if str(folder) in own else [str(folder)])]}
