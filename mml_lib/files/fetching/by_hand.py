"""Files that the user fetches by hand, behind a registration."""

from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.files.fetching.adopting import adopt

MANUAL = "MANUAL"
"""Folder of the data root for files that are fetched by hand."""


def take(name: str, page: str, path: Path, checksum: str) -> None:
    """Put a file that was fetched by hand in the place of a download.

    Args:
        name: file name.
        page: page where it can be fetched.
        path: place of the download, `<data root>/DOWNLOADS/<checksum>/<name>`.
        checksum: as that of a download.

    Raises:
        MMLError: it is not there, or has another checksum.
    """
    root = path.absolute().parents[2]
    if not (root / MANUAL / name).is_file():
        raise MMLError(missing_by_hand({name: page}, root))
    adopt(root / MANUAL / name, path, checksum, page)


def missing_by_hand(pages: dict[str, str], root: Path) -> str:
    """Return the line that says where missing files come from and where they go.

    Args:
        pages: page of each missing file, by its name.
        root: the data root.
    """
    files = ", ".join(f"{name} from {page}" for name, page in pages.items())
    folder = root.absolute() / MANUAL
    elsewhere = [place for name in pages for place in _likely_places(name, root) if place.is_file()]
    hint = f"; {elsewhere[0]} lies at another place: move it there" if elsewhere else ""
    return f"fetch by hand: {files}, and put {'it' if len(pages) == 1 else 'them'} into {folder}{hint}"


def _likely_places(name: str, root: Path) -> list[Path]:
    folders = [Path.cwd(), root, root / "DOWNLOADS", root / "RAW", Path.home() / "Downloads"]
    return [folder.absolute() / name for folder in folders]
