"""Full disks: the errors by which libraries report a lack of space, and the remedy for users."""

import errno
from collections.abc import Iterator

CODES = (errno.ENOSPC, errno.EDQUOT)
MESSAGES = (
    "no space left",
    "os error 28",
    "disk quota exceeded",
    "os error 122",
    "pytorchstreamwriter",
    "unexpected pos",
)
"""Parts of the messages of NumPy, safetensors and torch, which raise errors of other classes."""

REMEDY = "the disk is full; make space, then run the same command again: it continues from here"


def is_full_disk(error: BaseException) -> bool:
    """Return True if a full disk or quota caused an error."""
    return any(
        (isinstance(cause, OSError) and cause.errno in CODES) or any(word in str(cause).lower() for word in MESSAGES)
        for cause in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
