"""Cluster jobs: grouping of steps, and the Snakemake within a job."""
