rule measure_shades:
    """Measure how bright the images of a task are, and count what other projects have measured of it."""
    input:
        pipeline=ancient(fm.pattern("pipeline")),
        task=study.inputs.evaluate.description,
        images=study.inputs.evaluate.packed_images,
        model=fm.pattern("models"),
        earlier=study.inputs.reused("shades"),
    output:
        shades=fm.output("shades"),
    log:
        fm.log("measure_shades", "shades"),
    message:
        "measure {wildcards.task} fold {wildcards.fold}"
    script:
        "measure_shades.py"


rule measure_range:
    """Write down the darkest and the brightest, here and in other projects."""
    input:
        shades=lambda wildcards: [fm.path("shades", **each) for each in study.scheduler("shades").measured],
        earlier=study.inputs.reused("shade_range"),
    output:
        shade_range=fm.output("shade_range"),
    log:
        fm.log("measure_range", "shade_range"),
    message:
        "measure the range of brightness"
    script:
        "measure_range.py"
