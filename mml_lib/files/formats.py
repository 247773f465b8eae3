"""Formats: the version of each kind of file, and how MML reads older ones.

A file states its version in `format`, and the first MML that reads it in `needs_mml`. To change a format, increase its
version, add a migration from the previous version, and a file of that version in `tests/fixtures/formats-older/`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mml_lib import __version__
from mml_lib.errors import MMLError

STAMP = ("format", "needs_mml")
"""Keys that state the version of a file."""

Migration = Callable[[dict[str, Any]], dict[str, Any]]
"""Function from the content of one version to that of the next, without the stamp."""


@dataclass(frozen=True)
class Format:
    """Format of a kind of file.

    Args:
        kind: name of the kind of file.
        keys: assignment keys of its artefacts.
        version: current version.
        needs_mml: first MML that reads this version.
        migrations: migration to the next version, by version. Versions without one are refused.
    """

    kind: str
    keys: Sequence[str]
    version: int = 1
    needs_mml: str = "0.1.0"
    migrations: Mapping[int, Migration] = field(default_factory=dict)

    @property
    def oldest(self) -> int:
        """Oldest version that MML reads."""
        return min(self.migrations, default=self.version)

    @property
    def stamp(self) -> dict[str, Any]:
        """Keys of the current version."""
        return {"format": self.version, "needs_mml": self.needs_mml}

    def version_of(self, content: Mapping[str, Any], path: Any) -> int:
        """Return the version of a file.

        Args:
            content: content of the file with its stamp.
            path: path of the file, for errors.

        Raises:
            MMLError: this MML does not read the version.
            ValueError: the stamp is missing or malformed.
        """
        version = content.get("format")
        if version is None:
            raise ValueError("it states no format")
        if not isinstance(version, int) or version < 1:
            raise ValueError(f"format is {version!r}")
        if self.oldest <= version <= self.version:
            return version
        if version < self.oldest:
            limit, remedy = f"from {self.oldest} on", "remove it, and run the study again"
        else:
            needed = content.get("needs_mml")
            limit = f"up to {self.version}"
            remedy = f"install MML {needed} or newer" if needed else "install a newer MML"
        raise MMLError(f"{path} has format {version}, and MML {__version__} reads {self.kind} {limit}; {remedy}")

    def migrated(self, content: Mapping[str, Any], path: Any) -> dict[str, Any]:
        """Return the content of a file in the current version, without the stamp.

        Raises:
            MMLError: this MML does not read the version.
            KeyError, TypeError, ValueError, AttributeError: the content does not fit its version.
        """
        stored = self.version_of(content, path)
        current = {key: value for key, value in content.items() if key not in STAMP}
        for version in range(stored, self.version):
            current = self.migrations[version](current)
        return current


def _name_sources_of_model(content: dict[str, Any]) -> dict[str, Any]:
    """Migrate model storages to version 3: tasks learned together, and the model that the training started from."""
    return {**content, "co_tasks": content.get("co_tasks", []), "pretrained": content.get("pretrained")}


PREDICTIONS = (
    *("predictions", "other_predictions", "out_of_fold_predictions"),
    *("calibrated", "other_calibrated", "ensemble_predictions", "probe_predictions"),
    *("baseline_predictions", "pooled_baseline_predictions"),
)

METRICS = ("metrics", "other_metrics", "out_of_fold_metrics", "baseline_metrics", "pooled_baseline_metrics")

RESAMPLED_METRICS = (
    *("resampled_metrics", "other_resampled_metrics", "out_of_fold_resampled_metrics"),
    *("baseline_resampled_metrics", "pooled_baseline_resampled_metrics"),
)

FORMATS: Mapping[str, Format] = {
    form.kind: form
    for form in (
        Format("dataset", ["dataset"], 4),
        Format("description", ["description"], 3),
        Format("packed", ["packed"], 2),
        Format("pipeline", ["pipeline"], 2),
        Format("blueprint", ["blueprint", "suggestion", "search_choice"]),
        Format("trial", ["trial", "promotion"]),
        Format("trial_result", ["trial_result"]),
        Format("overlaps", ["overlaps"]),
        Format("selection", ["selection"]),
        Format("tuning", ["tuning"]),
        Format("models", ["models"], 3, migrations={2: _name_sources_of_model}),
        Format("parameters", ["parameters"], 2),
        Format("predictions", PREDICTIONS, 3),
        Format("features", ["features"]),
        Format("metrics", METRICS, 3),
        Format("resampled_metrics", RESAMPLED_METRICS),
        Format("calibration", ["calibration", "other_calibration"]),
        Format("ensemble", ["ensemble"]),
        Format("fisher", ["fisher"]),
        Format("explanations", ["explanations"]),
        Format("baseline_probe", ["baseline_probe"]),
        Format("pair_distance", ["pair_distance"]),
        Format("image_measures", ["image_measures"]),
        Format("neighbours", ["neighbours"]),
        Format("study_config", ["study_config"], 2),
        Format("run_explanation", ["run_explanation"], 2),
        Format("return_value", ["return_value"]),
        Format("backup", ["backup"]),
        Format("backup_report", ["upgrade", "downgrade"]),
    )
}
"""Formats of all JSON, YAML and array files, by kind."""
