"""Loading: predictors and bare networks out of the files of runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from mml_lib.config.analysis.deployment_options import ENSEMBLE
from mml_lib.config.prediction_options import TTA
from mml_lib.deployment.deployed_network import DeployedNetwork, NetworkGroup
from mml_lib.deployment.new_images import NewImage, new_images
from mml_lib.deployment.predictor import Member, Predictor, tensor_of
from mml_lib.deployment.preparation import Preparation
from mml_lib.deployment.stored_runs import Folds, StoredProject, StoredRun
from mml_lib.errors import MMLError
from mml_lib.evaluation.calibration.calibration_methods import Calibration
from mml_lib.evaluation.ensembles.fold_pools import spread
from mml_lib.inference.merged_views import MergedViews
from mml_lib.inference.prediction import best_device
from mml_lib.pipelines.pipeline import Pipeline


class NetworkTransforms:
    """Transforms of a bare network, from an image to the normalised floats C×H×W of its input.

    Args:
        preparation: conversion and preprocessing.
        network: the network with its normalisation.
    """

    def __init__(self, preparation: Preparation, network: DeployedNetwork):
        self.preparation = preparation
        self._network = network

    def __call__(self, image: Any) -> torch.Tensor:
        """Return normalised floats, C×H×W, of a path, an array or a picture of Pillow.

        Raises:
            MMLError: the image cannot be read, has several frames, or differs in kind from the training images.
        """
        images = [image] if isinstance(image, NewImage) else new_images(image)
        if len(images) != 1:
            raise MMLError(f"images: {image} holds {len(images)} images; give one at a time")
        pixels = tensor_of([self.preparation(images[0])]).to(self._network.mean.device)
        return self._network.normalise(self._network.scale(pixels))[0]


class TaskNetwork(torch.nn.Module):
    """A network with the head of one task: normalised floats N×C×H×W to logits, values, or logits of pixels.

    Args:
        network: the network.
    """

    def __init__(self, network: DeployedNetwork):
        super().__init__()
        self.network = network.network
        self.task = network.task
        self.classes = network.classes

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(images, self.task)


def read_member(
    pipeline: Pipeline,
    weights: Sequence[str | Path],
    dataset: str | Path,
    calibrations: Sequence[Calibration | None] | None = None,
    tta: TTA | None = None,
) -> Member:
    """Return the networks of a run, ready to predict.

    Args:
        pipeline: of the run.
        weights: paths of the weights of its networks.
        dataset: path of the manifest of its task's data set.
        calibrations: calibration of each network; None: none.
        tta: test-time augmentation.

    Raises:
        MMLError: a file is missing or damaged.
    """
    networks = [DeployedNetwork.read(path, pipeline) for path in weights]
    views = MergedViews(tta, networks[0].task_type) if tta and tta.transforms else None
    group = NetworkGroup(networks, list(calibrations or [None] * len(networks)), views)
    return Member(pipeline.run, group, Preparation.of(pipeline, dataset))


def read_predictor(
    project: StoredProject,
    task: str | None,
    run: str | None,
    folds: Folds,
    calibrated: bool | None,
    tta: Mapping[str, Any] | None,
    device: str,
) -> Predictor:
    """Return the predictor of a run, or of an ensemble; see `mml_lib.interactive.load_predictor`."""
    views = _views(tta)
    place = _device(device)
    if run == ENSEMBLE:
        predictor = _read_ensemble(project, project.task(task), calibrated, views)
    else:
        stored = project.find(task, run, folds)
        member = _member_of(stored, calibrated, views)
        predictor = Predictor(stored.task, member.group.networks[0].classes, [member])
    return predictor.to(place)


def _views(tta: Mapping[str, Any] | None) -> TTA:
    """Return the test-time augmentation of a mapping.

    Raises:
        MMLError: the mapping has unknown keys or invalid values.
    """
    try:
        return TTA.model_validate(tta or {})
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, ("tta", *fault["loc"])))
        raise MMLError(f"{place}: {fault['msg']}; give a mapping with {', '.join(TTA.model_fields)}") from error


def _device(name: str) -> torch.device:
    """Return the device of a name.

    Raises:
        MMLError: the device is not available.
    """
    if name in ("auto", "cpu"):
        return best_device(name)
    try:
        device = best_device(name) if name in ("gpu", "cuda", "mps") else torch.device(name)
        torch.empty(0, device=device)
    except (MMLError, RuntimeError, TypeError, AssertionError, NotImplementedError) as error:
        raise MMLError(f"device: there is no device {name!r} here; give auto, cpu, or one that torch has") from error
    return device


def _member_of(stored: StoredRun, calibrated: bool | None, tta: TTA) -> Member:
    """Return the networks of a run, calibrated if requested or, by default, if the project has calibrations.

    Raises:
        MMLError: calibration is requested, but a network has none.
    """
    calibrations: list[Calibration | None] = [stored.calibrations.get(fold) for fold in stored.weights]
    if calibrated and None in calibrations:
        raise MMLError(
            f"calibrated: run {stored.run} of {stored.task} has networks without calibration; run its study in mode "
            "post, or set calibrated=False"
        )
    if calibrated is False or None in calibrations:
        calibrations = [None] * len(calibrations)
    if not stored.dataset.exists():
        raise MMLError(
            f"the manifest {stored.dataset}, which says how image files become pixels, is missing; set data to the "
            "root of the data, or make it again: snakemake create --configfile <study>"
        )
    return read_member(stored.pipeline, list(stored.weights.values()), stored.dataset, calibrations, tta)


def _read_ensemble(project: StoredProject, task: str, calibrated: bool | None, tta: TTA) -> Predictor:
    """Return the predictor of an ensemble of mode `post`.

    Raises:
        MMLError: a member is missing, or has different classes or another order of classes.
    """
    ensemble = project.ensemble(task)
    networks, members = [], []
    for member in ensemble.members:
        if member.project is not None or member.eval_task is not None:
            raise MMLError(
                f"run: the ensemble of {task} has a member of another task or project ({member}); name a run"
            )
        stored = project.find(member.task, member.run, "all" if member.fold is None else member.fold)
        for fold in stored.weights:
            single = project.find(member.task, member.run, fold)
            members.append(_member_of(single, calibrated, tta))
            networks.append(type(member)(member.task, member.run, fold))
    check_same_order(task, [(member.run, member.group.networks[0].classes) for member in members])
    whole = any(member.fold is None for member in ensemble.members)
    ensemble, indices = spread(ensemble, networks) if whole else (ensemble, list(range(len(networks))))
    chosen = [members[place] for place in indices]
    return Predictor(task, chosen[0].group.networks[0].classes, chosen, ensemble)


def check_same_order(task: str, classes: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Refuse members whose classes differ, or have another order.

    Raises:
        MMLError: the first such member.
    """
    first_run, first = classes[0]
    for run, classes_of_run in classes[1:]:
        if list(classes_of_run) != list(first):
            raise MMLError(
                f"run: the ensemble of {task} has members with different classes, or in another order: run {first_run} "
                f"{', '.join(first)}; run {run} {', '.join(classes_of_run)}; name one of the runs"
            )
