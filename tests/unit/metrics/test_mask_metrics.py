"""Metrics of masks: means over images and foreground classes, and distances of surfaces."""

import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from scipy.spatial.distance import cdist

from mml_lib.config.metric_options import NAMED
from mml_lib.errors import MMLError
from mml_lib.evaluation.evaluation import evaluate, evaluate_resampled, network_intervals
from mml_lib.predictions.predictions import MaskPredictions
from mml_lib.task_types import IGNORE

CLASSES = 3
OVERLAP = ("dice", "iou", "precision", "recall", "sensitivity", "specificity")
SURFACES = ("hausdorff95", "surface_dice", "surface_dice_2px", "surface_dice_5px")


def predictions(masks: list, targets: list, classes: int = CLASSES) -> MaskPredictions:
    sides = ([np.asarray(mask, np.uint8) for mask in side] for side in (masks, targets))
    return MaskPredictions.of(*sides, np.array([f"s{row}" for row in range(len(masks))]), classes)


def drawn(seed: int, images: int = 5) -> MaskPredictions:
    """Return discs of two classes in images of several sizes, displaced; some absent, some pixels ignored."""
    rng = np.random.default_rng(seed)
    masks, targets = [], []
    for _ in range(images):
        shape = rng.integers(12, 30, 2)
        sides = [np.zeros(shape, np.uint8) for _ in range(2)]
        for index in range(1, CLASSES):
            center, radius = rng.integers(0, shape), rng.integers(2, 8)
            for side in sides:
                if rng.random() < 0.85:
                    shifted = center + rng.integers(-2, 3, 2)
                    rows, columns = np.ogrid[: shape[0], : shape[1]]
                    side[(rows - shifted[0]) ** 2 + (columns - shifted[1]) ** 2 <= radius**2] = index
        sides[1][rng.random(shape) < 0.02] = IGNORE
        masks.append(sides[0])
        targets.append(sides[1])
    return predictions(masks, targets)


def of_regions(name: str, predicted: np.ndarray, true: np.ndarray) -> float:
    """Return a metric of two regions, bool, by its definition; NaN where it is undefined."""
    hits = (predicted & true).sum()
    part, whole = {
        "dice": (2 * hits, predicted.sum() + true.sum()),
        "iou": (hits, (predicted | true).sum()),
        "precision": (hits, predicted.sum()),
        "recall": (hits, true.sum()),
        "sensitivity": (hits, true.sum()),
        "specificity": ((~predicted & ~true).sum(), (~true).sum()),
    }[name]
    return part / whole if whole else np.nan


def of_surfaces(name: str, predicted: np.ndarray, true: np.ndarray) -> float:
    """Return a metric of the surfaces of two regions from all pairs of their pixels."""
    if not predicted.any() and not true.any():
        return np.nan
    if not predicted.any() or not true.any():
        return float(np.hypot(*predicted.shape)) if name == "hausdorff95" else 0.0
    distances = cdist(*(np.argwhere(region & ~binary_erosion(region)) for region in (predicted, true)))
    nearest = [distances.min(axis=1), distances.min(axis=0)]
    if name == "hausdorff95":
        return max(np.percentile(side, 95) for side in nearest)
    tolerance = {"surface_dice": 1, "surface_dice_2px": 2, "surface_dice_5px": 5}[name]
    return float((np.concatenate(nearest) <= tolerance).mean())


def expected(name: str, masks: MaskPredictions) -> float:
    """Return the mean over images of the mean over foreground classes, both without what is undefined."""
    of_images = []
    for mask, target in masks.images():
        counted = target != IGNORE
        if name in OVERLAP:
            values = [of_regions(name, mask[counted] == index, target[counted] == index) for index in (1, 2)]
        else:
            values = [of_surfaces(name, (mask == index) & counted, target == index) for index in (1, 2)]
        if not np.isnan(values).all():
            of_images.append(np.nanmean(values))
    return float(np.mean(of_images)) if of_images else np.nan


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", [*OVERLAP, *SURFACES])
def test_metric_is_the_mean_over_images_of_the_mean_over_foreground_classes(name: str, seed: int):
    masks = drawn(seed)
    assert evaluate(masks, [name])[name] == pytest.approx(expected(name, masks), abs=1e-9)


