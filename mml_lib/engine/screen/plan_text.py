"""Plan of a dry run as text: number of steps by rule, and reasons for repeated steps."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from mml_lib.engine.screen.outcome_table import aligned

if TYPE_CHECKING:
    from snakemake.dag import DAG

    from mml_lib.studies.study import Study

CHANGES = {
    "forced": "forced",
    "incomplete output files": "unfinished outputs",
    "updated input files": "changed input files",
    "input files updated by another job": "input files are made again",
    "set of input files has changed since last execution": "other input files",
    "code has changed since last execution": "changed code",
    "params have changed since last execution": "changed settings",
    "software environment definition has changed since last execution": "another environment",
}
"""Snakemake's reasons for repeating a step, with their text in the plan."""

MOST_WORDS = 72
"""Most characters of the description of a step."""


def plan_text(study: "Study", dag: "DAG") -> str:
    """Return the steps of a plan by rule as lines; empty for an empty plan."""
    jobs = [job for job in dag.needrun_jobs(exclude_finished=False) if not job.is_norun]
    by_rule: dict[str, list[Any]] = {}
    for job in jobs:
        by_rule.setdefault(job.rule.name, []).append(job)
    if not by_rule:
        return ""
    repeated = {rule: _repeated(dag, jobs_of_rule) for rule, jobs_of_rule in by_rule.items()}
    rows = [["rule", "steps", "first step"]]
    order = [rule.name for rule in dag.workflow.rules]  # rule files are in the order of the phases
    for rule, jobs_of_rule in sorted(by_rule.items(), key=lambda entry: order.index(entry[0])):
        rows.append([rule, str(len(jobs_of_rule)), _description(min(jobs_of_rule, key=lambda job: str(job.wildcards)))])
    lines = ["", *aligned(rows)]
    for rule, (number, reasons) in repeated.items():
        if number:
            lines.append(f"  again: {number} of {rule} ({', '.join(reasons)})")
    return "\n".join(lines)


def _repeated(dag: "DAG", jobs: list[Any]) -> tuple[int, list[str]]:
    """Return the number of repeated steps of a rule, and the reasons, the most frequent one first."""
    reasons: Counter[str] = Counter()
    number = 0
    for job in jobs:
        reason = dag.reason(job)
        if not reason._missing_output:
            number += 1
            reasons.update(CHANGES[name] for name in reason.get_names() if name in CHANGES)
    return number, [reason for reason, _ in reasons.most_common()]


def _description(job: Any) -> str:
    text = " ".join((job.message or f"{job.rule.name} {job.wildcards}").split())
    return text if len(text) <= MOST_WORDS else f"{text[: MOST_WORDS - 1]}…"
