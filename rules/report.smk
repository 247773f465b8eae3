"""The report: pictures and pages that `snakemake --report` lays together."""


report: "captions/study.rst"


rule draw_results:
    """Draw how the networks of a task learned, what they predict, and how they compare."""
    input:
        task=ancient(study.description),
        dataset=ancient(study.dataset),
        history=study.results.histories,
        tuning=study.results.tunings,
        predictions=study.results.predictions,
        calibrated=study.results.calibrated,
        ensemble=study.results.ensembles,
        tables=study.results.tables,
    output:
        figures=report(
            fm.output("figures"),
            patterns=[
                f"{{topic,[a-z]+}}/{part}{{figure,[a-z_]+}}.{suffix}"
                for part in ("", "{part,[a-z0-9]+}/")
                for suffix in ("svg", "png", "jpg", "html")
            ],
            category=study.results.topic,
            subcategory="{task}",
            labels=study.results.figure,
            caption="captions/figure.rst",
        ),
    log:
        fm.log("draw_results", "figures"),
    conda:
        "../config/environment.yaml"
    params:
        shown=study.results.shown,
        metrics=study.results.metrics,
        transforms=study.results.transforms,
        bootstrap=study.cfg.bootstrap,
        per_group=study.cfg.per_group,
        out_of_fold=study.results.is_out_of_fold,
    message:
        "draw the results on {wildcards.task} (mode {wildcards.mode})"
    script:
        "../scripts/draw_results.py"


rule describe_study:
    """Say what a study is: its config, its plan, its runs and what differs between them, its results, times and memory."""
    input:
        done=study.results.done,
        summary=fm.pattern("summary"),
        folds=fm.pattern("fold_metrics"),
        tasks=study.descriptions,
    output:
        pages=report(
            fm.output("pages"),
            patterns=["{page,[a-z_]+}.html"],
            category="Study",
            subcategory=study.cfg.project,
            labels=study.results.page,
            caption="captions/page.rst",
        ),
        config=fm.output("study_config"),
        runs=fm.output("run_table"),
        times=fm.output("run_times"),
    log:
        fm.log("describe_study", "pages"),
    conda:
        "../config/environment.yaml"
    params:
        config=study.results.config,
        plan=study.results.plan,
        runs=study.results.runs,
        measured=study.results.measured,
        notes=study.split_notes,
    message:
        "describe the study (mode {wildcards.mode})"
    script:
        "../scripts/describe_study.py"
