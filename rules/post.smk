"""Answers: calibrated probabilities, ensembles, and the comparison of runs."""

inputs = study.inputs.post


rule calibrate_fold:
    """Calibrate the predictions of one network by its validation predictions."""
    input:
        predictions=fm.pattern("predictions"),  # PREDICTIONS/{task}/{run}-fold{fold}/{eval}.npz
        validation=inputs.validation,  # PREDICTIONS/{task}/{run}-fold{fold}/val.npz
        test=inputs.test,  # PREDICTIONS/{task}/{run}-fold{fold}/test.npz
        unlabelled=inputs.unlabelled,  # PREDICTIONS/{task}/{run}-fold{fold}/unlabelled.npz
        task=ancient(inputs.groups),  # TASKS/{task}/{task id}.json
    output:
        calibrated=fm.output("calibrated"),  # CALIBRATED/{task}/{run}-fold{fold}/{eval}.npz
        calibration=fm.output("calibration"),  # CALIBRATED/{task}/{run}-fold{fold}/{eval}.json
    log:
        fm.log("calibrate_fold", "calibrated"),
    conda:
        "../config/environment.yaml"
    params:
        calibration=inputs.calibration,
    message:
        "calibrate {wildcards.eval} of {wildcards.task} fold {wildcards.fold}: run {wildcards.run}"
    script:
        "../scripts/calibrate_fold.py"


use rule calibrate_fold as calibrate_other with:
    input:
        predictions=fm.pattern("other_predictions"),  # PREDICTIONS/{task}/{run}-fold{fold}/{eval_task}/{eval}.npz
        validation=inputs.validation,  # PREDICTIONS/{task}/{run}-fold{fold}/val.npz
        test=inputs.test,  # PREDICTIONS/{task}/{run}-fold{fold}/test.npz
        unlabelled=inputs.unlabelled,  # PREDICTIONS/{task}/{run}-fold{fold}/unlabelled.npz
        task=ancient(inputs.groups),  # TASKS/{task}/{task id}.json
    output:
        calibrated=fm.output("other_calibrated"),  # CALIBRATED/{task}/{run}-fold{fold}/{eval_task}/{eval}.npz
        calibration=fm.output("other_calibration"),  # CALIBRATED/{task}/{run}-fold{fold}/{eval_task}/{eval}.json
    log:
        fm.log("calibrate_other", "other_calibrated"),
    message:
        "calibrate {wildcards.eval} of {wildcards.eval_task} by {wildcards.task} fold {wildcards.fold}: run {wildcards.run}"


rule select_ensemble:
    """Select an ensemble by the validation predictions of its members."""
    input:
        predictions=inputs.member_predictions,  # CALIBRATED or PREDICTIONS/{task}/*/*.npz
        task=ancient(study.inputs.info.description),  # TASKS/{task}/{task id}.json
        dataset=ancient(inputs.member_dataset),  # RAW/{dataset}/dataset.json
    output:
        ensemble=fm.output("ensemble"),  # ENSEMBLES/{task}/{mode}.json
    log:
        fm.log("select_ensemble", "ensemble"),
    conda:
        "../config/environment.yaml"
    params:
        **study.inputs.evaluate.weighing_params(),
        members=inputs.members,
        mask_transforms=inputs.member_transforms,
        options=inputs.ensemble_options,
    message:
        "select an ensemble for {wildcards.task} (mode {wildcards.mode})"
    script:
        "../scripts/select_ensemble.py"


rule predict_ensemble:
    """Predict one split by an ensemble."""
    input:
        ensemble=fm.pattern("ensemble"),  # ENSEMBLES/{task}/{mode}.json
        predictions=inputs.member_predictions,  # CALIBRATED or PREDICTIONS/{task}/*/*.npz
        task=ancient(inputs.member_description),  # TASKS/{task}/{task id}.json
        dataset=ancient(inputs.member_dataset),  # RAW/{dataset}/dataset.json
    output:
        predictions=fm.output("ensemble_predictions"),  # ENSEMBLES/{task}/{mode}/{eval}.npz
    log:
        fm.log("predict_ensemble", "ensemble_predictions"),
    conda:
        "../config/environment.yaml"
    params:
        members=inputs.members,
        mask_transforms=inputs.member_transforms,
    message:
        "predict split {wildcards.eval} of {wildcards.task} by the ensemble of mode {wildcards.mode}"
    script:
        "../scripts/predict_ensemble.py"


rule collect_metadata:
    """Collect the columns of a data set by which results are grouped."""
    input:
        dataset=study.inputs.info.dataset,  # RAW/{dataset}/dataset.json
    output:
        metadata=fm.output("sample_metadata"),  # METADATA/{task}.csv
    log:
        fm.log("collect_metadata", "sample_metadata"),
    wildcard_constraints:
        task=study.inputs.tasks.untagged,
    priority: 100
    conda:
        "../config/environment.yaml"
    params:
        source=inputs.metadata_source,
    message:
        "collect metadata of {wildcards.task}"
    script:
        "../scripts/collect_metadata.py"


rule compare_runs:
    """Compare procedures, runs and ensembles on test samples: a leaderboard, and results for each class and group."""
    input:
        predictions=inputs.compared_predictions,  # CALIBRATED or PREDICTIONS/*/*/*.npz
        ensembles=inputs.compared_ensembles,  # ENSEMBLES/*/{mode}/*.npz
        ensemble_definitions=inputs.compared_ensemble_definitions,  # ENSEMBLES/*/{mode}.json
        uncalibrated=inputs.uncalibrated_predictions,  # PREDICTIONS/*/*/test.npz
        tasks=ancient(inputs.compared_descriptions),  # TASKS/*/*.json
        metadata=inputs.metadata,  # METADATA/{task}.csv
        dataset=ancient(inputs.compared_dataset),  # RAW/{dataset}/dataset.json
    output:
        leaderboard=fm.output("leaderboard"),  # COMPARISONS/{task}/{mode}/leaderboard.csv
        differences=fm.output("run_differences"),  # COMPARISONS/{task}/{mode}/differences.csv
        folds=fm.output("fold_tests"),  # COMPARISONS/{task}/{mode}/folds.csv
        classes=fm.output("class_results"),  # COMPARISONS/{task}/{mode}/classes.csv
        groups=fm.output("group_results"),  # COMPARISONS/{task}/{mode}/groups.csv
        calibration=fm.output("calibration_errors"),  # COMPARISONS/{task}/{mode}/calibration.csv
    log:
        fm.log("compare_runs", "leaderboard"),
    conda:
        "../config/environment.yaml"
    params:
        **study.inputs.evaluate.weighing_params(),
        networks=inputs.compared_networks,
        ensemble_folds=inputs.ensemble_folds,
        mask_transforms=inputs.compared_transforms,
        out_of_fold=inputs.is_out_of_fold,
        notes=study.inputs.evaluate.split_notes,
        metrics=inputs.metrics,
        bootstrap=study.cfg.bootstrap,
        per_group=study.cfg.per_group,
    message:
        "compare the runs on {wildcards.task} (mode {wildcards.mode})"
    script:
        "../scripts/compare_runs.py"
