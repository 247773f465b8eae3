"""Export folder: graph files, description, model card and script of a run, checked against its stored predictions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mml_lib.config.prediction_options import TTA
from mml_lib.deployment.candidate_networks import CandidateNetwork
from mml_lib.deployment.deployed_network import has_masks
from mml_lib.deployment.exporting.export_check import ExportCheck, refuse_differences
from mml_lib.deployment.exporting.export_description import DESCRIPTION, describe_export, description_text
from mml_lib.deployment.exporting.exported_network import ExportedNetwork
from mml_lib.deployment.exporting.graph_files import write_graph
from mml_lib.deployment.exporting.model_card import CARD, card_text
from mml_lib.deployment.exporting.onnx_script import script_text
from mml_lib.deployment.network_choice import read_pipeline
from mml_lib.deployment.predictor import Predictor
from mml_lib.evaluation.network_metrics import NetworkMetrics
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
) -> dict[str, float]:
    """Write the export of a run, and return its largest differences from the stored predictions.

    Args:
        folder: an empty folder.
        predictor: predictor of the run, on the CPU.
        networks: its networks.
        struct: its task, with the packed images.
        dataset: manifest of the data set.
        stored: stored predictions of each network on the split.
        metrics: metrics of each network on the split.
        split: `test`, or `val` where there is none.
        tta: test-time augmentation of the stored predictions.
        options: `license`, `intended_use` and `limits`.

    Raises:
        MMLError: the network cannot be traced, or differs from the stored predictions.
    """
    member = predictor.members[0]
    check = ExportCheck(member, struct, Dataset.read(dataset).sizes)
    ids = stored[0].ids.tolist()
    differences = {"networks": check.of_networks(stored)}
    refuse_differences(differences, member.run)
    model, example = ExportedNetwork(member.group), check.example(ids)
    files = write_graph(model, example, folder)
    if files.lacking:
        warn(f"export of run {member.run}: ONNX lacks {files.lacking}; there is model.pt2 (torch.export) alone")
    differences |= check.of_graphs(model, files.runners, ids)
    for name, difference in check.of_outputs(files.runners, stored).items():
        differences[name] = max(differences[name], difference)
    refuse_differences(differences, member.run)
    checked = {"split": split, "samples": len(ids), "largest_differences": differences}
    description = describe_export(predictor, networks, model, files, example.shape, checked, tta)
    preparation, task_type = member.preparation, predictor.task_type
    script, problem = script_text(
        preparation.conversion,
        preparation.transforms,
        task_type,
        member.group.networks[0].window is not None,
        has_masks(task_type),
    )
    description["script_lacks"] = problem or None
    card = card_text(
        description, struct.header, read_pipeline(networks[0]), member.group.networks[0].network, metrics, options
    )
    (folder / DESCRIPTION).write_text(description_text(description), encoding="utf-8")
    (folder / CARD).write_text(card, encoding="utf-8")
    if files.onnx is not None:
        (folder / SCRIPT).write_text(script, encoding="utf-8")
    return differences
