"""Explanations: the parts of images by which the best run decided."""

inputs = study.inputs.explain


rule explain:
    """Explain predictions of the best run of a task: the image regions that its decisions depend on."""
    input:
        parameters=inputs.parameters,  # PARAMETERS/{task}/*.safetensors
        models=inputs.models,  # MODELS/{task}/*.json
        pipelines=ancient(inputs.pipelines),  # PIPELINES/{task}/*.yaml
        predictions=inputs.predictions,  # PREDICTIONS/{task}/*/*.npz
        task=ancient(study.inputs.info.description),  # TASKS/{task}/{task id}.json
        images=ancient(inputs.packed_images),  # PREPROCESSED/{dataset}/{pack}
    output:
        maps=fm.output("explanations"),  # EXPLANATIONS/{task}/{mode}.npz
        table=fm.output("explained_images"),  # EXPLANATIONS/{task}/{mode}.csv
        figures=report(
            fm.output("explanation_figures"),  # EXPLANATIONS/{task}/{mode}
            patterns=["{group,[a-z_]+}.jpg", "{group,[a-z_]+}.html"],
            category="Explanations",
            subcategory="{task}",
            labels=inputs.figure_labels,
            caption="captions/explanations.rst",
        ),
    log:
        fm.log("explain", "explanations"),
    benchmark:
        fm.benchmark("explain", "explanations")
    conda:
        "../config/environment.yaml"
    threads: study.gpus.threads("explain", 4)
    resources:
        mem_mb=study.resources.mem_mb("explain", 8000),
        runtime=study.resources.runtime("explain", 120),
        gpu=study.gpus.number("explain"),
        gpu_mem_mb=study.gpus.memory("explain"),
    params:
        networks=inputs.networks,
        metric=inputs.metric,
        options=inputs.options,
    message:
        "explain predictions on {wildcards.task} (mode {wildcards.mode})"
    script:
        "../scripts/explain.py"
