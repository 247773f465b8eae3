"""The registry of measures: options, own measures, and what planning imports of it."""

import re
import subprocess
import sys

import numpy as np
import pytest
from pydantic import Field

from mml_lib.distances import MEASURES, MeasureOptions, TaskData, register_measure
from mml_lib.errors import MMLError
from tests.support.messages import mentions
from tests.support.places import CONFIG, REPOSITORY

NAMES = ["semantic", "kld", "emd", "fid", "mmd", "fed", "ensemble", "logme", "leep", "hscore", "knn"]


def test_planning_reads_the_registry_without_numpy():
    code = (
        "import sys\nfrom mml_lib.distances import MEASURES\n"
        "assert all(m.description and m.code == {} and m.options.model_fields is not None for m in MEASURES.values())\n"
        "assert 'numpy' not in sys.modules and 'torch' not in sys.modules, 'import it in the function'\n"
        "print(*MEASURES)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=REPOSITORY, text=True)
    assert set(process.stdout.split()) >= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_unknown_options_are_refused_with_the_key(name: str):
    with pytest.raises(MMLError) as error:
        MEASURES[name].read_options({"kernell": 1}, where=f"similarity.{name}")
    assert mentions(str(error.value), f"similarity.{name}.")


def test_a_misspelt_option_has_a_remedy():
    with pytest.raises(MMLError, match=r"mmd\.kernal', did you mean 'kernel'"):
        MEASURES["mmd"].read_options({"kernal": "energy"})


@pytest.mark.parametrize(
    ("name", "options", "key"),
    [
        ("mmd", {"kernel": "linear"}, "mmd.kernel"),
        ("mmd", {"bandwidth": 0}, "mmd.bandwidth"),
        ("mmd", {"bandwidth": True}, "mmd"),
        ("emd", {"bins": 1}, "emd.bins"),
        ("emd", {"bins": 10}, "emd: marginals uses no bins; set method: binned"),
        ("emd", {"method": "binned", "samples": 10}, "emd: binned uses no samples; set method: sinkhorn"),
        ("mmd", {"kernel": "energy", "bandwidth": 2}, "mmd: the energy kernel uses no bandwidth"),
        ("knn", {"k": 0}, "knn.k"),
        ("kld", {"smoothing": 0}, "kld.smoothing"),
        ("ensemble", {}, "ensemble.weights"),
        ("mmd", {"seed": 2}, "mmd: all samples are compared"),
        ("ensemble", {"weights": {"mmd": -1}}, "ensemble.weights"),
    ],
)
def test_options_out_of_range_are_refused_with_the_key(name: str, options: dict, key: str):
    with pytest.raises(MMLError) as error:
        MEASURES[name].read_options(options)
    assert mentions(str(error.value), key)
    assert "\n" not in str(error.value)


def test_sinkhorn_without_its_package_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mml_lib.distances.feature_measures.find_spec", lambda name: None)
    with pytest.raises(MMLError, match=r"^emd\.method: .*mml\[analysis\].*marginals"):
        MEASURES["emd"].read_options({"method": "sinkhorn"})
    assert MEASURES["emd"].read_options().method == "marginals"


def test_an_own_measure_has_options_and_a_summary(monkeypatch: pytest.MonkeyPatch):
    class Options(MeasureOptions):
        power: int = Field(2, ge=1)

    monkeypatch.delitem(MEASURES, "powers", raising=False)
    summarised = []

    def mean(task: TaskData, options: Options) -> np.ndarray:
        summarised.append(task.name)
        return task.features.mean(axis=0)

    @register_measure("powers", needs=["features"], symmetric=True, options=Options, summarise=mean)
    def powers(source: np.ndarray, target: np.ndarray, options: Options) -> float:
        """Distance of means."""
        return (np.abs(source - target) ** options.power).sum()

    measure = MEASURES["powers"]
    first, second = (TaskData(name, features=np.full((3, 2), value)) for name, value in (("a", 1), ("b", 4)))
    assert measure.compare(first, second) == 18
    assert measure.compare(first, second, measure.read_options({"power": 1})) == 6
    assert summarised == ["a", "b", "a", "b"]
    assert measure.description == "Distance of means."
    assert __name__ in measure.code
    monkeypatch.delitem(MEASURES, "powers")


def test_the_measure_of_the_guide_is_a_distance_of_means():
    page = (CONFIG / "guide/features.md").read_text("utf-8")
    (block,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.S) if "@register_measure" in block)
    try:
        exec(block, {"__name__": "guide"})
        first, second = (TaskData(name, features=np.full((3, 2), value)) for name, value in (("a", 1), ("b", 4)))
        assert MEASURES["means"].compare(first, second) == 6
    finally:
        MEASURES.pop("means", None)


def test_a_measure_of_another_module_is_not_replaced():
    with pytest.raises(MMLError, match="measure 'fid' is registered"):
        register_measure("fid", needs=["features"], symmetric=True)(lambda source, target, options: 0)


def test_names_and_needs_are_checked():
    with pytest.raises(MMLError, match="Fid"):
        register_measure("Fid", needs=["features"], symmetric=True)
    with pytest.raises(MMLError, match="'feature', did you mean 'features'"):
        register_measure("own", needs=["feature"], symmetric=True)
    with pytest.raises(MMLError, match=r"own: .*weights"):
        register_measure("own", needs=["distances"], symmetric=True)


def test_a_measure_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(MMLError, match="measure 'fidd', did you mean 'fid'"):
        MEASURES["fidd"]


def test_options_that_were_added_later_change_no_identity_while_they_are_unset():
    options = MEASURES["mmd"].read_options({"kernel": "energy"})
    assert options.content == {"kernel": "energy", "bandwidth": None}
    assert MEASURES["mmd"].read_options({"samples": 50}).content["samples"] == 50
