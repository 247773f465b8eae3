"""Identity: what costs GPU hours is named by a digest of what made it."""

import hashlib
import json
from typing import Any


def canonical_json(content: Any) -> str:
    """Return the JSON of `content` that does not depend on key order or spacing; NaN is refused."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(content: Any) -> str:
    """Return 8 hex digits of the SHA-256 of the canonical JSON of `content`."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:8]
