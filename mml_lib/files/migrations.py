"""Migrations: each makes of a file's content what the next version of its format has; they are pure functions.

A migration that has been released is never edited: it knows nothing but the two versions it lies between.
"""

from typing import Any

Content = dict[str, Any]


def unchanged(content: Content) -> Content:
    """A version in which the file began to say its format, or which MML it needs."""
    return content


def describe_dataset(content: Content) -> Content:
    """Data sets, 2: all that is said of the data is in `about`; samples may have masks."""
    said = {key: content[key] for key in ("modalities", "keywords")}
    kept = {key: value for key, value in content.items() if key not in said}
    unknown = {"license": "unknown", "reference": "", "url": "", "release": ""}
    samples = {**content["samples"], "mask": [None] * len(content["samples"]["id"])}
    return {**kept, "about": said | unknown, "samples": samples, "values": None}


def give_no_pixel_facts(content: Content) -> Content:
    """Data sets, 3: the range of values of images with more than 8 bits, and kinds and colours of masks."""
    return {**content, "value_range": content.get("value_range"), "masks": content.get("masks")}


def give_no_digests(content: Content) -> Content:
    """Data sets, 4: content digests of images; they need the pixels, so that steps make them where there are none."""
    return {**content, "digests": None}


def give_samples_no_digest(content: Content) -> Content:
    """Task descriptions, 3: the content digest of each sample's image, None where it is not known.

    The header may come without the samples.
    """
    if "samples" not in content:
        return content
    return {**content, "samples": {**content["samples"], "digest": [None] * len(content["samples"]["id"])}}


def describe_task(content: Content) -> Content:
    """Task descriptions, 2: classes by name, what is said of the data, imbalance, groups, a protocol.

    The header may come without the samples.
    """
    header = content["header"]
    occurrences = [count for count in header["class_occ"].values() if count]
    described = {
        **header,
        "classes": list(header["idx_to_class"].values()),
        "imbalance_ratio": round(max(occurrences) / min(occurrences), 3) if occurrences else None,
        "license": "unknown",
        "reference": "",
        "url": "",
        "release": "",
        "folding": {},
        "protocol": [f"created from {header['dataset']}"],
    }
    migrated = {**content, "header": described}
    if "samples" in content:
        migrated["samples"] = {**content["samples"], "group": [None] * len(content["samples"]["id"])}
    return migrated


def name_stored_epoch(content: Content) -> Content:
    """Model storages, 2: before, the last epoch was always stored."""
    return {**content, "stored_epoch": content["epochs"] - 1}


def name_sources_of_model(content: Content) -> Content:
    """Model storages, 3: the tasks learned beside, and the model started from, which there were not before."""
    return {**content, "co_tasks": content.get("co_tasks", []), "pretrained": content.get("pretrained")}


def describe_heads(content: Content) -> Content:
    """Weights, 2: a head is more than its number of outputs; before, all were of classifications."""
    heads = {task: {"task_type": "classification", "outputs": outputs} for task, outputs in content["heads"].items()}
    return {**content, "heads": heads}


def name_task_type(content: Content) -> Content:
    """Predictions, 2: before, all were of classifications."""
    return {**content, "task_type": "classification"}


def give_no_intervals(content: Content) -> Content:
    """Metrics, 2: bootstrap intervals, which there were not before."""
    return {**content, "intervals": {}}


def name_measured_task(content: Content) -> Content:
    """Metrics, 3: the task that was tested; before, often unsaid where it was the one trained on."""
    return {**content, "on": content.get("on", content["task"])}
