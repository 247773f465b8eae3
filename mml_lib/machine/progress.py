"""Progress bars in terminals and logs."""

import sys
from typing import Any


def progress() -> dict[str, Any]:
    """Return arguments for tqdm: a bar in a terminal; elsewhere a line every 30 seconds."""
    terminal = sys.__stderr__ is not None and sys.__stderr__.isatty()
    return {"file": sys.__stderr__, "mininterval": 0.5 if terminal else 30, "delay": 0 if terminal else 30}
