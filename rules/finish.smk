"""The last step of every plan, and a target for each mode."""


rule finish_exp:
    """Finish the plan of a mode: run its last hook and write its return value."""
    input:
        # By assignment key, with further files that the hook reads.
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
        """Mode of a study."""  # described below
        name:
            mode
        input:
            # The outputs of all steps too: without its records, Snakemake would not notice steps added to a finished plan.
            lambda wildcards, mode=mode: study.inputs.finish.targets(mode, rules),
            fm.path("return_value", mode=mode),
        localrule: True


describe_targets(study, workflow)
