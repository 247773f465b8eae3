"""Distances between tasks: a registry of measures, and the data of tasks that measures compare.

`MEASURES["fid"].compare(source, target)` returns the distance of two `TaskData`; smaller is nearer. To add a measure,
decorate a function by `register_measure`, here or in a plugin.
"""

from mml_lib.distances import feature_measures, transfer_measures  # noqa: F401  (they register measures)
from mml_lib.distances.measure_registry import MEASURES, Measure, MeasureOptions, Need, register_measure
from mml_lib.distances.task_data import TaskData

__all__ = ["MEASURES", "Measure", "MeasureOptions", "Need", "TaskData", "register_measure"]
