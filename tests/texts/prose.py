"""Findings of the prose linter: the worst patterns of a private dialect, in code, rules, presets, schema and pages.

`python -m tests.texts.prose` prints them.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PATTERNS = (Path(__file__), Path(__file__).with_name("test_prose.py"))
"""Files that spell the patterns out."""

PYTHON = ("mml_lib", "scripts", "tests")
TEXTS = ("README.md", "config/**/*.md", ".github/*.md", "config/**/*.yaml", "config/schema.json", "rules/**/*.rst")
RULES = ("Snakefile", "rules/*.smk")

NAMES = frozenset({"told", "found", "each", "known", "asked", "given", "shown"})
"""Names of variables that say nothing about their content."""

OPENING = re.compile(r"(What|Return what|Return whether .*\bor|Whether .*\bor)\b")
"""Beginnings of a docstring that hide its noun."""

PHRASES = re.compile(
    r"\b(la(y|ys|id|ying) over|looks? back|as far as|what there is|than there (is|are)|be it|whoever|of one's own|"
    r"all the same|so it is too|that there (is|are) not|has to be there)\b",
    re.I,
)
"""Phrases of the former dialect. `lay over` is `merge`, `of one's own` is `your own` or `the user's`."""

Finding = tuple[int, str]


def in_python(text: str) -> Iterator[Finding]:
    """Yield line and description of each finding in Python code."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in NAMES:
            yield node.lineno, f"variable '{node.id}': name its content"
        elif isinstance(node, ast.arg) and node.arg in NAMES:
            yield node.lineno, f"argument '{node.arg}': name its content"
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            if match := OPENING.match(node.value.value):
                yield node.lineno, f"docstring begins with '{match[1]}': begin with its noun, or with an action"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from ((node.lineno, finding) for _, finding in in_text(node.value))


def in_text(text: str) -> Iterator[Finding]:
    """Yield line and description of each finding in prose."""
    for match in PHRASES.finditer(text):
        yield text[: match.start()].count("\n") + 1, f"'{match[0]}': say it plainly"


def in_rules(text: str) -> Iterator[Finding]:
    """Yield line and description of each finding in a file of Snakemake rules."""
    yield from in_text(text)
    for match in re.finditer(rf'"""{OPENING.pattern}', text):
        yield text[: match.start()].count("\n") + 1, f"docstring begins with '{match[1]}': begin with its noun"
    for match in re.finditer(rf"\b({'|'.join(NAMES)})( =|=| in )", text):
        yield text[: match.start()].count("\n") + 1, f"name '{match[1]}': name its content"


def findings(root: Path = REPOSITORY) -> Iterator[tuple[str, int, str]]:
    """Yield file, line and description of each finding in a repository."""
    files = [(path, in_python) for folder in PYTHON for path in root.glob(f"{folder}/**/*.py")]
    files += [(path, in_rules) for pattern in RULES for path in root.glob(pattern)]
    files += [(path, in_text) for pattern in TEXTS for path in root.glob(pattern)]
    for path, find in sorted(file for file in files if file[0] not in PATTERNS):
        name = str(path.relative_to(root))
        yield from ((name, *finding) for finding in sorted(find(path.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    for name, line, text in findings():
        print(f"{name}:{line}: {text}")
