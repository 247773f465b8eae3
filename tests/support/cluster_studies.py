"""Studies on the cluster of the tests."""

from dataclasses import dataclass
from typing import Any

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

SLOW = """
import time
from lightning.pytorch import Callback

class Slow(Callback):
    def __init__(self, seconds):
        self.seconds = seconds

    def on_train_epoch_end(self, trainer, module):
        time.sleep(self.seconds)  # a training that is there to be disturbed, and leaves the processor to others
"""


def slow(seconds: float) -> dict[str, Any]:
    """Return the keys of a study whose trainings sleep after each epoch; `write_slow` writes their callback."""
    return {
        "plugins": [*TESTED["plugins"], "plugin.py"],  # its folder joins the path, where the callback is
        "callbacks": {"slow": {"_target_": "slow.Slow", "seconds": seconds}},
    }


def write_slow(place: Workplace, study: dict[str, Any]) -> None:
    """Write a study of slow trainings and their callback."""
    (place.folder / "slow.py").write_text(SLOW)
    (place.folder / "plugin.py").touch()
    place.write(study)


@dataclass
class OnCluster(Workplace):
    """A folder with a study, run by the profile of the pipeline with what this test cluster needs of a site.

    Light steps beside Snakemake are forks; jobs import everything themselves, as they do on other machines.
    """

    profile: str = str(REPOSITORY / "profiles/slurm")

    def command(self, *arguments: str) -> list[str]:
        return [*super().command(*arguments), "--profile", self.profile, *OPTIONS]
