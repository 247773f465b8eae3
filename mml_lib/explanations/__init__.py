"""Explanations: the parts of images by which networks decide."""
