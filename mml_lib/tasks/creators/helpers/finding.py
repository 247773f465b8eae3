"""Files that a creator finds, and what their names mean."""

import re
from collections.abc import Iterable
from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.pipelines.digests import digest
from mml_lib.tasks.creators.file_kinds import is_system
from mml_lib.tasks.creators.own_data import sampled_digests, size_of
from mml_lib.tasks.dataset import natural_key


def find_files(folder: str | Path, pattern: str = "*") -> list[Path]:
    """Return the absolute paths of the files below a folder, `img2` before `img10`.

    Hidden files, and those of systems and tools (`.DS_Store`, `__MACOSX/`, `@eaDir/`), are left out.

    Args:
        folder: the folder; `~` is the home folder.
        pattern: `*.png` finds files at any depth, `images/*/*.png` those at this place below the folder.

    Raises:
        MMLError: the folder does not exist, or holds no such file.

    Example:
        >>> find_files("/data/cells", "*.tif")
        [PosixPath('/data/cells/a/1.tif'), PosixPath('/data/cells/b/2.tif')]
    """
    root = Path(folder).expanduser().absolute()
    if not root.is_dir():
        raise MMLError(f"the folder {root} does not exist")
    paths = root.glob(pattern) if "/" in pattern else root.rglob(pattern)
    files = [path for path in paths if path.is_file() and not _is_litter(path.relative_to(root))]
    if not files:
        raise MMLError(f"the folder {root} holds no file {pattern}")
    return sorted(files, key=lambda path: natural_key(str(path)))


def _is_litter(path: Path) -> bool:
    return any(is_system(part) for part in path.parts)


def state_of_files(files: Iterable[str | Path], *further: object) -> str:
    """Return the fingerprint of own files for `Survey`: their names, their sizes, and the content of some.

    Args:
        files: files that the data set is made of.
        further: arguments that decide what is made of them.

    Raises:
        MMLError: a file cannot be read, or is empty.

    Example:
        >>> Survey.of_splits({"train", "test"}, fingerprint=state_of_files(find_files(path, "*.png")))
    """
    listed = list(map(str, files))
    return digest([[Path(file).name, size_of(file)] for file in listed] + [sampled_digests(listed), *further])


def text_in(name: str | Path, pattern: str) -> str:
    """Return the part of a file name that a regular expression captures, such as the patient.

    Args:
        name: file name, or a path whose last part is looked at.
        pattern: regular expression with one group, found anywhere in the name.

    Raises:
        MMLError: it does not fit the name, or has not one group.

    Example:
        >>> text_in("p17_004.png", r"(p\\d+)_")
        'p17'
    """
    expression = re.compile(pattern)
    if expression.groups != 1:
        raise MMLError(f"'{pattern}' has {expression.groups} groups; write one, in parentheses")
    match = expression.search(Path(name).name)
    if match is None or match[1] is None:
        raise MMLError(f"the file name '{Path(name).name}' does not fit '{pattern}'")
    return match[1]
