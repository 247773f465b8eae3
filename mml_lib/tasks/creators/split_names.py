"""Names of splits in data of others: cells of tables, and folders."""

import re
from collections.abc import Mapping

from mml_lib.tasks.dataset import SPLITS

SPLIT_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "hold-out"), "test"),
    **dict.fromkeys(("unlabelled", "unlabeled"), "unlabelled"),
}
"""Split by the word of a public data set, in lower case."""

SPLIT_FOLDERS: Mapping[str, str] = {**{split: split for split in SPLITS}, "validation": "val", "valid": "val"}
"""Split by the name of a folder that is read as one without further notice."""

_FILLERS = frozenset({"set", "sets", "data", "dataset", "images", "image", "imgs", "img", "seg", "split", "files"})
"""Words beside that of a split in the names of folders: `training_set`, `seg_test`."""


def split_of(name: str) -> str | None:
    """Return the split that a folder is named after; None for other names.

    Args:
        name: name of a folder, or a text of a table.

    Example:
        >>> split_of("Training"), split_of("valid_set"), split_of("cats")
        ('train', 'val', None)
    """
    words = (re.sub(r"(?<=.)(set|data)$", "", word) for word in re.findall(r"[^\W\d_]+", name.lower()))
    telling = [word for word in words if word not in _FILLERS]
    return SPLIT_WORDS.get(telling[0]) if len(telling) == 1 else None
