"""Folds of whole groups."""

from mml_lib.tasks.group_folds.group_division import Balance, balance_of, group_folds, group_folds_with_needs
from mml_lib.tasks.group_folds.needs import Needs, fulfil

__all__ = ["Balance", "Needs", "balance_of", "fulfil", "group_folds", "group_folds_with_needs"]
