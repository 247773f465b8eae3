"""Fetching of a download from wherever it comes."""

from pathlib import Path

from mml_lib.files.downloads import download
from mml_lib.files.fetching.by_hand import take
from mml_lib.files.fetching.kaggle_client import fetch_from_kaggle


def fetch(address: str, path: str | Path, checksum: str) -> None:
    """Fetch a file, or take it from where the user has put it.

    Args:
        address: a URL, `manual:<file name>#<page>`, or `kaggle:<name>#<file>`.
        path: the file that is made.
        checksum: a SHA-256, `md5-<MD5>`, or `url-<digits>` for trust in the first download.

    Raises:
        MMLError: it cannot be had, or has another checksum.
    """
    kind, _, rest = address.partition(":")
    name, _, further = rest.partition("#")
    if kind == "manual":
        take(name, further, Path(path), checksum)
    elif kind == "kaggle":
        fetch_from_kaggle(name, further, Path(path), checksum)
    else:
        download(address, path, checksum)
