"""Checks of downloads while planning: files fetched by hand, packages, and passwords."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from mml_lib.config.download_options import Download
from mml_lib.errors import MMLError
from mml_lib.files.fetching.by_hand import MANUAL, missing_by_hand

if TYPE_CHECKING:
    from mml_lib.studies.study import Study

PACKAGES = {".7z": ("py7zr", "archives"), ".rar": ("rarfile", "archives")}
"""Package that unpacks a kind of archive, and the extra that installs it."""


def export_passwords(study: "Study") -> None:
    """Set environment variables with passwords that the study contains as texts, for steps."""
    for task in study.cfg.tasks.values():
        for file in task.downloads if task else ():
            if isinstance(file.password, SecretStr) and file.password_variable:
                os.environ[file.password_variable] = file.password.get_secret_value()


def check_downloads(study: "Study") -> None:
    """Refuse a plan whose downloads lack a file, a package or a password.

    Raises:
        MMLError: a data set to be created lacks a package or a password.
    """
    pages: dict[str, str] = {}
    for name, file in _to_unpack(study):
        path = Path(study.fm.path("download", checksum=file.checksum, file_name=file.file_name))
        if package := _missing_package(file, path.exists()):
            raise MMLError(f'tasks.{name}.downloads: {package[0]} is missing: pip install "mml[{package[1]}]"')
        if (variable := file.password_variable) and variable not in os.environ:
            raise MMLError(
                f"tasks.{name}.downloads: the environment variable {variable}, for the password of {file.file_name}, "
                "is not set"
            )
        if file.manual and not path.exists() and not (study.fm.data_path / MANUAL / file.manual).is_file():
            pages[file.manual] = str(file.page)
    if pages:
        raise MMLError(missing_by_hand(pages, study.fm.data_path))


def _to_unpack(study: "Study") -> Iterator[tuple[str, Download]]:
    """Yield task and download of each data set that does not exist yet."""
    for name, task in study.cfg.tasks.items():
        if task and task.downloads:
            manifest = study.fm.path("dataset", dataset=study.tasks.bases[name].dataset)
            if not Path(manifest).exists():
                yield from ((name, file) for file in task.downloads)


def _missing_package(file: Download, is_fetched: bool) -> tuple[str, str] | None:
    """Return the package that a download needs and its extra; None if it is installed."""
    needed = PACKAGES.get(Path(file.file_name).suffix.lower())
    if file.kaggle and not is_fetched:
        needed = needed if needed and not find_spec(needed[0]) else ("kaggle", "kaggle")
    return needed if needed and not find_spec(needed[0]) else None
