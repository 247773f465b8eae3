"""Intrinsic dimension of tasks: estimates, vectors of pixels, and the figure."""
