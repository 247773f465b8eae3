"""Intrinsic dimension of tasks: estimates, the pixels that they are of, and the figure."""
