"""Sections of a study about the analysis of its data."""
