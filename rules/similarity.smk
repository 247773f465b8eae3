"""Distances between tasks."""

inputs = study.inputs.similarity


rule compute_distance:
    """Compute the distance from a source task to a target task."""
    input:
        tasks=ancient(inputs.descriptions),  # TASKS/*/*.json
        features=ancient(inputs.features),  # FEATURES/*/*.npz
        parameters=ancient(inputs.parameters),  # PARAMETERS/{source}/*.safetensors
        fisher=ancient(inputs.fisher),  # FISHER/*/*.npz
    output:
        distance=fm.output("pair_distance"),  # DISTANCES/{measure}-pairs/{source}/{task}.json
    log:
        fm.log("compute_distance", "pair_distance"),
    conda:
        "../config/environment.yaml"
    threads: study.resources.threads("compute_distance", 2)
    resources:
        mem_mb=study.resources.mem_mb("compute_distance", 4000),
        runtime=study.resources.runtime("compute_distance", 60),
    params:
        options=inputs.options,
        code=inputs.code,
    message:
        "compute the distance {wildcards.measure} from {wildcards.source} to {wildcards.task}"
    script:
        "../scripts/compute_distance.py"


rule collect_distances:
    """Collect the distances between tasks by one measure, and draw them."""
    input:
        pairs=inputs.pairs,  # DISTANCES/{measure}-pairs/*/*.json
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
        "collect the distances {wildcards.measure} between tasks"
    script:
        "../scripts/collect_distances.py"
