"""Pipelines of trainings that follow a suggestion or a search, after its step."""

from collections.abc import Mapping
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.pipelines.pipeline import own_code
from mml_lib.pipelines.suggested import SUGGESTED_SOURCE


def follow(
    content: Mapping[str, Any], suggested: Mapping[str, Any], source: str | None, reports_validation: bool = False
) -> dict[str, Any]:
    """Return a planned pipeline with the sections of its suggestion.

    Args:
        content: the planned pipeline.
        suggested: the suggested pipeline.
        source: source of the suggestion; None without one.
        reports_validation: True if results on the validation split are reported.

    Raises:
        MMLError: the suggestion has no source to start from, or its schedule uses samples that are reported.
    """
    entry = dict(content["suggestion"])
    sections = {key: suggested[key] for key in entry["followed"] if key in suggested}
    if reports_validation and "ReduceLROnPlateau" in (sections.get("lr_scheduler") or {}).get("_target_", ""):
        raise MMLError(
            f"mode.suggestion: suggestion {entry['number']} has a plateau lr_scheduler, which chooses by the "
            "validation split that is reported; give the task a test split (test_fraction), or leave lr_scheduler out "
            "of suggest.keys"
        )
    followed = {key: value for key, value in content.items() if key not in entry["followed"]} | sections
    if content.get("pretraining", {}).get("task") == SUGGESTED_SOURCE:
        if source is None:
            raise MMLError(
                f"mode.pretrain_task: suggestion {entry['number']} names no source, as none has weights of the study's "
                "arch; set arch to the backbone of a source, or pretrain_task to a task"
            )
        followed["pretraining"] = {**content["pretraining"], "task": source}
    return replace_sections(content, followed, "suggestion")


def follow_search(content: Mapping[str, Any], chosen: Mapping[str, Any], run: str) -> dict[str, Any]:
    """Return a planned pipeline with the sections of the trial that its search chose.

    Args:
        content: the planned pipeline.
        chosen: pipeline of the trial.
        run: run id of the trial. Its networks are stored under this id.
    """
    followed = {key: value for key, value in content.items() if key not in content["search"]["followed"]}
    followed |= {key: chosen[key] for key in content["search"]["followed"] if key in chosen}
    return replace_sections(content, followed, "search", trained_as=run)


def replace_sections(
    content: Mapping[str, Any], followed: Mapping[str, Any], name: str, **notes: Any
) -> dict[str, Any]:
    """Return a pipeline with other sections. Its entry `name` keeps the planned sections.

    Args:
        content: the planned pipeline.
        followed: the pipeline with the other sections.
        name: entry of the suggestion or the search, which defines these sections.
        notes: further keys of the entry that were unknown while planning.
    """
    entry = {**content[name], **notes}
    result = {**followed, name: {**entry, "replaced": {}, "added": []}}
    if code := own_code(result | {name: {"replaced": content}}, content.get("code")):
        result["code"] = code
    replaced = {key: value for key, value in content.items() if key not in result or value != result[key]}
    result[name]["replaced"] = {key: value for key, value in replaced.items() if key != name}
    result[name]["added"] = [key for key in result if key not in content]
    return result
