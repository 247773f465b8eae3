"""Which source helps which target: gains of transfer over training from scratch."""

inputs = study.inputs.transfer


rule collect_transfer:
    """Collect the gain of each source on each target by one metric, and its rank correlation with distances."""
    input:
        resampled=inputs.resampled_metrics,  # METRICS/*/*/*.npz
        tasks=ancient(inputs.descriptions),  # TASKS/*/*.json
        distances=inputs.distances,  # DISTANCES/*.csv
    output:
        matrix=fm.output("transfer"),  # TRANSFER/{metric}.csv
        gains=fm.output("transfer_gains"),  # TRANSFER/{metric}-gains.csv
        correlations=fm.output("transfer_distances"),  # TRANSFER/{metric}-distances.csv
        plots=report(
            fm.output("transfer_plots"),  # TRANSFER/{metric}
            patterns=["{figure,[a-z_]+}.svg", "{table,[a-z_]+}.html"],
            category="Questions",
            subcategory="sources and targets",
            labels=inputs.figure_labels,
            caption="captions/transfer.rst",
        ),
    log:
        fm.log("collect_transfer", "transfer"),
    conda:
        "../config/environment.yaml"
    params:
        networks=inputs.networks,
        transfers=inputs.transfers,
        measures=inputs.measures,
        stored=inputs.stored_distances,
        targets=inputs.tasks,
    message:
        "collect the gains in {wildcards.metric} of sources over training from scratch"
    script:
        "../scripts/collect_transfer.py"
