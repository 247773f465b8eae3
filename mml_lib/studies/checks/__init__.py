"""Checks of a study while it is planned."""
