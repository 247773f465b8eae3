"""Ensembles: which networks to take, with which weights, and what they predict together.

`selection` chooses, by `options`; `storage` keeps the choice; `combining` predicts with it.
"""
