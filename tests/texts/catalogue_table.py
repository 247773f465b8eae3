"""The table of all entries in config/guide/catalogue.md: `python -m tests.texts.catalogue_table`."""

from mml_lib.config.reading.catalogue_entries import Entry, catalogue_entries
from tests.support.places import CONFIG

COLUMNS = ("entry", "data set", "task type", "modality", "images", "options", "checksum", "licence")


def table() -> str:
    """Return the table in Markdown."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *map(row, catalogue_entries([CONFIG]).values())]
    return "".join(f"| {' | '.join(cells)} |\n".replace("|  |", "| |") for cells in rows)


def row(entry: Entry) -> tuple[str, ...]:
    options = "; ".join(f"`{option}`: {', '.join(values)}" for option, values in entry.variants.items())
    return (
        f"`{entry.name}`",
        entry.about,
        entry.task_type,
        ", ".join(entry.modalities),
        f"{entry.images:,}" if entry.images else "",
        options,
        ", ".join(checksums(entry)),
        str(entry.task.get("license", "")),
    )


def checksums(entry: Entry) -> list[str]:
    """Return the kinds of checksums of the downloads of an entry."""
    keys = [entry.task, *(more for values in entry.variants.values() for more in values.values())]
    files = [file for part in keys for file in part.get("downloads") or []]
    names = {"sha256": "SHA-256", "md5": "MD5", "trust": "first use"}
    return [name for key, name in names.items() if any(key in file for file in files)]


if __name__ == "__main__":
    print(table(), end="")
