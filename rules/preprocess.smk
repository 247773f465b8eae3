"""Preprocessing: every image is decoded once."""


rule preprocess_task:
    """Pack the images of a task's data set into one array; tasks on the same data set share it."""
    input:
        dataset=ancient(fm.pattern("dataset")),
    output:
        images=fm.output("images"),
        moments=fm.output("moments"),
    log:
        fm.log("preprocess_task", "images"),
    benchmark:
        fm.benchmark("preprocess_task", "images")
    priority: 100
    conda:
        "../config/environment.yaml"
    threads: study.resource("preprocess_task", "threads", 16)
    resources:
        mem_mb=study.resource("preprocess_task", "mem_mb", 4000),
        runtime=study.resource("preprocess_task", "runtime", 240),
    params:
        preprocessing=study.preprocessing,
    message:
        "pack the images of {wildcards.dataset} ({wildcards.pack})"
    script:
        "../scripts/preprocess_task.py"
