"""Answers: calibrated probabilities, ensembles, and which run is best."""

inputs = study.inputs.post


rule calibrate_fold:
    """Calibrate what one network predicts, by what it predicts of its validation samples."""
    input:
        predictions=fm.pattern("predictions"),
        validation=inputs.validation,
        test=inputs.test,
        unlabelled=inputs.unlabelled,
        task=ancient(inputs.groups),
    output:
        calibrated=fm.output("calibrated"),
        calibration=fm.output("calibration"),
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
        predictions=fm.pattern("other_predictions"),
        validation=inputs.validation,
        test=inputs.test,
        unlabelled=inputs.unlabelled,
        task=ancient(inputs.groups),
    output:
        calibrated=fm.output("other_calibrated"),
        calibration=fm.output("other_calibration"),
    log:
        fm.log("calibrate_other", "other_calibrated"),
    message:
        "calibrate {wildcards.eval} of {wildcards.eval_task} by {wildcards.task} fold {wildcards.fold}: run {wildcards.run}"


rule select_ensemble:
    """Select an ensemble by what networks predict of samples that they were not trained on."""
    input:
        predictions=inputs.member_predictions,
        task=ancient(inputs.description),
    output:
        ensemble=fm.output("ensemble"),
    log:
        fm.log("select_ensemble", "ensemble"),
    conda:
        "../config/environment.yaml"
    params:
        members=inputs.members,
        options=inputs.ensemble_options,
    message:
        "select an ensemble for {wildcards.task} (mode {wildcards.mode})"
    script:
        "../scripts/select_ensemble.py"


rule predict_ensemble:
    """Predict one split by an ensemble."""
    input:
        ensemble=fm.pattern("ensemble"),
        predictions=inputs.member_predictions,
    output:
        predictions=fm.output("ensemble_predictions"),
    log:
        fm.log("predict_ensemble", "ensemble_predictions"),
    conda:
        "../config/environment.yaml"
    params:
        members=inputs.members,
    message:
        "predict {wildcards.eval} of {wildcards.task} by the ensemble of mode {wildcards.mode}"
    script:
        "../scripts/predict_ensemble.py"


rule collect_metadata:
    """Collect what a data set says of its samples in the columns that results are told by."""
    input:
        dataset=inputs.dataset,
    output:
        metadata=fm.output("sample_metadata"),
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
    """Compare procedures, runs and ensembles on test samples: a leaderboard, and what each class and group gets."""
    input:
        predictions=inputs.compared_predictions,
        ensembles=inputs.compared_ensembles,
        ensemble_definitions=inputs.compared_ensemble_definitions,
        uncalibrated=inputs.uncalibrated_predictions,
        tasks=ancient(inputs.compared_descriptions),
        metadata=inputs.metadata,
    output:
        leaderboard=fm.output("leaderboard"),
        differences=fm.output("run_differences"),
        folds=fm.output("fold_tests"),
        classes=fm.output("class_results"),
        groups=fm.output("group_results"),
        calibration=fm.output("calibration_errors"),
    log:
        fm.log("compare_runs", "leaderboard"),
    conda:
        "../config/environment.yaml"
    params:
        networks=inputs.compared_networks,
        ensemble_folds=inputs.ensemble_folds,
        out_of_fold=inputs.is_out_of_fold,
        notes=study.inputs.evaluate.split_notes,
        metrics=inputs.metrics,
        bootstrap=study.cfg.bootstrap,
        per_group=study.cfg.per_group,
    message:
        "compare the runs on {wildcards.task} (mode {wildcards.mode})"
    script:
        "../scripts/compare_runs.py"
