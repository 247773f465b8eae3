"""MML: deep-learning studies on many image tasks, as a Snakemake pipeline."""

__version__ = "0.1.0"
