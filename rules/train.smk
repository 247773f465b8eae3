"""Training: what costs time, and is never done twice."""


rule write_pipeline:
    """Write down what decides the result of a run, before it is trained."""
    output:
        pipeline=fm.output("pipeline"),
    log:
        fm.log("write_pipeline", "pipeline"),
    conda:
        "../config/environment.yaml"
    params:
        content=study.content,
    message:
        "write the pipeline of run {wildcards.run} on {wildcards.task}"
    script:
        "../scripts/write_pipeline.py"


rule train_fold:
    """Train one network on one fold of one task."""
    input:
        pipeline=ancient(fm.pattern("pipeline")),
        task=ancient(study.description),
        images=ancient(study.packed),
    output:
        parameters=fm.output("parameters"),
        model=fm.output("models"),
        history=fm.output("history"),
    log:
        fm.log("train_fold", "models"),
    benchmark:
        fm.benchmark("train_fold", "models")
    conda:
        "../config/environment.yaml"
    threads: study.resource("train_fold", "threads", 4)
    resources:
        mem_mb=study.resource("train_fold", "mem_mb", 8000),
        runtime=study.resource("train_fold", "runtime", 240),
    params:
        # A function of the output: a new label is no reason to train again.
        label=lambda wildcards, output: study.label(wildcards),
    message:
        "train {wildcards.task} fold {wildcards.fold}: {params.label}"
    script:
        "../scripts/train_fold.py"
