"""Messages: tests look for the parts that matter, not for the words between them."""

import re


def mentions(text: str, *parts: str) -> bool:
    """Check that one line of a text has all parts, in this order: the place, the value, the remedy."""
    return re.search(".*".join(map(re.escape, parts)), text) is not None
