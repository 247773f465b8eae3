"""Features: embeddings of the samples of a task by a frozen backbone."""

inputs = study.inputs.features


rule extract_features:
    """Extract the features of all samples of a task by a frozen backbone."""
    input:
        task=ancient(inputs.description),  # TASKS/{task}/{task_id}.json
        images=ancient(inputs.packed_images),  # PREPROCESSED/{dataset}/{pack}
        models=ancient(inputs.candidate_models),  # MODELS/*/*.json
        parameters=ancient(inputs.candidate_parameters),  # PARAMETERS/*/*.safetensors
    output:
        features=fm.output("features"),  # FEATURES/{task}/{extractor}-{task_id}.npz
    log:
        fm.log("extract_features", "features"),
    benchmark:
        fm.benchmark("extract_features", "features")
    conda:
        "../config/environment.yaml"
    threads: study.gpus.threads("extract_features", 4)
    resources:
        mem_mb=study.resources.mem_mb("extract_features", 8000),
        runtime=study.resources.runtime("extract_features", 240),
        gpu=study.gpus.number("extract_features"),
        gpu_mem_mb=study.gpus.memory("extract_features"),
    params:
        # Functions of the output: a new value does not extract again.
        options=inputs.options,
        candidates=inputs.candidates,
        by=inputs.by,
        parts=inputs.parts,  # FEATURES/{task}/{extractor}-{task_id}-parts
    message:
        "extract the features of {wildcards.task} by {wildcards.extractor}"
    script:
        "../scripts/extract_features.py"
