"""Outcome of a study: what it ends with on the terminal. Results, the places of its files, and what to do next."""

import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.engine.screen.outcome_table import OutcomeRow, aligned, leaderboard_rows, outcome_lines, summary_rows

if TYPE_CHECKING:
    from snakemake.dag import DAG

    from mml_lib.studies.study import Study

FOLDERS = {
    "RESULTS": "tables",
    "FIGURES": "figures",
    "PREDICTIONS": "predictions",
    "APPLIED": "applied",
    "EXPORTS": "exports",
    "COMPARISONS": "comparisons",
    "EXPLANATIONS": "explanations",
    "OPERATING": "operating points",
    "PAGES": "pages",
    "TRANSFER": "transfer",
    "CURVES": "curves",
    "DISTANCES": "distances",
    "SEARCH": "search",
    "AUDIT": "audit",
    "BASELINES": "baselines",
    "INFO": "info",
    "BLUEPRINTS": "pipelines",
    "PLOTS": "plots",
    "CALIBRATED": "calibrated",
    "ENSEMBLES": "ensemble",
    "FEATURES": "features",
}
"""Folders of a project that the outcome names, in this order, with the word for their content."""

MOST_PLACES = 5
"""Lines about folders."""

REPORTED = re.compile(r"figures|pages|.*_plots?|.*_pages?|.*_plot")
"""Assignment keys of what `snakemake --report` shows."""

KEPT = (
    *("--configfile", "--configfiles", "--config", "-C", "--profile", "--workflow-profile"),
    *("--snakefile", "-s", "--directory", "-d", "--cores", "-c"),
)
"""Options of the command line that further commands need too."""


def finished_modes(study: "Study", dag: "DAG") -> list[str]:
    """Return the modes whose plan is finished, among those that a Snakemake call is about."""
    jobs = study.rule_names.jobs(dag.jobs, "finish_exp")
    return [job.wildcards.mode for job in jobs if Path(study.fm.path("return_value", mode=job.wildcards.mode)).exists()]


def outcome(study: "Study", modes: Iterable[str], rules: Any) -> str:
    """Return the outcome of finished modes as lines for a terminal; empty for none.

    Args:
        study: the study.
        modes: the modes.
        rules: Snakemake's `rules` object.
    """
    return "\n".join(line for mode in modes for line in _lines(study, mode, rules))


def _lines(study: "Study", mode: str, rules: Any) -> list[str]:
    """Return the outcome of one mode."""
    files = study.inputs.finish.files(mode, rules)
    lines = [f"study {study.cfg.project}, mode {mode}: finished"]
    if rows := _rows(study, mode, files):
        lines += ["", *outcome_lines(rows)]
    if places := _places(study, mode, files):
        lines += ["", *aligned(places, has_header=False)]
    if commands := _commands(study, mode, files):
        lines += ["", "what to do next", *aligned(commands, has_header=False)]
    return lines


def _rows(study: "Study", mode: str, files: dict[str, list[str]]) -> list[OutcomeRow]:
    """Return the results of a mode by the main metrics: its leaderboards, or else its summary."""
    boards = [(path, wildcards) for path in files.get("leaderboard", ()) if (wildcards := _wildcards(study, path))]
    if boards:
        return [row for path, wildcards in boards for row in leaderboard_rows(Path(path), wildcards["task"])]
    main = {task.name: study.main_metric(task.task_type) for task in study.tasks.values()}
    summaries = [Path(path) for path in files.get("summary", ()) if Path(path).exists()]
    return [row for path in summaries for row in summary_rows(path, main)]


def _wildcards(study: "Study", path: str) -> dict[str, str] | None:
    """Return the wildcards of an existing leaderboard."""
    if not Path(path).exists():
        return None
    return study.fm.template("leaderboard").read(str(Path(path).relative_to(study.fm.proj_path)))


def _places(study: "Study", mode: str, files: dict[str, list[str]]) -> list[list[str]]:
    """Return word and path of the report, and of each folder of the project that has results of a mode."""
    root = study.fm.proj_path
    paths = [Path(path) for of_key in files.values() for path in of_key]
    used = {path.relative_to(root).parts[0] for path in paths if path.is_relative_to(root)}
    named = [folder for folder in FOLDERS if folder in used and (root / folder).exists()]
    places = [[FOLDERS[folder], _place(root / folder, files)] for folder in named]
    if "summary" in files and places:
        others = f"; of each fold: {mode}-folds.csv" if "fold_metrics" in files else ""
        places[0] = ["tables", f"{study.fm.path('summary', mode=mode)} has all metrics{others}"]
    if len(places) > MOST_PLACES:
        further = ", ".join(named[MOST_PLACES - 1 :])
        places = [*places[: MOST_PLACES - 1], ["further", f"{root}: {further}"]]
    if not places and any(path.is_relative_to(study.fm.data_path) for path in paths):
        places = [["data", str(study.fm.data_path)]]
    reports = [["report", path] for path in files.get("report", ()) if Path(path).exists()]
    return [*reports, *places]


def _place(folder: Path, files: Mapping[str, Sequence[str]]) -> str:
    """Return the table of new images for its folder, and other folders as they are."""
    tables = [path for path in files.get("applied", ()) if Path(path).parent == folder]
    return ", ".join(tables) or str(folder)


def _commands(study: "Study", mode: str, files: dict[str, list[str]]) -> list[list[str]]:
    """Return purpose and command of what may come next."""
    commands = []
    if "report" not in files and any(REPORTED.fullmatch(key) for key in files):
        commands.append(["figures and tables in one file", further_command("--report", "report.html")])
    for other, purpose in study.scheduler(mode).next_modes.items():
        commands.append([purpose, further_command(other)])
    commands.append(["all modes", further_command("--list-target-rules")])
    return commands


def further_command(*arguments: str, command_line: Sequence[str] | None = None) -> str:
    """Return a Snakemake command for the same study.

    Args:
        arguments: targets and options.
        command_line: of this Snakemake; None: of this process.
    """
    kept: list[str] = []
    keeps = False
    for word in sys.argv[1:] if command_line is None else command_line:
        if word.startswith("-"):
            keeps = word.partition("=")[0] in KEPT or bool(re.fullmatch(r"-c\d+", word))
        if keeps:
            kept.append(word)
    return shlex.join(["snakemake", *arguments, *kept])
