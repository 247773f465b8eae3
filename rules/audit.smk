"""Audit of the data of tasks: near duplicates, wrong labels, outliers, bad images, shortcuts, and a map."""

inputs = study.inputs.audit


rule measure_images:
    """Measure brightness, contrast, sharpness and border of a task's packed images, and store thumbnails for hashes."""
    input:
        task=ancient(study.inputs.info.description),  # TASKS/{task}/{task id}.json
        images=ancient(inputs.packed_images),  # PREPROCESSED/{dataset}/{pack}
    output:
        measures=fm.output("image_measures"),  # AUDIT/{task}/measures.npz
    log:
        fm.log("measure_images", "image_measures"),
    benchmark:
        fm.benchmark("measure_images", "image_measures")
    conda:
        "../config/environment.yaml"
    threads: study.resources.threads("measure_images", 4)
    message:
        "measure the images of {wildcards.task}"
    script:
        "../scripts/measure_images.py"


rule find_neighbours:
    """Find the nearest neighbours of each sample of a task by its features."""
    input:
        task=ancient(study.inputs.info.description),  # TASKS/{task}/{task id}.json
        features=ancient(inputs.features),  # FEATURES/{task}/{extractor}.npz
    output:
        neighbours=fm.output("neighbours"),  # AUDIT/{task}/neighbours.npz
    log:
        fm.log("find_neighbours", "neighbours"),
    benchmark:
        fm.benchmark("find_neighbours", "neighbours")
    conda:
        "../config/environment.yaml"
    threads: study.resources.threads("find_neighbours", 4)
    resources:
        mem_mb=study.resources.mem_mb("find_neighbours", 4000),
        runtime=study.resources.runtime("find_neighbours", 60),
    params:
        neighbours=study.cfg.audit.neighbours,
    message:
        "find the nearest neighbours of the samples of {wildcards.task}"
    script:
        "../scripts/find_neighbours.py"


rule find_duplicates:
    """List near duplicates among the images of a task."""
    input:
        task=ancient(study.inputs.info.description),  # TASKS/{task}/{task id}.json
        measures=fm.pattern("image_measures"),  # AUDIT/{task}/measures.npz
        neighbours=fm.pattern("neighbours"),  # AUDIT/{task}/neighbours.npz
    output:
        duplicates=fm.output("near_duplicates"),  # AUDIT/{task}/duplicates.csv
    log:
        fm.log("find_duplicates", "near_duplicates"),
    benchmark:
        fm.benchmark("find_duplicates", "near_duplicates")
    conda:
        "../config/environment.yaml"
    threads: study.resources.threads("find_duplicates", 4)
    params:
        options=inputs.options("hash_bits", "feature_distance"),
    message:
        "find near duplicates among the images of {wildcards.task}"
    script:
        "../scripts/find_duplicates.py"


rule find_outliers:
    """List outliers, and blank, dark, over-exposed and blurred images of a task."""
    input:
        task=ancient(study.inputs.info.description),  # TASKS/{task}/{task id}.json
        measures=fm.pattern("image_measures"),  # AUDIT/{task}/measures.npz
        neighbours=fm.pattern("neighbours"),  # AUDIT/{task}/neighbours.npz
    output:
        outliers=fm.output("outliers"),  # AUDIT/{task}/outliers.csv
        faults=fm.output("image_faults"),  # AUDIT/{task}/images.csv
    log:
        fm.log("find_outliers", "outliers"),
    conda:
        "../config/environment.yaml"
    message:
        "find outliers and bad images of {wildcards.task}"
    script:
        "../scripts/find_outliers.py"


rule predict_by_probe:
    """Predict each labelled sample of a task with a linear model on features that was not fitted on its fold."""
    input:
        task=ancient(study.inputs.info.description),  # TASKS/{task}/{task id}.json
        features=ancient(inputs.features),  # FEATURES/{task}/{extractor}.npz
    output:
        predictions=fm.output("probe_predictions"),  # AUDIT/{task}/predictions.npz
    log:
        fm.log("predict_by_probe", "probe_predictions"),
    benchmark:
        fm.benchmark("predict_by_probe", "probe_predictions")
    conda:
        "../config/environment.yaml"
    threads: study.resources.threads("predict_by_probe", 4)
    resources:
        mem_mb=study.resources.mem_mb("predict_by_probe", 4000),
        runtime=study.resources.runtime("predict_by_probe", 60),
    message:
        "predict the samples of {wildcards.task} with a linear model on features"
    script:
        "../scripts/predict_by_probe.py"


