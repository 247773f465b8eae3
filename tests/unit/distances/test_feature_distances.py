"""Distances of features, against other implementations and closed forms."""

import numpy as np
import pytest
import scipy.linalg
from scipy.spatial.distance import cdist
from scipy.stats import entropy, wasserstein_distance

from mml_lib.distances import MEASURES, TaskData
from tests.support.gaussian_tasks import gaussian_task, standard_task

MEAN = np.array([0.5, -1, 0.2])
COVARIANCE = np.array([[2, 0.5, 0], [0.5, 1, 0.3], [0, 0.3, 0.5]])


def compare(measure: str, source: TaskData, target: TaskData, **options) -> float:
    return MEASURES[measure].compare(source, target, MEASURES[measure].read_options(options))


# --- keywords ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [
        (["skin", "lesion"], ["lesion", "eye", "retina"], 1 - 1 / 4),
        (["skin"], ["Skin "], 0),
        (["skin"], [], 1),
        ([], [], float("nan")),
    ],
)
def test_semantic_is_one_less_the_jaccard_index(first: list[str], second: list[str], distance: float):
    source, target = TaskData("a", first), TaskData("b", second)
    assert compare("semantic", source, target) == pytest.approx(distance, nan_ok=True)
    assert compare("semantic", target, source) == pytest.approx(distance, nan_ok=True)


# --- Kullback–Leibler -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activations", ["sum", "softmax"])
def test_kld_is_the_divergence_of_mean_activations(activations: str):
    rng = np.random.default_rng(0)
    first, second = rng.exponential(rng.uniform(0, 2, (2, 1, 20)), (2, 50, 20)).astype("f")
    source, target = TaskData("a", features=first), TaskData("b", features=second)
    shares = []
    for features in (first, second):
        means = np.array([np.mean([float(row[column]) for row in features]) for column in range(20)])
        shares.append(means / means.sum() if activations == "sum" else np.exp(means) / np.exp(means).sum())
    p, q = (0.99 * values + 0.01 / 20 for values in shares)
    options = {"activations": activations, "smoothing": 0.01}
    assert compare("kld", source, target, **options) == pytest.approx(entropy(p, q), rel=1e-5)
    assert compare("kld", target, source, **options) == pytest.approx(entropy(q, p), rel=1e-5)
    assert entropy(p, q) != pytest.approx(entropy(q, p), rel=1e-2)
    assert compare("kld", source, source, **options) == 0


def test_kld_does_not_depend_on_the_scale_of_all_activations_and_bears_dead_dimensions():
    rng = np.random.default_rng(0)
    first, second = rng.exponential(1, (2, 50, 4)).astype("f")
    first[:, 1] = 0
    distance = compare("kld", TaskData("a", features=first), TaskData("b", features=second))
    assert 0 < distance < np.inf
    assert compare("kld", TaskData("a", features=8 * first), TaskData("b", features=second)) == pytest.approx(distance)


# --- earth mover's ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m"), [(60, 60), (60, 37), (7, 100)])
def test_emd_is_the_mean_of_the_distances_of_the_dimensions(n: int, m: int):
    source, target = standard_task("a", n, 40, seed=1), standard_task("b", m, 40, seed=2, shift=0.3, scale=2)
    columns = zip(source.features.T, target.features.T, strict=True)
    expected = np.mean([wasserstein_distance(first, second) for first, second in columns])
    assert compare("emd", source, target) == pytest.approx(expected, rel=1e-5)
    assert compare("emd", target, source) == pytest.approx(expected, rel=1e-5)


def test_emd_of_shifted_and_scaled_normal_distributions_is_the_closed_form():
    source, target = standard_task("a", 20_000, 3, seed=1), standard_task("b", 20_000, 3, seed=2, shift=2)
    assert compare("emd", source, target) == pytest.approx(2, abs=0.02)
    # |σ − 1| E|z|
    wide = standard_task("c", 20_000, 3, seed=3, scale=3)
    assert compare("emd", source, wide) == pytest.approx(2 * np.sqrt(2 / np.pi), abs=0.03)


def test_binned_emd_has_bins_over_the_common_range():
    source, target = standard_task("a", 80, 5, seed=1), standard_task("b", 50, 5, seed=2, shift=1)
    expected = []
    for first, second in zip(source.features.T, target.features.T, strict=True):
        both = np.concatenate([first, second])
        counts = [np.histogram(values, 10, (both.min(), both.max())) for values in (first, second)]
        centres = (counts[0][1][1:] + counts[0][1][:-1]) / 2
        expected.append(wasserstein_distance(centres, centres, counts[0][0], counts[1][0]))
    assert compare("emd", source, target, method="binned", bins=10) == pytest.approx(np.mean(expected), rel=1e-5)
    # Bins over each task's own range would hide a shift.
    moved = TaskData("c", features=source.features + 5)
    assert compare("emd", source, moved, method="binned", bins=200) == pytest.approx(5, rel=0.02)


