"""Inputs and params of rules/preprocess.smk."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.config.task_options import Preprocessing
from mml_lib.errors import MMLError
from mml_lib.files.manager import SHARDS
from mml_lib.images.packs.pack_names import pack_id
from mml_lib.images.transforms import resolve
from mml_lib.pipelines.own_code import code_of
from mml_lib.studies.inputs.rule_inputs import RuleInputs

if TYPE_CHECKING:
    from snakemake.iocontainers import OutputFiles, Wildcards


class PreprocessInputs(RuleInputs):
    """Transforms and shards of packed images."""

    def transforms(self, wildcards: "Wildcards") -> list[dict[str, Any]]:
        """The transforms behind the id of packed images."""
        return self._transforms(wildcards.pack)

    def _transforms(self, pack: str) -> list[dict[str, Any]]:
        runs = [*self.study.runs.planned.values(), *self.study.runs.old.values()]
        stored = [Preprocessing(**run.pipeline.content["preprocessing"]) for run in runs]
        sections = [self.study.cfg.preprocessing, *stored, *self.study.extractors.preprocessings]
        for section in sections:
            if pack_id(section) == pack:
                return resolve(section)
        for section in sections:
            if section.id == pack.rpartition("-")[0] and code_of(transforms := resolve(section)):
                return transforms  # their code has changed since planning: the step refuses it in one line
        raise MMLError(f"the preprocessing {pack} is part of no run of the study")

    def early_packs(self, wildcards: "Wildcards", output: "OutputFiles") -> dict[str, list[dict[str, Any]]]:
        """The transforms of packs that can be made while a data set is created, by the folder of the early pack."""
        if self.study.cfg.preprocess_shards != 1:
            return {}
        modes = map(self.study.scheduler, self.study.requested)
        packs = sorted({pack for mode in modes for pack in mode.packs_of(wildcards.dataset)})
        return {
            self.fm.path("early_pack", dataset=wildcards.dataset, pack=pack): self._transforms(pack)
            for pack in packs
            if not Path(self.fm.path("packed", dataset=wildcards.dataset, pack=pack)).exists()
        }

    def early_pack(self, wildcards: "Wildcards", output: "OutputFiles") -> str:
        """The pack that may have been made while the data set was created."""
        return self.fm.path("early_pack", dataset=wildcards.dataset, pack=wildcards.pack)

    def root(self, wildcards: "Wildcards", output: "OutputFiles") -> str:
        """The folder of all packed images, some of which may have the same content: none of them is needed."""
        return str(Path(self.fm.pattern("packed")).parents[1])

    def pack(self, wildcards: "Wildcards", output: "OutputFiles") -> str:
        """The pack that a shard is a part of."""
        return self.fm.path("packed", dataset=wildcards.dataset, pack=wildcards.pack)

    def manifests(self, wildcards: "Wildcards", output: "OutputFiles") -> str:
        """Path of the manifest of any data set, whose images another one may have."""
        return self.fm.pattern("dataset")

    def shards(self, wildcards: "Wildcards") -> list[str]:
        """Paths of a data set's shards. A packed data set keeps its number of shards."""
        packed = {"dataset": wildcards.dataset, "pack": wildcards.pack}
        count = Path(self.fm.path("packed", **packed)) / SHARDS
        number = int(count.read_text()) if count.exists() else self.study.cfg.preprocess_shards
        return [self.fm.path("shard", **packed, shard=f"{index}of{number}") for index in range(number)]
