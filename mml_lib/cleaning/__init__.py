"""Cleaning: artefacts that studies refer to, all others, and their removal."""