def test_sinkhorn_is_debiased_and_approaches_the_exact_transport():
    import ot

    source, target = standard_task("a", 60, 4, seed=1), standard_task("b", 40, 4, seed=2, shift=1)
    exact = ot.emd2(np.full(60, 1 / 60), np.full(40, 1 / 40), cdist(source.features, target.features))
    near = compare("emd", source, target, method="sinkhorn", regularisation=0.005)
    assert near == pytest.approx(exact, rel=0.01)
    assert compare("emd", target, source, method="sinkhorn") == pytest.approx(
        compare("emd", source, target, method="sinkhorn"), rel=1e-4
    )
    assert compare("emd", source, source, method="sinkhorn") == pytest.approx(0, abs=1e-6)


def test_sinkhorn_agrees_with_another_implementation_in_the_regularised_cost():
    import ot

    source, target = standard_task("a", 30, 4, seed=1), standard_task("b", 30, 4, seed=2, shift=1)
    x, y = (task.features.astype(float) for task in (source, target))
    strength = 0.1 * cdist(x, y).mean()
    values = [ot.solve(cdist(a, b), reg=strength, reg_type="KL", tol=1e-10).value for a, b in ((x, y), (x, x), (y, y))]
    expected = values[0] - (values[1] + values[2]) / 2
    assert compare("emd", source, target, method="sinkhorn", regularisation=0.1) == pytest.approx(expected, rel=1e-4)


def test_sinkhorn_bears_outliers():
    features = standard_task("a", 50, 4).features
    features[0] = 1e4
    distance = compare("emd", TaskData("a", features=features), standard_task("b", 50, 4, seed=1), method="sinkhorn")
    assert np.isfinite(distance)


# --- Fréchet ----------------------------------------------------------------------------------------------------------


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """The formula of Heusel et al. with SciPy's square root of a matrix."""
    s, t = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    root = scipy.linalg.sqrtm(s @ t).real
    return float(((first.mean(0) - second.mean(0)) ** 2).sum() + np.trace(s + t - 2 * root))


def test_fid_is_the_frechet_distance_of_the_fits():
    source = gaussian_task("a", 300, MEAN, COVARIANCE, seed=1)
    target = gaussian_task("b", 200, -MEAN, COVARIANCE[::-1, ::-1], seed=2)
    expected = frechet(source.features.astype(float), target.features.astype(float))
    assert compare("fid", source, target) == pytest.approx(expected, rel=1e-6)
    assert compare("fid", target, source) == pytest.approx(expected, rel=1e-6)
    assert compare("fid", source, source) == pytest.approx(0, abs=1e-9)


def test_fid_of_known_normal_distributions_is_the_closed_form():
    source = gaussian_task("a", 100_000, MEAN, np.diag([1.0, 4.0, 9.0]), seed=1)
    target = gaussian_task("b", 100_000, MEAN + 1, np.diag([4.0, 1.0, 0.25]), seed=2)
    expected = 3 + (1 - 2) ** 2 + (2 - 1) ** 2 + (3 - 0.5) ** 2
    assert compare("fid", source, target) == pytest.approx(expected, rel=0.02)


def test_fid_of_fewer_samples_than_dimensions_and_of_constant_dimensions_is_stable():
    source, target = standard_task("a", 10, 30, seed=1), standard_task("b", 12, 30, seed=2, shift=1)
    for features in (source.features, target.features):
        features[:, :3] = 1
    s, t = (task.features.astype(float) for task in (source, target))
    # The nuclear norm of A B' by its definition, from the small side.
    a, b = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (s, t))
    root = np.sqrt(np.clip(np.linalg.eigvalsh(a @ b.T @ b @ a.T), 0, None)).sum()
    expected = ((s.mean(0) - t.mean(0)) ** 2).sum() + (a**2).sum() + (b**2).sum() - 2 * root
    assert compare("fid", source, target) == pytest.approx(expected, rel=1e-6)
    assert compare("fid", source, source) == pytest.approx(0, abs=1e-9)


# --- maximum mean discrepancy -----------------------------------------------------------------------------------------

KERNELS = {
    "cauchy": lambda d, s: 1 / (1 + (d / s) ** 2),
    "gaussian": lambda d, s: np.exp(-(d**2) / (2 * s**2)),
    "energy": lambda d, s: -d,
}


