"""Masks that are drawn from the shapes of annotations."""
