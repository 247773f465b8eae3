"""Opening a study: what the Snakefile does before its rules are read."""

import os
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import mml_lib
from mml_lib.errors import MMLError
from mml_lib.files.locks import name_supervisor
from mml_lib.schedulers.study import Study

LIBRARY = Path(mml_lib.__file__).parents[1]


def open_study(workflow: Any, config: MutableMapping[str, Any]) -> Study:
    """Return the checked study of a Snakefile's config; leave with one line where it has a mistake.

    Args:
        workflow: Snakemake's workflow object.
        config: the merged config; presets are added to it, tasks that an overlay leaves out are taken away.
    """
    overlay = workflow.config_settings.overwrite_config
    files = [*map(Path, workflow.configfiles), *workflow.config_settings.configfiles]
    try:
        add_presets(config, Path(workflow.basedir) / "config")
        limit_tasks(config, overlay)
        study = Study(config, list(dict.fromkeys(map(shorten, files))))
        if workflow.is_main_process:
            study.check()
            print(study.overview(), file=sys.stderr)
    except MMLError as error:
        sys.exit(f"error: {error}")
    keep_pandas_out()
    name_supervisor()
    # Steps use this very library, also in an environment that Snakemake deploys for them.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(LIBRARY), *filter(None, [os.environ.get("PYTHONPATH")])])
    return study


def keep_pandas_out() -> None:
    """Keep Snakemake from importing pandas for every plan, a quarter of a second that each cluster job pays again.

    It does so wherever pandas is installed and a rule has params, in case one is a data frame; none is here. This can
    go when Snakemake looks at `sys.modules` instead.
    """
    from snakemake.persistence import PersistenceBase

    if hasattr(PersistenceBase, "_serialize_param_builtin"):
        PersistenceBase._serialize_param = property(lambda self: self._serialize_param_builtin)


def shorten(path: Path) -> Path:
    """Return a path relative to the working directory where it lies below that."""
    path = path.absolute()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def add_presets(config: MutableMapping[str, Any], folder: Path) -> None:
    """Append the pipeline's own folder of presets to those that the study names."""
    paths = config.get("paths")
    if paths is None or isinstance(paths, Mapping):
        own = list((paths or {}).get("presets") or [])
        config["paths"] = {**(paths or {}), "presets": [*own, *([] if str(folder) in own else [str(folder)])]}


def limit_tasks(config: MutableMapping[str, Any], overlay: Mapping[str, Any]) -> None:
    """Keep those tasks only that the overlays name, if they name any.

    Snakemake merges mappings, but a study file laid over the demo study is not about the demo's task as well.
    """
    named = overlay.get("tasks")
    if isinstance(named, Mapping) and isinstance(config.get("tasks"), Mapping):
        config["tasks"] = {name: task for name, task in config["tasks"].items() if name in named}
