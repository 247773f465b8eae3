"""Names of MML's rules in a workflow: an outer pipeline may use them as `mml_train_fold`."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snakemake.jobs import AbstractJob, Job

VARIABLE = "MML_RULE_NAMES"
"""Environment variable with MML's names of its rules, for steps."""


@dataclass(frozen=True)
class RuleNames:
    """MML's names of the rules of a workflow.

    Args:
        by_full_name: MML's name of each of its rules, by its name in the workflow; None: both are equal.
    """

    by_full_name: Mapping[str, str] | None = None

    def own(self, rule: str) -> str | None:
        """Return MML's name of a rule; None for a rule of the outer pipeline."""
        return rule if self.by_full_name is None else self.by_full_name.get(rule)

    def of_job(self, job: "Job") -> str | None:
        """Return MML's name of the rule of a job."""
        return self.own(job.rule.name)

    def is_own(self, job: "AbstractJob") -> bool:
        """Return True for a step, or a group of steps, of MML's rules."""
        return all(self.of_job(step) is not None for step in (job.jobs if job.is_group() else [job]))

    def jobs(self, jobs: Iterable["Job"], *rules: str) -> list["Job"]:
        """Return the jobs of MML's rules among Snakemake's jobs, or only those of the given rules."""
        return [job for job in jobs if (name := self.of_job(job)) is not None and (not rules or name in rules)]


def publish_names(module: str, names: RuleNames) -> None:
    """Set the names of a module for the steps that this process starts."""
    modules = json.loads(os.environ.get(VARIABLE, "{}"))
    os.environ[VARIABLE] = json.dumps(modules | {module: names.by_full_name})


def withdraw_names() -> None:
    """Remove names of an outer pipeline from the environment of this process, which runs its own workflow."""
    os.environ.pop(VARIABLE, None)


def name_in_step(rule: str) -> str:
    """Return MML's name of the rule of a step, in the process of the step."""
    for names in json.loads(os.environ.get(VARIABLE, "{}")).values():
        if rule in names:
            return names[rule]
    return rule
