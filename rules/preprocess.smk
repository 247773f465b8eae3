"""Preprocessing: every image is decoded once."""

inputs = study.inputs.preprocess


rule preprocess_shard:
    """Pack a part of the images of a data set into arrays."""
    input:
        dataset=ancient(fm.pattern("dataset")),  # RAW/{dataset}/dataset.json
    output:
        packed=fm.output("shard"),  # PREPROCESSED/{dataset}/{pack}-{shard}
    log:
        fm.log("preprocess_shard", "shard"),
    benchmark:
        fm.benchmark("preprocess_shard", "shard")
    priority: 100
    conda:
        "../config/environment.yaml"
    threads: study.resources.threads("preprocess_shard", 16)
    resources:
        mem_mb=study.resources.mem_mb("preprocess_shard", 4000),
        runtime=study.resources.runtime("preprocess_shard", 240),
    params:
        transforms=inputs.transforms,
        early_pack=inputs.early_pack,  # PREPROCESSED/{dataset}/{pack}-early
        pack=inputs.pack,  # PREPROCESSED/{dataset}/{pack}
        root=inputs.root,  # PREPROCESSED
        manifests=inputs.manifests,  # RAW/{dataset}/dataset.json of any data set
    message:
        "pack the images of {wildcards.dataset} ({wildcards.pack}, shard {wildcards.shard})"
    script:
        "../scripts/preprocess_shard.py"


rule preprocess_task:
    """Join the shards of a packed data set; tasks on the same data set share it."""
    input:
        shards=ancient(inputs.shards),  # PREPROCESSED/{dataset}/{pack}-*of*
    output:
        packed=fm.output("packed"),  # PREPROCESSED/{dataset}/{pack}
    log:
        fm.log("preprocess_task", "packed"),
    priority: 100
    conda:
        "../config/environment.yaml"
    resources:
        mem_mb=study.resources.mem_mb("preprocess_task", 4000),
        runtime=study.resources.runtime("preprocess_task", 60),
    params:
        root=inputs.root,  # PREPROCESSED
    message:
        "join the packed images of {wildcards.dataset} ({wildcards.pack})"
    script:
        "../scripts/preprocess_task.py"
