"""MML: deep-learning studies on many image tasks. README.md says how to use it, config/README.md what to write."""

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

from mml_lib.errors import MMLError
from mml_lib.schedulers.opening import open_study

min_version("9.27")


configfile: "config/config.yaml"


study = open_study(workflow, config)
fm = study.fm


wildcard_constraints:
    **fm.constraints,


rule all:
    """Do what the study's mode says."""
    default_target: True
    input:
        lambda wildcards: study.targets(study.cfg.mode.id, rules),
        fm.path("return_value", mode=study.cfg.mode.id),
    localrule: True


include: "rules/tasks.smk"
include: "rules/preprocess.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/post.smk"
include: "rules/info.smk"
include: "rules/report.smk"
include: "rules/finish.smk"


for path in study.cfg.rules:

    include: path.absolute()


onstart:
    try:
        study.lock()
    except MMLError as error:
        raise WorkflowError(str(error))
