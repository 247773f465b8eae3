"""Distances between tasks."""

inputs = study.inputs.similarity


rule compute_distances:
    """Compute the missing distances between all pairs of tasks by one measure."""
    input:
        tasks=ancient(inputs.descriptions),  # TASKS/*/*.json
        features=ancient(inputs.features),  # FEATURES/*/*.npz
        parameters=ancient(inputs.parameters),  # PARAMETERS/*/*.safetensors
        fisher=ancient(inputs.fisher),  # FISHER/*/*.npz
    output:
        pairs=fm.output("pair_distances"),  # DISTANCES/{measure}-pairs.csv
    log:
        fm.log("compute_distances", "pair_distances"),
    benchmark:
        fm.benchmark("compute_distances", "pair_distances")
    conda:
        "../config/environment.yaml"
    threads: study.resources.threads("compute_distances", 4)
    resources:
        mem_mb=study.resources.mem_mb("compute_distances", 8000),
        runtime=study.resources.runtime("compute_distances", 240),
    params:
        options=inputs.options,
        code=inputs.code,
        tasks=inputs.paired_tasks,
        pairs=inputs.pairs,
        files=inputs.pair_files,  # DISTANCES/{measure}-pairs/*/*.json
    message:
        "compute {wildcards.measure} distances between tasks"
    script:
        "../scripts/compute_distances.py"


rule collect_distances:
    """Collect the distances between tasks by one measure, and draw them."""
    input:
        pairs=inputs.pair_table,  # DISTANCES/{measure}-pairs.csv
        combined=inputs.combined,  # DISTANCES/*.csv
    output:
        distances=fm.output("distances"),  # DISTANCES/{measure}.csv
        plots=report(
            fm.output("distance_plots"),  # DISTANCES/{measure}-plots
            patterns=["{figure,[a-z_]+}.svg"],
            category="Distances",
            subcategory="{measure}",
            labels=inputs.figure,
            caption="captions/distances.rst",
        ),
    log:
        fm.log("collect_distances", "distances"),
    conda:
        "../config/environment.yaml"
    params:
        options=inputs.options,
        code=inputs.code,
        parts=inputs.parts,
        tasks=inputs.compared,
        pivot=study.pivot,
    message:
        "collect {wildcards.measure} distances between tasks"
    script:
        "../scripts/collect_distances.py"
