"""Conversion of the samples of image files to pixels of one format."""
