"""Fetching of downloads from all origins."""

from pathlib import Path

from mml_lib.files.downloads import download
from mml_lib.files.fetching.by_hand import adopt_manual
from mml_lib.files.fetching.kaggle_client import fetch_from_kaggle


def fetch(address: str, path: str | Path, checksum: str) -> None:
    """Fetch a file from its origin: a URL, Kaggle, or the folder of files that were downloaded by hand.

    Args:
        address: a URL, `manual:<file name>#<page>`, or `kaggle:<name>#<file>`.
        path: path of the downloaded file.
        checksum: a SHA-256, `md5-<MD5>`, or `url-<digits>` for trust in the first download.

    Raises:
        MMLError: the file cannot be fetched, or has another checksum.
    """
    kind, _, rest = address.partition(":")
    name, _, detail = rest.partition("#")
    if kind == "manual":
        adopt_manual(name, detail, Path(path), checksum)
    elif kind == "kaggle":
        fetch_from_kaggle(name, detail, Path(path), checksum)
    else:
        download(address, path, checksum)
