"""Runs of a study whose steps are cluster jobs: a job looks its run up, instead of expanding the whole study again."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mml_lib.files.atomic import write_text
from mml_lib.pipelines.digests import digest
from mml_lib.studies.runs import Run

if TYPE_CHECKING:
    from mml_lib.studies.study import Study

FORMAT = 1

LATER_KEYS = ("suggestion", "search")
"""Entries of pipelines that are replaced in their files: what such a run learns, and its plan, are different things."""


@dataclass(frozen=True)
class SubmittedRuns:
    """Labels of the runs that a study plans, as the Snakemake that submits its jobs has written them.

    Args:
        labels: labels and procedure labels of each run, by task and run id.
    """

    labels: Mapping[str, Mapping[str, tuple[list[str], list[str]]]]

    @classmethod
    def read(cls, study: "Study") -> "SubmittedRuns | None":
        """Return the runs of a study; None without any, or if the study has changed, which is printed."""
        try:
            content = json.loads(study.fm.submitted_path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                return None
            if content["study"] != digest_of(study):
                print("the study has changed since this job was submitted; its run is planned again", file=sys.stderr)
                return None
            return cls(content["runs"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def run(self, study: "Study", task: str, run: str) -> Run | None:
        """Return a run, with the content of its pipeline file; None where only the whole plan has it."""
        labels = self.labels.get(task, {}).get(run)
        if labels is None or not Path(study.fm.path("pipeline", task=task, run=run)).exists():
            return None
        pipeline = study.runs.read(task, run).pipeline
        return None if any(key in pipeline.content for key in LATER_KEYS) else Run(pipeline, *map(list, labels))


def record_submitted_runs(study: "Study") -> None:
    """Write the runs that a study plans, for the jobs of its steps."""
    runs: dict[str, dict[str, tuple[list[str], list[str]]]] = {}
    for (task, id_), run in study.runs.planned.items():
        runs.setdefault(task, {})[id_] = run.labels, run.procedure_labels
    content = {"format": FORMAT, "study": digest_of(study), "runs": runs}
    write_text(study.fm.submitted_path, json.dumps(content) + "\n")


def digest_of(study: "Study") -> str:
    """Return 8 digits of a digest of a study, its presets included."""
    return digest(study.cfg.model_dump_json(by_alias=True, fallback=str))
