"""Projects of former formats."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mml_lib.audit.image_measures import ImageMeasures
from mml_lib.audit.neighbours import Neighbours
from mml_lib.distances.pair_distances import PairDistance
from mml_lib.evaluation.calibration.calibration_methods import Calibration
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage
from mml_lib.evaluation.network_metrics import NetworkMetrics
from mml_lib.evaluation.resampled import read_resampled
from mml_lib.explanations.explanation_maps import read_maps
from mml_lib.features.feature_files import Features
from mml_lib.features.fisher_embedding import FisherEmbedding
from mml_lib.features.linear_probes import LinearProbe
from mml_lib.files.containers import read_packed_format, stamp_of
from mml_lib.files.formats import FORMATS
from mml_lib.files.stored import read_json
from mml_lib.models.model_selection import Selection
from mml_lib.models.model_storage import ModelStorage
from mml_lib.models.network import load_network
from mml_lib.pipelines.pipeline import Pipeline, read_stored_yaml
from mml_lib.predictions.predictions import read_predictions
from mml_lib.search.trials import Trial, TrialResult
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription, read_header
from mml_lib.training.tuning import Tuning
from tests.support.places import REPOSITORY

FIXTURES = REPOSITORY / "tests/fixtures"


OLDER = FIXTURES / "formats-older"


def read_config(path: Path) -> Any:
    stamp_of("study_config", path)
    return yaml.safe_load(path.read_text())


READ: dict[str, Callable[[Path], Any]] = {
    "dataset": Dataset.read,
    "description": lambda path: (TaskDescription.read(path).targets, read_header(path)),
    "packed": lambda path: (read_packed_format(path), np.load(path / "images.npy")),
    "pipeline": Pipeline.read,
    "blueprint": lambda path: read_stored_yaml(path, "blueprint")["pipeline"]["optimizer"],
    "overlaps": lambda path: read_json(path, "overlaps")["guards"],
    "selection": Selection.read,
    "tuning": Tuning.read,
    "models": ModelStorage.read,
    "parameters": load_network,
    "predictions": read_predictions,
    "features": Features.load,
    "image_measures": ImageMeasures.read,
    "neighbours": Neighbours.read,
    "explanations": read_maps,
    "metrics": NetworkMetrics.read,
    "resampled_metrics": read_resampled,
    "calibration": lambda path: Calibration(**read_json(path, "calibration")),
    "ensemble": EnsembleStorage.read,
    "fisher": FisherEmbedding.read,
    "baseline_probe": LinearProbe.read,
    "pair_distance": PairDistance.read,
    "trial": lambda path: Trial.read(path).records,
    "trial_result": TrialResult.read,
    "study_config": read_config,
    "run_explanation": lambda path: read_stored_yaml(path, "run_explanation")["run"],
    "return_value": lambda path: read_json(path, "return_value")["mode"],
    "backup": lambda path: read_json(path, "backup")["files"],
    "backup_report": lambda path: read_json(path, "backup_report")["rewritten"],
}


def older(kind: str, version: int) -> Path:
    """The file of an older version of a kind."""
    (path,) = (OLDER / f"{kind}-{version}").iterdir()
    return path


FORMER = [(kind, version) for kind, form in FORMATS.items() for version in range(form.oldest, form.version)]
