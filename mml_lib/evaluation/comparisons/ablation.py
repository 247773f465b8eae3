"""The ablation table: the difference of each procedure to a baseline, as a data frame, as text and as LaTeX."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mml_lib.config.metric_options import lower_is_better, name_per_sample
from mml_lib.evaluation.comparisons.table_texts import notes_on
from mml_lib.evaluation.comparisons.tested import TestedNetwork, by_procedure, metrics_of, runs_of, samples_of
from mml_lib.evaluation.procedures import NETWORKS, PROCEDURE, compare_procedures, estimate
from mml_lib.evaluation.run_comparison import ALPHA, holm

KEYS = ["task", "split", "metric", "baseline", "procedure"]
SIZES = ["runs", "folds", "samples"]
OF_BASELINE = ["baseline_mean", *(f"baseline_{size}" for size in SIZES)]
DIFFERENCE = ["difference", "difference_low", "difference_high", "p", "p_holm", "about", "mark", "reason"]
COLUMNS = [*KEYS, *SIZES, "mean", "std", "ci_low", "ci_high", *OF_BASELINE, *DIFFERENCE]

BASELINE, SAME, ALIKE, BETTER, WORSE = "baseline", "same", "=", "better", "worse"
"""Marks: the baseline; the same procedure as the baseline on this task; no significant difference; better; worse."""

NOTES = {
    PROCEDURE: "Differences about procedures are paired over samples and folds; 95 % intervals and p account for new "
    "test samples, and for trainings with other seeds and folds. p is corrected over the compared "
    "procedures (Holm).",
    NETWORKS: "Differences about networks apply to these networks on new test samples. Single networks cannot "
    "distinguish procedures: train on more folds, or with repeats.",
}
"""Sentences on the subject of the differences."""


def ablation_table(networks: Sequence[TestedNetwork], baselines: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Return a row for each task, metric, baseline and procedure. The first row of each block is the baseline.

    Args:
        networks: networks of all tasks and procedures.
        baselines: by the name of a baseline, the procedure that each procedure is compared with.

    Returns:
        `task split metric baseline procedure runs folds samples mean std ci_low ci_high baseline_mean baseline_runs
        baseline_folds baseline_samples difference difference_low difference_high p p_holm about mark reason`: the
        difference is the procedure less the baseline. `p_holm` is corrected over the procedures that a baseline is
        compared with, for each metric and task. `mark` is `baseline`, `better`, `worse`, `=` without a significant
        difference, or `same` if both are the same procedure on this task. `reason` explains a missing interval.
    """
    tables = []
    of_tasks: dict[tuple[str, str], list[TestedNetwork]] = {}
    for network in networks:
        of_tasks.setdefault((network.task, network.split), []).append(network)
    for (task, split), of_task in of_tasks.items():
        for metric in metrics_of(of_task):
            for baseline, counterparts in baselines.items():
                rows = _rows(by_procedure(of_task), counterparts, metric)
                keys = {"task": task, "split": split, "metric": metric, "baseline": baseline}
                if rows:
                    tables.append(pd.DataFrame([{**keys, **row} for row in rows], columns=COLUMNS))
    table = pd.concat(tables, ignore_index=True)
    return table.astype({"baseline_runs": "Int64", "baseline_folds": "Int64", "baseline_samples": "Int64"})


def _rows(members: Mapping[str, Sequence[TestedNetwork]], counterparts: Mapping[str, str], metric: str) -> list[dict]:
    """Return the rows of one metric of a task, baselines first.

    A baseline that is not trained on the task has no rows, for example because a task is no source of itself.
    """
    first = [name for name in members if name in set(counterparts.values())]
    others = [name for name in members if counterparts.get(name) in members and name not in first]
    rows = [_row(name, members, counterparts.get(name, name), metric) for name in [*first, *others]]
    corrected = holm(np.array([row.get("p", np.nan) for row in rows]))
    for row, p_holm in zip(rows, corrected, strict=True):
        row["p_holm"] = p_holm
        if "mark" not in row:
            row["mark"] = _mark(row, metric)
    return rows


def _row(name: str, members: Mapping[str, Sequence[TestedNetwork]], baseline: str, metric: str) -> dict:
    """Return the mean of a procedure with its interval, and its difference to the baseline."""
    runs, baseline_runs = runs_of(members[name]), runs_of(members[baseline])
    interval = estimate(runs, metric)
    row = {"procedure": name, **_sizes(members[name]), "mean": interval.mean, "std": interval.std}
    row |= {"ci_low": interval.low, "ci_high": interval.high, "about": interval.about, "reason": interval.reason}
    if name == baseline:
        return row | {"mark": BASELINE}
    row |= {f"baseline_{key}": value for key, value in _sizes(members[baseline]).items()}
    row["baseline_mean"] = estimate(baseline_runs, metric).mean
    if runs.keys() == baseline_runs.keys():
        return row | {"difference": 0.0, "mark": SAME}
    difference = compare_procedures(runs, baseline_runs, metric)
    ends = {"difference_low": difference.low, "difference_high": difference.high}
    row |= {"difference": difference.difference, **ends, "p": difference.p, "about": difference.about}
    return row | {"reason": difference.reason or interval.reason}


def _sizes(networks: Sequence[TestedNetwork]) -> dict[str, int]:
    folds = len({network.fold for network in networks})
    return {"runs": len(runs_of(networks)), "folds": folds, "samples": samples_of(networks)}


def _mark(row: Mapping, metric: str) -> str:
    if np.isnan(row["difference"]):
        return ""
    if not (row["p_holm"] <= ALPHA and row["about"] == PROCEDURE):
        return ALIKE
    return BETTER if (row["difference"] < 0) == lower_is_better(name_per_sample(metric)) else WORSE


