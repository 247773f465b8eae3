"""Tasks: from images as they were delivered to learning problems."""


rule create_dataset:
    """Fetch, write or find the images of a data set, and list them with what is known of each."""
    output:
        dataset=fm.output("dataset"),
    log:
        fm.log("create_dataset", "dataset"),
    benchmark:
        fm.benchmark("create_dataset", "dataset")
    priority: 100
    conda:
        "../config/environment.yaml"
    params:
        source=study.source,
    message:
        "create the data set {wildcards.dataset}"
    script:
        "../scripts/create_dataset.py"


rule create_task:
    """Describe one learning problem on a data set: its classes, splits and folds."""
    input:
        dataset=study.dataset,
    output:
        description=fm.output("description"),
    log:
        fm.log("create_task", "description"),
    benchmark:
        fm.benchmark("create_task", "description")
    priority: 100
    conda:
        "../config/environment.yaml"
    params:
        definition=study.definition,
    message:
        "create the task {wildcards.task} ({wildcards.task_id})"
    script:
        "../scripts/create_task.py"
