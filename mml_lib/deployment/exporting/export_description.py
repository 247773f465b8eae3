"""Description of an export as JSON: input, preprocessing, classes, calibration, thresholds, and how it was checked."""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from mml_lib.config.analysis.deployment_options import ENSEMBLE
from mml_lib.config.prediction_options import TTA
from mml_lib.deployment.candidate_networks import CandidateNetwork
from mml_lib.deployment.deployed_network import has_masks
from mml_lib.deployment.exporting.exported_ensemble import ExportedEnsemble
from mml_lib.deployment.exporting.exported_network import INPUT, ExportedNetwork
from mml_lib.deployment.exporting.graph_files import ONNX, OPSET, TOLERANCE, TORCH, GraphFiles
from mml_lib.deployment.prediction_rows import LABEL_THRESHOLD
from mml_lib.deployment.predictor import Member, Predictor
from mml_lib.images.transforms import draft_size
from mml_lib.task_types import TASK_TYPES

DESCRIPTION = "description.json"
"""Name of the file."""

VERSION = 1


def describe_export(
    predictor: Predictor,
    networks: Sequence[CandidateNetwork],
    model: ExportedNetwork | ExportedEnsemble,
    files: GraphFiles,
    check: Mapping[str, Any],
    tta: TTA,
) -> dict[str, Any]:
    """Return the content of the description.

    Args:
        predictor: the predictor of the run.
        networks: its networks.
        model: the graph.
        files: its files.
        check: results of the check.
        tta: test-time augmentation of the graph.
    """
    member = predictor.members[0]
    kind = TASK_TYPES[predictor.task_type]
    return {
        "version": VERSION,
        "task": predictor.task,
        "task_type": predictor.task_type,
        "run": member.run if predictor.ensemble is None else ENSEMBLE,
        "folds": [network.fold for network in networks],
        "ensemble": _ensemble(predictor, networks),
        "classes": predictor.classes,
        "input": _input(member, files.size),
        "output": {"name": model.output, "of_pixels": kind.has_masks},
        **_preparation(member),
        **_graph(predictor.members, model, tta),
        "thresholds": dict.fromkeys(predictor.classes, LABEL_THRESHOLD) if kind.is_multilabel else None,
        "files": {"onnx": files.onnx and ONNX, "torch_export": files.torch and TORCH},
        "operator_that_onnx_lacks": files.lacking or None,
        "check": {"tolerance": TOLERANCE, **check},
        "versions": {name: version(name) for name in ("torch", "onnx", "onnxruntime")} | {"opset": OPSET},
    }


def _input(member: Member, size: tuple[int, int] | None) -> dict[str, Any]:
    """Return the description of the graph's input pixels.

    Args:
        member: a member of the predictor.
        size: height and width of the images; None: any size, equal within a batch.
    """
    pixels = member.preparation.conversion.pixels
    is_shallow = pixels.depth == "uint8"
    return {
        "name": INPUT,
        "layout": "N×H×W×C",
        "dtype": "uint8" if is_shallow else "float32",
        "range": [0, 255] if is_shallow else [0, 1],
        "height": size and size[0],
        "width": size and size[1],
        "channels": list(pixels.channels),
    }


def _preparation(member: Member) -> dict[str, Any]:
    """Return the description of the preprocessing before the graph."""
    preparation, first = member.preparation, member.group.networks[0]
    window = first.window
    size = {} if window is None else {"size": list(window.size), "overlap": window.overlap, "weights": "gaussian"}
    return {
        "preprocessing": [dict(spec) for spec in preparation.transforms],
        "own_preprocessing": preparation.own_transforms,
        "conversion": preparation.conversion.to_json(),
        "draft": None if has_masks(member.group.task_type) else draft_size(preparation.transforms),
        "window": size or None,
    }


def _ensemble(predictor: Predictor, networks: Sequence[CandidateNetwork]) -> dict[str, Any] | None:
    """Return the description of an ensemble; None: it is a run."""
    ensemble = predictor.ensemble
    if ensemble is None:
        return None
    pairs = zip(networks, ensemble.weights, strict=True)
    calibration = ensemble.calibration
    return {
        "strategy": ensemble.strategy,
        "votes": ensemble.votes,
        "member_temperature": ensemble.member_temperature,
        "members": [{"run": network.run, "fold": network.fold, "weight": weight} for network, weight in pairs],
        "calibration": calibration and {"scale": calibration.scale, "bias": calibration.offsets.tolist()},
    }


def _graph(members: Sequence[Member], model: ExportedNetwork | ExportedEnsemble, tta: TTA) -> dict[str, Any]:
    """Return the description of the graph's operations."""
    parts = ["scaling to 0..1", "normalisation"]
    parts += ["test-time augmentation"] if tta.transforms else []
    parts += ["calibration"] if model.is_calibrated else []
    parts += ["mean over folds"] if len(members[0].group.networks) > 1 else []
    parts += ["ensemble"] if isinstance(model, ExportedEnsemble) else []
    maps = [
        calibration and {"method": calibration.method, "scale": calibration.scale, "bias": calibration.offsets.tolist()}
        for member in members
        for calibration in member.group.calibrations
    ]
    statistics = [
        {"mean": network.mean.flatten().tolist(), "std": network.std.flatten().tolist()}
        for member in members
        for network in member.group.networks
    ]
    views = tta.model_dump(mode="json", by_alias=True) if tta.transforms else None
    return {"in_graph": parts, "normalization": statistics, "calibration": maps, "tta": views}


def description_text(content: Mapping[str, Any]) -> str:
    """Return the text of the file."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
