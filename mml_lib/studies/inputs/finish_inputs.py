"""Inputs of rules/finish.smk: the outputs of a mode's planned steps."""

from typing import TYPE_CHECKING, Any

from mml_lib.errors import MMLError, nearest

if TYPE_CHECKING:
    from snakemake.iocontainers import OutputFiles, Wildcards

    from mml_lib.studies.study import Study


class FinishInputs:
    """Targets of modes.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.study = study
        self.fm = study.fm
        self._targets: dict[str, list[str]] = {}

    def checkpoints(self, wildcards: "Wildcards", output: "OutputFiles") -> list[str]:
        """The folders of checkpoints of all networks that a mode trains."""
        return [self.fm.path("checkpoint", **network) for network in self.study.scheduler(wildcards.mode).trainings]

    def targets(self, mode: str, rules: Any) -> list[str]:
        """Return the outputs of a mode's planned steps that are kept.

        Args:
            mode: the mode.
            rules: Snakemake's `rules` object.

        Raises:
            MMLError: the plan names a step for which there is no rule.
        """
        if mode not in self._targets:
            scheduler = self.study.scheduler(mode)
            patterns = {command: self._kept(command, mode, rules) for command in dict.fromkeys(scheduler.commands)}
            steps = zip(scheduler.commands, scheduler.params, strict=True)
            self._targets[mode] = [
                pattern.format(**wildcards) for command, wildcards in steps for pattern in patterns[command]
            ]
        return self._targets[mode]

    def _kept(self, command: str, mode: str, rules: Any) -> list[str]:
        """Return the outputs of a step's rule that are always kept, or else those that the study does not remove.

        Weights that somebody has removed are thus made again if a step needs them, not because they are gone.
        """
        names = getattr(rules, "_rules", None) or vars(rules)  # Snakemake's object raises errors of its own
        if command not in names:
            raise MMLError(
                f"mode {mode} plans the step '{command}', but no rule has this name{nearest(command, names)}"
            )
        outputs = [str(output) for output in getattr(rules, command).output]
        always = {self.fm.pattern(template.key) for template in self.fm.templates() if not template.removable}
        # Snakemake's `rules` do not tell which outputs are temporary.
        dropped = {self.fm.pattern(key) for key in self.fm.dropped_keys}
        kept = [output for output in outputs if output not in dropped]
        return [output for output in kept if output in always] or kept
