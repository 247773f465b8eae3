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
        code=inputs.code,
    message:
        "extract the features of {wildcards.task} by {wildcards.extractor}"
    script:
        "../scripts/extract_features.py"


rule fit_linear_probe:
    """Fit a linear model on the features of a fold's training samples."""
    input:
        features=inputs.baseline_features,  # FEATURES/{task}/*.npz
        task=ancient(inputs.baseline_description),  # TASKS/{task}/{task id}.json
    output:
        probe=fm.output("baseline_probe"),  # BASELINES/{task}/{run}-fold{fold}/probe.npz
    log:
        fm.log("fit_linear_probe", "baseline_probe"),
    conda:
        "../config/environment.yaml"
    threads: study.resources.threads("fit_linear_probe", 4)
    resources:
        mem_mb=study.resources.mem_mb("fit_linear_probe", 4000),
        runtime=study.resources.runtime("fit_linear_probe", 60),
    params:
        penalty=inputs.penalty,
        label=inputs.baseline_label,
    message:
        "fit {params.label} on features of {wildcards.task} without fold {wildcards.fold}"
    script:
        "../scripts/fit_linear_probe.py"


rule predict_baseline:
    """Predict one split of a task with a simple model on the features of a fold's training samples."""
    input:
        features=inputs.baseline_features,  # FEATURES/{task}/*.npz
        task=ancient(inputs.baseline_description),  # TASKS/{task}/{task id}.json
        probe=inputs.probe,  # BASELINES/{task}/{run}-fold{fold}/probe.npz
    output:
        predictions=fm.output("baseline_predictions"),  # BASELINES/{task}/{run}-fold{fold}/{eval}.npz
    log:
        fm.log("predict_baseline", "baseline_predictions"),
    conda:
        "../config/environment.yaml"
    threads: study.resources.threads("predict_baseline", 4)
    resources:
        mem_mb=study.resources.mem_mb("predict_baseline", 4000),
        runtime=study.resources.runtime("predict_baseline", 60),
    params:
        neighbours=inputs.neighbours,
        label=inputs.baseline_label,
    message:
        "predict split {wildcards.eval} of {wildcards.task} without fold {wildcards.fold}: {params.label} on features"
    script:
        "../scripts/predict_baseline.py"


use rule test_fold as test_baseline with:
    input:
        predictions=fm.pattern("baseline_predictions"),  # BASELINES/{task}/{run}-fold{fold}/{eval}.npz
        task=ancient(inputs.baseline_description),  # TASKS/{task}/{task id}.json
    output:
        metrics=fm.output("baseline_metrics"),  # BASELINES/{task}/{run}-fold{fold}/{eval}.json
        resampled=fm.output("baseline_resampled_metrics"),  # BASELINES/{task}/{run}-fold{fold}/{eval}-resampled.npz
    log:
        fm.log("test_baseline", "baseline_metrics"),
    params:
        **study.inputs.evaluate.metric_params(),
        **study.inputs.evaluate.weighing_params(),
        metrics=inputs.baseline_metrics,
        bootstrap=study.cfg.bootstrap,
        per_group=study.cfg.per_group,
    message:
        "test a baseline on split {wildcards.eval} of {wildcards.task} without fold {wildcards.fold}: {wildcards.run}"


use rule test_out_of_fold as test_pooled_baseline with:
    input:
        predictions=inputs.baseline_fold_predictions,  # BASELINES/{task}/{run}-fold*/val.npz
        task=ancient(inputs.baseline_description),  # TASKS/{task}/{task id}.json
    output:
        predictions=fm.output("pooled_baseline_predictions"),  # BASELINES/{task}/{run}/out_of_fold.npz
        metrics=fm.output("pooled_baseline_metrics"),  # BASELINES/{task}/{run}/out_of_fold.json
        resampled=fm.output("pooled_baseline_resampled_metrics"),  # BASELINES/{task}/{run}/out_of_fold-resampled.npz
    log:
        fm.log("test_pooled_baseline", "pooled_baseline_metrics"),
    params:
        **study.inputs.evaluate.weighing_params(),
        metrics=inputs.baseline_metrics,
        bootstrap=study.cfg.bootstrap,
        per_group=study.cfg.per_group,
    message:
        "test a baseline out of fold on {wildcards.task}: {wildcards.run}"
