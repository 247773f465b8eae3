"""Evaluation: what networks say, and how well they say it."""


rule predict_fold:
    """Predict one split of a task with one network."""
    input:
        pipeline=ancient(fm.pattern("pipeline")),
        parameters=fm.pattern("parameters"),
        task=ancient(study.description),
        images=ancient(study.packed),
    output:
        predictions=fm.output("predictions"),
    log:
        fm.log("predict_fold", "predictions"),
    benchmark:
        fm.benchmark("predict_fold", "predictions")
    conda:
        "../config/environment.yaml"
    threads: study.gpus.threads("predict_fold", 4)
    resources:
        mem_mb=study.scaled("predict_fold", "mem_mb", 8000),
        runtime=study.scaled("predict_fold", "runtime", 60),
        gpu=study.gpus.number("predict_fold"),
        gpu_mem_mb=study.gpus.memory("predict_fold"),
    params:
        **study.prediction_params(),
        datasets=study.predicted_dataset,
        checkpoints=study.checkpoints,  # CHECKPOINTS/{task}/{run}-fold{fold}
        label=lambda wildcards, output: study.label(wildcards),
    message:
        "predict {wildcards.eval} of {wildcards.task} with fold {wildcards.fold}: {params.label}"
    script:
        "../scripts/predict_fold.py"


rule test_fold:
    """Compute the metrics of one network's predictions, with intervals, and on resamples of the samples."""
    input:
        predictions=fm.pattern("predictions"),
        task=ancient(study.description),
    output:
        metrics=fm.output("metrics"),
        resampled=fm.output("resampled_metrics"),
    log:
        fm.log("test_fold", "metrics"),
    conda:
        "../config/environment.yaml"
    params:
        **study.metric_params(),
        metrics=study.metrics,
        bootstrap=study.cfg.bootstrap,
        per_group=study.cfg.per_group,
    message:
        "test {wildcards.task} fold {wildcards.fold} on {wildcards.eval}: run {wildcards.run}"
    script:
        "../scripts/test_fold.py"


use rule predict_fold as predict_other with:
    input:
        pipeline=ancient(fm.pattern("pipeline")),
        parameters=fm.pattern("parameters"),
        task=ancient(study.description),
        eval_task=ancient(study.other_description),
        images=ancient(study.other_packed),
    output:
        predictions=fm.output("other_predictions"),
    log:
        fm.log("predict_other", "other_predictions"),
    benchmark:
        fm.benchmark("predict_other", "other_predictions")
    message:
        "predict {wildcards.eval} of {wildcards.eval_task} with {wildcards.task} fold {wildcards.fold}: {params.label}"


use rule test_fold as test_other with:
    input:
        predictions=fm.pattern("other_predictions"),
        task=ancient(study.other_description),
    output:
        metrics=fm.output("other_metrics"),
        resampled=fm.output("other_resampled_metrics"),
    log:
        fm.log("test_other", "other_metrics"),
    message:
        "test {wildcards.task} fold {wildcards.fold} on {wildcards.eval} of {wildcards.eval_task}: run {wildcards.run}"


rule measure_masks:
    """Measure predicted masks for each class, with intervals, and for each image, at the packed and the original size."""
    input:
        predictions=fm.pattern("predictions"),
        task=ancient(study.description),
        dataset=ancient(study.results.measured_dataset),
    output:
        classes=fm.output("class_metrics"),
        images=fm.output("image_metrics"),
    log:
        fm.log("measure_masks", "class_metrics"),
    conda:
        "../config/environment.yaml"
    params:
        metrics=study.results.mask_metrics,
        transforms=study.results.measured_transforms,
        bootstrap=study.cfg.bootstrap,
    message:
        "measure masks of {wildcards.task} fold {wildcards.fold} on {wildcards.eval}: run {wildcards.run}"
    script:
        "../scripts/measure_masks.py"


use rule measure_masks as measure_other_masks with:
    input:
        predictions=fm.pattern("other_predictions"),
        task=ancient(study.other_description),
        dataset=ancient(study.results.measured_dataset),
    output:
        classes=fm.output("other_class_metrics"),
        images=fm.output("other_image_metrics"),
    log:
        fm.log("measure_other_masks", "other_class_metrics"),
    message:
        "measure masks of {wildcards.task} fold {wildcards.fold} on {wildcards.eval} of {wildcards.eval_task}: run {wildcards.run}"


use rule measure_masks as measure_out_of_fold_masks with:
    input:
        predictions=fm.pattern("out_of_fold_predictions"),
        task=ancient(study.description),
        dataset=ancient(study.results.measured_dataset),
    output:
        classes=fm.output("out_of_fold_class_metrics"),
        images=fm.output("out_of_fold_image_metrics"),
    log:
        fm.log("measure_out_of_fold_masks", "out_of_fold_class_metrics"),
    message:
        "measure masks of {wildcards.task} out of fold: run {wildcards.run}"


rule test_out_of_fold:
    """Pool what the networks of all folds predict of their validation samples, and compute the metrics of all together."""
    input:
        predictions=study.fold_predictions,  # PREDICTIONS/{task}/{run}-fold*/val.npz
        task=ancient(study.description),
    output:
        predictions=fm.output("out_of_fold_predictions"),  # PREDICTIONS/{task}/{run}/out_of_fold.npz
        metrics=fm.output("out_of_fold_metrics"),  # METRICS/{task}/{run}/out_of_fold.json
        resampled=fm.output("out_of_fold_resampled_metrics"),
    log:
        fm.log("test_out_of_fold", "out_of_fold_metrics"),
    conda:
        "../config/environment.yaml"
    params:
        metrics=study.metrics,
        bootstrap=study.cfg.bootstrap,
        per_group=study.cfg.per_group,
    message:
        "test {wildcards.task} out of fold: run {wildcards.run}"
    script:
        "../scripts/test_out_of_fold.py"


rule summarize:
    """Sum up the metrics of a mode: of procedures over seeds and folds, with intervals and differences."""
    input:
        metrics=lambda wildcards: study.metrics_of(wildcards.mode),
        resampled=lambda wildcards: study.resampled_metrics_of(wildcards.mode),
    output:
        summary=fm.output("summary"),
        folds=fm.output("fold_metrics"),
    log:
        fm.log("summarize", "summary"),
    conda:
        "../config/environment.yaml"
    params:
        shown=lambda wildcards: study.shown(wildcards.mode),
        notes=study.split_notes,
    message:
        "sum up mode {wildcards.mode}"
    script:
        "../scripts/summarize.py"
