"""Targets, and their division into splits and folds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mml_lib.errors import MMLError
from mml_lib.task_types import LEARNABLE
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.delivery_checks import check_delivery
from mml_lib.tasks.splits.splitting import Assignment, Splitting, _check_validated, assign
from mml_lib.tasks.targets import Targets
from tests.support.deliveries import delivered, described, generated, samples


def split(data: Dataset | list[Sample], folds: int = 5, test: float = 0.2, seed: int = 0, **how: Any) -> Assignment:
    data = data if isinstance(data, Dataset) else delivered(data)
    targets = Targets.of(data, None, "t")
    return assign(data.delivery.samples, targets, "t", Splitting(folds, test, seed, **how))


def counted(values: Sequence[Any], assignment: Assignment, fold: int) -> Counter:
    """Return how often values occur in a fold."""
    return Counter(value for value, number in zip(values, assignment.fold, strict=True) if number == fold)


def test_folds_and_test_split_are_stratified_and_deterministic():
    rows = samples(200, "aaab")
    first = split(rows, seed=1)
    assert first == split(rows, seed=1)
    assert first != split(rows, seed=2)
    assert first.split.count("test") == 40
    for fold in range(5):
        assert counted([row.label for row in rows], first, fold) == {"a": 24, "b": 8}


def neighbours_together(groups: Sequence[str], assignment: Assignment) -> float:
    """Return the share of neighbouring groups that are in one fold or in the test split together."""
    fold = np.array(assignment.fold)[np.unique(groups, return_index=True)[1]]
    return float(np.mean(fold[1:] == fold[:-1]))


def test_equal_groups_are_shared_out_at_random_by_the_seed():
    groups = [f"p{number // 2:03d}" for number in range(400)]  # by site or year, say
    rows = [replace(row, group=group) for row, group in zip(samples(400, "aabb"), groups, strict=True)]
    divisions = [split(rows, seed=seed) for seed in range(4)]
    assert divisions[0] == split(rows, seed=0)
    assert len({tuple(division.fold) for division in divisions}) == 4
    for division in divisions:
        assert neighbours_together(groups, division) < 0.3  # 0.17 by chance
        assert division.split.count("test") == 80
        for fold in range(5):
            assert counted([row.label for row in rows], division, fold) == {"a": 32, "b": 32}


def test_images_beside_one_pair_are_shared_out_at_random():
    groups = [f"{min(number, 298):03d}" for number in range(300)]
    rows = [replace(row, group=group) for row, group in zip(samples(300, "ab"), groups, strict=True)]
    assert neighbours_together(groups, split(rows)) < 0.3


def test_many_small_classes_get_their_share_of_the_test_split():
    rows = samples(600, [f"c{n}" for n in range(100)])
    assert split(rows, test=0.05).split.count("test") == 30


def test_label_sets_are_stratified():
    data = generated("multilabel_classification", 90)
    sets = ["+".join(sample.label) for sample in data.delivery.samples]
    assignment = split(data, folds=3, test=0)
    assert [counted(sets, assignment, fold) for fold in range(3)] == [{"a": 10, "b": 10, "a+c": 10}] * 3


def test_regression_is_stratified_over_quantiles():
    values = np.random.default_rng(0).exponential(size=200)
    assignment = split(delivered(samples(200, values.tolist()), "", "regression"))
    tenth = np.searchsorted(np.quantile(values, np.linspace(0, 1, 11)[1:-1]), values).tolist()
    for fold in range(5):
        assert set(counted(tenth, assignment, fold).values()) <= {3, 4}


def test_segmentation_is_stratified_over_the_classes_that_masks_show():
    pixels = [{0: 9, 1: 1}] * 50 + [{0: 9, 2: 1}] * 25 + [{0: 10}] * 25
    assignment = split(delivered(samples(100, pixels), "abc", "semantic_segmentation"), test=0)
    counts_of_masks = [tuple(counts) for counts in pixels]
    assert [counted(counts_of_masks, assignment, k) for k in range(5)] == [{(0, 1): 10, (0, 2): 5, (0,): 5}] * 5


@pytest.mark.parametrize("kind", LEARNABLE)
def test_groups_never_cross_folds_or_splits(kind: str):
    data = generated(kind, 120, per_group=4)
    assignment = split(data, folds=4)
    homes: dict[str, tuple[str, int]] = {}
    for sample, *home in zip(data.delivery.samples, assignment.split, assignment.fold, strict=True):
        assert homes.setdefault(sample.group, tuple(home)) == tuple(home)
    assert 20 <= assignment.split.count("test") <= 28
    assert set(assignment.fold) == {-1, 0, 1, 2, 3}


def test_description_tells_how_well_groups_were_balanced():
    report = described(generated("classification", per_group=3)).header["folding"]
    assert set(report) == {"test", "folds"}
    for part in report.values():
        assert part["optimal"]
        assert part["gap"] == 0
    assert described(generated("classification")).header["folding"] == {}
    assert set(described(generated("classification", per_group=3), test=0).header["folding"]) == {"folds"}


@pytest.mark.parametrize("groups", [None, [f"p{n // 2}" for n in range(100)]], ids=["samples", "groups"])
def test_fold_0_fraction_is_honoured(groups: list[str] | None):
    rows = samples(100, "aabb", **({"group": groups} if groups else {}))
    sizes = Counter(split(rows, folds=4, test=0.2, fold_0_fraction=0.4).fold)
    assert (sizes[-1], sizes[0]) == (20, 32)
    assert all(15 <= sizes[fold] <= 17 for fold in (1, 2, 3))


def test_given_folds_are_kept():
    folds = [n % 3 for n in range(12)]
    assignment = split(samples(12, fold=folds))
    assert (assignment.fold, assignment.num_folds, set(assignment.split)) == (folds, 3, {"train"})


def test_folds_of_test_samples_do_not_count():
    rows = samples(12, "aabb", split=["train"] * 8 + ["test"] * 4, fold=[0, 1] * 4 + [7] * 4)
    assert split(rows).fold == [0, 1] * 4 + [-1] * 4
    rows = [replace(row, fold=None) if row.split == "train" else row for row in rows]
    assert split(rows, folds=3).num_folds == 3


def test_samples_without_a_fold_are_the_test_split_of_given_folds():
    assignment = split(samples(12, "aaaabbbb", fold=[0, 1, 2, None] * 3))
    assert assignment.split == ["train", "train", "train", "test"] * 3


@pytest.mark.parametrize("kind", ["classification", "multilabel_classification", "semantic_segmentation"])
@pytest.mark.parametrize("brought", ["val", "fold 1"])
def test_class_that_is_validated_only_is_refused(kind: str, brought: str):
    label = {
        "classification": str,
        "multilabel_classification": lambda name: {name: 1.0},
        "semantic_segmentation": lambda name: {"abc".index(name): 4},
    }[kind]
    columns = (
        {"split": ["train"] * 8 + ["val"] * 4} if brought == "val" else {"fold": [0, 0, 0, 0, 2, 2, 2, 2] + [1] * 4}
    )
    rows = samples(12, [*map(label, "abababababac")], **columns)
    with pytest.raises(MMLError, match=rf"the class 'c' is in '?{brought}'? only"):
        split(delivered(rows, "abc", kind))


def test_class_that_one_drawn_fold_has_is_warned_of(warnings: list[str]):
    fold = np.repeat([0, 1], 4)
    targets = Targets("multilabel_classification", ["a", "b"], np.array([[1, n == 0] for n in range(8)], dtype=float))
    _check_validated(targets, np.array(["train"] * 8), fold, "t", None)
    assert warnings == [
        "warning: t: only fold 0 has the class 'b'; the network that it validates does not learn it: add images, or "
        "use fewer folds"
    ]


def test_values_that_are_all_the_same_are_warned_of(warnings: list[str]):
    split(delivered(samples(30, [3.5]), "", "regression"))
    assert len(warnings) == 1
    assert "all training values are 3.5" in warnings[0]


def test_val_split_is_the_only_fold():
    assignment = split(samples(12, split=["train"] * 6 + ["val"] * 4 + ["test"] * 2))
    assert assignment.fold == [-1] * 6 + [0] * 4 + [-1] * 2
    assert (assignment.num_folds, assignment.split) == (1, ["train"] * 10 + ["test"] * 2)


def test_given_test_split_is_kept_and_the_rest_is_folded():
    assignment = split(samples(40, split=["train"] * 30 + ["test"] * 10))
    assert assignment.split == ["train"] * 30 + ["test"] * 10
    assert Counter(assignment.fold) == {-1: 10, **dict.fromkeys(range(5), 6)}


@pytest.mark.parametrize("kind", LEARNABLE)
def test_unlabelled_samples_are_in_no_fold_and_have_no_target(kind: str):
    data = generated(kind, 90, unlabelled=7)
    assignment = split(data)
    assert assignment.split[90:] == ["unlabelled"] * 7
    assert assignment.fold[90:] == [-1] * 7
    assert "unlabelled" not in assignment.split[:90]
    if kind != "semantic_segmentation":
        assert Targets.of(data, None, "t").labelled.tolist() == [True] * 90 + [False] * 7


def test_what_is_said_of_unlabelled_samples_is_left_out():
    data = delivered([*samples(9), Sample("z", "z.png", "a", "unlabelled"), Sample("y", "y.png", "new", "unlabelled")])
    data = replace(data, delivery=replace(data.delivery, classes=["a", "b"]))
    assert Targets.of(data, None, "t").values[9:].tolist() == [-1, -1]


def test_task_without_labels_is_unlabelled_as_a_whole():
    assignment = split(generated("no_task", 6, split=["train", "test", None] * 2))
    assert assignment == Assignment(["unlabelled"] * 6, [-1] * 6, 0)


def test_rare_label_sets_share_a_stratum_instead_of_being_refused():
    labels = [{"a": 1.0}, {"b": 1.0}] * 20 + [{"a": 1.0, "b": 1.0}] * 2
    rows = samples(42, labels, group=[f"p{n // 2}" for n in range(42)])
    assert split(delivered(rows, "ab", "multilabel_classification"), folds=3).num_folds == 3


def test_values_of_one_large_group_share_a_stratum_instead_of_being_refused():
    rows = samples(80, [1.0] * 60 + [9.0] * 20, group=[f"p{n}" for n in range(60)] + ["giant"] * 20)
    assert split(delivered(rows, "", "regression"), folds=3, test=0).num_folds == 3


REFUSED = {
    "class too rare": (
        [*samples(11), Sample("z", "z.png", "c")],
        "class 'c' has 1 image, 3 folds",
    ),
    "split lacking": (samples(4, split=["train", "train", None, "test"]), "sample '2' has no split, but others"),
    "gap in folds": (samples(12, fold=[n % 2 * 2 for n in range(12)]), r"\[0, 2\]; they must be 0, 1, 2"),
    "only fold 0": (samples(12, fold=[0] * 12), "all training samples are in fold 0"),
    "only test": (samples(4, split=["test"] * 4), "no training sample; put some in the split 'train'"),
    "only unlabelled": (samples(4, split=["unlabelled"] * 4), "no training sample; .* or set task_type: no_task"),
    "group in folds": (samples(12, fold=[n % 3 for n in range(12)], group=["p"] * 12), "group 'p' crosses folds"),
    "class in few groups": (
        samples(12, group=[f"g{n % 6}" for n in range(12)]),
        "'a' has 3 groups .*, 3 folds",
    ),
    "few groups": (
        delivered(samples(12, [0.5], group=[f"g{n % 2}" for n in range(12)]), "", "regression"),
        "2 groups cannot fill 3 folds.*; tasks.t.test_fraction: 0 with folds: 2 gives 2 folds",
    ),
    "few images": (delivered(samples(2, [0.5]), "", "regression"), "2 images cannot fill 3 folds"),
    "rare label": (
        delivered(samples(30, [{"a": 1.0}] * 29 + [{"b": 1.0}]), "ab", "multilabel_classification"),
        "the class 'b' has 1 image",
    ),
    "rare mask class": (
        delivered(samples(30, [{0: 9}] * 29 + [{0: 9, 1: 1}]), "ab", "semantic_segmentation"),
        "the class 'b' has 1 image",
    ),
}


@pytest.mark.parametrize(("data", "why"), REFUSED.values(), ids=REFUSED)
def test_splits_that_cannot_be_are_refused(data: Dataset | list[Sample], why: str):
    with pytest.raises(MMLError, match=why):
        split(data, folds=3)


@pytest.mark.parametrize("how", [{"test": 0.01}, {"test": 0, "fold_0_fraction": 0.01}, {"fold_0_fraction": 0.99}])
def test_shares_of_less_than_one_image_are_refused(how: dict[str, float]):
    with pytest.raises(MMLError, match=r"a share of 0\.0\d+ of \d+ images is less than one image"):
        split(samples(20), folds=3, **how)


MERGED = {0: "x", 1: "y", 2: "x"}


@pytest.mark.parametrize("mapping", [MERGED, {str(key): label for key, label in MERGED.items()}], ids=["int", "str"])
@pytest.mark.parametrize(
    ("kind", "labels", "values"),
    [
        ("classification", ["a", "b", "c"], [0, 1, 0]),
        ("multilabel_classification", [{"a": 0.2, "c": 0.7}, {"b": 1}, {}], [[0.7, 0], [0, 1], [0, 0]]),
        ("semantic_segmentation", [{0: 3, 1: 4, 2: 5}, {255: 12}, {1: 12}], [[8, 4], [0, 0], [0, 12]]),
    ],
)
def test_classes_of_one_name_are_one_class(kind: str, labels: list, values: list, mapping: Mapping):
    targets = Targets.of(delivered(samples(3, labels), "abc", kind), mapping, "t")
    assert targets.classes == ["x", "y"]
    assert targets.values.tolist() == values


@pytest.mark.parametrize(
    ("kind", "mapping", "why"),
    [
        ("classification", {0: "x", 1: "y"}, "tasks.t.idx_to_class: name a class for each of 0: a, 1: b, 2: c"),
        ("classification", dict.fromkeys(range(3), "x"), "everything is 'x'; two classes or more"),
        ("semantic_segmentation", {0: "x", 1: "y"}, r"mask.png.*value 2,.*class \(0: x, 1: y\)"),
        ("semantic_segmentation", {**MERGED, 300: "z"}, "mask values are 0 to 255"),
        (
            "semantic_segmentation",
            {**MERGED, 7: "z"},
            r"'z' \(7\),.*255,.*write 255: z",
        ),
        ("regression", {0: "x"}, "a regression has no classes; leave it out"),
    ],
)
def test_mappings_that_do_not_fit_are_refused(kind: str, mapping: dict[int, str], why: str):
    with pytest.raises(MMLError, match=why):
        Targets.of(generated(kind), mapping, "t")


def test_mask_values_without_names_ask_for_them():
    data = delivered(samples(2, [{0: 3, 7: 1, 255: 2}]), "", "semantic_segmentation")
    with pytest.raises(MMLError, match=r"tasks.t.idx_to_class is missing: say what the mask values \[0, 7\] mean"):
        Targets.of(data, None, "t")


def test_single_label_of_a_multi_label_task_can_be_renamed():
    data = delivered(samples(4, [{"a": 1.0}, {}]), "a", "multilabel_classification")
    assert Targets.of(data, {0: "x"}, "t").classes == ["x"]


def test_group_may_be_labelled_in_part():
    rows = samples(48, "aaaabbbb", group=[f"video{n // 4}" for n in range(48)])
    rows += [Sample(f"u{n}", f"u{n}.png", None, "unlabelled", group=f"video{n}") for n in range(12)]
    check_delivery(Delivery(rows, ["a", "b"]), "DSET_videos")
    assert split(rows, folds=3).split[48:] == ["unlabelled"] * 12


def test_class_that_is_tested_but_never_trained_is_refused():
    rows = [*samples(12, split=["train", "val", "test"] * 4), Sample("z", "z.png", "z", "test")]
    with pytest.raises(MMLError, match=r"class 'z'.*put some of it into 'train'"):
        split(rows)


@pytest.mark.parametrize("values", [[1.7e9 + n for n in range(40)], [1e39, 2e39, 3e39], [1e300, -1e300]])
def test_values_that_single_precision_cannot_tell_apart_are_refused(values: list[float]):
    data = delivered(samples(len(values), values), "", "regression")
    with pytest.raises(MMLError, match=r"t: the values lie between .* single precision cannot tell apart well"):
        Targets.of(data, None, "t")
    Targets.of(delivered(samples(3, [1999.0, 2000.5, 2001.0]), "", "regression"), None, "t")
