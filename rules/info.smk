"""Information about tasks, models, resources and runs."""

inputs = study.inputs.info


rule draw_task:
    """Draw samples of a task and the frequency of its classes."""
    input:
        task=inputs.description,  # TASKS/{task}/{task id}.json
        dataset=ancient(inputs.dataset),  # RAW/{dataset}/dataset.json
    output:
        samples=report(
            fm.output("task_samples"),  # INFO/{task}/samples.png
            category="Tasks",
            subcategory="{task}",
            labels={"content": "samples", "mode": "info"},
            caption="captions/task.rst",
        ),
        classes=report(
            fm.output("task_classes"),  # INFO/{task}/classes.png
            category="Tasks",
            subcategory="{task}",
            labels={"content": "classes", "mode": "info"},
            caption="captions/task.rst",
        ),
    log:
        fm.log("draw_task", "task_samples"),
    conda:
        "../config/environment.yaml"
    message:
        "draw samples and classes of {wildcards.task}"
    script:
        "../scripts/draw_task.py"


rule estimate_dimension:
    """Estimate the intrinsic dimension of a task from its pixels or features."""
    input:
        task=ancient(inputs.description),  # TASKS/{task}/{task id}.json
        values=ancient(inputs.dimension_values),  # PREPROCESSED/{dataset}/{pack}, or FEATURES/{task}/*.npz
    output:
        dimension=fm.output("dimension"),  # INFO/{task}/dimension.csv
    log:
        fm.log("estimate_dimension", "dimension"),
    benchmark:
        fm.benchmark("estimate_dimension", "dimension")
    conda:
        "../config/environment.yaml"
    threads: study.resources.threads("estimate_dimension", 2)
    params:
        options=inputs.dimension_options,
    message:
        "estimate the intrinsic dimension of {wildcards.task}"
    script:
        "../scripts/estimate_dimension.py"


rule draw_dimensions:
    """Draw the performance on tasks against their intrinsic dimension."""
    input:
        tasks=fm.pattern("task_table"),  # INFO/tasks.csv
        models=fm.pattern("model_table"),  # INFO/models.csv
    output:
        plot=report(
            fm.output("dimension_plot"),  # INFO/dimension.svg
            category="Tasks",
            subcategory="all tasks",
            labels={"content": "performance over intrinsic dimension", "mode": "info"},
            caption="captions/dimension.rst",
        ),
    log:
        fm.log("draw_dimensions", "dimension_plot"),
    conda:
        "../config/environment.yaml"
    params:
        metrics=inputs.main_metrics,
    message:
        "draw the performance on tasks against their intrinsic dimension"
    script:
        "../scripts/draw_dimensions.py"


rule list_tasks:
    """Write a table of all tasks of the study, and draw samples of each."""
    input:
        tasks=inputs.descriptions,  # TASKS/*/*.json
        datasets=ancient(inputs.datasets),  # RAW/*/dataset.json
        dimensions=inputs.dimensions,  # INFO/*/dimension.csv
    output:
        table=report(
            fm.output("task_table"),  # INFO/tasks.csv
            category="Tasks",
            subcategory="all tasks",
            labels={"content": "table (CSV)", "mode": "info"},
            caption="captions/task.rst",
        ),
        labels=report(
            fm.output("label_table"),  # INFO/labels.csv
            category="Tasks",
            subcategory="all tasks",
            labels={"content": "entries of labels (CSV)", "mode": "info"},
            caption="captions/labels.rst",
        ),
        samples=report(
            fm.output("all_samples"),  # INFO/samples.png
            category="Tasks",
            subcategory="all tasks",
            labels={"content": "samples", "mode": "info"},
            caption="captions/task.rst",
        ),
    log:
        fm.log("list_tasks", "task_table"),
    conda:
        "../config/environment.yaml"
    message:
        "list the tasks of the study"
    script:
        "../scripts/list_tasks.py"


rule list_models:
    """Write a table of all models of the project, with their files on disk."""
    input:
        inputs.model_folders,
    output:
        table=report(
            fm.output("model_table"),  # INFO/models.csv
            category="Study",
            subcategory=study.cfg.project,
            labels={"content": "models (CSV)", "mode": "info"},
            caption="captions/models.rst",
        ),
    log:
        fm.log("list_models", "model_table"),
    conda:
        "../config/environment.yaml"
    params:
        models=inputs.stored_models,
        labels=inputs.model_labels,
        # Weights and predictions come and go without a new time of the inputs.
        state=inputs.model_files_state,
    message:
        "list the models of the project"
    script:
        "../scripts/list_models.py"


rule list_resources:
    """Write measured and requested resources of steps, and the forecast of the remaining steps."""
    output:
        table=report(
            fm.output("resource_table"),  # INFO/resources.csv
            category="Study",
            subcategory=study.cfg.project,
            labels={"content": "time and memory by rule (CSV)", "mode": "info"},
            caption="captions/resources.rst",
        ),
    log:
        fm.log("list_resources", "resource_table"),
    conda:
        "../config/environment.yaml"
    params:
        ahead=lambda wildcards: study.inputs.info.forecast(rules),
        used=lambda wildcards: study.inputs.info.consumption(rules),
    message:
        "list measured and expected resources of steps"
    script:
        "../scripts/list_resources.py"


rule describe_run:
    """Write the pipeline of a run and its differences from the runs of the study."""
    output:
        explanation=fm.output("run_explanation"),  # INFO/run-{run}.yaml
    log:
        fm.log("describe_run", "run_explanation"),
    conda:
        "../config/environment.yaml"
    params:
        explanation=inputs.explanation,
    message:
        "describe run {wildcards.run}"
    script:
        "../scripts/describe_run.py"
