"""Studies whose jobs run on this machine as those of a cluster do, with steps that only write their outputs."""

import json
import os
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.counted_plan import STUDY
from tests.support.places import REPOSITORY
from tests.support.pretended_steps import REAL
from tests.support.warm_steps import PRETENDED, warm_python


@dataclass(frozen=True)
class SubmittedJob:
    """A submitted job.

    Args:
        name: name by Snakemake.
        rules: number of its steps by rule.
        requests: resources.
    """

    name: str
    rules: Counter[str]
    requests: dict[str, Any]


@dataclass
class NearbyStudy:
    """A folder with a study of trained, predicted and tested networks.

    Args:
        folder: an existing folder.
    """

    folder: Path

    def write(self, **changes: Any) -> None:
        """Write the study, with changes."""
        (self.folder / "study.yaml").write_text(yaml.safe_dump(STUDY | changes))

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Run Snakemake and return its output."""
        command = [str(warm_python()), "-m", PRETENDED, "--snakefile", str(REPOSITORY / "Snakefile")]
        command += ["--executor", "nearby", "--jobs", "20", "--local-cores", "2", "--configfile", "study.yaml"]
        process = subprocess.run(
            [*command, "--latency-wait", "1", *arguments],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY), REAL: "write_pipeline"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert (process.returncode != 0) == fails, process.stdout
        return process.stdout

    def jobs(self) -> list[SubmittedJob]:
        """Return the submitted jobs of networks, in their order, and forget them."""
        file = self.folder / "jobs.txt"
        lines = list(map(json.loads, file.read_text().splitlines())) if file.exists() else []
        file.unlink(missing_ok=True)
        jobs = [SubmittedJob(line["name"], Counter(line["rules"]), line["requests"]) for line in lines]
        return [job for job in jobs if job.rules.keys() & {"train_fold", "predict_fold", "test_fold"}]

    def times(self) -> dict[str, int]:
        """Return the modification time of each file of the networks."""
        root = self.folder / "results/large"
        paths = [path for key in ("MODELS", "PREDICTIONS", "METRICS") for path in root.glob(f"{key}/**/*")]
        return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in paths if path.is_file()}
