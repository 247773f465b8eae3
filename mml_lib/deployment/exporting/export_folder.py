"""Export folder: graph files, description, model card and script of a run, checked against its stored predictions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mml_lib.config.analysis.deployment_options import ENSEMBLE
from mml_lib.config.prediction_options import TTA
from mml_lib.deployment.candidate_networks import CandidateNetwork
from mml_lib.deployment.deployed_network import has_masks
from mml_lib.deployment.exporting.export_check import ExportCheck, refuse_differences
from mml_lib.deployment.exporting.export_description import DESCRIPTION, describe_export, description_text
from mml_lib.deployment.exporting.exported_ensemble import ExportedEnsemble
from mml_lib.deployment.exporting.exported_network import ExportedNetwork
from mml_lib.deployment.exporting.graph_files import GraphFiles, write_graph, write_graph_of_any_size
from mml_lib.deployment.exporting.model_card import CARD, card_text
from mml_lib.deployment.exporting.onnx_script import script_text
from mml_lib.deployment.network_choice import read_pipeline
from mml_lib.deployment.predictor import Predictor
from mml_lib.errors import MMLError
from mml_lib.evaluation.network_metrics import NetworkMetrics
from mml_lib.images.transforms import packed_size
from mml_lib.machine.terminal import warn
from mml_lib.predictions.predictions import AnyPredictions
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.struct import TaskStruct

SCRIPT = "run_onnx.py"
"""Name of the script."""


def write_export(
    folder: Path,
    predictor: Predictor,
    networks: Sequence[CandidateNetwork],
    struct: TaskStruct,
    dataset: str,
    stored: Sequence[AnyPredictions],
    metrics: Sequence[NetworkMetrics],
    split: str,
    tta: TTA,
    options: Mapping[str, Any],
    of_ensemble: AnyPredictions | None = None,
) -> dict[str, float]:
    """Write the export of a run or an ensemble, and return its largest differences from the stored predictions.

    Args:
        folder: an empty folder.
        predictor: predictor of the run, on the CPU.
        networks: its networks.
        struct: its task, with the packed images.
        dataset: manifest of the data set.
        stored: stored predictions of each network on the split.
        metrics: metrics of each network on the split.
        split: `test`, or `val` for tasks without a test split.
        tta: test-time augmentation of the stored predictions.
        options: `license`, `intended_use` and `limits`.
        of_ensemble: stored predictions of the ensemble on the split; None for a run.

    Raises:
        MMLError: the network cannot be traced, or differs from the stored predictions.
    """
    checks = [ExportCheck(member, struct, Dataset.read(dataset).sizes) for member in predictor.members]
    check, ids = checks[0], stored[0].ids.tolist()
    name = predictor.members[0].run if predictor.ensemble is None else ENSEMBLE
    model, differences = _checked_model(predictor, checks, stored)
    refuse_differences(differences, name)
    files = _write_graph(model, check, check.example(ids), ids, folder)
    _warn_about_missing_graphs(files, name)
    graphs, runners = check.of_graphs(model, files.runners, ids), files.runners
    outputs = check.of_outputs(runners, stored) if of_ensemble is None else check.of_ensemble(runners, of_ensemble)
    differences |= {form: max(difference, outputs.get(form, 0.0)) for form, difference in graphs.items()}
    refuse_differences(differences, name)
    checked = {"split": split, "samples": len(ids), "largest_differences": differences}
    description = describe_export(predictor, networks, model, files, checked, tta)
    script, description["script_lacks"] = _script(predictor)
    network = predictor.members[0].group.networks[0].network
    card = card_text(description, struct.header, read_pipeline(networks[0]), network, metrics, options)
    texts = {DESCRIPTION: description_text(description), CARD: card} | ({SCRIPT: script} if files.onnx else {})
    for file_name, text in texts.items():
        (folder / file_name).write_text(text, encoding="utf-8")
    return differences


def _checked_model(
    predictor: Predictor, checks: Sequence[ExportCheck], stored: Sequence[AnyPredictions]
) -> tuple[ExportedNetwork | ExportedEnsemble, dict[str, float]]:
    """Return the model to export, and under `networks` their largest difference from the stored predictions."""
    if predictor.ensemble is None:
        return ExportedNetwork(predictor.members[0].group), {"networks": checks[0].of_networks(stored)}
    _check_members(predictor)
    pairs = zip(checks, stored, strict=True)
    differences = {"networks": max(check.of_networks([predictions]) for check, predictions in pairs)}
    return ExportedEnsemble([member.group for member in predictor.members], predictor.ensemble), differences


def _warn_about_missing_graphs(files: GraphFiles, name: str) -> None:
    """Warn if one of the two forms of the graph could not be written."""
    if files.lacking:
        warn(f"export of run {name}: ONNX lacks {files.lacking}; the export contains model.pt2 (torch.export) only")
    if files.torch is None:
        warn(f"export of run {name}: torch.export does not support images as small as these; there is only model.onnx")


def _script(predictor: Predictor) -> tuple[str, str | None]:
    """Return the script that runs the graph, and the step that it lacks, if any."""
    member, task_type = predictor.members[0], predictor.task_type
    preparation, uses_windows = member.preparation, member.group.networks[0].window is not None
    script, problem = script_text(
        preparation.conversion, preparation.transforms, task_type, uses_windows, has_masks(task_type)
    )
    return script, problem or None


def _write_graph(
    model: ExportedNetwork | ExportedEnsemble,
    check: ExportCheck,
    example: np.ndarray,
    ids: Sequence[str],
    folder: Path,
) -> GraphFiles:
    """Write the graph, for images of any size unless the preprocessing sets a size."""
    is_sized = packed_size(check.member.preparation.transforms) is not None
    if is_sized or check.group.networks[0].window is not None:
        return write_graph(model, example, folder)
    sizes = [(int(height), int(width)) for height, width in check.images(ids).sizes.tolist()]
    return write_graph_of_any_size(model, example, sizes, folder)


def _check_members(predictor: Predictor) -> None:
    """Refuse an ensemble whose members see images in different ways.

    Raises:
        MMLError: the members preprocess images differently, or use windows.
    """
    first = predictor.members[0].preparation
    for member in predictor.members:
        if member.preparation.transforms != first.transforms or member.preparation.conversion != first.conversion:
            raise MMLError(
                f"export.run: runs {predictor.members[0].run} and {member.run} of the ensemble preprocess images "
                "differently, and a graph takes preprocessed pixels; name a run"
            )
        if member.group.networks[0].window is not None:
            raise MMLError(f"export.run: run {member.run} of the ensemble sees images by windows (patches); name a run")
