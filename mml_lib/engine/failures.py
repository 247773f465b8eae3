"""Failures of steps, and their summary at the end of a run: one line per failed step, with its cause."""

import logging
import os
import re
import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from snakemake.logging import logger as snakemake_logger

from mml_lib.engine.cluster.group_patches import failed_steps
from mml_lib.machine.terminal import PEAK

MAX_LINES = 3
"""Most lines about steps of one rule that fail for the same reason. More steps share one line."""

CLOCK_TOLERANCE = 60.0
"""Seconds by which the clocks of a file system and of this machine may differ."""

ENDING = re.compile(r"(?:returned non-zero exit status (?P<status>\d+)|died with <Signals\.(?P<name>\w+): \d+>)")
MISSING = re.compile(r"Job (\d+) +completed successfully, but some output files are missing(.*)", re.DOTALL)
STEP_ERROR = re.compile(r"^error in \w+: (.*)$", re.MULTILINE)
NODE_ERROR = re.compile(r"^(?:slurmstepd|srun|sbatch): (?:error: )?(.*)$", re.MULTILINE)
EXCEPTION = re.compile(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception|Interrupt)\b.*)$", re.MULTILINE)
PEAK_LINE = re.compile(PEAK.replace("%.0f", r"\d+") + "$")
SUBMISSION = re.compile(r"sbatch failed\. The error message was '(.*?)'\.\n", re.DOTALL)
SUBMISSION_FAILED = re.compile(r"(?:[Jj]ob )?submission failed with exception: (.*)", re.DOTALL)
BOILERPLATE = "For further error details see the cluster/cloud log and the log files of the involved rule(s)."


@dataclass
class Attempt:
    """Snakemake's report of one failed step.

    Args:
        record: the `logging.LogRecord` of the failure, with Snakemake's attributes; None without one.
        messages: error messages that the same thread logged right before the failure.
    """

    record: Any = None
    messages: list[str] = field(default_factory=list)


class Failures(logging.Handler):
    """Collects Snakemake's reports of failed steps for the summary at the end of a run."""

    def __init__(self) -> None:
        super().__init__()
        self.started = time.time()
        self._attempts: dict[int, list[Attempt]] = {}
        self._messages: dict[int | None, list[str]] = {}
        snakemake_logger.addHandler(self)

    def emit(self, record: Any) -> None:
        if getattr(record, "event", None) == "job_error":
            messages = self._messages.pop(record.thread, [])
            self._attempts.setdefault(record.jobid, []).append(Attempt(record, messages))
        elif record.levelno >= logging.ERROR:
            text = record.getMessage()
            if match := MISSING.search(text):
                self._attempts.setdefault(int(match[1]), []).append(Attempt(messages=[text]))
            else:
                self._messages.setdefault(record.thread, []).append(text)

    def summary(self, failed: Iterable[Any], is_interrupted: bool = False) -> str:
        """Return the summary of failed steps. Steps of one rule that fail for the same reason may share a line.

        Args:
            failed: jobs of Snakemake, and groups of them.
            is_interrupted: the run has ended before all other steps were done.
        """
        steps = [step for job in failed for step in (failed_steps(job) if job.is_group() else [job])]
        groups: dict[tuple[str, str], list[tuple[Any, str]]] = {}
        for step in sorted(steps, key=lambda step: (step.rule.name, str(step.wildcards))):
            cause = self._cause(step)
            groups.setdefault((step.rule.name, re.sub(r"\d+", "#", cause)), []).append((step, cause))
        lines = []
        for group in groups.values():
            if len(group) > MAX_LINES:
                (step, cause), more = group[0], len(group) - 1
                lines.append(f"  {_name(step)} and {more} more like it: {cause}{self._log_note(step, more)}")
            else:
                lines += [f"  {_name(step)}: {cause}{self._log_note(step)}" for step, cause in group]
        if not lines:
            return ""
        count = f"{len(steps)} steps" if len(steps) > 1 else "1 step"
        others = "the run was interrupted" if is_interrupted else "all steps that do not depend on them are done"
        return "\n".join([f"failed: {count}; {others}", *lines])

    def cause(self, step: Any) -> str:
        """Return the cause of a failure and the paths of its logs, in one line.

        Args:
            step: with `jobid` and `log`, as Snakemake's jobs have them.
        """
        return f"{self._cause(step)}{self._log_note(step)}"

    def _cause(self, step: Any) -> str:
        """Return the cause of a failure, in one line."""
        attempts = self._attempts.get(step.jobid, [])
        logs = self._logs_of_run(map(str, step.log))
        causes = [cause for cause in (_cause_of(attempt) for attempt in attempts) if cause]
        if (reason := step_error(logs)) is None and attempts:
            submitted = attempts[-1].record is not None and "external_jobid" in getattr(attempts[-1].record, "aux", {})
            cluster_logs = self._cluster_logs(step) if submitted else []
            reason = decisive_line(logs, any_line=True) or decisive_line(cluster_logs, any_line=False)
            reason = reason and (reason if submitted else f"its log ends with '{reason}'")
            return "; ".join(dict.fromkeys(filter(None, [*causes, reason]))) or _unexplained(step)
        # The step's own error explains more than the exit status of its process.
        causes = [cause for cause in causes if not cause.startswith(("exit status", "command"))]
        return "; ".join(dict.fromkeys(filter(None, [reason, *causes]))) or _unexplained(step)

    def _log_note(self, step: Any, more: int = 0) -> str:
        logs = [*self._logs_of_run(map(str, step.log)), *self._cluster_logs(step)]
        remainder = f" and {more} more" if more else ""
        return f" (log: {', '.join(logs)}{remainder})" if logs else ""

    def _cluster_logs(self, step: Any) -> list[str]:
        """Return the logs of the cluster job of a step."""
        records = [attempt.record for attempt in self._attempts.get(step.jobid, []) if attempt.record is not None]
        logs = list(map(str, step.log))
        return self._logs_of_run(
            path for record in records[-1:] for path in getattr(record, "log", ()) if path not in logs
        )

    def _logs_of_run(self, paths: Iterable[str]) -> list[str]:
        """Return the logs that this run has written: a step that did not start may have one of an earlier run."""
        return [
            path for path in paths if os.path.exists(path) and os.path.getmtime(path) > self.started - CLOCK_TOLERANCE
        ]


