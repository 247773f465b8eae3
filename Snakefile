"""MML: deep-learning studies on many image tasks. README.md says how to use it, config/README.md what to write."""

import sys
from functools import partial

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

from mml_lib.errors import MMLError
from mml_lib.engine.failures import Failures
from mml_lib.engine.hooks import notify_of_end, report_usage, start_run
from mml_lib.engine.leakage import StopOnLeakage
from mml_lib.engine.opening import check_rules, describe_targets, open_study
from mml_lib.engine.outer_pipeline import module_name
from mml_lib.engine.patches import make_local
from mml_lib.engine.screen.run_screen import Screen
from mml_lib.studies.resources.planned_steps import artefacts

min_version("9.27")

study = open_study(workflow, config)
fm = study.fm
failures = Failures()
screen = Screen(study, workflow, failures)
StopOnLeakage(study, workflow)


wildcard_constraints:
    **fm.constraints,


# A second of work each: on a cluster no job is submitted for them.
make_local(
    workflow,
    "download_file",
    "create_task",
    "tag_task",
    "check_images",
    "write_pipeline",
    "select_model",
    "propose_trial",
    "promote_trial",
    "choose_trial",
    "collect_search",
    "store_blueprint",
    "test_fold",
    "test_other",
    "test_baseline",
    "test_out_of_fold",
    "test_pooled_baseline",
    "calibrate_fold",
    "calibrate_other",
    "predict_ensemble",
    "summarize",
    "collect_distances",
    "compare_with_baseline",
    "draw_curve",
    "compare_across_tasks",
    "collect_transfer",
    "suggest_pipeline",
    "describe_suggestions",
    "list_models",
    "list_resources",
    "collect_metadata",
    "describe_run",
    "find_operating_points",
    "describe_study",
    "write_methods",
    "finish_exp",
)


rule all:
    """Make all outputs of the study's mode."""
    default_target: module_name(workflow) is None
    input:
        lambda wildcards: study.inputs.finish.targets(study.cfg.mode.id, rules),
        fm.path("return_value", mode=study.cfg.mode.id),
    localrule: True


include: "rules/tasks.smk"
include: "rules/preprocess.smk"
include: "rules/train.smk"
include: "rules/search.smk"
include: "rules/evaluate.smk"
include: "rules/features.smk"
include: "rules/fisher.smk"
include: "rules/similarity.smk"
include: "rules/post.smk"
include: "rules/questions.smk"
include: "rules/transfer.smk"
include: "rules/suggest.smk"
include: "rules/info.smk"
include: "rules/explain.smk"
include: "rules/operating.smk"
include: "rules/report.smk"
include: "rules/audit.smk"
include: "rules/deployment.smk"
include: "rules/clean.smk"
include: "rules/upgrade.smk"
include: "rules/finish.smk"


for path in study.cfg.rules:

    include: path.absolute()


check_rules(study, workflow)


# For the rules of an outer pipeline: mml.planned("predictions", eval="test") returns paths of the study.
planned = partial(artefacts, study, rules)


onstart:
    try:
        start_run(study, workflow.dag)
        screen.start()
    except MMLError as error:
        raise WorkflowError(str(error))


onsuccess:
    report_usage(study, workflow.dag)
    screen.end(succeeded=True)
    notify_of_end(study, workflow.dag, succeeded=True, text=screen.outcome_text())


onerror:
    report_usage(study, workflow.dag)
    summary = failures.summary(workflow.scheduler.failed, screen.is_interrupted)
    print(summary, file=sys.stderr)
    screen.end(succeeded=False)
    notify_of_end(study, workflow.dag, succeeded=False, text=summary)
