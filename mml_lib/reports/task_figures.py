"""Figures of tasks: samples, and how often each class is there. Readable in black and white."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mml_lib.images.decoding import decode_row
from mml_lib.images.display import displayed
from mml_lib.images.transforms import TRANSFORMS
from mml_lib.reports.canvas import picture_grid, save, shorten, single_panel
from mml_lib.task_types import IGNORE, TASK_TYPES
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription

COLUMNS, ROWS = 6, 4
THUMBNAIL = 160
"""Pixels of the longer side of a sample in a grid."""


def draw_samples(task: TaskDescription, dataset: Dataset, path: str | Path) -> None:
    """Draw samples of a task in a grid, alternating classes. Masks are outlines, dotted around ignored pixels."""
    chosen = choose(task, COLUMNS * ROWS)
    rows = -(-len(chosen) // COLUMNS)
    figure, axes = picture_grid(rows, COLUMNS, 1.7 * COLUMNS, 1.95 * rows + 0.5)
    for axis, position in zip(axes.flat, chosen, strict=False):
        show_sample(axis, task, dataset, position)
        axis.set_title(shorten(sample_caption(task, position), 26), fontsize=7)
    counts = ", ".join(f"{count} {split}" for split, count in task.header["num_samples"].items())
    figure.suptitle(f"{task.header['name']} ({task.header['task_type'].replace('_', ' ')}: {counts})", fontsize=10)
    save(figure, path)


def draw_overview(tasks: Sequence[TaskDescription], datasets: Sequence[Dataset], path: str | Path) -> None:
    """Draw a row of samples for each task."""
    figure, axes = picture_grid(len(tasks), COLUMNS, 1.7 * COLUMNS, 1.9 * len(tasks) + 0.3)
    for line, task, dataset in zip(axes, tasks, datasets, strict=True):
        for axis, position in zip(line, choose(task, COLUMNS), strict=False):
            show_sample(axis, task, dataset, position)
        line[0].set_title(task.header["name"], fontsize=9, loc="left")
    save(figure, path)


def draw_classes(task: TaskDescription, path: str | Path) -> None:
    """Draw how many training samples show each class, or how the values of a regression are spread."""
    header = task.header
    bars = max(3, min(60, len(header["classes"])))
    height = 4 if TASK_TYPES[header["task_type"]].has_values else 1.2 + 0.24 * bars
    figure, axis = single_panel(6.4, height)
    if TASK_TYPES[header["task_type"]].has_values:
        train = task.column["split"] == "train"
        # More bars would not be distinguishable.
        bins = min(50, max(10, round(np.sqrt(train.sum()))))
        axis.hist(task.targets.values[train], bins=bins, color="0.6", edgecolor="black", linewidth=0.5)
        axis.set(xlabel="value", ylabel="training samples")
    elif header["classes"]:
        # Of many classes, the most frequent ones.
        counts = sorted(header["class_occ"].items(), key=lambda item: -item[1])[:60]
        names = [shorten(name, 40) for name, _ in counts]
        amounts = [count for _, count in counts]
        bar = axis.barh(range(len(counts)), amounts, color="0.6", edgecolor="black", linewidth=0.5)
        entries = header.get("label_counts", {}).get("train")
        words = entries and [
            f"{count} of {entries[name]['known']} known, {entries[name]['unknown']} unknown" for name, count in counts
        ]
        axis.bar_label(bar, words, fontsize=7, padding=2)
        axis.set_yticks(range(len(counts)), names, fontsize=7)
        axis.invert_yaxis()
        axis.margins(x=0.6 if entries else 0.1, y=0.3 / len(counts))
        axis.xaxis.get_major_locator().set_params(integer=True)
        left_out = len(header["classes"]) - len(counts)
        rest = f" ({left_out} rarer ones left out)" if left_out else ""
        axis.set_xlabel(f"training samples with the class{rest}")
    else:
        axis.axis("off")
        axis.text(0.5, 0.5, f"{header['num_samples']['all']} images without labels", ha="center", va="center")
    axis.set_title(shorten(header["name"], 70), fontsize=10)
    save(figure, path)


def choose(task: TaskDescription, count: int) -> list[int]:
    """Return positions of samples, strata in turn, the same for the same task."""
    order = np.random.default_rng(0).permutation(len(task.samples["id"]))
    labelled = order[np.array(task.column["split"])[order] != "unlabelled"]
    if not len(labelled) or not TASK_TYPES[task.header["task_type"]].is_learnable:
        return order[:count].tolist()
    strata = task.targets.take(labelled).strata(task.groups[labelled], 1)
    rank = np.empty(len(labelled), dtype=int)
    for stratum in np.unique(strata):
        inside = np.flatnonzero(strata == stratum)
        rank[inside] = np.arange(len(inside))
    chosen = labelled[np.lexsort((strata, rank))][:count]
    if TASK_TYPES[task.header["task_type"]].has_values:
        return sorted(chosen.tolist(), key=lambda position: task.targets.values[position])
    return sorted(chosen.tolist(), key=lambda position: sample_caption(task, position))


def show_sample(axis: Any, task: TaskDescription, dataset: Dataset, position: int) -> None:
    """Show the image of a sample, in a square, its mask as outlines."""
    row = task.samples["row"][position]
    image, mask = decode_row(dataset, row, with_mask=TASK_TYPES[task.header["task_type"]].has_masks)
    scale = THUMBNAIL / max(image.shape[:2])
    size = tuple(max(2, round(side * scale)) for side in image.shape[:2])
    image, mask = TRANSFORMS["resize"](displayed(image), mask, size)
    axis.imshow(image)
    # Square frames align the captions.
    for limits, side in ((axis.set_xlim, size[1]), (axis.set_ylim, size[0])):
        limits((side - THUMBNAIL) / 2 - 0.5, (side + THUMBNAIL) / 2 - 0.5)
    axis.invert_yaxis()
    classes = None if mask is None else class_lookup(task.header)[mask]
    for index in [] if classes is None else np.unique(classes)[:0:-1]:  # ignored pixels are drawn first
        style = "dotted" if index == IGNORE else "solid"
        for color, width in (("white", 1.8), ("black", 0.8)):
            axis.contour(classes == index, levels=[0.5], colors=color, linewidths=width, linestyles=style)


def class_lookup(header: Mapping[str, Any]) -> np.ndarray:
    """Return the class index of each mask value (int, 256); 255 for ignored values."""
    table = np.full(256, IGNORE)
    for value, label in header["idx_to_class"].items():
        table[int(value)] = header["classes"].index(label)
    return table


def sample_caption(task: TaskDescription, position: int) -> str:
    """Return the target of a sample as text."""
    kind, classes = task.header["task_type"], np.array(task.header["classes"])
    if not TASK_TYPES[kind].is_learnable or task.samples["split"][position] == "unlabelled":
        return "unlabelled"
    if TASK_TYPES[kind].has_values:
        return f"{task.targets.values[position]:.4g}"
    return ", ".join(classes[task.targets.presence[position]]) or "none"
