"""Formats of archives, and the checks of their members."""
