"""Screen of a Snakemake call: a handler of its log events that replaces Snakemake's output on the terminal.

Snakemake's own output remains in the log in `.snakemake/log/`, in cluster jobs, in outer pipelines, and with
`--verbose`, `--printshellcmds`, `--debug-dag`, `--show-failed-logs` or a logger plugin.
"""

import atexit
import logging
import os
import re
import shlex
import signal
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from mml_lib.config.gpu_options import TRAININGS
from mml_lib.engine.failures import CLOCK_TOLERANCE, ENDING, MISSING, Failures
from mml_lib.engine.outer_pipeline import module_name
from mml_lib.engine.screen.line_printer import LinePrinter
from mml_lib.engine.screen.outcome import finished_modes, outcome
from mml_lib.engine.screen.output_style import Style, output_style
from mml_lib.engine.screen.plan_text import plan_text
from mml_lib.engine.screen.run_state import TERMINATED, RunState
from mml_lib.engine.screen.step_progress import Progress, ScreenStep
from mml_lib.engine.screen.time_left import TimeLeft
from mml_lib.engine.screen.training_logs import read_epoch
from mml_lib.errors import MMLError

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

    from mml_lib.studies.study import Study

DEFAULT_HANDLER = "DefaultStreamHandler"
"""Name of Snakemake's own handler for the terminal."""

SKIPPED_MESSAGES = ("Assuming unrestricted shared filesystem usage", "Complete log(s): ", "Elapsed time: ")
"""Beginnings of Snakemake's messages right before and after a run."""

INTERRUPTIONS = ("Will exit after finishing", TERMINATED)
"""Beginnings of Snakemake's messages after the user has interrupted the run."""

RESTART = re.compile(r"Trying to restart job (\d+)\.")
"""Snakemake's message about a step that has failed and has attempts left."""

REPEATED_ERRORS = (
    "Exiting because a job execution failed",
    "WorkflowError:\nAt least one job did not complete successfully",
)
"""Beginnings of Snakemake's errors that repeat the summary of failures."""


class Printer(Protocol):
    """Interface of the line printer and the live view."""

    def finish(self, step: ScreenStep, progress: Progress, ended: float, remark: str = "") -> None:
        """Print a step that has finished."""

    def fail(self, step: ScreenStep, cause: str, ended: float) -> None:
        """Print a step that has failed."""

    def print(self, text: str) -> None:
        """Print a text."""

    def close(self) -> None:
        """End the output."""


class RunScreen(logging.Handler):
    """Prints the steps of a run.

    Args:
        printer: output.
        progress: progress of the run.
        failures: failures of the run; added to the logger before this handler.
        formatter: formatter of Snakemake's handler, for all other records.
    """

    def __init__(self, printer: Printer, progress: Progress, failures: Failures, formatter: logging.Formatter | None):
        super().__init__(logging.INFO)
        self.printer = printer
        self.progress = progress
        self.failures = failures
        self.is_running = self.is_interrupted = self.is_terminated = False
        self._repeated: set[str] = set()
        self.setFormatter(formatter)

    def emit(self, record: Any) -> None:
        try:
            self._emit(record)
        except Exception:  # an error of the display must not end the run
            self.handleError(record)

    def _emit(self, record: Any) -> None:
        event = str(getattr(record, "event", None) or "")
        if event == "workflow_started":
            self.is_running = True
        elif event == "run_info":
            self.progress.plan(record.stats)
        elif event == "job_info":
            self.progress.start(ScreenStep.of_record(record))
        elif event == "job_finished":
            if step := self.progress.finish(record.job_id):
                self.printer.finish(step, self.progress, record.created, _result(step))
        elif event == "job_error":
            self._fail(record.jobid, record.created)
        elif event == "group_error":
            for job in record.job_error_info:
                self._fail(job["jobid"], record.created)
        elif record.levelno >= logging.WARNING:
            self._warn(record)
        elif match := RESTART.match(record.getMessage()):
            self.printer.print(f"trying again: {self.progress.names.get(int(match[1]), match[0])}")
        elif record.getMessage().startswith(INTERRUPTIONS):
            self.is_interrupted = True
            self.is_terminated = self.is_terminated or record.getMessage().startswith(TERMINATED)
            self._print_once(record.getMessage())
        elif not self.is_running and not event and not record.getMessage().startswith(SKIPPED_MESSAGES):
            self.printer.print(self.format(record))  # reports, summaries and other output without a run

    def _print_once(self, message: str) -> None:
        """Print a message that Snakemake logs several times."""
        if message not in self._repeated:
            self._repeated.add(message)
            self.printer.print(message)

    def _warn(self, record: Any) -> None:
        """Print a warning or an error. The cause of a failed step is printed with the step."""
        text = record.getMessage()
        if match := MISSING.search(text):
            self._fail(int(match[1]), record.created)
        elif not ENDING.search(text) and not text.startswith(REPEATED_ERRORS):
            self.printer.print(self.format(record))

    def _fail(self, jobid: int, ended: float) -> None:
        if self.is_terminated:  # the user has ended it
            self.progress.stop(jobid)
        elif step := self.progress.fail(jobid):
            self.printer.fail(step, self.failures.cause(step), ended)


