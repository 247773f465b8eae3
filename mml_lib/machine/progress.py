"""Progress: where bars go."""

import sys
from typing import Any


def progress() -> dict[str, Any]:
    """Return arguments for tqdm: a bar in a terminal, now and then a line elsewhere."""
    return {"file": sys.__stderr__, "mininterval": 0.5 if sys.__stderr__.isatty() else 30}
