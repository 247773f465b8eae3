"""Inputs and params of rules: each function of `study.inputs` is used, and where its rule file says."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.common import Rules

from mml_lib.errors import MMLError
from mml_lib.evaluation.run_labels import RunLabel
from mml_lib.files.manager import MMLFileManager
from mml_lib.studies.inputs.finish_inputs import FinishInputs
from mml_lib.studies.inputs.rule_inputs import RuleInputs
from mml_lib.studies.study import Study
from tests.support.places import REPOSITORY
from tests.support.small_projects import small_study

RULES = {path.stem: path.read_text(encoding="utf-8") for path in (REPOSITORY / "rules").glob("*.smk")}
PARTS = {part.__name__.removesuffix("Inputs").lower(): part for part in RuleInputs.__subclasses__()}


def public(part: str) -> Iterator[str]:
    """Yield the names of the functions of a part."""
    yield from (name for name in vars(PARTS[part]) if not name.startswith("_"))


def used(part: str) -> set[str]:
    """Return the names that rules use of a part: by the alias in its own rule file, and by the full name anywhere."""
    texts = [RULES[part], *RULES.values(), (REPOSITORY / "Snakefile").read_text(encoding="utf-8")]
    own = re.findall(r"(?<![\w.])inputs\.(\w+)", texts[0]) if f"inputs = study.inputs.{part}\n" in texts[0] else []
    return {*own, *(name for text in texts for name in re.findall(rf"study\.inputs\.{part}\.(\w+)", text))}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_has_exactly_the_functions_that_rules_use(part: str):
    internal = {"learned_files", "path", "tokens", "is_reused", "baseline"}  # for schedulers and other rule files
    assert set(public(part)) - internal == used(part) - internal


@pytest.mark.parametrize("name", RULES)
def test_no_lambda_uses_the_alias_of_its_rule_file(name: str):
    """Rule files share their names: when a lambda is called, `inputs` is that of the last file."""
    lambdas = [line for line in RULES[name].splitlines() if "lambda" in line]
    assert not [line for line in lambdas if re.search(r"(?<![\w.])inputs\.", line)]


def test_a_label_has_a_fold_only_if_its_networks_share_it():
    label = RunLabel("digits", "0a1b2c3d", "lr=1", "1a1b2c3d", "plain")
    names = {"task": "digits", "run": "0a1b2c3d", "label": "lr=1", "procedure": "1a1b2c3d", "procedure_label": "plain"}
    assert label.as_params() == names
    assert RunLabel(**names, fold=0).as_params() == names | {"fold": 0}


@pytest.mark.parametrize("name", RULES)
def test_comments_at_keys_show_their_paths(name: str):
    keys = re.findall(r'fm\.(?:pattern|output)\("(\w+)"\)\)?,(?:  # (.+))?$', RULES[name], flags=re.MULTILINE)
    assert [(key, MMLFileManager.template(key).below) for key, _ in keys] == keys


def test_last_step_has_its_inputs_by_assignment_key_and_the_models_that_its_hook_compares(tmp_path: Path):
    rules: Any = Rules()
    study = small_study(tmp_path, mode={"preset": "train", "cv": False, "subroutines": ["test"]})
    for rule, key in (("test_fold", "metrics"), ("summarize", "summary")):
        rules._register_rule(rule, SimpleNamespace(output=[study.fm.pattern(key)]))
    files, targets = study.inputs.finish.files("train", rules), study.inputs.finish.targets("train", rules)
    assert {key: len(paths) for key, paths in files.items()} == {"models": 2, "metrics": 2, "summary": 1}
    assert targets == [*files["metrics"], *files["summary"]], "a mode that trains nothing asks for no models"
    assert {study.fm.wildcards("models", path)["fold"] for path in files["models"]} == {"0"}


def test_planned_step_without_a_rule_is_named():
    rules = Rules()
    rules._register_rule("train_fold", SimpleNamespace(output=[]))
    scheduler = SimpleNamespace(steps=[("train_folds", {})])
    study: Any = SimpleNamespace(fm=None, scheduler=lambda mode: scheduler)
    with pytest.raises(MMLError, match=r"step 'train_folds',.*did you mean"):
        FinishInputs(study).targets("mine", rules)


def test_local_rules_are_rules():
    snakefile = (REPOSITORY / "Snakefile").read_text(encoding="utf-8")
    local = re.findall(r'"(\w+)",', snakefile.partition("make_local(")[2].partition("\n)")[0])
    rules = {name for text in [*RULES.values(), snakefile] for name in re.findall(r"\b(?:rule|as) (\w+)", text)}
    assert local
    assert set(local) <= rules


def test_packs_of_planned_runs_are_made_early_unless_they_exist_or_are_packed_in_shards(tmp_path: Path):
    sweep = {"preprocessing.size": [32, 64]}
    study = small_study(tmp_path, sweep=sweep)
    dataset = study.task("shapes").dataset
    wildcards: Any = SimpleNamespace(dataset=dataset)
    study.requested = ["create", "train"]
    assert study.scheduler("train").commands

    def early(study: Study) -> dict[str, list[dict[str, Any]]]:
        return study.inputs.preprocess.early_packs(wildcards, output=[])

    packs = early(study)
    assert [transforms[0]["size"] for transforms in packs.values()] in ([[32, 32], [64, 64]], [[64, 64], [32, 32]])
    pack = Path(next(iter(packs))).name.removesuffix("-early")
    assert study.inputs.preprocess.early_pack(SimpleNamespace(dataset=dataset, pack=pack), output=[]) in packs
    Path(study.fm.path("packed", dataset=dataset, pack=pack)).mkdir(parents=True)
    assert len(early(study)) == 1

    study.requested = ["create"]
    assert early(study) == {}
    shards = small_study(tmp_path, sweep=sweep, preprocess_shards=2)
    shards.requested = ["train"]
    assert (len(shards.scheduler("train").commands) > 1, early(shards)) == (True, {})
