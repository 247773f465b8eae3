"""Account of suggestions: what came from where and why, as Markdown and as tables."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.files.checksums import verify
from mml_lib.pipelines.digests import canonical_json
from mml_lib.pipelines.pipeline import read_stored_yaml

if TYPE_CHECKING:
    import pandas as pd


def read_suggestion(path: str | Path) -> dict[str, Any]:
    """Read the account of a stored suggestion, with its `pipeline`.

    Raises:
        MMLError: the file is missing, damaged, or of a newer format.
    """
    verify(path)
    content = read_stored_yaml(Path(path), "blueprint")
    return {**content["chosen"], "pipeline": content["pipeline"]}


def summary(suggestion: Mapping[str, Any]) -> dict[str, Any]:
    """Return number, task, source to pretrain on, weight of each procedure, and the name that `use_blueprint` takes."""
    stored = {key: suggestion[key] for key in ("number", "task", "pretrain_task", "weights")}
    return stored | {"blueprint": f"{suggestion['task']}#{suggestion['number']}"}


def source_table(suggestions: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
    """Return a row for each task with a distance, or for each of its procedures that were merged, the nearest first.

    Columns are `task distance near procedure project metric validation networks weight_1 weight_2 …`: a procedure by
    its best run, the mean of validation over its networks, and its weight in each suggestion.
    """
    import pandas as pd

    rows = []
    for source in suggestions[0]["sources"]:
        row = {key: source[key] for key in ("task", "distance", "near")}
        for procedure in source["procedures"] or [{}]:
            weights = {
                f"weight_{suggestion['number']}": suggestion["weights"].get(procedure.get("run"))
                for suggestion in suggestions
            }
            names = ("project", "metric", "validation", "networks")
            rows.append(
                {**row, "procedure": procedure.get("run"), **{key: procedure.get(key) for key in names}, **weights}
            )
    table = pd.DataFrame(rows)
    return table.assign(networks=pd.Series([row["networks"] for row in rows], dtype=object))  # far ones have none


def key_table(suggestions: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
    """Return a row for each key in which the suggestions, the merged pipelines or that of the study differ.

    Columns are `key suggestion_1 suggestion_2 … study` and the run of each procedure.
    """
    import pandas as pd

    rows: dict[str, dict[str, str]] = {}
    for suggestion in suggestions:
        for key, values in suggestion["keys"].items():
            row = rows.setdefault(key, {"key": key})
            row[f"suggestion_{suggestion['number']}"] = _text(values["suggested"])
            row |= {name: _text(value) for name, value in values.items() if name != "suggested"}
    columns = ["key", *(f"suggestion_{suggestion['number']}" for suggestion in suggestions), "study"]
    table = pd.DataFrame(rows.values())
    return table[[*columns, *(name for name in table if name not in columns)]] if rows else pd.DataFrame()


def account(suggestions: Sequence[Mapping[str, Any]]) -> str:
    """Return the account of all suggestions for a task as Markdown."""
    return "\n".join(_lines(suggestions)) + "\n"


def _lines(suggestions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    first = suggestions[0]
    options = first["options"]
    yield f"# Suggestions for {first['task']}"
    yield ""
    yield (
        f"Sources are the tasks whose {options['distance']} to {first['task']} is at most {first['threshold']:.4g}, "
        f"the {options['quantile']:g} quantile of all distances to it. The best procedures of each source by "
        f"validation (at most {options['runs']}) are merged. Weights fall with the distance."
    )
    yield ""
    yield from _table(source_table(suggestions))
    for suggestion in suggestions:
        source = suggestion["pretrain_task"]
        yield ""
        yield f"## Suggestion {suggestion['number']}"
        yield ""
        yield f"Pretraining: {source or 'no source has weights of the backbone of the study'}."
        yield ""
        yield from _table(key_table([suggestion]))


def _table(table: "pd.DataFrame") -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    if table.empty:
        yield "All pipelines, and that of the study, are the same."
        return
    yield f"| {' | '.join(map(str, table))} |"
    yield "| --- " * len(table.columns) + "|"
    for row in table.itertuples(index=False):
        yield f"| {' | '.join(_cell(value) for value in row)} |"


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value != value:  # NaN
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")


def _text(value: Any) -> str:
    """Return a value of a pipeline as text."""
    return "" if value is None else value if isinstance(value, str) else canonical_json(value)
