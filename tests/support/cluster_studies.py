"""Studies on the cluster of the tests."""

from dataclasses import dataclass

from tests.support.places import REPOSITORY
from tests.support.workplaces import TINY, Workplace

TESTED = TINY | {
    # What a node of the test cluster has processors for, whatever this machine has.
    "resources": {
        rule: {"threads": 1, "mem_mb": 2000, "runtime": 20}
        for rule in ("create_dataset", "preprocess_shard", "train_fold", "predict_fold")
    },
    "plugins": [str(REPOSITORY / "tests/cluster/impatient.py")],
}

OPTIONS = (
    *("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5"),
    *("--slurm-no-account", "--slurm-status-command", "squeue", "--slurm-keep-successful-logs"),
)
"""Options of Snakemake that the test cluster needs."""


@dataclass
class OnCluster(Workplace):
    """A folder with a study, run by the profile of the pipeline with what this test cluster needs of a site."""

    forked: bool = False
    profile: str = str(REPOSITORY / "profiles/slurm")

    def command(self, *arguments: str) -> list[str]:
        return [*super().command(*arguments), "--profile", self.profile, *OPTIONS]