rule find_label_errors:
    """List samples whose labels are probably wrong, and pairs of classes by how well they can be distinguished."""
    input:
        task=ancient(study.inputs.info.description),  # TASKS/{task}/{task id}.json
        predictions=inputs.predictions,  # AUDIT/{task}/predictions.npz, or PREDICTIONS/{task}/*/*.npz
    output:
        labels=fm.output("label_errors"),  # AUDIT/{task}/labels.csv
        classes=fm.output("confusable_classes"),  # AUDIT/{task}/classes.csv
    log:
        fm.log("find_label_errors", "label_errors"),
    conda:
        "../config/environment.yaml"
    message:
        "find wrong labels of {wildcards.task}"
    script:
        "../scripts/find_label_errors.py"


rule check_shortcuts:
    """Check a task for shortcuts: targets that image size, format, border, metadata or features predict."""
    input:
        task=ancient(study.inputs.info.description),  # TASKS/{task}/{task id}.json
        dataset=ancient(study.inputs.info.dataset),  # RAW/{dataset}/dataset.json
        measures=fm.pattern("image_measures"),  # AUDIT/{task}/measures.npz
        features=ancient(inputs.features),  # FEATURES/{task}/{extractor}.npz
        metadata=inputs.metadata,  # METADATA/{task}.csv
    output:
        shortcuts=fm.output("shortcuts"),  # AUDIT/{task}/shortcuts.csv
    log:
        fm.log("check_shortcuts", "shortcuts"),
    benchmark:
        fm.benchmark("check_shortcuts", "shortcuts")
    conda:
        "../config/environment.yaml"
    threads: study.resources.threads("check_shortcuts", 4)
    message:
        "check shortcuts of {wildcards.task}"
    script:
        "../scripts/check_shortcuts.py"


rule compare_datasets:
    """List near duplicates between images of different data sets."""
    input:
        tasks=ancient(inputs.descriptions),  # TASKS/*/*.json
        measures=inputs.all_measures,  # AUDIT/*/measures.npz
        features=ancient(inputs.all_features),  # FEATURES/*/{extractor}.npz
    output:
        duplicates=report(
            fm.output("shared_duplicates"),  # AUDIT/duplicates.csv
            category="Audit",
            subcategory="all tasks",
            labels={"content": "near duplicates across data sets (CSV)", "mode": "audit"},
            caption="captions/audit.rst",
        ),
    log:
        fm.log("compare_datasets", "shared_duplicates"),
    benchmark:
        fm.benchmark("compare_datasets", "shared_duplicates")
    conda:
        "../config/environment.yaml"
    threads: study.resources.threads("compare_datasets", 4)
    resources:
        mem_mb=study.resources.mem_mb("compare_datasets", 8000),
        runtime=study.resources.runtime("compare_datasets", 120),
    params:
        options=inputs.options("neighbours", "hash_bits", "feature_distance"),
    message:
        "find near duplicates across data sets"
    script:
        "../scripts/compare_datasets.py"


rule draw_map:
    """Draw the samples of a task in two dimensions, coloured by class, split and error."""
    input:
        task=ancient(study.inputs.info.description),  # TASKS/{task}/{task id}.json
        features=ancient(inputs.features),  # FEATURES/{task}/{extractor}.npz
        predictions=inputs.map_predictions,  # AUDIT/{task}/predictions.npz, or PREDICTIONS/{task}/*/*.npz
    output:
        picture=report(
            fm.output("sample_map"),  # AUDIT/{task}/map.png
            category="Audit",
            subcategory="{task}",
            labels={"content": "map of the samples", "mode": "audit"},
            caption="captions/audit.rst",
        ),
        table=fm.output("map_table"),  # AUDIT/{task}/map.csv
    log:
        fm.log("draw_map", "sample_map"),
    benchmark:
        fm.benchmark("draw_map", "sample_map")
    conda:
        "../config/environment.yaml"
    threads: study.resources.threads("draw_map", 4)
    params:
        options=inputs.options("map", "map_samples"),
    message:
        "draw a map of the samples of {wildcards.task}"
    script:
        "../scripts/draw_map.py"


rule draw_audit:
    """List and draw all suspicious samples of a task, and write the tables of its audit as pages."""
    input:
        unpack(inputs.tables),  # AUDIT/{task}/*.csv
        task=ancient(study.inputs.info.description),  # TASKS/{task}/{task id}.json
        dataset=ancient(study.inputs.info.dataset),  # RAW/{dataset}/dataset.json
    output:
        suspects=fm.output("suspects"),  # AUDIT/{task}/suspects.csv
        pages=report(
            fm.output("audit_pages"),  # AUDIT/{task}/pages
            patterns=["{page,[a-z_]+}.html", "{page,[a-z_]+}.jpg"],
            category="Audit",
            subcategory="{task}",
            labels=inputs.page,
            caption="captions/audit.rst",
        ),
    log:
        fm.log("draw_audit", "audit_pages"),
    conda:
        "../config/environment.yaml"
    message:
        "draw the suspicious samples of {wildcards.task}"
    script:
        "../scripts/draw_audit.py"
