"""Model card of an export, as Mitchell et al. (2019) propose it, with the front matter of model hubs."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from mml_lib.evaluation.network_metrics import NetworkMetrics
from mml_lib.models.network import Network
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.task_types import TASK_TYPES
from mml_lib.wording import counted, markdown

CARD = "README.md"
"""Name of the file, which hubs show."""

TO_WRITE = "*To be written by the author of the study.*"

HUB_TASKS = {
    "classification": "image-classification",
    "multilabel_classification": "image-classification",
    "semantic_segmentation": "image-segmentation",
    "regression": "image-feature-extraction",
}
"""Names of task types on hubs."""


def card_text(
    description: Mapping[str, Any],
    header: Mapping[str, Any],
    pipeline: Pipeline,
    network: Network,
    metrics: Sequence[NetworkMetrics],
    options: Mapping[str, Any],
) -> str:
    """Return the text of the model card. Each number in it is from a file of the project.

    Args:
        description: description of the export.
        header: header of the task description.
        pipeline: pipeline of the run.
        network: one of its networks.
        metrics: test metrics of each network.
        options: `license`, `intended_use` and `limits` of the section `export`.
    """
    title = (
        f"{markdown(description['task'])}: {TASK_TYPES[description['task_type']].title}, {markdown(network.arch_name)}"
    )
    parts = [
        _front_matter(description, options),
        f"# {title}\n",
        _made_of(description),
        f"## Intended use\n\n{options.get('intended_use') or TO_WRITE}\n",
        _limits(description, header, options),
        _data(header),
        _training(pipeline, network, description),
        _results(metrics),
        _licences(header, network, options),
        _use(description),
    ]
    return "\n".join(parts)


def _made_of(description: Mapping[str, Any]) -> str:
    networks = counted(len(description["folds"]), "network")
    ensemble = description.get("ensemble")
    if ensemble is None:
        averaged = ", whose outputs are averaged" if len(description["folds"]) > 1 else ""
        return f"Run `{description['run']}`, {networks}{averaged}. Made by MML.\n"
    rows = [f"| {member['run']} | {member['fold']} | {member['weight']:.4g} |" for member in ensemble["members"]]
    table = "\n".join(["| run | fold | weight |", "| --- | --- | --- |", *rows])
    return (
        f"Ensemble of {networks}, selected by the strategy `{ensemble['strategy']}`. Made by MML. Architecture and "
        f"training below are those of the first member.\n\n{table}\n"
    )


def _front_matter(description: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    content = {
        "library_name": "onnx",
        "pipeline_tag": HUB_TASKS[description["task_type"]],
        "license": options.get("license") or "unknown",
        "tags": ["image", description["task_type"], "mml"],
    }
    return f"---\n{yaml.safe_dump(content, sort_keys=False)}---\n"


def _limits(description: Mapping[str, Any], header: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    channels = ", ".join(map(markdown, description["input"]["channels"]))
    lines = [f"- It was trained on images {_modality(header)} (channels: {channels}). It predicts any other image too."]
    if description["classes"]:
        lines.append(f"- It predicts {counted(len(description['classes']), 'class', 'classes')} and no others.")
    if not any(description["calibration"]) and description["output"]["name"] == "probabilities":
        lines.append("- Its probabilities are not calibrated.")
    if description["own_preprocessing"]:
        lines.append(
            f"- Its preprocessing is code of the study: {', '.join(map(markdown, description['own_preprocessing']))}."
        )
    text = "\n".join(lines)
    return f"## Limits\n\n{options.get('limits') or TO_WRITE}\n\nFrom the files of the study:\n\n{text}\n"


def _modality(header: Mapping[str, Any]) -> str:
    modalities = ", ".join(map(markdown, header.get("modalities", {}).values()))
    return f"of the modality {modalities}" if modalities else "of unknown modality"


def _data(header: Mapping[str, Any]) -> str:
    samples = header["num_samples"]
    rows = [
        f"| {split} | {samples[split]:,} |" for split in ("train", "val", "test", "unlabelled") if samples.get(split)
    ]
    lines = ["| samples | number |", "| --- | --- |", *rows]
    about = [
        f"- {key}: {markdown(header[key])}" for key in ("license", "reference", "url", "release") if header.get(key)
    ]
    folds = header.get("num_folds")
    about += [f"- folds of the training samples: {folds}"] if folds else []
    return "## Data\n\n" + "\n".join(lines) + "\n\n" + "\n".join(about) + "\n"


def _training(pipeline: Pipeline, network: Network, description: Mapping[str, Any]) -> str:
    content = pipeline.content
    facts = {
        "architecture": network.arch_name,
        "parameters": f"{sum(parameter.numel() for parameter in network.parameters()):,}",
        "pretrained weights": "yes" if content.get("arch", {}).get("pretrained") else "no",
        "epochs": (content.get("trainer") or {}).get("max_epochs"),
        "optimizer": (content.get("optimizer") or {}).get("_target_"),
        "seed": content.get("seed"),
        "calibration": ", ".join(sorted({part["method"] for part in description["calibration"] if part})) or "none",
    }
    lines = [f"- {key}: {markdown(value)}" for key, value in facts.items() if value is not None]
    return "## Training\n\n" + "\n".join(lines) + "\n\nThe pipeline with all settings is in the project of the study.\n"


def _results(metrics: Sequence[NetworkMetrics]) -> str:
    """Return the table of test metrics: a row for each network and metric."""
    if not metrics:
        return "## Results\n\nThe study has no test metrics of this run.\n"
    lines = ["| fold | split | samples | metric | value | 95 % interval |", "| --- | --- | --- | --- | --- | --- |"]
    for of_fold in metrics:
        for name, value in of_fold.metrics.items():
            ends = of_fold.intervals.get(name)
            interval = f"{ends[0]:.4f} … {ends[1]:.4f}" if ends and all(end == end for end in ends) else ""
            cells = (of_fold.fold, of_fold.split, of_fold.samples, markdown(name), f"{value:.4f}", interval)
            lines.append(f"| {' | '.join(map(str, cells))} |")
    several = " The metrics are of single networks; the averaged network was not tested." if len(metrics) > 1 else ""
    return "## Results\n\n" + "\n".join(lines) + f"\n\nMetrics of each network, before calibration.{several}\n"


def _licences(header: Mapping[str, Any], network: Network, options: Mapping[str, Any]) -> str:
    pretrained = network.pretrained_cfg.get("license") if network.arch.get("pretrained") else None
    lines = [
        f"- data: {markdown(header.get('license') or 'unknown')}",
        f"- weights: {options.get('license') or 'unknown'}",
    ]
    lines += [f"- pretrained weights that they started from: {pretrained}"] if pretrained else []
    return "## Licences\n\n" + "\n".join(lines) + "\n"


def _use(description: Mapping[str, Any]) -> str:
    check = description["check"]
    differences = ", ".join(f"{name} {value:.1g}" for name, value in check["largest_differences"].items())
    lacking = description["operator_that_onnx_lacks"]
    lines = (
        [f"ONNX lacks the operator {lacking}: use `model.pt2` by `torch.export.load`."]
        if lacking
        else ["```bash", "pip install onnxruntime pillow", "python run_onnx.py image.png", "```"]
    )
    lines += ["", "`description.json` has input, preprocessing, classes, calibration and thresholds."]
    lines += [f"Largest differences from the stored predictions ({check['split']}): {differences}."]
    return "## Use\n\n" + "\n".join(lines) + "\n"
