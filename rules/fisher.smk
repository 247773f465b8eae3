"""Fisher information of tasks: embeddings of tasks by a frozen backbone with a trained head each."""

inputs = study.inputs.evaluate


rule compute_fisher:
    """Compute the Fisher information of a frozen backbone for a task."""
    input:
        pipeline=ancient(fm.pattern("pipeline")),  # PIPELINES/{task}/{run}.yaml
        parameters=ancient(fm.pattern("parameters")),  # PARAMETERS/{task}/{run}-fold{fold}.safetensors
        task=ancient(inputs.description),  # TASKS/{task}/{task id}.json
        images=ancient(inputs.packed_images),  # PREPROCESSED/{dataset}/{pack}
    output:
        fisher=fm.output("fisher"),  # FISHER/{task}/{run}-fold{fold}.npz
    log:
        fm.log("compute_fisher", "fisher"),
    benchmark:
        fm.benchmark("compute_fisher", "fisher")
    conda:
        "../config/environment.yaml"
    threads: study.gpus.threads("compute_fisher", 4)
    resources:
        mem_mb=study.resources.mem_mb("compute_fisher", 8000),
        runtime=study.resources.runtime("compute_fisher", 60),
        gpu=study.gpus.number("compute_fisher"),
        gpu_mem_mb=study.gpus.memory("compute_fisher"),
    params:
        # Functions of the output: a new value does not compute it again.
        datasets=inputs.predicted_dataset,
        checkpoints=study.inputs.train.checkpoints,  # CHECKPOINTS/{task}/{run}-fold{fold}
    message:
        "compute the Fisher information of {wildcards.task}: run {wildcards.run}"
    script:
        "../scripts/compute_fisher.py"
