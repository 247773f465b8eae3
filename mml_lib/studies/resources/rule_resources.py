"""Resources that the study's `resources` give to rules: threads, memory and time."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mml_lib.config.schema import Resources

if TYPE_CHECKING:
    from snakemake.iocontainers import Wildcards


class RuleResources:
    """Requested resources by rule.

    Args:
        resources: the section `resources` of the study.
    """

    def __init__(self, resources: Mapping[str, Resources]):
        self.resources = resources

    def threads(self, rule: str, default: int) -> int:
        """Return the threads of a rule's steps."""
        return self._value(rule, "threads", default)

    def mem_mb(self, rule: str, default: int) -> Callable[["Wildcards", int], int]:
        """Return the function for the memory of a rule's steps, in 10⁶ bytes; it grows with each attempt."""
        mem_mb = self._value(rule, "mem_mb", default)
        return lambda wildcards, attempt: mem_mb * attempt

    def runtime(self, rule: str, default: int) -> Callable[["Wildcards", int], int]:
        """Return the function for the time limit of a rule's steps, in minutes; it grows with each attempt."""
        minutes = self._value(rule, "runtime", default)
        return lambda wildcards, attempt: minutes * attempt

    def _value(self, rule: str, name: str, default: int) -> int:
        resources = self.resources.get(rule)
        return (getattr(resources, name) if resources else None) or default
