"""Copies of the outer pipeline that trains by MML as a module."""

import shutil
from pathlib import Path

import yaml

from tests.support.forked_snakemake import run_snakemake
from tests.support.places import REPOSITORY
from tests.support.workplaces import TINY

OUTER = REPOSITORY / "tests/workflow/outer_pipeline"
TASK = {"creator": "csv", "path": "prepared/table.csv", "made_by_rule": True, "folds": 2}


class OuterPipeline:
    """A copy of the outer pipeline in a folder of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        shutil.copytree(OUTER, folder, dirs_exist_ok=True)
        snakefile = folder / "Snakefile"
        snakefile.write_text(snakefile.read_text().replace("/path/to/clone", str(REPOSITORY)))

    def write(self, seed: int = 0, **study: object) -> None:
        """Write the config of the outer pipeline, with changes of the study in it."""
        content = {"seed": seed, "mml": TINY | {"tasks": {"brightness": TASK}} | study}
        (self.folder / "config.yaml").write_text(yaml.safe_dump(content))

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Run Snakemake and return its output."""
        status, output = run_snakemake(["--cores", "2", *arguments], self.folder)
        assert (status != 0) == fails, output
        return output
