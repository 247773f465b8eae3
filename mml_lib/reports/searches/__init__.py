"""Figures of searches."""
