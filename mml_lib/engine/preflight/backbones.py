"""The check of backbones that extract features, before anything runs."""

import hashlib
from typing import TYPE_CHECKING

from mml_lib.engine.preflight.launch import Mistakes, ask, read_tried, remember, surroundings
from mml_lib.pipelines.digests import canonical_json

if TYPE_CHECKING:
    from snakemake.dag import DAG

    from mml_lib.studies.extractors import Extractor
    from mml_lib.studies.study import Study


def check_backbones(study: "Study", dag: "DAG") -> None:
    """Try each backbone of a library that is to extract features, unless it was tried before.

    Args:
        study: the study.
        dag: Snakemake's plan.

    Raises:
        Mistakes: some cannot be built, or have no such features; a line for each mistake.
    """
    jobs = study.rule_names.jobs(dag.needrun_jobs(), "extract_features")
    names = dict.fromkeys(job.wildcards.extractor for job in jobs)
    extractors = {_digest(study, extractor): extractor for extractor in map(study.extractors.named, names)}
    tried = read_tried(study.fm.checked_path)
    left = {name: item for name, item in extractors.items() if not item.models and name not in tried}
    if not left:
        return
    options = [item.options for item in left.values()]
    pretrained = any(option.backbone.get("pretrained") for option in options)
    answers = ask(study, "backbones", [option.model_dump(mode="json", by_alias=True) for option in options], pretrained)
    if sound := [name for name, mistakes in zip(left, answers, strict=False) if not mistakes]:
        remember(study.fm.checked_path, [*tried, *sorted(sound)])
    if lines := dict.fromkeys(line for mistakes in answers for line in mistakes):
        raise Mistakes([study.origins.place(line) for line in lines])


def _digest(study: "Study", extractor: "Extractor") -> str:
    """Return the digest of everything that a check depends on."""
    return hashlib.sha256(canonical_json([extractor.content, surroundings(study)]).encode()).hexdigest()[:16]
