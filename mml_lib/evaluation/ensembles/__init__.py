"""Ensembles: selection of networks and weights, and combined predictions.

`ensemble_selection` selects by `options`, `ensemble_storage` stores the selection, `combining` predicts with it.
"""
