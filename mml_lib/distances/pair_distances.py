"""Distances of pairs of tasks, and their tables."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mml_lib.distances.measure_registry import Measure
from mml_lib.errors import MMLError
from mml_lib.files.checksums import damaged, seal, verify
from mml_lib.files.stored import Stored

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class PairDistance(Stored):
    """The distance from a source task to a target task.

    Args:
        measure: name of the measure.
        source: name of the source.
        target: name of the target.
        distance: the distance; None if undefined.
        definition: digest of everything that the distance was computed from; empty in older files.
    """

    KIND: ClassVar[str] = "pair_distance"
    LATER: ClassVar[tuple[str, ...]] = ("definition",)

    measure: str
    source: str
    target: str
    distance: float | None
    definition: str = ""


@dataclass(frozen=True)
class Pair:
    """A pair of tasks whose distance is to be computed, unless it is stored.

    Args:
        measure: name of the measure.
        source: name of the source.
        target: name of the target.
        path: file of the distance.
        definition: digest of everything that the distance is computed from.
    """

    measure: str
    source: str
    target: str
    path: str | Path
    definition: str = ""

    @property
    def stored(self) -> PairDistance | None:
        """Stored distance; None if its file is missing, damaged, or of another definition."""
        if not Path(self.path).exists():
            return None
        try:
            distance = PairDistance.read(self.path)
        except MMLError:
            return None
        return distance if distance.definition == self.definition else None

    def store(self, distance: float) -> None:
        """Write the distance (NaN if undefined) with a checksum."""
        value = None if math.isnan(distance) else distance
        PairDistance(self.measure, self.source, self.target, value, self.definition).write(self.path)
        seal(self.path)


def pairs_text(pairs: Sequence[PairDistance]) -> str:
    """Return a table of pairs as CSV with the columns `source`, `target` and `distance`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("source", "target", "distance"), *((pair.source, pair.target, pair.distance) for pair in pairs)])
    return text.getvalue()


def read_pairs(path: str | Path, measure: str) -> list[PairDistance]:
    """Return the distances of a table of pairs.

    Raises:
        MMLError: the file is not such a table, or has changed since it was created.
    """
    verify(path)
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = [(row["source"], row["target"], row["distance"]) for row in csv.DictReader(file)]
        return [PairDistance(measure, source, target, float(text) if text else None) for source, target, text in rows]
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise damaged(path, str(error)) from error


def distance_table(distances: Sequence[PairDistance], measure: Measure, tasks: Sequence[str]) -> "pd.DataFrame":
    """Return the distances between all tasks; row = source, column = target, NaN = undefined or not computed.

    Args:
        distances: distances of pairs. A symmetric measure has each pair once.
        measure: the measure.
        tasks: names of all tasks.
    """
    import pandas as pd

    table = pd.DataFrame(math.nan, index=list(tasks), columns=list(tasks))
    for pair in distances:
        value = math.nan if pair.distance is None else pair.distance
        table.loc[pair.source, pair.target] = value
        if measure.symmetric:
            table.loc[pair.target, pair.source] = value
    if measure.zero_diagonal:
        for task in tasks:
            table.loc[task, task] = 0.0
    return table


def combined_table(
    tables: Mapping[str, "pd.DataFrame"], measure: Measure, options: Any, tasks: Sequence[str]
) -> "pd.DataFrame":
    """Return the table of a measure that combines the tables of other measures."""
    import pandas as pd

    matrices = {name: table.reindex(index=tasks, columns=tasks).to_numpy(float) for name, table in tables.items()}
    return pd.DataFrame(measure.function(matrices, options), index=list(tasks), columns=list(tasks))


def read_columns(path: str | Path) -> dict[str, dict[str, float]]:
    """Return the distances of a table by target and source, NaN = undefined. Planning uses it, without pandas.

    Raises:
        MMLError: the file is not such a table, or has changed since it was created.
    """
    verify(path)
    try:
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = filter(None, csv.reader(file))
        sources, *columns = zip(*rows, strict=True)
        distances = [[float(text) if text.strip() else math.nan for text in column] for column in columns]
        named = zip(header[1:], distances, strict=True)
        return {target: dict(zip(sources, column, strict=True)) for target, column in named}
    except (OSError, ValueError, csv.Error) as error:
        raise MMLError(
            f"{path} is not a table of distances ({error}); remove it, so that MML creates it again"
        ) from error


def read_distances(path: str | Path) -> "pd.DataFrame":
    """Return the distances of a table: row = source, column = target, NaN = undefined.

    Raises:
        MMLError: the file is not such a table, or has changed since it was created.
    """
    import pandas as pd

    return pd.DataFrame(read_columns(path))


def nearest_sources(table: "pd.DataFrame", target: str) -> dict[str, float]:
    """Return the defined distances from other tasks to a target, the nearest first."""
    return {str(task): float(value) for task, value in table[target].drop(target).dropna().sort_values().items()}
