"""Folds of whole groups."""

from mml_lib.tasks.group_folds.group_division import GroupFolds, assess, group_folds, group_folds_with_needs
from mml_lib.tasks.group_folds.needs import Needs, fulfil

__all__ = ["GroupFolds", "Needs", "assess", "fulfil", "group_folds", "group_folds_with_needs"]
