"""A rule and its script are one contract: a script reads every file and setting that its rules declare by name.

Unnamed inputs only order steps. A param may also serve the rule's message, or repeat steps where it changes.
"""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml

from mml_lib.steps.mock_snakemake import SNAKEFILE, parsed_workflow
from tests.support.places import REPOSITORY
from tests.support.workplaces import TINY

SECTIONS = ("input", "output", "params")

TRIGGERS = {"code", "asked_at", "state"}
"""Params that repeat steps where they change: the user's own code, the time, files that are no inputs."""

STEP_MODULES = ("step.py", "training_step.py", "task_files.py", "trial_training.py")

Key = tuple[str, str]


def _section(node: ast.AST, owners: Iterable[str]) -> str | None:
    """Return the section of `snakemake.input`, `self.params` …, None for other expressions."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in owners:
        return node.attr if node.attr in SECTIONS else None
    return None


def keys_read(tree: ast.AST, owners: Iterable[str]) -> set[Key]:
    """Return section and key of all files and settings that code reads.

    Args:
        tree: of the code.
        owners: names of the objects that have the sections.
    """
    aliases = {name: section for name, section in _aliases(tree, owners) if section}
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    keys: set[Key] = set()
    for node in ast.walk(tree):
        is_get = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get"
        value = node.func.value if is_get else getattr(node, "value", None)
        section = _section(value, owners) or (aliases.get(value.id) if isinstance(value, ast.Name) else None)
        if section and isinstance(node, ast.Attribute) and node.attr != "get":
            keys.add((section, node.attr))
        elif section and (is_get or isinstance(node, ast.Subscript)):
            key = node.args[0] if is_get else node.slice
            # A key in a variable is one of the texts of the code.
            keys |= {(section, text) for text in ([key.value] if isinstance(key, ast.Constant) else texts)}
    return keys


def _aliases(tree: ast.AST, owners: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """Yield the names that code gives to values, with the section that the value is."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign):
            continue
        (target,), value = node.targets, node.value
        both = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
        for name, part in zip(target.elts, value.elts, strict=True) if both else [(target, value)]:
            if isinstance(name, ast.Name):
                yield name.id, _section(part, owners)


def step_members() -> dict[str, tuple[set[Key], set[str]]]:
    """Return the keys that each method of a step reads, and the names that it uses."""
    members: dict[str, tuple[set[Key], set[str]]] = {}
    for module in STEP_MODULES:
        tree = ast.parse((REPOSITORY / "mml_lib/steps" / module).read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                keys, names = members.setdefault(node.name, (set(), set()))
                keys |= keys_read(node, ("self", "step"))
                names |= {part.attr for part in ast.walk(node) if _is_of_step(part)}
                names |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return members


def keys_of_script(text: str) -> set[Key]:
    """Return section and key of all that a script reads, by itself or by its step."""
    tree = ast.parse(text)
    keys, members = keys_read(tree, ("snakemake",)), step_members()
    used = {node.attr for node in ast.walk(tree) if _is_of_step(node)}
    used |= {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    if "warm=True" in text:
        used.add("cfg")  # of the GPUs that it takes
    seen: set[str] = set()
    while used:
        name = used.pop()
        if name in members and name not in seen:
            own, names = members[name]
            keys |= own
            used |= names
        seen.add(name)
        used -= seen
    return keys


def _is_of_step(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "step")


def test_every_named_input_output_and_param_of_a_rule_is_read_by_its_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    study = {**TINY, "tta": "flips", "metrics": ["accuracy"]}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    unread, rules = [], 0
    with parsed_workflow(SNAKEFILE, [tmp_path / "study.yaml"], {}) as workflow:
        for rule in workflow.rules:
            if rule.script is None:
                continue
            rules += 1
            read = keys_of_script((REPOSITORY / "rules" / rule.script).read_text())
            declared = {(section, key) for section in SECTIONS for key, _ in getattr(rule, section).items()}
            message = {key for key in declared if f"{{params.{key[1]}}}" in (rule.message or "")}
            triggers = {("params", key) for key in TRIGGERS}
            iterated = {key for key in declared if (key[0], "items") in read}
            unread += [f"{rule.name}: {'.'.join(key)}" for key in declared - read - iterated - message - triggers]
    assert rules > 35
    assert not unread


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("x = snakemake.input.task", {("input", "task")}),
        ("x = snakemake.params['seed']", {("params", "seed")}),
        ("for key in ('a', 'b'):\n    read(snakemake.input.get(key))", {("input", "a"), ("input", "b")}),
        (
            "files, params = snakemake.input, snakemake.params\nread(files.task, params.seed)",
            {("input", "task"), ("params", "seed")},
        ),
        ("step = open_step(snakemake)\nstep.drop_checkpoints()", {("params", "checkpoints")}),
        ("step = open_step(snakemake)\nstep.pipeline", {("input", "pipeline")}),
        ("step = open_step(snakemake)\nstep.task", set()),
        ("step = open_step(snakemake)", set()),
    ],
)
def test_reading_is_seen_in_scripts_and_behind_the_methods_of_a_step(text: str, keys: set[Key]):
    assert keys_of_script(text) == keys


def names_of(module: str) -> set[str]:
    """Return the names that a module of the library defines or imports, and the modules in it."""
    path = REPOSITORY / module.replace(".", "/")
    tree = ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text("utf-8"))
    names = {
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    names |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assigned = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    names |= {name.id for node in assigned for name in ast.walk(node) if isinstance(name, ast.Name)}
    return names | {other.stem for other in path.glob("*")}


@pytest.mark.parametrize("script", sorted((REPOSITORY / "scripts").glob("*.py")), ids=lambda path: path.stem)
def test_each_script_imports_what_the_library_has(script: Path):
    imports = [node for node in ast.walk(ast.parse(script.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    library = [node for node in imports if (node.module or "").startswith("mml_lib")]
    assert not [
        f"{node.module}.{alias.name}"
        for node in library
        for alias in node.names
        if alias.name not in names_of(node.module)
    ]
