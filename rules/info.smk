"""Information: what a study's tasks look like."""


rule draw_task:
    """Draw samples of a task, and how often each class is there."""
    input:
        task=study.description,
        dataset=ancient(study.dataset),
    output:
        samples=fm.output("task_samples"),
        classes=fm.output("task_classes"),
    log:
        fm.log("draw_task", "task_samples"),
    conda:
        "../config/environment.yaml"
    message:
        "draw samples and classes of {wildcards.task}"
    script:
        "../scripts/draw_task.py"


rule list_tasks:
    """Write a table of all tasks of the study, and draw samples of each."""
    input:
        tasks=study.descriptions,
        datasets=ancient(study.datasets),
    output:
        table=fm.output("task_table"),
        samples=fm.output("all_samples"),
    log:
        fm.log("list_tasks", "task_table"),
    conda:
        "../config/environment.yaml"
    message:
        "list the tasks of the study"
    script:
        "../scripts/list_tasks.py"
