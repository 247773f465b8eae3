"""Figures of runs and of predictions: what is written in them, and that they stay readable and small."""

import io
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.evaluation.calibration.reliability import reliability
from mml_lib.evaluation.evaluation import evaluate
from mml_lib.predictions.predictions import Predictions
from mml_lib.predictions.scores import softmax, values_of
from mml_lib.reports.canvas import display_names, run_styles, thinned
from mml_lib.reports.confusion_figures import shorten_count
from mml_lib.reports.figures import (
    draw_calibration_errors,
    draw_ensemble,
    draw_leaderboard,
    draw_learning_curves,
    draw_tuning_curve,
)
from mml_lib.reports.prediction_figures import (
    curves,
    draw_confusion,
    draw_curves,
    draw_largest_losses,
    draw_reliability,
)
from tests.support.drawings import LARGEST, drawn, texts

RUNS = [f"{number * 2654435761 % 2**32:08x}" for number in range(1, 41)]


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing glyph, a layout that does not fit
        yield


def history(epochs: int = 12, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    columns = {name: np.exp(-np.arange(epochs) / 5) + 0.1 * rng.random(epochs) for name in ("train/loss", "val/loss")}
    return pd.DataFrame({"epoch": np.arange(epochs), "lr": 0.001, **columns, "val/mae": columns["val/loss"] * 2})


def standings(runs: list[str], metrics: tuple[str, ...] = ("accuracy", "mae")) -> pd.DataFrame:
    columns = ["metric", "run", "mean", "ci_low", "ci_high", "rank", "among_best"]
    rows = [
        (metric, run, 0.9 - place / 50, 0.85 - place / 50, 0.93 - place / 50, place + 1.0, place < 2)
        for metric in metrics
        for place, run in enumerate(runs)
    ]
    return pd.DataFrame(rows, columns=columns)


# --- styles -------------------------------------------------------------------------------------------------------


def test_run_looks_the_same_in_every_order_and_no_two_alike():
    styles = run_styles(RUNS[:28])
    assert styles == run_styles(RUNS[27::-1])
    assert len({(style.color, style.linestyle) for style in styles.values()}) == 28
    in_black_and_white = {(style.linestyle, style.marker) for style in run_styles(RUNS[:36]).values()}
    assert len(in_black_and_white) == 36


def test_runs_whose_long_names_are_alike_keep_their_ids():
    name = "optimizer.lr=0.001, augmentations=medical_color, "
    names = {RUNS[0]: name + "seed=1", RUNS[1]: name + "seed=2", RUNS[2]: "plain"}
    short = display_names(RUNS[:3], names)
    assert short[2] == "plain"
    assert len(set(short)) == 3
    assert all(run in label and len(label) <= 44 for run, label in zip(RUNS[:2], short[:2], strict=True))


# --- curves -------------------------------------------------------------------------------------------------------


def test_learning_curves_have_the_colour_of_their_run_and_its_name(tmp_path: Path):
    histories = {run: [history(seed=fold) for fold in range(3)] for run in RUNS[:2]}
    svg = drawn(tmp_path, draw_learning_curves, histories, run_styles(RUNS), names={RUNS[0]: "lr=$1$ & <b>"})
    assert {"epoch", "training loss", "validation loss", "lr=$1$ &amp; &lt;b&gt;", RUNS[1]} <= set(texts(svg))
    for run in RUNS[:2]:
        assert svg.count(f"stroke: {run_styles(RUNS)[run].color.lower()}; stroke-opacity: 0.45") == 2 * 3  # thin folds


def test_learning_curves_show_the_columns_that_are_there(tmp_path: Path):
    columns = ("val/loss", "val/mae", "val/none", "lr")
    svg = drawn(tmp_path, draw_learning_curves, {RUNS[0]: [history()]}, run_styles(RUNS), columns)
    assert {"validation loss", "validation mae (lower is better)", "learning rate", "1e-3"} <= set(texts(svg))
    assert "none" not in " ".join(texts(svg))
    with pytest.raises(MMLError, match="none of the columns"):
        draw_learning_curves({RUNS[0]: [history()]}, run_styles(RUNS), tmp_path / "none.svg", ("val/none",))


@pytest.mark.long
def test_long_trainings_of_many_runs_stay_small(tmp_path: Path):
    columns = ("train/loss", "val/loss", "val/mae", "lr")
    histories = {run: [history(500, seed) for seed in range(2)] for run in RUNS[:20]}
    svg = drawn(tmp_path, draw_learning_curves, histories, run_styles(RUNS), columns)
    assert set(RUNS[:20]) <= set(texts(svg))
    histories = {run: [history(500, seed) for seed in range(5)] for run in RUNS[:4]}
    drawn(tmp_path, draw_learning_curves, histories, run_styles(RUNS), columns)


def test_epochs_without_a_finite_loss_are_left_out(tmp_path: Path):
    exploded = history(300)
    exploded.loc[30:, ["train/loss", "val/loss"]] = np.inf
    folds = [exploded, history(300)]
    assert "epoch" in texts(drawn(tmp_path, draw_learning_curves, {RUNS[0]: folds}, run_styles(RUNS)))


def test_thinned_curve_keeps_ends_and_bends():
    x = np.arange(10_000)
    y = (x > 7000) * 1.0
    fewer, values = thinned(x, y, 50)
    assert len(fewer) <= 50
    assert (fewer[0], fewer[-1]) == (0, 9999)
    bend = np.flatnonzero(np.diff(values))[0]
    assert fewer[bend] >= 6000
    assert thinned(x[:10], y[:10], 50)[0].tolist() == list(range(10))


def test_tuning_curve_marks_the_chosen_rate(tmp_path: Path):
    lr = np.geomspace(1e-6, 1, 60)
    curve = {"lr": lr.tolist(), "loss": [*np.exp(-np.arange(58) / 20), None, None]}
    labels = texts(drawn(tmp_path, draw_tuning_curve, curve, 1e-3))
    assert {"learning rate", "smoothed training loss", "chosen: 1.00e-03", "1e-5", "1e-2"} <= set(labels)
    assert not any("chosen" in text for text in texts(drawn(tmp_path, draw_tuning_curve, curve, None)))
    with pytest.raises(MMLError, match="no finite loss"):
        draw_tuning_curve({"lr": [1e-3], "loss": [None]}, None, tmp_path / "none.svg")


# --- bars ---------------------------------------------------------------------------------------------------------


def test_leaderboard_is_in_order_and_hollow_where_runs_are_told_apart(tmp_path: Path):
    table = standings(RUNS[:5])
    svg = drawn(tmp_path, draw_leaderboard, table, ["accuracy", "mae"], run_styles(RUNS), names={RUNS[0]: "winner"})
    labels = texts(svg)
    assert {"accuracy", "mae (lower is better)"} <= set(labels)
    assert [text for text in labels if text in RUNS[1:5] or text == "winner"] == ["winner", *RUNS[1:5]]
    assert svg.count("fill: #ffffff; stroke") >= 2 * 3  # three runs of two metrics


def test_leaderboard_of_very_many_runs_says_what_it_leaves_out(tmp_path: Path):
    runs = [f"{run}{end}" for run in RUNS for end in "ab"]
    labels = texts(drawn(tmp_path, draw_leaderboard, standings(runs), ["accuracy"], run_styles(runs)))
    assert any("40 further runs are left out" in text for text in labels)


def test_undefined_values_leave_a_gap(tmp_path: Path):
    table = standings(RUNS[:2])
    table.loc[table["run"] == RUNS[1], ["mean", "ci_low", "ci_high", "rank"]] = np.nan
    assert {RUNS[0], RUNS[1]} <= set(texts(drawn(tmp_path, draw_leaderboard, table, ["accuracy"], run_styles(RUNS))))
    errors = pd.DataFrame({"run": RUNS[:1], "metric": "brier", "before": [0.2], "after": [np.nan]})
    assert "nan" not in texts(drawn(tmp_path, draw_calibration_errors, errors))


def test_calibration_errors_have_numbers_before_and_after(tmp_path: Path):
    rows = [(run, metric, 0.25, 0.125) for run in RUNS[:12] for metric in ("calibration_error", "log_loss")]
    table = pd.DataFrame(rows, columns=["run", "metric", "before", "after"])
    labels = texts(drawn(tmp_path, draw_calibration_errors, table))
    assert {"before", "after", "calibration error (lower is better)", *RUNS[:12]} <= set(labels)
    assert (labels.count("0.250"), labels.count("0.125")) == (24, 24)


def test_ensemble_shows_its_heaviest_members_and_what_the_others_weigh(tmp_path: Path):
    members = pd.DataFrame({"run": RUNS + RUNS[:10], "fold": [0] * 40 + [1] * 10, "weight": [0.02] * 49 + [0.04]})
    labels = texts(drawn(tmp_path, draw_ensemble, members, run_styles(RUNS)))
    assert f"{RUNS[9]}, fold 1" in labels
    assert "weight (10 further members weigh 0.200 together)" in labels
    labels = texts(drawn(tmp_path, draw_ensemble, members[:2].assign(task=["t", "other"]), run_styles(RUNS)))
    assert {f"t: {RUNS[0]}, fold 0", f"other: {RUNS[1]}, fold 0"} <= set(labels)


# --- predictions --------------------------------------------------------------------------------------------------


def test_confusion_matrix_has_counts_and_shares_of_rows(tmp_path: Path):
    labels = texts(drawn(tmp_path, draw_confusion, np.array([[30, 10], [0, 0]]), ["naevus", "melanoma" * 5]))
    assert {"30", "75%", "10", "25%", "naevus", "true class", "predicted class", "75.0% of 40 images are right"} <= set(
        labels
    )
    assert max(map(len, labels)) < 45
    labels = texts(drawn(tmp_path, draw_confusion, np.eye(40, dtype=int), [f"class {number}" for number in range(40)]))
    assert "class 39" in labels
    assert "100%" not in labels
    assert [shorten_count(count) for count in (99_999, 123_456, 99_999_999, 2 * 10**8)] == [
        "99999",
        "123k",
        "99999k",
        "200M",
    ]


def scores(classes: int, count: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and targets; the last class is told best."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, classes, count)
    strength = np.linspace(0.5, 4, classes)[targets, None]
    return softmax(strength * np.eye(classes)[targets] + rng.normal(size=(count, classes))), targets


def test_curves_have_the_areas_of_the_metrics(tmp_path: Path):
    probabilities, targets = scores(3)
    positive = targets[:, None] == np.arange(3)
    labels = texts(drawn(tmp_path, draw_curves, probabilities, positive, ["a", "b", "c"]))
    metrics = ["auroc", "average_precision"]
    area, precision = values_of("multilabel_classification", metrics, (probabilities, positive)).values()
    assert {f"ROC: mean area {area:.3f}", f"precision-recall: mean area {precision:.3f}"} <= set(labels)
    first = probabilities[:, :1], positive[:, :1]
    one = tuple(values_of("multilabel_classification", metrics, first).values())
    assert f"a ({one[0]:.3f}; {one[1]:.3f})" in labels
    fpr, recall, step = curves(probabilities[:, 0], positive[:, 0])
    assert np.trapezoid(recall, fpr) == pytest.approx(one[0])
    assert (np.diff(recall) * step).sum() == pytest.approx(one[1])


def test_of_many_classes_the_worst_have_a_line_and_a_name(tmp_path: Path):
    probabilities, targets = scores(40)
    targets[targets == 39] = 0
    labels = texts(
        drawn(
            tmp_path, draw_curves, probabilities, targets[:, None] == np.arange(40), list(map("c{}".format, range(40)))
        )
    )
    assert len([text for text in labels if text.startswith("c") and ";" in text and "against" not in text]) == 8
    assert any("31 better ones in grey; 1 without samples" in text for text in labels)
    with pytest.raises(MMLError, match="no class has samples and others"):
        draw_curves(probabilities[:5], np.zeros((5, 40), bool), ["c"] * 40, tmp_path / "none.svg")


def test_reliability_tells_the_calibration_error_of_the_metrics(tmp_path: Path):
    probabilities, targets = scores(3)
    logits, ids = np.log(probabilities), np.arange(len(targets)).astype(str)
    before, after = (Predictions(scale * logits, targets, ids) for scale in (3, 1))
    tables = {"before": reliability(before), "after": reliability(after)}
    labels = texts(drawn(tmp_path, draw_reliability, tables))
    for name, predictions in (("before", before), ("after", after)):
        assert (
            f"{name} (calibration error {evaluate(predictions, ['calibration_error'])['calibration_error']:.3f})"
            in labels
        )
    assert {"confidence (predicted probability)", "share that is right", "predictions (%)"} <= set(labels)


def test_reliability_of_labels_is_drawn_of_all_together(tmp_path: Path):
    columns = ["label", "low", "high", "samples", "confidence", "accuracy"]
    rows = [(0, 0.5, 0.6, 30, 0.5, 0.9), (1, 0.5, 0.6, 10, 0.6, 0.1)]  # 0.525 and 0.7 together
    labels = texts(drawn(tmp_path, draw_reliability, {"before": pd.DataFrame(rows, columns=columns)}))
    assert "before (calibration error 0.175)" in labels


def test_largest_losses_are_told_beside_their_pictures(tmp_path: Path):
    columns = ["id", "loss", "true", "predicted", "probability"]
    rows = [("a/1", 4.25, "naevus", "melanoma", 0.75), ("a/2", 3, "1.5", "$2$", np.nan)]
    worst = pd.DataFrame(rows, columns=columns)
    images = [np.full((20, 40, 3), 255, np.uint8), np.full((500, 30, 3), 200, np.uint8)]
    labels = texts(drawn(tmp_path, draw_largest_losses, worst, images))
    assert {"a/1", "true naevus", "predicted melanoma 0.75", "loss 4.25", "predicted $2$", "loss 3"} <= set(labels)
    with pytest.raises(MMLError, match="no samples with a loss"):
        draw_largest_losses(worst[:0], [], tmp_path / "none.jpg")


def test_grid_of_photographs_stays_small_as_jpeg(tmp_path: Path):
    rng = np.random.default_rng(0)
    images = [np.clip(rng.normal(128, 15, (300, 400, 3)), 0, 255).astype(np.uint8)] * 24
    worst = pd.DataFrame({"id": "x", "loss": 1.0, "true": "a", "predicted": "b", "probability": 0.5}, index=range(24))
    draw_largest_losses(worst, images, tmp_path / "grid.jpg")
    content = (tmp_path / "grid.jpg").read_bytes()
    assert len(content) < LARGEST
    assert Image.open(io.BytesIO(content)).size[0] > 1000


def test_same_figure_gives_the_same_file(tmp_path: Path):
    for suffix in ("svg", "png"):
        files = [tmp_path / f"{name}.{suffix}" for name in "ab"]
        for file in files:
            draw_ensemble(pd.DataFrame({"run": RUNS[:3], "fold": 0, "weight": 0.3}), run_styles(RUNS), file)
        assert files[0].read_bytes() == files[1].read_bytes()
