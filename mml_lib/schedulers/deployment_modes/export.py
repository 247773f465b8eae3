"""Mode `export`: a run as ONNX and torch.export, with description, model card and a script that runs it."""

import json
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mml_lib.config.analysis.deployment_options import ENSEMBLE
from mml_lib.errors import MMLError
from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.schedulers.deployment_modes.deployed_runs import DeployedRuns, used_ids

if TYPE_CHECKING:
    from mml_lib.steps.step import Step

PACKAGES = ("onnx", "onnxruntime", "onnxscript")


class ExportScheduler(AbstractBaseScheduler):
    """Exports the run of the section `export`."""

    provides: ClassVar[str] = "export"

    def create_routine(self) -> None:
        self._check()
        self.add("export_run", task=self.runs.task, export=self.cfg.export.run)

    @cached_property
    def runs(self) -> DeployedRuns:
        """The networks that are exported."""
        return DeployedRuns(self.study, "export", self.cfg.export)

    def _check(self) -> None:
        """Refuse what no graph can be made of.

        Raises:
            MMLError: a package is missing, or members of an ensemble have no common graph.
        """
        missing = [name for name in PACKAGES if find_spec(name) is None]
        if missing:
            raise MMLError(f'mode export: missing packages: {", ".join(missing)}; run pip install "mml[export]"')
        self._check_ensemble()

    def _check_ensemble(self) -> None:
        """Refuse an ensemble whose possible members preprocess images differently, or see windows of them.

        Raises:
            MMLError: they do.
        """
        if self.cfg.export.run != ENSEMBLE:
            return
        contents = [self.study.run(network.task, network.run).pipeline.content for network in self.runs.networks]
        if any(content["preprocessing"] != contents[0]["preprocessing"] for content in contents):
            raise MMLError(
                "export.run: the runs of the ensemble preprocess images differently, and a graph takes preprocessed "
                "pixels; name a run, or best"
            )
        if any(content.get("patches") for content in contents):
            raise MMLError("export.run: an ensemble of networks of patches has no graph; name a run, or best")

    @property
    def announcement(self) -> list[str]:
        runs = ", ".join(used_ids(self.runs.networks))
        return [f"{self.runs.task}: {self.cfg.export.run} of {runs} is exported"]

    def before_finishing_hook(self, step: "Step") -> None:
        """Return the folder, the run, and the largest differences from the stored predictions."""
        (folder,) = step.input.export
        content = json.loads((Path(folder) / "description.json").read_text(encoding="utf-8"))
        differences = content["check"]["largest_differences"]
        step.return_value = {"folder": folder, "run": content["run"], "largest_differences": differences}
