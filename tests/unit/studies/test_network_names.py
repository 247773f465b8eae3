"""Names of networks: unknown ones are refused while planning, without an import of torch."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before timm)
import timm
from segmentation_models_pytorch import encoders

from mml_lib.errors import MMLError
from mml_lib.studies.checks.network_names import PACKAGES, check_network_name
from tests.support.messages import mentions
from tests.support.planned_studies import planned

TIMM, SMP = PACKAGES


def test_all_names_of_both_packages_are_known():
    for name in timm.list_models(include_tags=True):
        check_network_name({"_target_": TIMM, "name": name})
    for name in encoders.get_encoder_names():
        check_network_name({"_target_": SMP, "name": name})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arch": {"preset": "timm", "name": "resnet81"}}, ["arch.name", "'resnet81'", "did you mean 'resnet"]),
        ({"arch": {"preset": "smp", "name": "resnet19"}}, ["arch.name", "'resnet19'", "did you mean 'resnet"]),
        ({"arch": {"preset": "smp", "name": "tu-resnet18"}}, ["arch.name", "preset: timm", "name: resnet18"]),
        (
            {"arch": "test_resnet", "sweep": {"arch.name": ["test_resnet", "test_vitt"]}},
            ["arch.name", "did you mean 'test_vit"],
        ),
        (
            {"mode": {"preset": "features"}, "features": {"arch": "convnext_tinny"}},
            ["features.arch.name", "did you mean 'convnext_tiny'"],
        ),
        ({"arch": {"preset": "timm", "name": "resnet18.nonsense"}}, ["arch.name", "'nonsense'", "a1_in1k"]),
        (
            {"mode": {"preset": "features"}, "features": {"arch": "resnet50.a1_in2k"}},
            ["features.arch.name", "did you mean 'a1_in1k'"],
        ),
    ],
    ids=str,
)
def test_an_unknown_network_is_refused_while_planning(changes: dict[str, Any], words: list[str], tmp_path: Path):
    mode = changes.pop("mode", {})
    with pytest.raises(MMLError) as error:
        _ = planned(mode, tmp_path, **changes).steps
    assert mentions(str(error.value), *words)


def test_networks_that_a_plugin_registers_are_known(monkeypatch: pytest.MonkeyPatch):
    from timm.models import _registry

    monkeypatch.setitem(_registry._model_entrypoints, "my_network", timm.models.test_resnet)
    check_network_name({"_target_": TIMM, "name": "my_network"})
    check_network_name({"_target_": TIMM, "name": "my_network.my_weights"})


def test_nothing_is_imported_for_it():
    code = (
        "import sys; from mml_lib.studies.checks.network_names import *; "
        f"check_network_name({{'_target_': {TIMM!r}, 'name': 'resnet18'}}); print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("name", "most"), [("resnet18.a1_in1k", 1), ("vit_small_patch14_dinov2", 3), ("convnext_tiny", 1), ("test_vit", 2)]
)
def test_few_files_are_opened_for_it(name: str, most: int):
    code = (
        "import sys; opened = []; "
        "sys.addaudithook(lambda event, args: event == 'open' and 'timm' in str(args[0]) and opened.append(args[0])); "
        "from mml_lib.studies.checks.network_names import check_network_name; "
        f"check_network_name({{'_target_': {TIMM!r}, 'name': {name!r}}}); print(len(opened))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 1 <= int(run.stdout) <= most