def sentences(table: pd.DataFrame) -> list[str]:
    """Return the sentences on the differences of a table."""
    return notes_on(table["about"][table["difference_low"].notna()], NOTES)


# --- texts --------------------------------------------------------------------------------------------------------


def as_text(table: pd.DataFrame) -> str:
    """Return an ablation table for a terminal, without metrics that no procedure defines on a task."""
    defined = _is_defined(table)
    cells = _cells(table[defined]).drop(columns=[] if table["baseline"].nunique() > 1 else ["baseline"])
    return "\n".join([cells.to_string(index=False), *sentences(table), *_left_out(table[~defined])])


def _is_defined(table: pd.DataFrame) -> pd.Series:
    """Return for each row whether any procedure defines its metric on the task (bool)."""
    return table.groupby(["task", "split", "metric"], sort=False)["mean"].transform("count") > 0


def _left_out(table: pd.DataFrame) -> list[str]:
    """Return a sentence for each task and reason of undefined metrics."""
    lines = []
    for (task, split, reason), rows in table.groupby(["task", "split", "reason"], sort=False):
        names = list(dict.fromkeys(rows["metric"]))
        rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
        lines.append(f"Left out for {split} of {task}: {', '.join(names[:3])}{rest}: {reason}.")
    return lines


def _cells(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with numbers and intervals as texts."""
    cells = table[["task", "split", "metric", "baseline", "procedure"]].copy()
    cells["mean"] = [_number(value) for value in table["mean"]]
    cells["95 % interval"] = [_interval(low, high) for low, high in zip(table["ci_low"], table["ci_high"], strict=True)]
    cells["difference"] = [_number(value, "+.4f") for value in table["difference"]]
    ends = zip(table["difference_low"], table["difference_high"], strict=True)
    cells["its 95 % interval"] = [_interval(low, high, "+.4f") for low, high in ends]
    cells["p (Holm)"] = [_p(value) for value in table["p_holm"]]
    cells["mark"] = table["mark"]
    for size in SIZES:
        cells[size] = table[size].astype(str)
    return cells


def _number(value: float, style: str = ".4f") -> str:
    return "" if pd.isna(value) else format(value, style)


def _interval(low: float, high: float, style: str = ".4f") -> str:
    return "" if pd.isna(low) else f"[{_number(low, style)}, {_number(high, style)}]"


def _p(value: float, digits: int = 4) -> str:
    if pd.isna(value):
        return ""
    return f"<{10.0**-digits:.{digits}f}" if value < 10.0**-digits else f"{value:.{digits}f}"


ESCAPED = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "-": r"{-}",
        "[": r"{[}",
        "]": r"{]}",
    }
)
"""Special characters of LaTeX, and hyphens, which it would join to dashes."""


def escaped(text: str) -> str:
    """Return a text in one line, escaped for LaTeX."""
    return " ".join(text.split()).translate(ESCAPED)


LATIN = 0x17F
"""Last character of the Unicode block Latin Extended-A."""
HEADINGS = ["Task", "Metric", "Procedure", "Mean (95\\,\\% CI)", "Difference (95\\,\\% CI)", "$p$ (Holm)"]


def as_latex(table: pd.DataFrame) -> str:
    """Return an ablation table as a `tabular` for `\\input`. The document needs the package booktabs.

    Metrics that no procedure defines on a task are left out; comments list them.
    """
    left_out, table = table[~_is_defined(table)], table[_is_defined(table)]
    several = table["baseline"].nunique() > 1
    headings = [*HEADINGS[:2], *(["Baseline"] if several else []), *HEADINGS[2:], "Runs", "Folds", "Samples"]
    columns = "l" * (3 + several) + "r" * 6
    lines = [
        "% \\usepackage{booktabs}",
        *(["% compile by LuaLaTeX or XeLaTeX, for names beyond Latin letters"] if _is_beyond_latin(table) else []),
        *(f"% {sentence}" for sentence in [*sentences(table), *_left_out(left_out)]),
        f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
        " & ".join(headings) + " \\\\",
    ]
    last = None
    for row in table.itertuples(index=False):
        block = (row.task, row.split, row.metric, row.baseline)
        lines += ["\\midrule"] if block != last else []
        named = [row.task, row.metric.replace("_", " "), *([row.baseline] if several else []), row.procedure]
        first = [escaped(name) if block != last else "" for name in named[:-1]]
        lines.append(" & ".join([*first, escaped(named[-1]), *_numbers(row)]) + " \\\\")
        last = block
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def _is_beyond_latin(table: pd.DataFrame) -> bool:
    """Return True if names have characters that pdfLaTeX does not support."""
    names = "".join([*table["procedure"], *table["baseline"]])
    return any(ord(character) > LATIN for character in names)


def _numbers(row: Any) -> list[str]:
    """Return the numbers of a row as LaTeX."""
    mean = _number(row.mean, ".3f") + (f" {_interval(row.ci_low, row.ci_high, '.3f')}")
    difference = _number(row.difference, "+.3f")
    difference += f" {_interval(row.difference_low, row.difference_high, '+.3f')}"
    numbers = [mean.strip(), difference.strip() if row.mark != BASELINE else "", _p(row.p_holm, 3)]
    numbers = [number.replace(" [", "\\ [") for number in numbers]  # LaTeX ignores plain spaces in formulas
    return [*(f"${number}$" if number else "--" for number in numbers), str(row.runs), str(row.folds), str(row.samples)]
