"""Hook of the default profile: Snakemake leaves config files and values to MML.

Snakemake reads config files and `--config` before the Snakefile. It ends with a traceback or without the file's name
where it cannot, refuses dotted keys, and reads all nested values as text. MML reads both itself, in `command_line`.
This can go when Snakemake names the file in all its errors, and takes `--config trainer.max_epochs=3`.
"""

from typing import Any


def leave_config_to_mml() -> None:
    """Keep Snakemake from reading config files and values, which `study_layers` does."""
    import snakemake.cli
    import snakemake.settings.types

    snakemake.cli.parse_config = _nothing
    snakemake.settings.types.load_configfile = _nothing


def _nothing(_: Any) -> dict[str, Any]:
    return {}
