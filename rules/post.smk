"""Answers: calibrated probabilities, ensembles, and which run is best."""


rule calibrate_fold:
    """Calibrate what one network predicts, by what it predicts of its validation samples."""
    input:
        predictions=fm.pattern("predictions"),
        validation=study.answers.validation,
        test=study.answers.test,
        unlabelled=study.answers.unlabelled,
        task=ancient(study.answers.groups),
    output:
        calibrated=fm.output("calibrated"),
        calibration=fm.output("calibration"),
    log:
        fm.log("calibrate_fold", "calibrated"),
    conda:
        "../config/environment.yaml"
    params:
        calibration=study.answers.calibration,
    message:
        "calibrate {wildcards.eval} of {wildcards.task} fold {wildcards.fold}: run {wildcards.run}"
    script:
        "../scripts/calibrate_fold.py"


use rule calibrate_fold as calibrate_other with:
    input:
        predictions=fm.pattern("other_predictions"),
        validation=study.answers.validation,
        test=study.answers.test,
        unlabelled=study.answers.unlabelled,
        task=ancient(study.answers.groups),
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
        predictions=study.answers.member_predictions,
        task=ancient(study.answers.description),
    output:
        ensemble=fm.output("ensemble"),
    log:
        fm.log("select_ensemble", "ensemble"),
    conda:
        "../config/environment.yaml"
    params:
        members=study.answers.members,
        options=study.answers.ensemble_options,
    message:
        "select an ensemble for {wildcards.task} (mode {wildcards.mode})"
    script:
        "../scripts/select_ensemble.py"


rule predict_ensemble:
    """Predict one split by an ensemble."""
    input:
        ensemble=fm.pattern("ensemble"),
        predictions=study.answers.member_predictions,
    output:
        predictions=fm.output("ensemble_predictions"),
    log:
        fm.log("predict_ensemble", "ensemble_predictions"),
    conda:
        "../config/environment.yaml"
    params:
        members=study.answers.members,
    message:
        "predict {wildcards.eval} of {wildcards.task} by the ensemble of mode {wildcards.mode}"
    script:
        "../scripts/predict_ensemble.py"


rule collect_metadata:
    """Collect what a data set says of its samples in the columns that results are told by."""
    input:
        dataset=study.dataset_of_base,
    output:
        metadata=fm.output("sample_metadata"),
    log:
        fm.log("collect_metadata", "sample_metadata"),
    wildcard_constraints:
        task=study.untagged,
    priority: 100
    conda:
        "../config/environment.yaml"
    params:
        source=study.metadata_source,
    message:
        "collect metadata of {wildcards.task}"
    script:
        "../scripts/collect_metadata.py"


rule compare_runs:
    """Compare procedures, runs and ensembles on test samples: a leaderboard, and what each class and group gets."""
    input:
        predictions=study.answers.compared_predictions,
        ensembles=study.answers.compared_ensembles,
        ensemble_definitions=study.answers.compared_ensemble_definitions,
        uncalibrated=study.answers.compared_uncalibrated,
        tasks=ancient(study.answers.compared_descriptions),
        metadata=study.answers.metadata,
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
        networks=study.answers.compared_told,
        ensemble_folds=study.answers.ensemble_folds,
        out_of_fold=study.answers.is_out_of_fold,
        notes=study.split_notes,
        metrics=study.answers.metrics,
        bootstrap=study.cfg.bootstrap,
        per_group=study.cfg.per_group,
    message:
        "compare the runs on {wildcards.task} (mode {wildcards.mode})"
    script:
        "../scripts/compare_runs.py"
