"""Check that folders of the user's data contain none of the folders that MML writes to."""

from collections.abc import Mapping
from pathlib import Path

from mml_lib.config.task_options import DataSet
from mml_lib.errors import MMLError

WALKING = ("image_folder", "path_pattern", "labelme")
"""Creators that read all files below a folder."""


def check_data_folders(section: str, data_sets: Mapping[str, DataSet | None], written: Mapping[str, Path]) -> None:
    """Refuse a folder of images in which MML keeps packed images, masks or figures, which it would read as data.

    Args:
        section: `tasks` or `datasets`.
        data_sets: data sets of the study by name.
        written: folders that MML writes to, by the key of the study that states them.

    Raises:
        MMLError: a folder of images contains such a folder.
    """
    for name, data_set in data_sets.items():
        path = data_set.arguments.get("path") if data_set and data_set.creator in WALKING else None
        if data_set is None or not isinstance(path, str) or data_set.downloads or "{" in path:
            continue
        folder = Path(path).expanduser().resolve()
        for key, root in written.items():
            if root.resolve().is_relative_to(folder):
                raise MMLError(
                    f"{section}.{name}.path: {path} contains {root}, to which MML writes ({key}); name a folder with "
                    f"nothing but the data, or set {key} elsewhere"
                )
