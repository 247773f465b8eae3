"""Formats: which version each kind of file has, and how an older one becomes the present one.

A file says its version by `format`, and by `needs_mml` which MML reads it. One that says nothing has format 1. To
change a format, add a `Version` with the migration from the one before; former ones stay, and their files in the tests.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mml_lib import __version__
from mml_lib.errors import MMLError
from mml_lib.files import migrations

STAMP = ("format", "needs_mml")
"""The keys by which a file says its version."""


class Version(NamedTuple):
    """A version of a format.

    Args:
        since: the MML that it came with.
        migration: from the content of the version before; None: of the first version.
    """

    since: str
    migration: Callable[[dict[str, Any]], dict[str, Any]] | None = None


@dataclass(frozen=True)
class Format:
    """Properties of a kind of file.

    Args:
        kind: its name.
        keys: assignment keys whose artefacts it is.
        versions: of its format, the present one last.
    """

    kind: str
    keys: Sequence[str]
    versions: Sequence[Version]

    @property
    def version(self) -> int:
        """The present version."""
        return len(self.versions)

    @property
    def stamp(self) -> dict[str, Any]:
        """Stamp of a file in the current version."""
        return {"format": self.version, "needs_mml": self.versions[-1].since}

    def found(self, content: Mapping[str, Any], path: Any) -> int:
        """Return the version that a file has.

        Args:
            content: with the stamp of the file, if there is one.
            path: of the file, for errors.

        Raises:
            MMLError: it is newer than this MML reads; the line names the MML that is needed.
            ValueError: what it says is no version.
        """
        version = content.get("format", 1)
        if not isinstance(version, int) or version < 1:
            raise ValueError(f"format is {version!r}")
        if version > self.version:
            needed = content.get("needs_mml")
            remedy = f"install MML {needed} or newer" if needed else "install a newer MML"
            raise MMLError(
                f"{path} has format {version}, and MML {__version__} reads {self.kind} up to {self.version}; {remedy}"
            )
        return version

    def migrated(self, content: Mapping[str, Any], path: Any) -> dict[str, Any]:
        """Return the content of a file as the present version has it, without the stamp.

        Raises:
            MMLError: it is newer than this MML reads.
            KeyError, TypeError, ValueError, AttributeError: it is not what its version says.
        """
        stored = self.found(content, path)
        current = {key: value for key, value in content.items() if key not in STAMP}
        for version in self.versions[stored:]:
            current = version.migration(current)
        return current


FIRST = Version("0.1.0")

FORMATS: Mapping[str, Format] = {
    format_.kind: format_
    for format_ in (
        Format(
            "dataset",
            ["dataset"],
            [
                FIRST,
                Version("0.1.0", migrations.describe_dataset),
                Version("0.1.0", migrations.give_no_pixel_facts),
                Version("0.1.0", migrations.give_no_digests),
            ],
        ),
        Format(
            "description",
            ["description"],
            [FIRST, Version("0.1.0", migrations.describe_task), Version("0.1.0", migrations.give_samples_no_digest)],
        ),
        Format("packed", ["packed"], [FIRST, Version("0.1.0", migrations.unchanged)]),
        Format("pipeline", ["pipeline"], [FIRST, Version("0.1.0", migrations.unchanged)]),
        Format("blueprint", ["blueprint"], [FIRST]),
        Format("overlaps", ["overlaps"], [FIRST]),
        Format("selection", ["selection"], [FIRST]),
        Format("tuning", ["tuning"], [FIRST]),
        Format(
            "models",
            ["models"],
            [
                FIRST,
                Version("0.1.0", migrations.name_stored_epoch),
                Version("0.1.0", migrations.name_sources_of_model),
            ],
        ),
        Format("parameters", ["parameters"], [FIRST, Version("0.1.0", migrations.describe_heads)]),
        Format(
            "predictions",
            [
                "predictions",
                "other_predictions",
                "out_of_fold_predictions",
                "calibrated",
                "other_calibrated",
                "ensemble_predictions",
            ],
            [FIRST, Version("0.1.0", migrations.name_task_type), Version("0.1.0", migrations.unchanged)],
        ),
        Format(
            "metrics",
            ["metrics", "other_metrics", "out_of_fold_metrics"],
            [
                FIRST,
                Version("0.1.0", migrations.give_no_intervals),
                Version("0.1.0", migrations.name_measured_task),
            ],
        ),
        Format(
            "resampled_metrics",
            ["resampled_metrics", "other_resampled_metrics", "out_of_fold_resampled_metrics"],
            [FIRST],
        ),
        Format("calibration", ["calibration", "other_calibration"], [FIRST]),
        Format("ensemble", ["ensemble"], [FIRST]),
        Format("study_config", ["study_config"], [FIRST, Version("0.1.0", migrations.unchanged)]),
        Format("run_explanation", ["run_explanation"], [FIRST, Version("0.1.0", migrations.unchanged)]),
        Format("return_value", ["return_value"], [FIRST]),
        Format("backup", ["backup"], [FIRST]),
        Format("backup_report", ["upgrade", "downgrade"], [FIRST]),
    )
}
"""All kinds of JSON, YAML and array files."""
