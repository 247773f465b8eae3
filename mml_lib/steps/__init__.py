"""Steps: what scripts open, and `mock_snakemake`, by which they run by hand."""

from mml_lib.steps.mock_snakemake import mock_snakemake

__all__ = ["mock_snakemake"]