@pytest.mark.parametrize(
    ("kernel", "bandwidth"), [*((kernel, None) for kernel in KERNELS), ("cauchy", 1.5), ("gaussian", 1.5)]
)
def test_mmd_is_the_unbiased_estimate_of_loops(kernel: str, bandwidth: float | None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mml_lib.distances.kernel_means.BLOCK", 16)
    source, target = standard_task("a", 40, 6, seed=1), standard_task("b", 25, 6, seed=2, shift=0.5)
    x, y = (task.features.astype(float) for task in (source, target))
    both = np.concatenate([x, y])
    scale = bandwidth or np.median(cdist(both, both)[np.triu_indices(65, 1)])
    k = KERNELS[kernel]
    within = [
        np.mean([k(np.linalg.norm(z[i] - z[j]), scale) for i in range(len(z)) for j in range(len(z)) if i != j])
        for z in (x, y)
    ]
    between = np.mean([k(np.linalg.norm(a - b), scale) for a in x for b in y])
    distance = compare("mmd", source, target, kernel=kernel, bandwidth=bandwidth)
    assert distance == pytest.approx(sum(within) - 2 * between, abs=2e-6)
    assert compare("mmd", target, source, kernel=kernel, bandwidth=bandwidth) == pytest.approx(distance, abs=1e-6)


def test_mmd_of_a_draw_is_near_that_of_all_samples_and_seeded():
    source, target = standard_task("a", 600, 6, seed=1), standard_task("b", 500, 6, seed=2, shift=0.5)
    whole = compare("mmd", source, target)
    draws = [compare("mmd", source, target, samples=200, seed=seed) for seed in range(12)]
    assert np.mean(draws) == pytest.approx(whole, abs=4 * np.std(draws, ddof=1) / np.sqrt(12))
    assert len(set(draws)) == 12
    assert compare("mmd", source, target, samples=200, seed=3) == draws[3]
    assert compare("mmd", source, target, samples=600, seed=3) == whole


def test_mmd_of_known_normal_distributions_is_the_closed_form():
    # E k(x, y) of a Gaussian kernel, bandwidth s, for N(0, I) and N(m, I): (s²/(s²+2))^(D/2) exp(−|m|²/(2(s²+2)))
    share, squared_shift = 1 / 3, 2
    expected = 2 * share - 2 * share * np.exp(-squared_shift / 6)
    draws = [
        (standard_task("a", 400, 2, seed=2 * seed), standard_task("b", 400, 2, 2 * seed + 1, shift=1))
        for seed in range(20)
    ]
    distances = np.array([compare("mmd", *pair, kernel="gaussian", bandwidth=1) for pair in draws])
    assert distances.mean() == pytest.approx(expected, abs=4 * distances.std(ddof=1) / np.sqrt(20))


# --- all of them ------------------------------------------------------------------------------------------------------

OF_FEATURES = [
    ("emd", {}),
    ("emd", {"method": "binned"}),
    ("emd", {"method": "sinkhorn"}),
    ("fid", {}),
    ("mmd", {"kernel": "cauchy"}),
    ("mmd", {"kernel": "gaussian"}),
    ("mmd", {"kernel": "energy"}),
]


@pytest.mark.parametrize(("measure", "options"), OF_FEATURES)
def test_a_common_shift_changes_no_distance(measure: str, options: dict):
    source, target = standard_task("a", 80, 4, seed=1), standard_task("b", 60, 4, seed=2, shift=0.5)
    moved = [TaskData(task.name, features=task.features + 3) for task in (source, target)]
    assert compare(measure, *moved, **options) == pytest.approx(compare(measure, source, target, **options), rel=1e-3)


@pytest.mark.parametrize(("measure", "options"), OF_FEATURES)
def test_a_larger_shift_is_a_larger_distance(measure: str, options: dict):
    source = standard_task("a", 200, 4, seed=1)
    distances = [
        compare(measure, source, standard_task("b", 150, 4, seed=2, shift=shift), **options) for shift in (0, 0.5, 1, 3)
    ]
    assert distances == sorted(distances)


@pytest.mark.parametrize(("measure", "options"), OF_FEATURES)
def test_the_order_of_samples_counts_for_nothing(measure: str, options: dict):
    source, target = standard_task("a", 50, 4, seed=1), standard_task("b", 60, 4, seed=2, shift=0.5)
    turned = TaskData("a", features=source.features[::-1])
    assert compare(measure, turned, target, **options) == pytest.approx(
        compare(measure, source, target, **options), rel=1e-4
    )
