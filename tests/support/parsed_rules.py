"""The rule files of the pipeline, parsed once for all Snakemakes that the tests fork.

Snakemake parses the rules anew each time, which takes a third of the processor time of a dry run.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from snakemake import workflow as snakemake_workflow
from snakemake.sourcecache import LocalSourceFile

from tests.support.places import REPOSITORY


def parse_rules_once() -> None:
    """Parse the rule files now, and let Snakemake take the results as long as the files do not change."""
    parse = snakemake_workflow.parse
    parsed: dict[str, tuple[int, str, int, dict[int, int]]] = {}
    from_disk = SimpleNamespace(sourcecache=SimpleNamespace(open=lambda file: open(file.get_path_or_uri(True))))
    for path in map(str, (REPOSITORY / "Snakefile", *REPOSITORY.glob("rules/*.smk"))):
        lines: dict[int, int] = {}
        code, rules = parse(LocalSourceFile(path), from_disk, lines)
        parsed[path] = (Path(path).stat().st_mtime_ns, code, rules, lines)

    def parse_others(file: Any, workflow: Any, linemap: dict[int, int], rulecount: int) -> tuple[str, int]:
        path = file.get_path_or_uri(secret_free=True)
        if path not in parsed or Path(path).stat().st_mtime_ns != parsed[path][0]:
            return parse(file, workflow, linemap, rulecount=rulecount)
        _, code, rules, lines = parsed[path]
        linemap |= lines
        return code, rulecount + rules

    snakemake_workflow.parse = parse_others
