"""The end of every plan; and each mode as a target."""


rule finish_exp:
    """Finish the plan of a mode: run its last hook and write its return value."""
    input:
        # By assignment key, and all else that the hook reads: summary, models …
        unpack(lambda wildcards: study.inputs.finish.files(wildcards.mode, rules)),
    output:
        return_value=fm.output("return_value"),  # RESULTS/{mode}.json
    log:
        fm.log("finish_exp", "return_value"),
    conda:
        "../config/environment.yaml"
    params:
        checkpoints=study.inputs.finish.checkpoints,
    message:
        "finish mode {wildcards.mode}"
    script:
        "../scripts/finish_exp.py"


for mode in study.schedulers.modes:

    rule:
        """Do what this mode says, whatever the study's own mode is."""
        name:
            mode
        input:
            # The steps too: Snakemake does not miss what a finished plan has grown by where it has lost its records.
            lambda wildcards, mode=mode: study.inputs.finish.targets(mode, rules),
            fm.path("return_value", mode=mode),
        localrule: True
