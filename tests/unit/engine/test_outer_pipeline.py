"""Use in an outer pipeline: config, names of rules, hooks."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.api import Workflow

from mml_lib.engine.outer_pipeline import name_rules, outer_layers, reserve_folders, warn_of_triggers
from mml_lib.engine.patches import chain_hooks
from mml_lib.errors import MMLError
from mml_lib.machine.rule_names import VARIABLE

EVENTS = ("onstart", "onsuccess", "onerror")


class FakeWorkflow:
    """The parts of Snakemake's workflow object that modules and hooks use; hooks are Snakemake's own."""

    onstart, onsuccess, onerror = Workflow.onstart, Workflow.onsuccess, Workflow.onerror

    def __init__(self) -> None:
        self.globals: dict[str, Any] = {}
        self.logger_manager = SimpleNamespace(get_logfile=lambda: None)
        self.included_stack = ["Snakefile"]
        self.config_settings = SimpleNamespace(configfiles=[])
        self.outer()
        for event in EVENTS:
            setattr(self, f"_{event}", lambda log: None)

    def outer(self) -> None:
        self.modifier: Any = SimpleNamespace(is_main_snakefile=lambda: True, namespace=None)

    def enter(self, module: str, rules: list[str] | None = None) -> None:
        """Read a module from now on, whose rules get its name as a prefix; only some of them, if named."""
        names = ["train_fold", "test_fold", "all"]
        self.modifier = SimpleNamespace(
            is_main_snakefile=lambda: False,
            namespace=module,
            path_modifier=SimpleNamespace(prefix=None, modifies_prefixes=False),
            rule_proxies=SimpleNamespace(_rules=dict.fromkeys(names)),
            avail_rulename=lambda name: f"{module}_{name}" if rules is None or name in rules else None,
        )


def test_snakemake_still_ignores_hooks_of_modules():
    workflow, calls = FakeWorkflow(), []
    workflow.enter("mml")
    for event in EVENTS:
        getattr(workflow, event)(lambda log: calls.append("module"))
        getattr(workflow, f"_{event}")(None)
    assert not calls, "chain_hooks can go"


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("outer_first", [True, False])
def test_hooks_of_modules_and_of_the_outer_pipeline_are_called(event: str, outer_first: bool):
    workflow, calls = FakeWorkflow(), []

    def register_outer() -> None:
        workflow.outer()
        getattr(workflow, event)(lambda log: calls.append("outer"))

    if outer_first:
        register_outer()
    for module in ("a", "b", "b"):  # `use rule` reads the Snakefile again
        workflow.enter(module)
        chain_hooks(workflow, module)
        getattr(workflow, event)(lambda log, module=module: calls.append(module))
    if not outer_first:
        register_outer()
    getattr(workflow, f"_{event}")(None)
    assert calls == ["a", "b", "outer"]


def test_other_modules_keep_their_hooks_to_themselves():
    workflow, calls = FakeWorkflow(), []
    workflow.enter("mml")
    chain_hooks(workflow, "mml")
    workflow.enter("another")
    workflow.onstart(lambda log: calls.append("another"))
    workflow._onstart(None)
    assert not calls


def test_study_of_a_module_is_the_given_config():
    workflow = FakeWorkflow()
    workflow.enter("mml")
    config = {"project": "mine", "tasks": {"a": {"creator": "fake"}}, "trainer": {"max_epochs": 3}}
    layers = outer_layers(workflow, config)
    assert layers.values == config
    assert layers.config["trainer"]["max_epochs"] == 3
    assert "optimizer" in layers.config, "on the library's defaults"
    layers.config["tasks"]["a"]["creator"] = "digits"
    assert config["tasks"]["a"]["creator"] == "fake", "the outer pipeline's config stays as it is"


def test_modules_without_a_study_or_with_a_prefix_are_refused():
    workflow = FakeWorkflow()
    workflow.enter("mml")
    with pytest.raises(MMLError, match=r'config: config\["mml"\]'):
        outer_layers(workflow, {})
    workflow.modifier.path_modifier.prefix = "results/"
    with pytest.raises(MMLError, match=r"paths\.results"):
        outer_layers(workflow, {"project": "mine"})


def test_modules_have_folders_of_their_own(tmp_path: Path):
    workflow = FakeWorkflow()
    assert reserve_folders(workflow, tmp_path / "data", tmp_path / "results/a")
    workflow.enter("a")
    assert reserve_folders(workflow, tmp_path / "data", tmp_path / "results/a")
    assert not reserve_folders(workflow, tmp_path / "data", tmp_path / "results/a"), "read again by `use rule`"
    workflow.enter("b")
    assert reserve_folders(workflow, tmp_path / "data_b", tmp_path / "results/b")
    workflow.enter("c")
    for data, project, key in [("data", "c", r"paths\.data"), ("data_c", "a", "project")]:
        with pytest.raises(MMLError, match=f"{key}: the module a has the same"):
            reserve_folders(workflow, tmp_path / data, tmp_path / "results" / project)


def test_included_snakefile_takes_the_config_of_the_pipeline_or_the_files_of_the_command_line():
    workflow = FakeWorkflow()
    assert outer_layers(workflow, {"project": "mine"}) is None, "not included"
    workflow.included_stack.append("MML's Snakefile")
    assert outer_layers(workflow, {"project": "mine"}).values == {"project": "mine"}
    assert outer_layers(workflow, {}) is None, "the demo study"
    workflow.config_settings.configfiles = ["study.yaml"]
    assert outer_layers(workflow, {"project": "mine"}) is None


def test_rules_are_named_also_if_they_are_used_one_by_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    workflow = FakeWorkflow()
    workflow.enter("mml", ["train_fold"])
    assert name_rules(workflow).by_full_name == {"mml_train_fold": "train_fold"}
    workflow.enter("mml", ["test_fold"])
    assert name_rules(workflow).by_full_name == {"mml_train_fold": "train_fold", "mml_test_fold": "test_fold"}
    workflow.outer()
    assert name_rules(workflow).by_full_name is None


@pytest.mark.parametrize(("triggers", "number"), [(["mtime", "input"], 0), (["mtime", "code", "software-env"], 1)])
def test_triggers_that_train_again_are_named(warnings: list[str], triggers: list[str], number: int):
    warn_of_triggers(SimpleNamespace(rerun_triggers=set(triggers)))
    assert len(warnings) == number
    assert all("rerun-triggers code, software-env" in line for line in warnings)
