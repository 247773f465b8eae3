"""Inputs of a step and of Snakemake's record, with roots that are written in other ways."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mml_lib.engine.recorded_inputs import is_same_below
from mml_lib.files.manager import MMLFileManager

TASK, PACK = "TASKS/digits/0123abcd.json", "PREPROCESSED/DSET_digits/none-0123abcd"
MODEL = "tiny/MODELS/digits/0123abcd-fold0.json"


@pytest.fixture(params=["data", "/far/data", ".", "../data", "results/data"])
def fm(request: pytest.FixtureRequest) -> Iterator[MMLFileManager]:
    with MMLFileManager.for_a_while(Path(request.param), Path("results"), "tiny") as manager:
        yield manager


def below(root: str, *names: str) -> list[str]:
    return [str(Path(root) / name) for name in names]


@pytest.mark.parametrize("former", ["data", "/other/place", ".", "../there", "results"])
@pytest.mark.parametrize("results", ["results", "/far/results"])
def test_inputs_below_another_root_are_the_same(fm: MMLFileManager, former: str, results: str):
    inputs = sorted(["own.csv", *below(str(fm.data_path), TASK, PACK), *below("results", MODEL)])
    recorded = sorted(["own.csv", *below(former, TASK, PACK), *below(results, MODEL)])
    assert is_same_below(fm.artefacts_below, recorded, inputs)


@pytest.mark.parametrize(
    "recorded",
    [
        [TASK, "PREPROCESSED/DSET_digits/none-0123abce"],
        [TASK, "PREPROCESSED/DSET_digit/none-0123abcd"],
        ["TASKS/digits/0123abce.json", PACK],
        ["TASKS/digit/0123abcd.json", PACK],
        [TASK],
        [TASK, PACK, PACK],
        [TASK, TASK],
        [],
    ],
)
@pytest.mark.parametrize("former", ["data", "/other/place"])
def test_other_inputs_differ(fm: MMLFileManager, former: str, recorded: list[str]):
    assert not is_same_below(fm.artefacts_below, below(former, *recorded), below(str(fm.data_path), TASK, PACK))


@pytest.mark.parametrize("model", [MODEL.replace("fold0", "fold1"), MODEL.replace("tiny", "other"), MODEL[5:]])
def test_another_fold_or_project_differs(fm: MMLFileManager, model: str):
    assert not is_same_below(fm.artefacts_below, below("/far", model), below("results", MODEL))


def test_inputs_below_two_former_roots_differ(fm: MMLFileManager):
    recorded = [*below("/one", TASK), *below("/two", PACK)]
    assert not is_same_below(fm.artefacts_below, recorded, below(str(fm.data_path), TASK, PACK))


def test_a_file_that_is_no_artefact_tells_no_root(fm: MMLFileManager):
    inputs = below(str(fm.data_path), "table.csv")
    assert not is_same_below(fm.artefacts_below, ["/own/table.csv"], inputs)
