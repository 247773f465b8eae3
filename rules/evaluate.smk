"""Evaluation: predictions and metrics of networks."""

inputs = study.inputs.evaluate


rule predict_fold:
    """Predict one split of a task with one network."""
    input:
        pipeline=ancient(fm.pattern("pipeline")),  # PIPELINES/{task}/{run}.yaml
        parameters=fm.pattern("parameters"),  # PARAMETERS/{task}/{run}-fold{fold}.safetensors
        task=ancient(inputs.description),  # TASKS/{task}/{task id}.json
        images=ancient(inputs.packed_images),  # PREPROCESSED/{dataset}/{pack}
    output:
        predictions=fm.output("predictions"),  # PREDICTIONS/{task}/{run}-fold{fold}/{eval}.npz
    log:
        fm.log("predict_fold", "predictions"),
    benchmark:
        fm.benchmark("predict_fold", "predictions")
    conda:
        "../config/environment.yaml"
    threads: study.gpus.threads("predict_fold", 4)
    resources:
        mem_mb=study.resources.mem_mb("predict_fold", 8000),
        runtime=study.resources.runtime("predict_fold", 60),
        gpu=study.gpus.number("predict_fold"),
        gpu_mem_mb=study.gpus.memory("predict_fold"),
    params:
        **inputs.prediction_params(),
        datasets=inputs.predicted_dataset,
        checkpoints=study.inputs.train.checkpoints,  # CHECKPOINTS/{task}/{run}-fold{fold}
        label=inputs.run_name,
    message:
        "predict split {wildcards.eval} of {wildcards.task} with fold {wildcards.fold}: {params.label}"
    script:
        "../scripts/predict_fold.py"


rule test_fold:
    """Compute the metrics of one network's predictions, with intervals, and their values on bootstrap resamples."""
    input:
        predictions=fm.pattern("predictions"),  # PREDICTIONS/{task}/{run}-fold{fold}/{eval}.npz
        task=ancient(inputs.description),  # TASKS/{task}/{task id}.json
    output:
        metrics=fm.output("metrics"),  # METRICS/{task}/{run}-fold{fold}/{eval}.json
        resampled=fm.output("resampled_metrics"),  # METRICS/{task}/{run}-fold{fold}/{eval}.npz
    log:
        fm.log("test_fold", "metrics"),
    conda:
        "../config/environment.yaml"
    params:
        **inputs.metric_params(),
        **inputs.weighing_params(),
        metrics=inputs.metrics,
        bootstrap=study.cfg.bootstrap,
        per_group=study.cfg.per_group,
    message:
        "test {wildcards.task} fold {wildcards.fold} on split {wildcards.eval}: run {wildcards.run}"
    script:
        "../scripts/test_fold.py"


use rule predict_fold as predict_other with:
    input:
        pipeline=ancient(fm.pattern("pipeline")),  # PIPELINES/{task}/{run}.yaml
        parameters=fm.pattern("parameters"),  # PARAMETERS/{task}/{run}-fold{fold}.safetensors
        task=ancient(inputs.description),  # TASKS/{task}/{task id}.json
        eval_task=ancient(inputs.other_description),  # TASKS/{eval_task}/{task id}.json
        images=ancient(inputs.other_packed_images),  # PREPROCESSED/{dataset}/{pack}
    output:
        predictions=fm.output("other_predictions"),  # PREDICTIONS/{task}/{run}-fold{fold}/{eval_task}/{eval}.npz
    log:
        fm.log("predict_other", "other_predictions"),
    benchmark:
        fm.benchmark("predict_other", "other_predictions")
    message:
        "predict split {wildcards.eval} of {wildcards.eval_task} with {wildcards.task} fold {wildcards.fold}: {params.label}"


use rule test_fold as test_other with:
    input:
        predictions=fm.pattern("other_predictions"),  # PREDICTIONS/{task}/{run}-fold{fold}/{eval_task}/{eval}.npz
        task=ancient(inputs.other_description),  # TASKS/{eval_task}/{task id}.json
    output:
        metrics=fm.output("other_metrics"),  # METRICS/{task}/{run}-fold{fold}/{eval_task}/{eval}.json
        resampled=fm.output("other_resampled_metrics"),  # METRICS/{task}/{run}-fold{fold}/{eval_task}/{eval}.npz
    log:
        fm.log("test_other", "other_metrics"),
    message:
        "test {wildcards.task} fold {wildcards.fold} on split {wildcards.eval} of {wildcards.eval_task}: run {wildcards.run}"


