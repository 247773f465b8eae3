"""Files that the user downloads by hand, for example after a registration."""

from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.files.fetching.adopting import adopt

MANUAL = "MANUAL"
"""Folder of the data root for files that are downloaded by hand."""


def adopt_manual(name: str, page: str, path: Path, checksum: str) -> None:
    """Put a file that was downloaded by hand in the place of a download.

    Args:
        name: file name.
        page: page where the file is available.
        path: path of the download, `<data root>/DOWNLOADS/<checksum>/<name>`.
        checksum: checksum as in `download`.

    Raises:
        MMLError: the file is missing, or has another checksum.
    """
    root = path.absolute().parents[2]
    if not (root / MANUAL / name).is_file():
        raise MMLError(missing_by_hand({name: page}, root))
    adopt(root / MANUAL / name, path, checksum, page)


def missing_by_hand(pages: dict[str, str], root: Path) -> str:
    """Return the message about missing files: their pages, and the folder to put them into.

    Args:
        pages: page of each missing file, by its name.
        root: the data root.
    """
    files = ", ".join(f"{name} from {page}" for name, page in pages.items())
    folder = root.absolute() / MANUAL
    candidates = [path for name in pages for path in _likely_paths(name, root) if path.is_file()]
    hint = f"; {candidates[0]} exists: move it there" if candidates else ""
    return f"download by hand: {files}, and put {'it' if len(pages) == 1 else 'them'} into {folder}{hint}"


def _likely_paths(name: str, root: Path) -> list[Path]:
    folders = [Path.cwd(), root, root / "DOWNLOADS", root / "RAW", Path.home() / "Downloads"]
    return [folder.absolute() / name for folder in folders]
