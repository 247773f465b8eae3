"""Preprocessing: every image is decoded once."""


rule preprocess_shard:
    """Pack a part of the images of a data set into arrays."""
    input:
        dataset=ancient(fm.pattern("dataset")),
    output:
        packed=fm.output("shard"),
    log:
        fm.log("preprocess_shard", "shard"),
    benchmark:
        fm.benchmark("preprocess_shard", "shard")
    priority: 100
    conda:
        "../config/environment.yaml"
    threads: study.resource("preprocess_shard", "threads", 16)
    resources:
        mem_mb=study.scaled("preprocess_shard", "mem_mb", 4000),
        runtime=study.scaled("preprocess_shard", "runtime", 240),
    params:
        transforms=study.transforms,
    message:
        "pack the images of {wildcards.dataset} ({wildcards.pack}, part {wildcards.shard})"
    script:
        "../scripts/preprocess_shard.py"


rule preprocess_task:
    """Lay the parts of a packed data set together; tasks on the same data set share it."""
    input:
        shards=ancient(study.shards),
    output:
        packed=fm.output("packed"),
    log:
        fm.log("preprocess_task", "packed"),
    priority: 100
    conda:
        "../config/environment.yaml"
    resources:
        mem_mb=study.scaled("preprocess_task", "mem_mb", 4000),
        runtime=study.scaled("preprocess_task", "runtime", 60),
    message:
        "lay together the images of {wildcards.dataset} ({wildcards.pack})"
    script:
        "../scripts/preprocess_task.py"
