"""Figures and pages of `snakemake --report`."""

inputs = study.inputs.report
pages = study.inputs.page


report: "captions/study.rst"


rule draw_results:
    """Draw learning curves, predictions and comparisons of the networks of a task."""
    input:
        task=ancient(study.inputs.info.description),  # TASKS/{task}/{task id}.json
        dataset=ancient(study.inputs.info.dataset),  # RAW/{dataset}/dataset.json
        history=inputs.histories,  # HISTORY/{task}/*.csv
        tuning=inputs.tunings,  # TUNING/{task}/*.json
        predictions=inputs.predictions,  # PREDICTIONS/{task}/*/*.npz
        calibrated=inputs.calibrated,  # CALIBRATED/{task}/*/*.npz
        ensemble=inputs.ensembles,  # ENSEMBLES/{task}/{mode}.json
        tables=inputs.tables,  # COMPARISONS/{task}/{mode}/*.csv
    output:
        figures=report(
            fm.output("figures"),  # FIGURES/{task}/{mode}
            patterns=[
                f"{{topic,[a-z]+}}/{part}{{figure,[a-z_]+}}.{suffix}"
                for part in ("", "{part,[a-z0-9]+}/")
                for suffix in ("svg", "png", "jpg", "html")
            ],
            category=inputs.topic,
            subcategory="{task}",
            labels=inputs.figure,
            caption="captions/figure.rst",
        ),
    log:
        fm.log("draw_results", "figures"),
    conda:
        "../config/environment.yaml"
    threads: inputs.drawing_threads
    params:
        **study.inputs.evaluate.weighing_params(),
        networks=inputs.drawn_networks,
        run_labels=inputs.run_labels,
        metrics=inputs.metrics,
        transforms=inputs.transforms,
        bootstrap=study.cfg.bootstrap,
        per_group=study.cfg.per_group,
        out_of_fold=inputs.is_out_of_fold,
    message:
        "draw the results on {wildcards.task} (mode {wildcards.mode})"
    script:
        "../scripts/draw_results.py"


rule describe_study:
    """Describe a study: config, plan, runs and their differences, results, times and memory."""
    input:
        inputs.done,
        summary=fm.pattern("summary"),  # RESULTS/{mode}.csv
        folds=fm.pattern("fold_metrics"),  # RESULTS/{mode}-folds.csv
        tasks=study.inputs.info.descriptions,  # TASKS/*/*.json
    output:
        pages=report(
            fm.output("pages"),  # PAGES/{mode}
            patterns=["{page,[a-z_]+}.html"],
            category="Study",
            subcategory=study.cfg.project,
            labels=inputs.page,
            caption="captions/page.rst",
        ),
        config=fm.output("study_config"),  # RESULTS/{mode}-study.yaml
        runs=fm.output("run_table"),  # RESULTS/{mode}-runs.csv
        times=fm.output("run_times"),  # RESULTS/{mode}-times.csv
    log:
        fm.log("describe_study", "pages"),
    conda:
        "../config/environment.yaml"
    params:
        config=inputs.config,
        plan=inputs.plan,
        runs=inputs.runs,
        benchmarks=inputs.benchmarks,
        measured=inputs.measured,
        notes=study.inputs.evaluate.split_notes,
    message:
        "describe the study (mode {wildcards.mode})"
    script:
        "../scripts/describe_study.py"


rule write_methods:
    """Write the methods section of a paper, and its references, from the files of the study."""
    input:
        summary=fm.pattern("summary"),  # RESULTS/{mode}.csv
        tasks=study.inputs.info.descriptions,  # TASKS/*/*.json
        pipelines=inputs.pipelines,  # PIPELINES/*/*.yaml
        models=inputs.models,  # MODELS/*/*.json
    output:
        methods=fm.output("methods"),  # RESULTS/{mode}-methods.md
        references=fm.output("references"),  # RESULTS/{mode}-references.bib
    log:
        fm.log("write_methods", "methods"),
    conda:
        "../config/environment.yaml"
    params:
        metrics=inputs.named_metrics,
        evaluation=inputs.evaluation,
    message:
        "write the methods of the study (mode {wildcards.mode})"
    script:
        "../scripts/write_methods.py"


rule write_report:
    """Write the report of a study: one page that begins with the answer, and its tables as files."""
    input:
        tasks=ancient(pages.page_descriptions),  # TASKS/*/*.json
        datasets=ancient(pages.page_datasets),  # RAW/*/dataset.json
        figures=pages.page_figures,  # FIGURES/*/{mode}
        predictions=pages.page_predictions,  # PREDICTIONS/*/*/*.npz
        calibrated=pages.page_calibrated,  # CALIBRATED/*/*/*.npz
        tables=pages.page_tables,  # COMPARISONS/*/{mode}/*.csv
        models=inputs.models,  # MODELS/*/*.json
        overlaps=pages.page_overlaps,  # INFO/overlaps-*.json
        explanations=pages.page_explanations,  # EXPLANATIONS/*/{mode}
        operating_points=pages.page_points,  # OPERATING/*/{mode}.csv
        operating_figures=pages.page_curves,  # OPERATING/*/{mode}
        summary=fm.pattern("summary"),  # RESULTS/{mode}.csv
        folds=fm.pattern("fold_metrics"),  # RESULTS/{mode}-folds.csv
        config=fm.pattern("study_config"),  # RESULTS/{mode}-study.yaml
        runs=fm.pattern("run_table"),  # RESULTS/{mode}-runs.csv
        times=fm.pattern("run_times"),  # RESULTS/{mode}-times.csv
        methods=fm.pattern("methods"),  # RESULTS/{mode}-methods.md
    output:
        report=fm.output("report"),  # REPORTS/{mode}.html
        tables=fm.output("report_tables"),  # REPORTS/{mode}-tables
    log:
        fm.log("write_report", "report"),
    conda:
        "../config/environment.yaml"
    params:
        tasks=pages.page_tasks,
        explained=pages.explained_tasks,
        pointed=pages.pointed_tasks,
        project=study.cfg.project,
        notes=study.inputs.evaluate.split_notes,
    message:
        "write the report of the study (mode {wildcards.mode})"
    script:
        "../scripts/write_report.py"
