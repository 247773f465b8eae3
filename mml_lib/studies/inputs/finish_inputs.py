"""Inputs of rules/finish.smk: the outputs of a mode's planned steps."""

import functools
from typing import TYPE_CHECKING, Any

from mml_lib.errors import MMLError, nearest
from mml_lib.studies.inputs.rule_inputs import RuleInputs

if TYPE_CHECKING:
    from snakemake.iocontainers import OutputFiles, Wildcards


class FinishInputs(RuleInputs):
    """Targets of modes."""

    def checkpoints(self, wildcards: "Wildcards", output: "OutputFiles") -> list[str]:
        """The folders of checkpoints of all networks that a mode trains."""
        trainings = self.study.scheduler(wildcards.mode).trainings
        return [self.fm.path("checkpoint", **network.tokens) for network in trainings]

    def targets(self, mode: str, rules: Any) -> list[str]:
        """Return the outputs of a mode's planned steps that are kept.

        Args:
            mode: the mode.
            rules: Snakemake's `rules` object.

        Raises:
            MMLError: a planned step has no rule.
        """
        return [path for _, path in self._outputs(mode, rules)]

    def files(self, mode: str, rules: Any) -> dict[str, list[str]]:
        """Return these outputs by assignment key, or by their rule, with the files that the last hook reads."""
        files: dict[str, list[str]] = {}
        for key, path in self._outputs(mode, rules):
            files.setdefault(key, []).append(path)
        return {**self.study.scheduler(mode).finishing_files, **files}

    @functools.cache  # noqa: B019  (a study lives as long as its process)
    def _outputs(self, mode: str, rules: Any) -> list[tuple[str, str]]:
        """Return assignment key, or rule, and path of each output that is kept."""
        steps = self.study.scheduler(mode).steps
        patterns = {command: self._kept(command, mode, rules) for command in dict.fromkeys(rule for rule, _ in steps)}
        return [
            (self.fm.key_of(pattern) or command, pattern.format(**wildcards))
            for command, wildcards in steps
            for pattern in patterns[command]
        ]

    def _kept(self, command: str, mode: str, rules: Any) -> list[str]:
        """Return the outputs of a step's rule that are always kept, or else those that the study does not remove.

        Removed weights are therefore created again only if a step needs them.
        """
        names = getattr(rules, "_rules", None) or vars(rules)  # Snakemake's object raises other errors
        if command not in names:
            raise MMLError(
                f"mode {mode} plans the step '{command}', but no rule has this name{nearest(command, names)}"
            )
        outputs = [str(output) for output in getattr(rules, command).output]
        always = {self.fm.pattern(template.key) for template in self.fm.templates() if not template.removable}
        # Snakemake's `rules` do not show which outputs are temporary.
        dropped = {self.fm.pattern(key) for key in self.fm.dropped_keys}
        kept = [output for output in outputs if output not in dropped]
        return [output for output in kept if output in always] or kept