@pytest.mark.long  # importing MONAI takes some seconds
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_surfaces_are_those_of_monai(seed: int):
    import torch
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

    rng = np.random.default_rng(seed)
    mask, target = np.zeros((2, 30, 34), np.uint8)
    for side in (mask, target):
        for index in (1, 2):
            row, column = rng.integers(0, 14, 2)
            side[row : row + rng.integers(3, 14), column : column + rng.integers(3, 14)] = index
    one_hot = [torch.eye(CLASSES)[side.astype(int)].permute(2, 0, 1)[None] for side in (mask, target)]
    distance = compute_hausdorff_distance(*one_hot, include_background=False, percentile=95)
    dice = compute_surface_dice(*one_hot, class_thresholds=[2.0, 2.0], include_background=False)
    values = evaluate(predictions([mask], [target]), ["hausdorff95", "surface_dice_2px"])
    assert values["hausdorff95"] == pytest.approx(distance.mean().item(), abs=1e-5)  # single precision
    assert values["surface_dice_2px"] == pytest.approx(dice.mean().item(), abs=1e-6)


def test_pooled_values_add_up_pixels_first():
    masks, targets = [[[1, 1, 0, 0]], [[1, 0, 0, 0]]], [[[1, 1, 1, 1]], [[1, 0, 0, IGNORE]]]
    values = evaluate(predictions(masks, targets, 2), NAMED["semantic_segmentation"])
    assert values["dice"] == pytest.approx((2 / 3 + 1) / 2)
    assert values["iou"] == pytest.approx((1 / 2 + 1) / 2)
    assert values["pooled_dice"] == pytest.approx(2 * 3 / 8)
    assert values["pooled_iou"] == pytest.approx(3 / 5)
    assert values["pixel_accuracy"] == pytest.approx(5 / 7)


def test_image_without_foreground_is_left_out_unless_some_is_predicted():
    lesion, empty = [[0, 1], [1, 1]], [[0, 0], [0, 0]]
    values = evaluate(predictions([lesion, empty], [lesion, empty], 2), ["dice", "hausdorff95"])
    assert values == {"dice": 1, "hausdorff95": 0}
    values = evaluate(predictions([lesion, lesion], [lesion, empty], 2), ["dice", "hausdorff95", "surface_dice"])
    assert values == pytest.approx({"dice": 0.5, "hausdorff95": np.sqrt(8) / 2, "surface_dice": 0.5})


def test_metrics_of_foreground_are_undefined_where_there_is_none():
    empty = predictions([[[0, 0]]], [[[0, 0]]], 2)
    values = evaluate(empty, NAMED["semantic_segmentation"])
    defined = {name for name, value in values.items() if not np.isnan(value)}
    assert defined == {"pixel_accuracy", "specificity"}
    assert np.isnan(network_intervals(evaluate_resampled(empty, ["dice"], 100))["dice"]).all()


def test_only_class_is_no_background():
    masks = predictions([[[0, 0]]], [[[0, IGNORE]]], 1)
    values = evaluate(masks, NAMED["semantic_segmentation"])
    assert np.isnan(values.pop("specificity")), "no pixel is of another class"
    assert values.pop("hausdorff95") == 0
    assert set(values.values()) == {1}


def test_masks_of_ignored_pixels_alone_are_refused():
    with pytest.raises(MMLError, match="every pixel of these masks is ignored"):
        evaluate(predictions([[[0, 1]]], [[[IGNORE, IGNORE]]]), ["dice"])


@pytest.mark.parametrize("name", NAMED["semantic_segmentation"])
def test_ignored_pixels_count_nowhere(name: str):
    mask, target = np.zeros((12, 12), np.uint8), np.zeros((12, 12), np.uint8)
    mask[2:6, 2:7], target[3:7, 2:6] = 1, 1
    wrong = mask.copy()
    wrong[9:] = 1
    ignored = target.copy()
    ignored[9:] = IGNORE
    first = mask.copy(), np.where(ignored == IGNORE, IGNORE, target)
    values = [evaluate(predictions([side], [ignored], 2), [name])[name] for side in (first[0], wrong)]
    assert values[0] == values[1]
