"""Outcome of a study on the terminal: its results, the paths of its files, and commands to run next."""

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
"""Folders of a project in the order of the outcome, with names of their content."""

MOST_FOLDERS = 5
"""Most lines about folders."""

REPORTED = re.compile(r"figures|pages|.*_plots?|.*_pages?|.*_plot")
"""Assignment keys of the files in Snakemake's report."""

STUDY_OPTIONS = (
    *("--configfile", "--configfiles", "--config", "-C", "--profile", "--workflow-profile"),
    *("--snakefile", "-s", "--directory", "-d", "--cores", "-c"),
)
"""Options of the command line that belong to the study: further commands need them as well."""


def finished_modes(study: "Study", dag: "DAG") -> list[str]:
    """Return the finished modes of a Snakemake call."""
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
    """Return the lines about one mode."""
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
    leaderboards = [
        (path, wildcards) for path in files.get("leaderboard", ()) if (wildcards := _wildcards(study, path))
    ]
    if leaderboards:
        return [row for path, wildcards in leaderboards for row in leaderboard_rows(Path(path), wildcards["task"])]
    main = {task.name: study.main_metric(task.task_type) for task in study.tasks.values()}
    summaries = [Path(path) for path in files.get("summary", ()) if Path(path).exists()]
    return [row for path in summaries for row in summary_rows(path, main)]


def _wildcards(study: "Study", path: str) -> dict[str, str] | None:
    """Return the wildcards of an existing leaderboard."""
    if not Path(path).exists():
        return None
    return study.fm.template("leaderboard").read(str(Path(path).relative_to(study.fm.proj_path)))


def _places(study: "Study", mode: str, files: dict[str, list[str]]) -> list[list[str]]:
    """Return name and path of the report, and of each folder with results of a mode."""
    root = study.fm.proj_path
    paths = [Path(path) for paths_of_key in files.values() for path in paths_of_key]
    used = {path.relative_to(root).parts[0] for path in paths if path.is_relative_to(root)}
    folders = [folder for folder in FOLDERS if folder in used and (root / folder).exists()]
    places = [[FOLDERS[folder], _content_path(root / folder, files)] for folder in folders]
    if "summary" in files and places:
        fold_table = f"; of each fold: {mode}-folds.csv" if "fold_metrics" in files else ""
        places[0] = ["tables", f"{study.fm.path('summary', mode=mode)} has all metrics{fold_table}"]
    if len(places) > MOST_FOLDERS:
        remainder = ", ".join(folders[MOST_FOLDERS - 1 :])
        places = [*places[: MOST_FOLDERS - 1], ["further", f"{root}: {remainder}"]]
    if not places and any(path.is_relative_to(study.fm.data_path) for path in paths):
        places = [["data", str(study.fm.data_path)]]
    reports = [["report", path] for path in files.get("report", ()) if Path(path).exists()]
    return [*reports, *places]


def _content_path(folder: Path, files: Mapping[str, Sequence[str]]) -> str:
    """Return the tables in a folder of applied networks; for other folders, the folder."""
    tables = [path for path in files.get("applied", ()) if Path(path).parent == folder]
    return ", ".join(tables) or str(folder)


def _commands(study: "Study", mode: str, files: dict[str, list[str]]) -> list[list[str]]:
    """Return purpose and text of the commands to run next."""
    commands = []
    if "report" not in files and any(REPORTED.fullmatch(key) for key in files):
        commands.append(["figures and tables in one file", study_command("--report", "report.html")])
    for next_mode, purpose in study.scheduler(mode).next_modes.items():
        commands.append([purpose, study_command(next_mode)])
    commands.append(["all modes", study_command("--list-target-rules")])
    return commands


def study_command(*arguments: str, command_line: Sequence[str] | None = None) -> str:
    """Return a Snakemake command for the same study.

    Args:
        arguments: targets and options.
        command_line: of this Snakemake; None: of this process.
    """
    options: list[str] = []
    is_kept = False
    for argument in sys.argv[1:] if command_line is None else command_line:
        if argument.startswith("-"):
            is_kept = argument.partition("=")[0] in STUDY_OPTIONS or bool(re.fullmatch(r"-c\d+", argument))
        if is_kept:
            options.append(argument)
    return shlex.join(["snakemake", *arguments, *options])