def _unexplained(step: Any) -> str:
    if getattr(step, "is_run", False):  # runs in a Snakemake process that logs to the terminal only
        return "its run block failed; see the message above"
    return "it ended without a message"


def _name(step: Any) -> str:
    return " ".join([step.rule.name, *(f"{key}={value}" for key, value in step.wildcards.items())])


def step_error(logs: Sequence[str]) -> str | None:
    """Return the error that the log of a step ends with."""
    for path in logs:
        if errors := STEP_ERROR.findall(_text(path)):
            return errors[-1]
    return None


def decisive_line(logs: Sequence[str], any_line: bool) -> str | None:
    """Return the most informative line of a log: an error of the step or node, an exception, or else the last line.

    Args:
        logs: paths.
        any_line: True if the last line may be returned even if it is not an error.
    """
    for path in logs:
        text = _text(path)
        for pattern in (STEP_ERROR, NODE_ERROR, EXCEPTION):
            if lines := pattern.findall(text):
                return lines[-1].strip()
        lines = [line for line in text.splitlines() if line.strip() and not PEAK_LINE.search(line)]
        if any_line and lines:
            return " ".join(lines[-1].split())[:200]
    return None


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _cause_of(attempt: Attempt) -> str | None:
    """Return Snakemake's report of a failure, in one line."""
    if attempt.record is not None and (cause := _cluster_cause(attempt.record)):
        return cause
    for text in reversed(attempt.messages):
        if match := MISSING.search(text):
            files = [line.split(" (")[0] for line in match[2].splitlines()[1:] if line.strip()]
            return f"it did not write {', '.join(files)}" if files else "it did not write all of its outputs"
        if match := ENDING.search(text):
            return _ending(match, attempt.record)
        if line := " ".join(text.split()):
            return re.sub(r"^(\w+)(?: in [^:]*)?: ", r"\1: ", line)[:400]
    return None


def _ending(match: re.Match[str], record: Any) -> str:
    """Return the end of a process: its signal or its exit status."""
    name, status = match["name"], int(match["status"] or 0)
    if not name and status > 128 and status - 128 in {number.value for number in signal.Signals}:
        name = signal.Signals(status - 128).name
    if name == "SIGKILL":
        return "killed (SIGKILL): out of memory, or by hand"
    if name:
        return f"ended by {name}"
    command = " ".join((getattr(record, "shellcmd", None) or "").split())
    if command:
        return f"command ended with exit status {status}: {command if len(command) < 120 else command[:117] + '…'}"
    return f"exit status {status}, without a message"


def _cluster_cause(record: Any) -> str | None:
    text = (record.rule_msg or "").replace(BOILERPLATE, "")
    if refused := SUBMISSION.search(text):
        return "SLURM rejected it: " + refused[1].replace("sbatch: error: ", "").replace("\n", ", ")
    if refused := SUBMISSION_FAILED.search(text):
        return f"it could not be submitted: {' '.join(refused[1].split())[:300]}"
    number = getattr(record, "aux", {}).get("external_jobid")
    if number is None:
        return " ".join(text.split())[:300] or None
    state = re.search(r"SLURM status is: '(\w+)'", text)
    return f"SLURM job {number} {state[1].lower().replace('_', ' ') if state else 'failed'}"
