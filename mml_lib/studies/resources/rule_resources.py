"""Resources that the study's `resources` give to rules: threads, memory and time."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mml_lib.config.gpu_options import resources_of
from mml_lib.config.schema import StudyConfig

if TYPE_CHECKING:
    from snakemake.iocontainers import Wildcards


class RuleResources:
    """Requested resources by rule.

    Args:
        cfg: the study.
    """

    def __init__(self, cfg: StudyConfig):
        self.cfg = cfg

    def threads(self, rule: str, default: int) -> int:
        """Return the threads of a rule's steps."""
        return resources_of(self.cfg, rule).threads or default

    def mem_mb(self, rule: str, default: int) -> Callable[["Wildcards", int], int]:
        """Return the function for the memory of a rule's steps, in 10⁶ bytes; it grows with each attempt."""
        mem_mb = resources_of(self.cfg, rule).mem_mb or default
        return lambda wildcards, attempt: mem_mb * attempt

    def runtime(self, rule: str, default: int) -> Callable[["Wildcards", int], int]:
        """Return the function for the time limit of a rule's steps, in minutes; it grows with each attempt."""
        minutes = resources_of(self.cfg, rule).runtime or default
        return lambda wildcards, attempt: minutes * attempt
