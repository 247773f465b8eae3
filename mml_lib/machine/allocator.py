"""Allocator: memory of freed arrays stays with the process, for the next image that is as large."""

import ctypes
from contextlib import suppress

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Numbers of options in `malloc.h`."""

KEPT_BYTES = 2**28
"""Freed bytes that are kept, by each of glibc's arenas."""

MAPPED_BYTES = 2**25
"""Size from which an allocation is given back as soon as it is freed; glibc allows no more."""


def keep_freed_memory() -> None:
    """Let glibc keep the memory of freed arrays; other C libraries are left as they are.

    By default it gives arrays of 128 KB and more back to the system, and takes page faults to get them again: a third
    of the time of decoding a radiograph.
    """
    with suppress(AttributeError, OSError):  # no mallopt: musl, macOS
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
