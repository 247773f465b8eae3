"""Packs that are made while a data set is created."""
