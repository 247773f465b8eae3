"""Operating points: thresholds of probabilities, and what they are worth on other samples."""

inputs = study.inputs.operating


rule find_operating_points:
    """Choose thresholds by validation samples, report them on others, and compute the best run's decision curve."""
    input:
        validation=inputs.validation,  # CALIBRATED or PREDICTIONS/{task}/*/val.npz
        test=inputs.test,  # CALIBRATED or PREDICTIONS/{task}/*/test.npz
        models=inputs.models,  # MODELS/{task}/*.json
        task=ancient(study.inputs.info.description),  # TASKS/{task}/{task id}.json
    output:
        points=fm.output("operating_points"),  # OPERATING/{task}/{mode}.csv
        curves=fm.output("decision_curves"),  # OPERATING/{task}/{mode}-curves.csv
        figures=report(
            fm.output("operating_figures"),  # OPERATING/{task}/{mode}
            patterns=["{figure,[a-z_]+}.svg", "{figure,[a-z_]+}.html"],
            category="Operating points",
            subcategory="{task}",
            labels=inputs.figure_labels,
            caption="captions/operating.rst",
        ),
    log:
        fm.log("find_operating_points", "operating_points"),
    conda:
        "../config/environment.yaml"
    params:
        networks=inputs.networks,
        metric=inputs.metric,
        wanted=inputs.wanted,
        bootstrap=study.cfg.bootstrap,
    message:
        "find operating points on {wildcards.task} (mode {wildcards.mode})"
    script:
        "../scripts/find_operating_points.py"
