"""Downloads of a data set: where each file comes from, its checksum, and how it is unpacked."""

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator

from mml_lib.config.sections import Section

URL = r"^(https?|file)://"

HIDDEN = "not shown"
"""Replacement for passwords in files and reports."""


def _no_placeholder(digest: str) -> str:
    if digest in (digest * 2)[1:-1]:
        raise ValueError(f"{digest[:8]}… is a placeholder, not a checksum; `sha256sum FILE` prints the checksum")
    return digest


class Variable(Section):
    """An environment variable that holds a secret."""

    env: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = Field(
        description="Name of the environment variable."
    )


FILE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_. ()+-]*$"
KAGGLE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9][A-Za-z0-9_.-]*$"
SHA256, MD5 = r"^[0-9a-fA-F]{64}$", r"^[0-9a-fA-F]{32}$"

FileName = Annotated[str, StringConstraints(pattern=FILE_NAME)]
KaggleName = Annotated[str, StringConstraints(pattern=KAGGLE_NAME)]
KaggleFile = Annotated[str, StringConstraints(pattern=r"^[^/#\\][^#\\]*$")]


def without_passwords(value: Any) -> Any:
    """Return a config without passwords, for files and reports. It keeps names of environment variables."""
    if isinstance(value, Mapping):
        return {
            key: HIDDEN if key == "password" and not isinstance(part, Mapping) else without_passwords(part)
            for key, part in value.items()
        }
    return [without_passwords(part) for part in value] if isinstance(value, list | tuple) else value


class Download(Section):
    """A file to download. Archives are unpacked; other files are used as they are."""

    url: Annotated[str, StringConstraints(pattern=URL)] | None = Field(
        None, description="URL of the file: http, https or file."
    )
    manual: FileName | None = Field(
        None,
        description="Name of a file that you download by hand, for example after a registration, and put into the "
        "folder MANUAL of the data root.",
    )
    page: Annotated[str, StringConstraints(pattern=r"^https?://")] | None = Field(
        None, alias="from", description="Page on which the file `manual` is available."
    )
    kaggle: KaggleName | None = Field(
        None,
        description="Data set of Kaggle, <owner>/<name>, or competitions/<name>; Kaggle's own client downloads it.",
    )
    file: KaggleFile | None = Field(None, description="One file of `kaggle`; unset: all, as an archive.")
    nested: bool = Field(
        False,
        description="Unpack archives inside the archive too, each into a folder with its name, and single files "
        "compressed by gz, bz2 or xz.",
    )
    password: SecretStr | Variable | None = Field(
        None,
        description="Password of the archive: {env: NAME} names an environment variable. Write the password itself "
        "only if it is published. No output contains it.",
    )
    sha256: Annotated[str, StringConstraints(pattern=SHA256), AfterValidator(_no_placeholder)] | None = Field(
        None, description="SHA-256 checksum of the file, 64 hexadecimal digits (`sha256sum file`)."
    )
    md5: Annotated[str, StringConstraints(pattern=MD5), AfterValidator(_no_placeholder)] | None = Field(
        None, description="MD5 checksum of the file, 32 hexadecimal digits, if no SHA-256 is published."
    )
    trust: Literal["first_use"] | None = Field(
        None,
        description="`first_use`, if no checksum is published: MML records the SHA-256 of the first download, and "
        "compares later downloads with it.",
    )

    @model_validator(mode="after")
    def _one_origin(self) -> "Download":
        if sum(value is not None for value in (self.url, self.manual, self.kaggle)) != 1:
            raise ValueError("a download needs exactly one of the keys url, manual (downloaded by hand) and kaggle")
        if (self.manual is None) != (self.page is None):
            raise ValueError(
                "manual needs from, and from needs manual: the file name, and the page where it is available"
            )
        if self.file is not None and self.kaggle is None:
            raise ValueError("file is one file of a Kaggle data set; set kaggle, or leave file out")
        return self

    @model_validator(mode="after")
    def _one_checksum(self) -> "Download":
        if sum(value is not None for value in (self.sha256, self.md5, self.trust)) != 1:
            raise ValueError(
                "a download needs exactly one of the keys sha256, md5 (if no SHA-256 is published) and "
                "trust: first_use (if no checksum is published)"
            )
        return self

    @property
    def address(self) -> str:
        """The URL, `manual:<file name>#<page>`, or `kaggle:<name>#<file>`."""
        if self.manual:
            return f"manual:{self.manual}#{self.page}"
        return f"kaggle:{self.kaggle}#{self.file or ''}" if self.kaggle else str(self.url)

    @property
    def file_name(self) -> str:
        """Name of the downloaded file."""
        if self.kaggle and not self.file:
            name = f"{self.kaggle.rsplit('/', 1)[-1]}.zip"
        else:
            name = self.manual or self.file or unquote(urlsplit(str(self.url)).path)
        return re.sub(r"[^A-Za-z0-9_.-]", "_", name.rsplit("/", 1)[-1]).lstrip("._-") or "download"

    @property
    def checksum(self) -> str:
        """Expected checksum, which names the download: a SHA-256, `md5-…`, or `url-…` for trust on first use."""
        if self.sha256:
            return self.sha256.lower()
        if self.md5:
            return f"md5-{self.md5.lower()}"
        return f"url-{hashlib.sha256(self.address.encode()).hexdigest()[:32]}"

    @property
    def password_variable(self) -> str | None:
        """Environment variable with the password for steps; None without a password."""
        if isinstance(self.password, Variable):
            return self.password.env
        return f"MML_PASSWORD_{re.sub('[^0-9a-f]', '_', self.checksum)}" if self.password else None
