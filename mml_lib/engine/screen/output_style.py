"""Output style of a Snakemake call: Snakemake's own output, plain lines, or a live view."""

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from snakemake.settings.types import OutputSettings


class Style(Enum):
    """Style of the output."""

    FULL = "full"
    """Snakemake's own output, for debugging, in cluster jobs, and in outer pipelines."""
    QUIET = "quiet"
    """Warnings, errors and the outcome."""
    LINES = "lines"
    """One line for each finished step."""
    LIVE = "live"
    """A view of running steps that is redrawn in place."""


def output_style(settings: "OutputSettings", stream: TextIO, environment: Mapping[str, str]) -> Style:
    """Return the style of the output.

    Args:
        settings: Snakemake's output settings.
        stream: the stream that Snakemake writes to.
        environment: environment variables.
    """
    quiet = {str(item) for item in settings.quiet or ()}
    debugs = settings.verbose or settings.printshellcmds or settings.debug_dag or settings.show_failed_logs
    if debugs or "all" in quiet:
        return Style.FULL
    if quiet & {"rules", "progress"}:
        return Style.QUIET
    plain = settings.nocolor or settings.dryrun or not stream.isatty() or wants_plain(environment)
    return Style.LINES if plain else Style.LIVE


def wants_plain(environment: Mapping[str, str]) -> bool:
    """Return True if the environment requests output without colours and cursor movement."""
    set_variables = any(environment.get(name) for name in ("NO_COLOR", "CI"))
    return set_variables or environment.get("TERM", "dumb") in ("", "dumb", "unknown")
