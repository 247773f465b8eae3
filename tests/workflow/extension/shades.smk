rule measure_shades:
    """Measure how bright the images of a task are."""
    input:
        pipeline=ancient(fm.pattern("pipeline")),
        task=study.description,
        images=study.packed,
        model=fm.pattern("models"),
    output:
        shades=fm.output("shades"),
    log:
        fm.log("measure_shades", "shades"),
    message:
        "measure {wildcards.task} fold {wildcards.fold}"
    script:
        "measure_shades.py"
