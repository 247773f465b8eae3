"""Tables of trials, their states and results, and the importance of parameters."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from mml_lib.config.analysis.search_options import Search
from mml_lib.search.next_trial import read_records
from mml_lib.search.rungs import Rung
from mml_lib.search.space import Parameter, Space, name_choice
from mml_lib.search.trials import Objective, TrialRecord

FINISHED, STOPPED, FAILED = "finished", "stopped", "failed"
"""States of a trial: trained in full, not continued by halving, or without a value."""

UNKNOWN_TIME = datetime(2000, 1, 1)
"""Start and end of trials in a journal. Real times would make the journal irreproducible."""


MISSING = object()
"""Value of a parameter whose condition does not hold."""


@dataclass(frozen=True)
class SearchTrials:
    """The trials of one search.

    Args:
        id: id of the search.
        label: label of the variant that it belongs to.
        options: the section `search`.
        space: the search space.
        objectives: the objectives.
        rungs: the rungs.
        records: the trainings of each rung with their results.
    """

    id: str
    label: str
    options: Search
    space: Space
    objectives: Sequence[Objective]
    rungs: Sequence[Rung]
    records: Sequence[Sequence[TrialRecord]]

    @property
    def name(self) -> str:
        """Name in tables and figures."""
        return self.label or self.id

    @property
    def reached(self) -> list[tuple[Rung, TrialRecord]]:
        """The highest rung of each trial, with its result there, ordered by the number of the trial."""
        latest: dict[int, tuple[Rung, TrialRecord]] = {}
        for rung, records in zip(self.rungs, self.records, strict=True):
            latest |= {
                record.number: (rung, record) for record in records if record.number
            }  # 0: a slot without a training
        return [latest[number] for number in sorted(latest)]

    @property
    def stopped(self) -> list[tuple[str, int]]:
        """Run and fold of each training that halving has stopped and whose checkpoints are removed."""
        if self.options.early_stopping is None or self.options.early_stopping.keep_checkpoints:
            return []
        runs = dict.fromkeys(record.run for rung, record in self.reached if not rung.is_last and record.run)
        return [(run, fold) for run in runs for fold in self.options.folds]


def read_searches(
    searches: Sequence[Mapping[str, Any]], trials: Sequence[str], results: Sequence[str]
) -> list[SearchTrials]:
    """Read the trials of searches.

    Args:
        searches: `id label options objectives rungs present` of each search.
        trials: paths of all trainings, ordered by search and rung.
        results: paths of their results, one for each fold.
    """
    trials, results, search_trials = list(trials), list(results), []
    for search in searches:
        options, objectives = Search(**search["options"]), [Objective(**item) for item in search["objectives"]]
        rungs, folds = [Rung(**rung) for rung in search["rungs"]], len(options.folds)
        records = []
        for rung in rungs:
            trials_of_rung, trials = trials[: rung.slots], trials[rung.slots :]
            results_of_rung, results = results[: rung.slots * folds], results[rung.slots * folds :]
            records.append(read_records(trials_of_rung, results_of_rung, objectives))
        space = Space.of(options.space, search["present"])
        search_trials.append(SearchTrials(search["id"], search["label"], options, space, objectives, rungs, records))
    return search_trials


def trial_table(searches: Sequence[SearchTrials]) -> pd.DataFrame:
    """Return a table with a row for each trial.

    Columns are `search label trial run state rank rung epochs failure`, the objectives, `pareto` (True for trials that
    no other trial dominates, with several objectives) and the searched keys. `rank` is the rank of finished trials by
    the first objective. Values of stopped trials are those after their `epochs`.
    """
    return pd.concat([_table(search) for search in searches], ignore_index=True)


def _table(search: SearchTrials) -> pd.DataFrame:
    rows = []
    for rung, record in search.reached:
        values: Sequence[float | None] = record.objectives or [None] * len(search.objectives)
        rows.append(
            {
                **{"search": search.id, "label": search.label, "trial": record.number, "run": record.run},
                "state": FAILED if record.failure else FINISHED if rung.is_last else STOPPED,
                **{"rank": None, "rung": rung.number, "epochs": record.epochs, "failure": record.failure},
                **{goal.name: value for goal, value in zip(search.objectives, values, strict=True)},
                **({"pareto": None} if len(search.objectives) > 1 else {}),
            }
        )
    table = pd.DataFrame(rows)
    for parameter in search.space.parameters:
        table[parameter.key] = _column(parameter, [record for _, record in search.reached])
    finished = table[table["state"] == FINISHED]
    signed = [-goal.sign * finished[goal.name].astype(float) for goal in search.objectives]
    ranked = pd.DataFrame({"value": signed[0], "run": finished["run"]}).drop_duplicates("run")
    table["rank"] = ranked["value"].rank(method="first").reindex(table.index).astype("Int64")
    if len(signed) > 1:
        costs = pd.concat(signed, axis=1).to_numpy()
        dominated = [bool(((costs <= cost).all(axis=1) & (costs < cost).any(axis=1)).any()) for cost in costs]
        table["pareto"] = pd.Series([not item for item in dominated], index=finished.index).reindex(table.index)
    return table


def _column(parameter: Parameter, records: Sequence[TrialRecord]) -> pd.Series:
    """Return the column of a parameter. Integers remain integers although values are missing."""
    values = [record.values.get(parameter.key, MISSING) for record in records]
    cells = [None if value is MISSING else _cell(value) for value in values]
    return pd.Series(cells, dtype=object if parameter.choices else "Int64" if parameter.integer else float)


def _cell(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else name_choice(value)


def importance_table(searches: Sequence[SearchTrials]) -> pd.DataFrame:
    """Return the importance of each parameter for each objective by functional ANOVA (Hutter et al. 2014).

    Columns are `search label objective parameter importance trials`. Importances of an objective sum to 1. With
    halving, they are computed from values after the first rung, which all trials have; with hyperband, from those of
    the first bracket. Parameters with a condition, and searches with fewer than four different values, have none.
    """
    from optuna import create_study
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState

    from mml_lib.search.proposing import frozen_trial

    rows = []
    for search in searches:
        with_values = [record for record in search.records[0] if record.objectives is not None]
        for index, goal in enumerate(search.objectives):
            study = create_study(direction=goal.direction)
            values = [record.objectives[index] for record in with_values if record.objectives is not None]
            if len(set(values)) < 4:
                continue
            study.add_trials(
                [
                    frozen_trial(search.space, record, [value], TrialState.COMPLETE)
                    for record, value in zip(with_values, values, strict=True)
                ]
            )
            importances = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
            rows += [
                {
                    **{"search": search.id, "label": search.label, "objective": goal.name},
                    **{"parameter": key, "importance": importance, "trials": len(with_values)},
                }
                for key, importance in importances.items()
            ]
    return pd.DataFrame(rows, columns=["search", "label", "objective", "parameter", "importance", "trials"])


def write_journal(searches: Sequence[SearchTrials], task: str, path: str | Path) -> None:
    """Write the trials as a reproducible journal of Optuna, which optuna-dashboard can open.

    Args:
        searches: the searches. Each becomes one study of Optuna.
        task: the task.
        path: path of the journal.
    """
    from optuna import create_study
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import TrialState

    from mml_lib.search.proposing import frozen_trial

    storage = JournalStorage(JournalFileBackend(str(path)))
    for search in searches:
        directions = [goal.direction for goal in search.objectives]
        study = create_study(storage=storage, study_name=f"{task} {search.name}", directions=directions)
        study.set_metric_names([goal.name for goal in search.objectives])
        for rung, record in search.reached:
            state = TrialState.FAIL if record.failure else TrialState.COMPLETE
            if state is TrialState.COMPLETE and not rung.is_last:
                state = TrialState.PRUNED
            values = record.objectives if state is TrialState.COMPLETE else None
            trial = frozen_trial(search.space, record, values, state)
            trial.datetime_start = trial.datetime_complete = UNKNOWN_TIME
            trial.user_attrs = {"run": record.run, "failure": record.failure}
            if len(search.objectives) == 1:
                trial.intermediate_values = {
                    below.epochs: other.objectives[0]
                    for below, records in zip(search.rungs, search.records, strict=True)
                    for other in records
                    if other.number == record.number and other.objectives is not None
                }
            study.add_trial(trial)
    lines = [json.loads(line) | {"worker_id": "mml"} for line in Path(path).read_text(encoding="utf-8").splitlines()]
    Path(path).write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")


def as_text(table: pd.DataFrame, rows: int = 5) -> str:
    """Return the best trials of each search as text for a terminal."""
    parts = []
    for (search, label), of_search in table.groupby(["search", "label"], sort=False):
        counts = of_search["state"].value_counts()
        numbers = ", ".join(f"{counts[state]} {state}" for state in (FINISHED, STOPPED, FAILED) if state in counts)
        best = of_search.dropna(subset=["rank"]).sort_values("rank").head(rows)
        filled = [
            name for name in list(of_search)[list(of_search).index("failure") + 1 :] if of_search[name].notna().any()
        ]
        columns = ["trial", "run", *filled]
        heading = f"search {search}{f' ({label})' if label else ''}: {len(of_search)} trials, {numbers}"
        parts += [f"{heading}; the best:", best[columns].to_string(index=False)] if len(best) else [heading]
    return "\n".join(parts)