rule measure_masks:
    """Compute metrics of predicted masks for each class, with intervals, and each image, at packed and original size."""
    input:
        predictions=fm.pattern("predictions"),  # PREDICTIONS/{task}/{run}-fold{fold}/{eval}.npz
        task=ancient(inputs.description),  # TASKS/{task}/{task id}.json
        dataset=ancient(study.inputs.info.dataset),  # RAW/{dataset}/dataset.json
    output:
        classes=fm.output("class_metrics"),  # METRICS/{task}/{run}-fold{fold}/{eval}-classes.csv
        images=fm.output("image_metrics"),  # METRICS/{task}/{run}-fold{fold}/{eval}-images.csv
    log:
        fm.log("measure_masks", "class_metrics"),
    conda:
        "../config/environment.yaml"
    params:
        **inputs.weighing_params(),
        metrics=inputs.mask_metrics,
        transforms=inputs.transforms,
        bootstrap=study.cfg.bootstrap,
    message:
        "measure masks of {wildcards.task} fold {wildcards.fold} on split {wildcards.eval}: run {wildcards.run}"
    script:
        "../scripts/measure_masks.py"


use rule measure_masks as measure_other_masks with:
    input:
        predictions=fm.pattern("other_predictions"),  # PREDICTIONS/{task}/{run}-fold{fold}/{eval_task}/{eval}.npz
        task=ancient(inputs.other_description),  # TASKS/{eval_task}/{task id}.json
        dataset=ancient(study.inputs.info.dataset),  # RAW/{dataset}/dataset.json
    output:
        classes=fm.output("other_class_metrics"),  # METRICS/{task}/{run}-fold{fold}/{eval_task}/{eval}-classes.csv
        images=fm.output("other_image_metrics"),  # METRICS/{task}/{run}-fold{fold}/{eval_task}/{eval}-images.csv
    log:
        fm.log("measure_other_masks", "other_class_metrics"),
    message:
        "measure masks of {wildcards.task} fold {wildcards.fold} on split {wildcards.eval} of {wildcards.eval_task}: run {wildcards.run}"


use rule measure_masks as measure_out_of_fold_masks with:
    input:
        predictions=fm.pattern("out_of_fold_predictions"),  # PREDICTIONS/{task}/{run}/out_of_fold.npz
        task=ancient(inputs.description),  # TASKS/{task}/{task id}.json
        dataset=ancient(study.inputs.info.dataset),  # RAW/{dataset}/dataset.json
    output:
        classes=fm.output("out_of_fold_class_metrics"),  # METRICS/{task}/{run}/out_of_fold-classes.csv
        images=fm.output("out_of_fold_image_metrics"),  # METRICS/{task}/{run}/out_of_fold-images.csv
    log:
        fm.log("measure_out_of_fold_masks", "out_of_fold_class_metrics"),
    message:
        "measure masks of {wildcards.task} out of fold: run {wildcards.run}"


rule test_out_of_fold:
    """Pool the validation predictions of the networks of all folds and compute their metrics."""
    input:
        predictions=inputs.fold_predictions,  # PREDICTIONS/{task}/{run}-fold*/val.npz
        task=ancient(inputs.description),  # TASKS/{task}/{task id}.json
    output:
        predictions=fm.output("out_of_fold_predictions"),  # PREDICTIONS/{task}/{run}/out_of_fold.npz
        metrics=fm.output("out_of_fold_metrics"),  # METRICS/{task}/{run}/out_of_fold.json
        resampled=fm.output("out_of_fold_resampled_metrics"),  # METRICS/{task}/{run}/out_of_fold.npz
    log:
        fm.log("test_out_of_fold", "out_of_fold_metrics"),
    conda:
        "../config/environment.yaml"
    params:
        **inputs.weighing_params(),
        metrics=inputs.metrics,
        bootstrap=study.cfg.bootstrap,
        per_group=study.cfg.per_group,
    message:
        "test {wildcards.task} out of fold: run {wildcards.run}"
    script:
        "../scripts/test_out_of_fold.py"


rule summarize:
    """Summarize the metrics of each procedure of a mode over seeds and folds, with intervals and differences."""
    input:
        metrics=inputs.all_metrics,  # METRICS/*/*/*.json
        resampled=inputs.all_resampled_metrics,  # METRICS/*/*/*.npz
    output:
        summary=fm.output("summary"),  # RESULTS/{mode}.csv
        folds=fm.output("fold_metrics"),  # RESULTS/{mode}-folds.csv
    log:
        fm.log("summarize", "summary"),
    conda:
        "../config/environment.yaml"
    params:
        run_labels=inputs.run_labels,
        notes=inputs.split_notes,
    message:
        "summarize mode {wildcards.mode}"
    script:
        "../scripts/summarize.py"
