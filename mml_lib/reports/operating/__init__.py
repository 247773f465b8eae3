"""Figures of operating points."""
