"""Questions that a study asks: differences to its baseline, curves over training samples, procedures across tasks."""

inputs = study.inputs.questions


rule compare_with_baseline:
    """Write the ablation table: the difference of each procedure from the baseline of the study."""
    input:
        resampled=inputs.resampled_metrics,  # METRICS/*/*/*.npz
        tasks=ancient(inputs.descriptions),  # TASKS/*/*.json
    output:
        table=fm.output("ablation"),  # RESULTS/{mode}-ablation.csv
        latex=fm.output("ablation_latex"),  # RESULTS/{mode}-ablation.tex
        page=report(
            fm.output("ablation_page"),  # PLOTS/{mode}/ablation.html
            category="Questions",
            subcategory="baseline",
            labels={"content": "ablation table", "subject": "all tasks", "mode": "{mode}"},
            caption="captions/ablation.rst",
        ),
    log:
        fm.log("compare_with_baseline", "ablation"),
    conda:
        "../config/environment.yaml"
    params:
        networks=inputs.networks,
        baselines=inputs.baselines,
    message:
        "compare the procedures of mode {wildcards.mode} with the baseline"
    script:
        "../scripts/compare_with_baseline.py"


rule draw_curve:
    """Draw metrics against the training samples, or the wrong labels, of tasks that differ in one tag."""
    input:
        resampled=inputs.curve_resampled_metrics,  # METRICS/*/*/*.npz
        tasks=ancient(inputs.curve_descriptions),  # TASKS/*/*.json
    output:
        curve=fm.output("curve"),  # CURVES/{curve}/{mode}.csv
        fit=fm.output("curve_fit"),  # CURVES/{curve}/{mode}-fit.csv
        plots=report(
            fm.output("curve_plots"),  # PLOTS/{mode}/curves/{curve}
            patterns=["{metric,[a-z0-9_]+}.svg", "{table,[a-z_]+}.html"],
            category="Questions",
            subcategory="{curve}",
            labels=inputs.curve_figure_labels,
            caption="captions/curve.rst",
        ),
    log:
        fm.log("draw_curve", "curve"),
    conda:
        "../config/environment.yaml"
    params:
        networks=inputs.curve_networks,
        axis=inputs.curve_axis,
    message:
        "draw the curve of {wildcards.curve} (mode {wildcards.mode})"
    script:
        "../scripts/draw_curve.py"


rule compare_across_tasks:
    """Compare procedures across the tasks of a study: ranks, tests, and a diagram of critical differences."""
    input:
        resampled=inputs.resampled_metrics,  # METRICS/*/*/*.npz
        tasks=ancient(inputs.descriptions),  # TASKS/*/*.json
    output:
        scores=fm.output("task_scores"),  # RESULTS/{mode}-tasks.csv
        ranks=fm.output("task_ranks"),  # RESULTS/{mode}-ranks.csv
        tests=fm.output("task_tests"),  # RESULTS/{mode}-tests.csv
        plots=report(
            fm.output("task_plots"),  # PLOTS/{mode}/across_tasks
            patterns=["{metric,[a-z0-9_]+}.svg", "{table,[a-z_]+}.html"],
            category="Questions",
            subcategory="across tasks",
            labels=inputs.figure_labels,
            caption="captions/across_tasks.rst",
        ),
    log:
        fm.log("compare_across_tasks", "task_scores"),
    conda:
        "../config/environment.yaml"
    params:
        networks=inputs.networks,
        siblings=inputs.siblings,
        rope=study.cfg.rope,
    message:
        "compare the procedures of mode {wildcards.mode} across tasks"
    script:
        "../scripts/compare_across_tasks.py"
