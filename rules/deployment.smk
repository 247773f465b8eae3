"""Deployment: trained networks on new images."""

inputs = study.inputs.deployment


rule apply_networks:
    """Predict new images with trained networks, and compute their distance to the training images."""
    input:
        parameters=inputs.parameters,  # PARAMETERS/{task}/*.safetensors
        models=inputs.models,  # MODELS/{task}/*.json
        pipelines=ancient(inputs.pipelines),  # PIPELINES/{task}/*.yaml
        calibrations=inputs.calibrations,  # CALIBRATED/{task}/*/*.json
        ensemble=inputs.ensemble,  # ENSEMBLES/{task}/{mode}.json
        task=ancient(inputs.description),  # TASKS/{task}/{task id}.json
        dataset=ancient(inputs.dataset),  # RAW/{dataset}/dataset.json
        images=ancient(inputs.distance_images),  # PREPROCESSED/{dataset}/{pack}
    output:
        table=fm.output("applied"),  # APPLIED/{collection}.csv
        refused=fm.output("refused_images"),  # APPLIED/refused/{collection}.csv
    log:
        fm.log("apply_networks", "applied"),
    benchmark:
        fm.benchmark("apply_networks", "applied")
    wildcard_constraints:
        collection=inputs.collections(masks=False),
    conda:
        "../config/environment.yaml"
    threads: study.gpus.threads("apply_networks", 4)
    resources:
        mem_mb=study.resources.mem_mb("apply_networks", 8000),
        runtime=study.resources.runtime("apply_networks", 240),
        gpu=study.gpus.number("apply_networks"),
        gpu_mem_mb=study.gpus.memory("apply_networks"),
    params:
        **inputs.prediction_params(),
        networks=inputs.networks,
        metric=inputs.metric,
        options=inputs.options,
        batch_size=inputs.batch_size,
        new_images=inputs.images,
        state=inputs.state,
        unpacked=inputs.unpacked,  # TEMP/applied/{collection}
    message:
        "predict the images of {params.new_images}"
    script:
        "../scripts/apply_networks.py"


use rule apply_networks as apply_masks with:
    output:
        table=fm.output("applied"),  # APPLIED/{collection}.csv
        refused=fm.output("refused_images"),  # APPLIED/refused/{collection}.csv
        masks=fm.output("applied_masks"),  # APPLIED/{collection}-masks
    log:
        fm.log("apply_masks", "applied"),
    benchmark:
        fm.benchmark("apply_masks", "applied")
    wildcard_constraints:
        collection=inputs.collections(masks=True),


rule export_run:
    """Export a run as ONNX and torch.export, with description, model card and script, and check its predictions."""
    input:
        parameters=inputs.parameters,  # PARAMETERS/{task}/*.safetensors
        models=inputs.models,  # MODELS/{task}/*.json
        pipelines=ancient(inputs.pipelines),  # PIPELINES/{task}/*.yaml
        calibrations=inputs.calibrations,  # CALIBRATED/{task}/*/*.json
        predictions=inputs.predictions,  # PREDICTIONS/{task}/*/*.npz
        metrics=inputs.metrics,  # METRICS/{task}/*/*.json
        ensemble=inputs.ensemble,  # ENSEMBLES/{task}/{mode}.json
        ensemble_predictions=inputs.ensemble_predictions,  # ENSEMBLES/{task}/{mode}/*.npz
        task=ancient(inputs.description),  # TASKS/{task}/{task id}.json
        dataset=ancient(inputs.dataset),  # RAW/{dataset}/dataset.json
        images=ancient(inputs.packed_images),  # PREPROCESSED/{dataset}/{pack}
    output:
        export=fm.output("export"),  # EXPORTS/{task}/{export}
    log:
        fm.log("export_run", "export"),
    benchmark:
        fm.benchmark("export_run", "export")
    conda:
        "../config/environment.yaml"
    threads: study.resources.threads("export_run", 4)
    resources:
        mem_mb=study.resources.mem_mb("export_run", 8000),
        runtime=study.resources.runtime("export_run", 120),
    params:
        **inputs.prediction_params(),
        networks=inputs.networks,
        metric=inputs.metric,
        split=inputs.split,
        options=inputs.card_options,
    message:
        "export {wildcards.task}: run {wildcards.export}"
    script:
        "../scripts/export_run.py"
