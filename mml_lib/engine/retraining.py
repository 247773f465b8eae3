"""Retraining: a plan that would retrain networks, because their weights were removed, needs the user's consent."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.errors import MMLError
from mml_lib.studies.study import Study

if TYPE_CHECKING:
    from snakemake.dag import DAG

MOST = 3
"""Networks that a message names."""


def refuse_retraining(study: Study, dag: "DAG") -> None:
    """Refuse a plan that retrains networks only because their weights were removed.

    Args:
        study: the study, which may allow it by `retrain`.
        dag: Snakemake's plan.

    Raises:
        MMLError: the plan retrains networks.
    """
    jobs = [job for job in study.rule_names.jobs(dag.needrun_jobs(), "train_fold") if _is_trained(job.output)]
    again = [job for job in jobs if not dag.reason(job).forced]
    if study.cfg.retrain or not again:
        return
    labels = sorted(f"{job.wildcards.task} {job.wildcards.run} fold {job.wildcards.fold}" for job in again)
    weights = {job.output.parameters for job in again}
    needing = {other.rule.name for job in again for other in dag.depending[job] if weights & set(other.input)}
    more = f" and {len(labels) - MOST} more" if len(labels) > MOST else ""
    raise MMLError(
        f"trained networks would be trained again ({len(labels)}: {', '.join(labels[:MOST])}{more}), as their weights "
        f"were removed and are needed by {', '.join(sorted(needing))}; allow it by --config retrain=true"
    )


def _is_trained(output: Any) -> bool:
    return Path(output.model).exists() and not Path(output.parameters).exists()
