"""Targets: a study file can name what it likes, but only what is made for the purpose is called."""

import sys
from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before torch modules that need torchvision)
import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from mml_lib.config.factories import check_package, import_target, instantiate
from mml_lib.config.plugins import import_plugin
from mml_lib.config.task_options import Preprocessing
from mml_lib.errors import MMLError
from mml_lib.images.transforms import resolve

CALLED: list[Any] = []


def unlabelled(**_: Any):
    CALLED.append("unlabelled")
    return nn.Flatten()


def flat() -> nn.Flatten:
    return nn.Flatten()


def text() -> str:
    CALLED.append("text")
    return ""


def unknown() -> "NoSuchName":  # noqa: F821
    CALLED.append("unknown")


class Bystander:
    def __init__(self) -> None:
        CALLED.append("bystander")


@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        ("os.system", {"command": "touch trace"}),
        ("os.mkdir", {"path": "trace"}),
        ("subprocess.run", {"args": ["mkdir", "trace"]}),
        ("subprocess.Popen", {"args": ["mkdir", "trace"]}),
        ("builtins.exec", {}),
        ("builtins.eval", {}),
        ("pickle.loads", {}),
        ("pathlib.Path.touch", {}),
        ("shutil.rmtree", {"path": "kept"}),
        ("numpy.save", {"file": "trace", "arr": 1}),
        ("numpy.savetxt", {"fname": "trace", "X": [1]}),
        ("pandas.read_pickle", {"filepath_or_buffer": "kept"}),
        ("torch.load", {"f": "kept", "weights_only": False}),
        ("torch.save", {"obj": 1, "f": "trace"}),
        ("torch.hub.load", {"repo_or_dir": "kept", "model": "x", "source": "local"}),
        ("torch.utils.data.DataLoader", {"dataset": [1]}),
        ("mml_lib.files.atomic.write_text", {"path": "trace", "text": "x"}),
        ("mml_lib.files.downloads.download", {"url": "file:///etc/hostname", "path": "trace", "checksum": "0" * 64}),
        (f"{__name__}.unlabelled", {}),
        (f"{__name__}.text", {}),
        (f"{__name__}.unknown", {}),
        (f"{__name__}.Bystander", {}),
        (f"{__name__}.CALLED", {}),
    ],
)
@pytest.mark.parametrize("kind", [nn.Module, Optimizer])
def test_what_is_not_made_for_the_purpose_is_not_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type, target: str, arguments: dict[str, Any]
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").mkdir()
    CALLED.clear()
    with pytest.raises(MMLError) as caught:
        instantiate({"_target_": target, **arguments}, kind)
    assert target in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert not CALLED


@pytest.mark.parametrize("target", ["torch.nn.Flatten", f"{__name__}.flat"])
def test_classes_of_the_kind_and_functions_that_say_so_are_called(target: str):
    assert isinstance(instantiate({"_target_": target}, nn.Module), nn.Flatten)


def test_optimizers_take_parameters():
    parameters = [nn.Parameter(torch.zeros(1))]
    for target in ("torch.optim.SGD", "timm.optim.create_optimizer_v2"):
        assert isinstance(instantiate({"_target_": target, "lr": 0.1}, Optimizer, parameters), Optimizer)


@pytest.mark.parametrize("place", ["plugged", "beside"])
def test_functions_of_plugins_and_of_what_lies_beside_are_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
):
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"{place}_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text("from torch import nn\n\ndef make():\n    return nn.Flatten()\n")
    plugin = tmp_path / f"{name}.py"
    if place == "beside":
        plugin = tmp_path / f"plugin_{name}.py"
        plugin.write_text("")
    import_plugin(str(plugin))
    assert isinstance(instantiate({"_target_": f"{name}.make"}, nn.Module), nn.Flatten)


def test_code_that_changes_the_working_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "other").mkdir()
    for name in ("wandering_plugin", "wandering_part"):
        (tmp_path / f"{name}.py").write_text("import os\n\nos.chdir('other')\n\n\ndef made():\n    pass\n")
    with pytest.raises(MMLError, match=r"plugins: .*wandering_plugin\.py.*/other.*remove os\.chdir"):
        import_plugin("wandering_plugin.py")
    assert Path.cwd() == tmp_path
    with pytest.raises(MMLError, match=r"wandering_part\.made.*remove os\.chdir"):
        import_target("wandering_part.made")
    assert Path.cwd() == tmp_path


def test_a_plugin_named_like_a_module_in_use_is_refused(tmp_path: Path):
    (tmp_path / "json.py").write_text("")
    with pytest.raises(MMLError, match=r"json\.py.*use, json; rename it"):
        import_plugin(str(tmp_path / "json.py"))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("def (:\n", r"broken_\w+\.py, line 1: invalid syntax"),
        ("\nraise ValueError('oh')\n", r"ValueError: oh \(.*broken_\w+\.py, line 2\)"),
        ("import no_such_package\n", r"ModuleNotFoundError: .*no_such_package.*line 1"),
    ],
)
def test_a_plugin_that_cannot_be_run_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, line: str
):
    monkeypatch.setattr(sys, "path", list(sys.path))
    file = tmp_path / f"broken_{tmp_path.name.replace('-', '_')}.py"
    file.write_text(content)
    with pytest.raises(MMLError, match=f"^plugins: .*{line}"):
        import_plugin(str(file))


@pytest.mark.parametrize(
    "path", ["Adam", "", ".", "torch..Adam", "torch.optim.", "torch/optim.Adam", "__import__('os').x"]
)
def test_what_is_no_dotted_path_is_not_imported(path: str):
    with pytest.raises(MMLError, match=r"is not a dotted path; write it as package\.module\.Name"):
        import_target(path)


def test_a_package_that_is_missing_is_told_without_importing_any():
    check_package("json.x")
    with pytest.raises(MMLError, match=r"'no_such_package\.X':.*package 'no_such_package'; install it"):
        check_package("no_such_package.X")


@pytest.mark.parametrize("target", ["numpy.save", "torch.nn.Flatten", f"{__name__}.text", f"{__name__}.CALLED"])
def test_a_transform_is_a_function_of_an_image_and_a_mask(target: str):
    with pytest.raises(MMLError, match="a transform is a function of an image and a mask"):
        resolve(Preprocessing(transforms=[{"_target_": target}]))