def _result(step: ScreenStep) -> str:
    """Return loss and main metric of the last epoch of a training; empty for other steps."""
    epoch = read_epoch(step.log[0], step.started - CLOCK_TOLERANCE) if step.log and step.rule in TRAININGS else None
    return epoch.words if epoch else ""


class Screen:
    """Output of one Snakemake call for a study.

    Args:
        study: the study.
        workflow: Snakemake's workflow object.
        failures: of the run.
    """

    def __init__(self, study: "Study", workflow: "Workflow", failures: Failures):
        self.study = study
        self.workflow = workflow
        self.rules = workflow.modifier.rule_proxies  # of this Snakefile, also where it is a module
        self.handler: RunScreen | None = None
        self.style = Style.FULL
        self.stream: TextIO = sys.stderr
        self.is_silent = "all" in map(str, workflow.output_settings.quiet or ())
        self.state: RunState | None = None
        if workflow.is_main_process and not workflow.output_settings.dryrun:
            from snakemake.logging import logger

            self.state = RunState(study, failures)
            logger.addHandler(self.state)
        if workflow.is_main_process and module_name(workflow) is None and len(workflow.included_stack) <= 1:
            self._open(failures)

    def _open(self, failures: Failures) -> None:
        """Replace Snakemake's handler for the terminal, unless its full output is requested."""
        from snakemake.common import NOTHING_TO_BE_DONE_MSG
        from snakemake.logging import logger

        default = next((handler for handler in logger.handlers if handler.name == DEFAULT_HANDLER), None)
        logger.addHandler(_MessageHandler(NOTHING_TO_BE_DONE_MSG, self._nothing_to_do))
        settings = self.workflow.output_settings
        stream = self.stream = getattr(default, "stream", None) or sys.stderr
        style = self.style = output_style(settings, stream, os.environ)
        if default is not None and style is not Style.FULL:
            logger.removeHandler(default)
            printer = LinePrinter(stream, prints_steps=style is Style.LINES and not settings.dryrun)
            targets = {"all", *self.study.schedulers.modes}
            self.handler = RunScreen(printer, Progress(targets), failures, default.formatter)
            logger.addHandler(self.handler)
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, partial(self._interrupt, signal.getsignal(signal.SIGINT)))
        if settings.dryrun:
            atexit.register(self._print_plan)

    def _interrupt(self, previous: Any, number: int, frame: Any) -> None:
        """Record that the user has interrupted the run: steps may end by Ctrl-C before Snakemake logs it.

        Args:
            previous: the handler of the signal so far.
            number, frame: arguments of the handler.
        """
        if self.handler is not None:
            self.handler.is_interrupted = self.handler.is_terminated = True
        if self.state is not None:
            self.state.is_terminated = True
        if callable(previous):
            previous(number, frame)

    @property
    def is_interrupted(self) -> bool:
        """True if the user has interrupted the run."""
        return self.handler is not None and self.handler.is_interrupted

    def start(self) -> None:
        """Start the live view and the file with the state of the run, after all checks have passed."""
        if self.state is None or self.workflow.touch:
            return
        try:
            time_left = TimeLeft(self.study, self.workflow.dag, self.state.progress)
            self.state.start(self.workflow.dag, time_left.words)
        except Exception as error:  # an error of the display must not end the run
            print(f"the run cannot be watched: {type(error).__name__}: {error}", file=sys.stderr)
            return
        if self.style is not Style.LIVE or self.handler is None:
            return
        try:
            self._start_live_view(time_left)
        except Exception as error:  # an error of the display must not end the run
            self.handler.printer = LinePrinter(self.stream)
            self.handler.printer.print(f"the run cannot be drawn, and is printed: {type(error).__name__}: {error}")

    def _start_live_view(self, time_left: TimeLeft) -> None:
        """Replace the line printer by the live view."""
        from mml_lib.engine.screen.live_view import LiveView, TerminalConsole

        assert self.handler is not None
        terminal = self.stream.fileno()
        modes = dict.fromkeys(job.wildcards.mode for job in self.workflow.dag.jobs if job.rule.name == "finish_exp")
        title = f"{self.study.cfg.project}, {', '.join(modes)}" if modes else self.study.cfg.project
        view = LiveView(TerminalConsole(terminal), title, self.handler.progress, time_left.words)
        self.handler.printer = view
        atexit.register(view.close)
        view.start(terminal)

    def _nothing_to_do(self, message: str) -> None:
        """Print the outcome of a study that was finished before."""
        if self.handler is not None:
            self.handler.printer.print(message)
            self.handler.is_running = False
        self.print_outcome()

    def print_outcome(self) -> None:
        """Print results, places of files, and what to do next."""
        if not self.is_silent and (text := self.outcome_text()):
            print(f"\n{text}", flush=True)

    def outcome_text(self) -> str:
        """Return results, places of files, and what to do next."""
        try:
            return outcome(self.study, finished_modes(self.study, self.workflow.dag), self.rules)
        except MMLError as error:
            return f"the results cannot be printed: {error}"
        except Exception as error:  # a table that the user has changed must not fail a finished run
            return f"the results cannot be printed: {type(error).__name__}: {error}"

    def _print_plan(self) -> None:
        if self.handler is not None and self.workflow.scheduler is not None and self.workflow.dag is not None:
            self.handler.printer.print(plan_text(self.study, self.workflow.dag))

    def end(self, succeeded: bool) -> None:
        """End the output of a run.

        Args:
            succeeded: True if all steps have succeeded.
        """
        if self.handler is not None:
            self.handler.printer.close()
            self.handler.is_running = False
        if self.state is not None:
            self.state.end("finished" if succeeded else "interrupted" if self.state.is_terminated else "failed")
        if succeeded:
            self.print_outcome()
        elif not self.is_silent:
            reason = "interrupted" if self.is_interrupted else "not finished"
            command = shlex.join(["snakemake", *sys.argv[1:]])
            logs = ", ".join(map(os.path.relpath, self.workflow.logger_manager.get_logfile()))
            print(f"{reason}; finished steps are kept, and this command continues: {command}", file=sys.stderr)
            print(f"all messages of Snakemake: {logs}", file=sys.stderr, flush=True)


class _MessageHandler(logging.Handler):
    """Calls a function when Snakemake logs a message."""

    def __init__(self, message: str, call: Any):
        super().__init__(logging.INFO)
        self.message = message
        self.call = call

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == self.message:
            self.call(self.message)
