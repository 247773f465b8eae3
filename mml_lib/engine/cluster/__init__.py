"""Jobs of a cluster: which steps share one, and what a Snakemake within one does."""
