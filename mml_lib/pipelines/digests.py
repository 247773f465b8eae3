"""Digests that name results, such as runs, by everything that they depend on."""

import hashlib
import json
from typing import Any


def canonical_json(content: Any) -> str:
    """Return JSON of `content` that does not depend on the order of keys.

    Raises:
        ValueError: the content has a NaN or an infinite number.
    """
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(content: Any) -> str:
    """Return the first 8 hexadecimal digits of the SHA-256 of the canonical JSON of `content`."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:8]
