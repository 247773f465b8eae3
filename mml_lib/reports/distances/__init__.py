"""Figures of distances between tasks."""
