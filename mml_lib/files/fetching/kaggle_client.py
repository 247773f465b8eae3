"""Downloads from Kaggle by its own client."""

import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.files.atomic import passing_folder
from mml_lib.files.fetching.adopting import adopt

EXTRA = 'pip install "mml[kaggle]"'
CREDENTIALS = (
    "create an API token at https://www.kaggle.com/settings/api and set KAGGLE_API_TOKEN, or save it as "
    "~/.kaggle/access_token (older tokens: ~/.kaggle/kaggle.json)"
)
COMPETITIONS = "competitions"
"""Prefix of the names of competitions: `competitions/<name>`."""


def fetch_from_kaggle(name: str, file: str, path: Path, checksum: str) -> None:
    """Fetch a data set, the data of a competition, or one of their files.

    Args:
        name: `<owner>/<data set>`, or `competitions/<name>`.
        file: name of one file; empty: all files, as an archive.
        path: path of the download.
        checksum: checksum as in `download`.

    Raises:
        MMLError: the client or credentials are missing, Kaggle refuses, or the file has another checksum.
    """
    client = _client()
    origin = f"https://www.kaggle.com/{name if name.startswith(COMPETITIONS) else f'datasets/{name}'}"
    with passing_folder(path.with_name(f".{path.name}.kaggle")) as folder:
        try:
            _download(client, name, file, folder)
        except Exception as error:  # the client raises errors of its own, of requests and of urllib3
            raise _refused(origin, file, error) from error
        adopt(_only_file(folder, file, origin), path, checksum, origin)


def _client() -> Any:
    """Return an authenticated client.

    Raises:
        MMLError: the package or credentials are missing.
    """
    try:
        from kaggle.api.kaggle_api_extended import KaggleApi
    except ImportError as error:
        raise MMLError(f"downloads from Kaggle need the package kaggle ({error}); install it by {EXTRA}") from error
    except (OSError, SystemExit) as error:  # older clients read credentials on import
        raise MMLError(f"Kaggle: there are no credentials; {CREDENTIALS}") from error
    client = KaggleApi()
    try:
        client.authenticate()
    except (Exception, SystemExit) as error:  # without credentials, it exits the process
        raise MMLError(f"Kaggle: there are no credentials; {CREDENTIALS}") from error
    return client


def _download(client: Any, name: str, file: str, folder: Path) -> None:
    kind, _, competition = name.partition("/")
    options = {"path": str(folder), "force": True, "quiet": True}
    if kind == COMPETITIONS:
        if file:
            client.competition_download_file(competition, file, **options)
        else:
            client.competition_download_files(competition, **options)
    elif file:
        client.dataset_download_file(name, file, **options)
    else:
        client.dataset_download_files(name, **options)


def _only_file(folder: Path, file: str, origin: str) -> Path:
    """Return the fetched file, unpacked if Kaggle sent it in a zip file."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    if len(files) != 1:
        raise MMLError(f"{origin}: Kaggle sent {len(files)} files instead of one; check the keys kaggle and file")
    name = PurePosixPath(file).name
    if name and files[0].name == f"{name}.zip" and zipfile.is_zipfile(files[0]):
        with zipfile.ZipFile(files[0]) as archive:
            if archive.namelist() == [name]:
                return Path(archive.extract(name, folder / "file"))
    return files[0]


def _refused(origin: str, file: str, error: Exception) -> MMLError:
    status = getattr(getattr(error, "response", None), "status_code", None) or getattr(error, "status", None)
    subject = f"{origin}{f', file {file}' if file else ''}"
    if status in (401, 403):
        return MMLError(
            f"{subject}: Kaggle refuses access ({status}); accept its rules on that page, and check your API token"
        )
    if status == 404:
        return MMLError(f"{subject}: Kaggle has no such data (404); check the keys kaggle and file")
    return MMLError(f"{subject} cannot be fetched: {str(error) or type(error).__name__}")
