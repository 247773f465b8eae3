"""Pages and pictures of an audit: a page for each table, and pictures of the first suspects of each kind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mml_lib.files.atomic import write_text
from mml_lib.reports.canvas import picture_grid, save, shorten
from mml_lib.reports.pages import table_page
from mml_lib.reports.task_figures import show_sample
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription

ACROSS = 6
"""Number of pictures in a row."""

PICTURES = 24
"""Largest number of pictures in a figure."""


@dataclass(frozen=True)
class Page:
    """A page of a table.

    Args:
        name: name of its file.
        table: name of the table's file.
        title: title of the page.
        notes: sentences above the table.
    """

    name: str
    table: str
    title: str
    notes: tuple[str, ...]


PAGES = {
    "near_duplicates": Page(
        "near_duplicates",
        "duplicates.csv",
        "near duplicates",
        (
            "Pairs of nearly identical images, those across splits first; exclude leaves out the sample in id",
            "hash bits: number of different bits, of 64, in the perceptual hashes; correlation: of the thumbnails",
        ),
    ),
    "label_errors": Page(
        "wrong_labels",
        "labels.csv",
        "labels that are probably wrong",
        (
            "By confident learning from out-of-sample predictions, the most suspicious first; quality is 0 if the "
            "suggested class is certain, and 0.5 if both are equally probable",
        ),
    ),
    "confusable_classes": Page(
        "classes",
        "classes.csv",
        "classes by how well they can be distinguished",
        (
            "Area under the ROC curve of each pair of classes on their own samples, with its 95 % interval; "
            "alike: the interval contains 0.5, so the predictions do not distinguish them",
            "confused: samples of one class that are confidently predicted as the other",
        ),
    ),
    "outliers": Page(
        "outliers",
        "outliers.csv",
        "outliers",
        ("Samples far from their nearest neighbours: robust standard deviations above the median, 4 or more",),
    ),
    "image_faults": Page(
        "bad_images",
        "images.csv",
        "blank, dark, over-exposed and blurred images",
        (
            "Blank: hardly any contrast; dark, over-exposed and blurred: unlike the median of the task, by 4 robust "
            "standard deviations or more",
        ),
    ),
    "shortcuts": Page(
        "shortcuts",
        "shortcuts.csv",
        "shortcuts",
        (
            "Balanced accuracy, cross-validated with groups kept together, with its 95 % interval; above chance: the "
            "interval lies above the chance level",
        ),
    ),
}


def write_pages(
    folder: Path,
    task: TaskDescription,
    dataset: Dataset,
    tables: Mapping[str, pd.DataFrame],
    suspects: pd.DataFrame,
) -> None:
    """Write a page for each table of an audit, a page of all suspects, and pictures of the first ones of each table.

    Args:
        folder: folder of the pages.
        task: the task.
        dataset: its data set.
        tables: tables by assignment key.
        suspects: all suspects.
    """
    name = task.header["name"]
    note = "To leave samples out, copy this table, delete the rows of samples to keep, and name it in exclude"
    write_text(folder / "suspects.html", table_page(f"{name}: suspects", suspects, "suspects.csv", [note]))
    for key, table in tables.items():
        page = PAGES[key]
        title = f"{name}: {page.title}"
        write_text(folder / f"{page.name}.html", table_page(title, table, page.table, page.notes))
    positions = {id_: position for position, id_ in enumerate(task.samples["id"])}
    gallery = _Gallery(folder, task, dataset, positions)
    gallery.draw_pairs(tables["near_duplicates"])
    for key, caption in CAPTIONS.items():
        if key in tables:
            gallery.draw(PAGES[key], tables[key], caption)


def _label_caption(row: pd.Series) -> str:
    return f"{shorten(str(row['label']), 22)}\n→ {shorten(str(row['suggested']), 20)} ({row['quality']:.2f})"


def _outlier_caption(row: pd.Series) -> str:
    return f"{shorten(_text(row['label']), 22)}\nscore {row['score']:.1f}"


def _fault_caption(row: pd.Series) -> str:
    return f"{row['fault']}\n{shorten(_text(row['label']), 22)}"


CAPTIONS: Mapping[str, Callable[[pd.Series], str]] = {
    "label_errors": _label_caption,
    "outliers": _outlier_caption,
    "image_faults": _fault_caption,
}
"""Captions of pictures by the assignment key of their table."""


def _text(value: object) -> str:
    return "no label" if pd.isna(value) or value == "" else str(value)


@dataclass(frozen=True)
class _Gallery:
    folder: Path
    task: TaskDescription
    dataset: Dataset
    positions: Mapping[str, int]

    def draw(self, page: Page, table: pd.DataFrame, caption: Callable[[pd.Series], str]) -> None:
        """Draw the first samples of a table in a grid; nothing for an empty table."""
        rows = [row for _, row in table.head(PICTURES).iterrows()]
        captions = [f"{shorten(row['id'], 24)}\n{caption(row)}" for row in rows]
        self._draw(page, len(table), len(rows), [row["id"] for row in rows], captions)

    def draw_pairs(self, table: pd.DataFrame) -> None:
        """Draw the first near duplicates, pair beside pair."""
        ids, captions = [], []
        for _, row in table.head(PICTURES // 2).iterrows():
            ids += [row["id"], row["other"]]
            for side, prefix in (("id", ""), ("other", "other_")):
                split, label = row[f"{prefix}split"], _text(row[f"{prefix}label"])
                relation = row["relation"] if side == "id" else f"{row['view']}, correlation {row['correlation']:.2f}"
                captions.append(f"{shorten(row[side], 24)}\n{split}: {shorten(label, 18)}\n{relation}")
        self._draw(PAGES["near_duplicates"], len(table), len(ids) // 2, ids, captions)

    def _draw(self, page: Page, total: int, count: int, ids: Sequence[str], captions: Sequence[str]) -> None:
        if not ids:
            return
        lines = -(-len(ids) // ACROSS)
        figure, axes = picture_grid(lines, ACROSS, 1.9 * ACROSS, 2.4 * lines + 0.5)
        for axis, id_, caption in zip(axes.flat, ids, captions, strict=False):
            show_sample(axis, self.task, self.dataset, self.positions[id_])
            axis.set_title(caption, fontsize=7)
        note = "" if total == count else f", the first {count}"
        figure.suptitle(f"{self.task.header['name']}: {page.title} ({total:,}{note})", fontsize=10)
        save(figure, self.folder / f"{page.name}.jpg")
