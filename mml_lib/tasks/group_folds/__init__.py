"""Folds of whole groups."""

from mml_lib.tasks.group_folds.folds import GroupFolds, deviation, group_folds

__all__ = ["GroupFolds", "deviation", "group_folds"]
