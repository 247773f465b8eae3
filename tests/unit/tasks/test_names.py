"""Spellings of classes and groups: what is one name, what only looks like one."""

import itertools
import unicodedata

import pytest

from mml_lib.errors import MMLError
from mml_lib.tasks.dataset import Delivery, Sample
from mml_lib.tasks.delivery_checks import check_delivery
from mml_lib.tasks.names import folded, join_spellings, visible_form

NAIVE = [unicodedata.normalize(form, "naïve") for form in ("NFC", "NFD")]
ALIKE = [
    ("p1", "P1"),
    ("7", "7.0"),
    ("7", "007"),
    ("P-7", "p_07"),
    ("7", "\uff17"),
    ("Müller", unicodedata.normalize("NFD", "müller")),
    ("a b", "A  b "),
    ("a", "a\u200b"),
    ("straße", "STRASSE"),
    ("7.", "7"),
]
DIFFERENT = [
    ("1.05", "1.5"),
    ("10", "1"),
    ("7", "70"),
    ("a1", "a11"),
    ("1-11", "11-1"),
    ("7.5", "7"),
    ("-7", "7"),
    ("0", "00a"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_spellings_of_one_name_have_one_form(one: str, other: str):
    assert folded(one) == folded(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_names_have_different_forms(one: str, other: str):
    assert folded(one) != folded(other)


@pytest.mark.parametrize("other", [NAIVE[1], "na\u00efve\u200b", " naïve ", "\ufeffnaïve", "nai\u0308ve"])
@pytest.mark.parametrize("soft", [False, True])
def test_classes_that_look_alike_are_one(other: str, soft: bool):
    labels = [NAIVE[0], other, "b"]
    rows = [Sample(str(n), f"{n}.png", {label: 0.5 + n / 10} if soft else label) for n, label in enumerate(labels)]
    kind = "multilabel_classification" if soft else "classification"
    delivery, lines = join_spellings(Delivery(rows, labels, kind))
    assert delivery.classes == [NAIVE[0], "b"]
    assert delivery.samples[1].label == ({NAIVE[0]: 0.6} if soft else NAIVE[0])
    check_delivery(delivery, "t")
    assert len(lines) == 1
    assert visible_form(other) == NAIVE[0]


def test_classes_that_are_spelled_nearly_alike_are_two_and_warned_of():
    rows = [Sample(str(n), f"{n}.png", label) for n, label in enumerate(["Melanoma", "melanoma", "7", "7.0"])]
    delivery, lines = join_spellings(Delivery(rows, ["7", "7.0", "Melanoma", "melanoma"]))
    assert len(delivery.classes) == 4
    assert len(lines) == 1
    assert "'7' and '7.0', 'Melanoma' and 'melanoma'" in lines[0]


def test_classes_of_mask_values_stay_as_they_are():
    delivery = Delivery([Sample("0", "0.png", mask="m.png")], ["A", "A ", "b"], "semantic_segmentation")
    assert join_spellings(delivery) == (delivery, [])


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_group_that_is_spelled_in_two_ways_is_one(one: str, other: str):
    rows = [Sample(str(n), f"{n}.png", "ab"[n % 2], group=group) for n, group in enumerate([one, other, "else"])]
    delivery, lines = join_spellings(Delivery(rows, ["a", "b"]))
    assert [sample.group for sample in delivery.samples] == [one, one, "else"]
    assert len(lines) == 1
    assert "rename them" in lines[0]


@pytest.mark.parametrize(
    ("column", "homes"),
    [("split", ["train", "test"]), ("split", ["train", "val"]), ("fold", [0, 1]), ("fold", [0, None])],
)
@pytest.mark.parametrize(("one", "other"), [("7", "7.0"), ("p1", "P1")])
def test_spellings_of_one_group_in_two_splits_or_folds_are_refused(column: str, homes: list, one: str, other: str):
    rows = [Sample(str(n), f"{n}.png", "ab"[n], group=group) for n, group in enumerate([one, other])]
    rows = [
        Sample(r.id, r.image, r.label, group=r.group, **{column: home}) for r, home in zip(rows, homes, strict=True)
    ]
    with pytest.raises(
        MMLError, match=rf"the groups '{one}' \(0, .*\) and '{other}' \(1, .*\) differ in spelling only"
    ):
        join_spellings(Delivery(rows, ["a", "b"]))


def test_unlabelled_samples_may_share_the_group_of_others():
    rows = [Sample("0", "0.png", "a", "train", "P1"), Sample("1", "1.png", None, "unlabelled", "p1")]
    assert {sample.group for sample in join_spellings(Delivery(rows, ["a"]))[0].samples} == {"P1"}


def test_forms_of_names_are_stable():
    for name in itertools.chain.from_iterable((*ALIKE, *DIFFERENT)):
        assert folded(folded(name)) == folded(name)
        assert visible_form(visible_form(name)) == visible_form(name)
