"""Steps: the objects that scripts open, and `mock_snakemake`, with which scripts run by hand."""

from mml_lib.steps.mock_snakemake import mock_snakemake

__all__ = ["mock_snakemake"]
