"""Access to trained networks in Python; `mml_lib.interactive` has these functions for users."""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mml_lib.config.loading import ROOTS
from mml_lib.config.plugins import import_plugin
from mml_lib.errors import MMLError, nearest
from mml_lib.files.manager import MMLFileManager, projects_below

if TYPE_CHECKING:
    from mml_lib.deployment.predictor import Predictor
    from mml_lib.deployment.predictor_loading import NetworkTransforms, TaskNetwork

Root = str | Path | None
"""A folder, or None: the variable of the environment, or else the folder in the working directory."""


def load_predictor(
    project: str | Path,
    task: str | None = None,
    run: str | None = None,
    folds: Literal["all"] | int | Iterable[int] = "all",
    *,
    calibrated: bool | None = None,
    tta: Mapping[str, Any] | None = None,
    device: str = "auto",
    plugins: Sequence[str] = (),
    results: Root = None,
    data: Root = None,
) -> "Predictor":
    """Return a predictor for new images: call it with a folder, a table, files, arrays or pictures.

    Args:
        project: name or folder of the project.
        task: task that the networks were trained on; unset: the only one of the project.
        run: id of the run; unset or `best`: the best one by validation; `ensemble`: the ensemble of mode `post`.
        folds: folds of the networks, whose probabilities or values are averaged.
        calibrated: map probabilities by the calibration of mode `post`; unset: if the project has one.
        tta: test-time augmentation like the section `tta` of a study: `{"transforms": [...]}`; unset: none.
        device: `auto`, `cpu`, `gpu`, or a device of torch.
        plugins: the user's own modules or files, as in the study.
        results, data: roots.

    Raises:
        MMLError: the project, task, run or fold does not exist, weights are missing, or the members of an ensemble
            have different classes.
    """
    from mml_lib.deployment.predictor_loading import read_predictor
    from mml_lib.deployment.stored_runs import StoredProject

    _import_plugins(plugins)
    with open_project(project, results, data) as fm:
        return read_predictor(StoredProject(fm), task, run, folds, calibrated, tta, device)


def load_network(
    project: str | Path,
    task: str | None = None,
    run: str | None = None,
    fold: int = 0,
    *,
    plugins: Sequence[str] = (),
    results: Root = None,
    data: Root = None,
) -> "tuple[TaskNetwork, NetworkTransforms]":
    """Return a bare network and its transforms: `network(transforms("image.png")[None])`.

    Args:
        project: name or folder of the project.
        task, run: as for `load_predictor`.
        fold: fold of the network.
        plugins: the user's own modules or files, as in the study.
        results, data: roots.

    Returns:
        A `torch.nn.Module` on the CPU, in evaluation mode, that turns normalised floats N×C×H×W into logits N×classes,
        values N×1, or logits of pixels N×classes×H×W; and a function that turns an image into such floats, C×H×W.

    Raises:
        MMLError: as for `load_predictor`.
    """
    from mml_lib.deployment.predictor_loading import NetworkTransforms, TaskNetwork, read_predictor
    from mml_lib.deployment.stored_runs import StoredProject

    _import_plugins(plugins)
    with open_project(project, results, data) as fm:
        member = read_predictor(StoredProject(fm), task, run, fold, False, None, "cpu").members[0]
    network = member.group.networks[0]
    return TaskNetwork(network).eval(), NetworkTransforms(member.preparation, network)


def _import_plugins(plugins: Sequence[str]) -> None:
    for plugin in plugins:
        import_plugin(plugin)


def open_project(
    project: str | Path | None, results: Root = None, data: Root = None
) -> AbstractContextManager[MMLFileManager]:
    """Return a context with the file manager of a project.

    Raises:
        MMLError: the project does not exist.
    """
    roots = {
        key: Path(root or os.environ.get(variable) or key)
        for (key, variable), root in zip(ROOTS.items(), (data, results), strict=True)
    }
    if isinstance(project, Path) or (project is not None and "/" in project):
        folder = Path(project).absolute()
    else:
        folder = roots["results"] / (project or ".")
    if project is not None:
        _check_project(Path(os.path.normpath(folder)))
    return MMLFileManager.for_a_while(roots["data"], folder.parent, folder.name)


def _check_project(folder: Path) -> None:
    """Refuse a folder that is not a project.

    Raises:
        MMLError: the folder is not a project; the message names existing projects.
    """
    root = folder.absolute().parent
    if not root.is_dir():
        raise MMLError(
            f"there is no results root {root}; start in the study folder, set {ROOTS['results']}, or give results"
        )
    if MMLFileManager.is_project(folder) or (folder.is_dir() and not any(folder.iterdir())):
        return
    projects = [name for name in projects_below(root) if MMLFileManager.is_project(root / name)]
    names = nearest(folder.name, projects)
    remedy = names if projects else f"; none is there: set {ROOTS['results']}, or give results"
    if folder.is_dir():
        raise MMLError(f"there is no project in {folder}, which has no files of a study{remedy}")
    raise MMLError(f"there is no project '{folder.name}' in {root}{remedy}")
