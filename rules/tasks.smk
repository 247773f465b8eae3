"""Data sets and tasks: from delivered images to learning problems."""

inputs = study.inputs.tasks


rule download_file:
    """Download a file that data sets share, resuming if possible, and check its checksum."""
    output:
        file=fm.output("download"),  # DOWNLOADS/{checksum}/{file_name}
    log:
        fm.log("download_file", "download"),
    priority: 100
    conda:
        "../config/environment.yaml"
    params:
        url=inputs.url,
    message:
        "download {wildcards.file_name}"
    script:
        "../scripts/download_file.py"


rule create_dataset:
    """Unpack, write or list the images of a data set, and write its manifest."""
    input:
        downloads=ancient(inputs.downloads),  # DOWNLOADS/*/*
        made=inputs.made_files,
    output:
        dataset=fm.output("dataset"),  # RAW/{dataset}/dataset.json
    log:
        fm.log("create_dataset", "dataset"),
    benchmark:
        fm.benchmark("create_dataset", "dataset")
    priority: 100
    conda:
        "../config/environment.yaml"
    threads: study.resources.threads("create_dataset", 16)
    params:
        data_path=inputs.data_path,
        early_packs=study.inputs.preprocess.early_packs,  # PREPROCESSED/{dataset}/{pack}-early
        source=inputs.source,
        unpacking=inputs.unpacking,
    message:
        "create the data set {wildcards.dataset}"
    script:
        "../scripts/create_dataset.py"


rule create_task:
    """Describe one learning problem on a data set: its classes, splits and folds."""
    input:
        dataset=inputs.dataset,  # RAW/{dataset}/dataset.json
    output:
        description=fm.output("description"),  # TASKS/{task}/{task_id}.json
    log:
        fm.log("create_task", "description"),
    benchmark:
        fm.benchmark("create_task", "description")
    wildcard_constraints:
        task=inputs.untagged,
    priority: 101  # its refusals come before images are packed
    conda:
        "../config/environment.yaml"
    params:
        definition=inputs.definition,
        targets=inputs.targets,
        division=inputs.division,
        compared=inputs.compared,
        excluding_tables=inputs.excluding_tables,
        about=inputs.metadata,
        planned=inputs.planned,
        group_version=inputs.group_version,
        duplicates=inputs.duplicates,
    message:
        "create the task {wildcards.task} ({wildcards.task_id})"
    script:
        "../scripts/create_task.py"


rule tag_task:
    """Derive a task from its base by a tag; it uses the packed images of the base."""
    input:
        base=inputs.base,  # TASKS/{base}/{base id}.json
        dataset=ancient(inputs.nested_dataset),  # RAW/{dataset}/dataset.json
    output:
        description=fm.output("description"),  # TASKS/{task}/{task_id}.json
    log:
        fm.log("tag_task", "description"),
    wildcard_constraints:
        task=inputs.tagged,
    priority: 100
    conda:
        "../config/environment.yaml"
    params:
        definition=inputs.definition,
        division=inputs.nested_division,
    message:
        "derive the task {wildcards.task} ({wildcards.task_id})"
    script:
        "../scripts/tag_task.py"
