"""The pre-flight check of backbones that extract features."""

import hashlib
from typing import TYPE_CHECKING

from mml_lib.engine.preflight.launch import Mistakes, check_environment, read_tried, record_tried, run_check
from mml_lib.pipelines.digests import canonical_json

if TYPE_CHECKING:
    from snakemake.dag import DAG

    from mml_lib.studies.extractors import Extractor
    from mml_lib.studies.study import Study


def check_backbones(study: "Study", dag: "DAG") -> None:
    """Try each library backbone that the plan extracts features with, if it was not tried before.

    Args:
        study: the study.
        dag: Snakemake's plan.

    Raises:
        Mistakes: some backbones cannot be built, or do not have the requested features.
    """
    jobs = study.rule_names.jobs(dag.needrun_jobs(), "extract_features")
    names = dict.fromkeys(job.wildcards.extractor for job in jobs)
    extractors = {_digest(study, extractor): extractor for extractor in map(study.extractors.named, names)}
    tried = read_tried(study.fm.checked_path)
    untried = {name: item for name, item in extractors.items() if not item.models and name not in tried}
    if not untried:
        return
    options = [item.options for item in untried.values()]
    pretrained = any(option.backbone.get("pretrained") for option in options)
    answers = run_check(
        study, "backbones", [option.model_dump(mode="json", by_alias=True) for option in options], pretrained
    )
    if sound := [name for name, mistakes in zip(untried, answers, strict=False) if not mistakes]:
        record_tried(study.fm.checked_path, [*tried, *sorted(sound)])
    if lines := dict.fromkeys(line for mistakes in answers for line in mistakes):
        raise Mistakes([study.origins.place(line) for line in lines])


def _digest(study: "Study", extractor: "Extractor") -> str:
    """Return the digest of everything on which the check of an extractor depends."""
    return hashlib.sha256(canonical_json([extractor.content, check_environment(study)]).encode()).hexdigest()[:16]
