"""Variants: the studies of a sweep, named variants and repeats."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from mml_lib.config.loading import USUAL_NAMES, load_study
from mml_lib.config.reading.layers import check_dotted, with_values
from mml_lib.config.reading.origins import Source
from mml_lib.config.schema import SEEDS, StudyConfig
from mml_lib.errors import MMLError
from mml_lib.pipelines.pipeline import PIPELINE_KEYS

VARIED_OPTIONS = (
    "pretrain_task",
    "model_selection",
    "freeze",
    "pretrain_cv",
    "pretrain_with",
    "multitask",
    "co_tasks",
    "task_weights",
    "suggestion",
)
"""Options of modes that sweep and variants can set, as in `mode.pretrain_task`."""


@dataclass(frozen=True)
class Variant:
    """One study of the sweep and the variants.

    Args:
        label: differences from the other variants.
        study: config of the study.
        parts: name of the variant and values of the sweep, if any, without the seed.
        repeats: earlier variant that differs only in the seed. Both share the sections of its study.
    """

    label: str
    study: StudyConfig
    parts: tuple[str, ...] = ()
    repeats: "Variant | None" = None

    @property
    def procedure(self) -> str:
        """Name of the procedure: its differences from other procedures."""
        return ", ".join(self.parts)


def expand(config: Mapping[str, Any], files: Sequence[Source] = ()) -> list[Variant]:
    """Return the studies of the sweep and the variants of a config; the study itself if there are none.

    Raises:
        MMLError: a variant or a swept key does not fit the schema, or is not part of a pipeline.
    """
    base = dict(config)
    sweep, variants = base.pop("sweep", None) or {}, base.pop("variants", None) or {}
    in_variants = [(f"variants.{name}", key) for name, keys in variants.items() for key in keys]
    for section, key in [*(("sweep", key) for key in sweep), *in_variants]:
        _check_varied(section, str(key))
    swept = set(sweep)
    sweep = _with_seeds(base, sweep, variants, files)
    expanded = []
    firsts: dict[str, Variant] = {}
    for name, keys in variants.items() or [("", {})]:
        for values in itertools.product(*sweep.values()):
            point = dict(zip(sweep, values, strict=True))
            words = {key: f"{key}={getattr(value, 'text', value)}" for key, value in point.items()}
            label = ", ".join([*([name] if name else []), *words.values()])
            words.pop("seed", None)
            parts = (*([name] if name else []), *words.values())
            varied: dict[tuple[str, ...], tuple[Any, ...]]
            varied = {tuple(str(key).split(".")): ("variants", name, key) for key in keys}
            varied |= {tuple(str(key).split(".")): ("sweep", key) for key in point if key in swept}
            seed = point.get("seed")
            key = repr((name, {key: value for key, value in point.items() if key != "seed"}))
            first = firsts.get(key) if is_seed(seed) else None
            study = first and first.study.model_copy(update={"seed": seed})
            study = study or load_study(with_values(base, {**keys, **point}), files, varied)
            expanded.append(Variant(label, study, parts, first))
            firsts.setdefault(key, expanded[-1])
    return expanded


def is_seed(value: Any) -> bool:
    """Return True for a valid seed that needs no conversion."""
    return type(value) is int and 0 <= value < SEEDS


def _check_varied(section: str, key: str) -> None:
    """Refuse a key of a sweep or a variant that changes no run.

    Raises:
        MMLError: the key is neither part of a pipeline nor an option of `VARIED_OPTIONS`.
    """
    check_dotted(section, key)
    options = [f"mode.{option}" for option in VARIED_OPTIONS]
    if key.split(".")[0] in (*PIPELINE_KEYS, "search") or any(f"{key}.".startswith(f"{option}.") for option in options):
        return
    usual = USUAL_NAMES.get(key)
    similar = get_close_matches(key.removeprefix("mode."), VARIED_OPTIONS, n=1)
    meant = usual or (f"mode.{similar[0]}" if similar else None)
    hint = f", did you mean '{meant}'?" if meant else ""
    raise MMLError(
        f"{section}: '{key}' cannot be varied{hint}: sweep and variants accept "
        f"{', '.join(PIPELINE_KEYS)} and keys below these, and {', '.join(options)}"
    )


def first_options(config: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a mode in the first variant of a config.

    Args:
        config: config of the study.
        options: options that all variants share.

    Raises:
        MMLError: a variant sets an option that it cannot set.
    """
    variants, sweep = config.get("variants") or {}, config.get("sweep") or {}
    for section, keys in [("sweep", sweep), *((f"variants.{name}", keys) for name, keys in variants.items())]:
        for key in filter(is_option, keys):
            _check_varied(section, key)
    first = {**next(iter(variants.values()), {}), **{key: values[0] for key, values in sweep.items()}}
    varied = {key: value for key, value in first.items() if is_option(key)}
    return dict(with_values({"mode": dict(options)}, varied)["mode"])


def option_places(config: Mapping[str, Any]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return the options of the mode that a sweep or variants set, each with the first place that sets it."""
    variants, sweep = config.get("variants") or {}, config.get("sweep") or {}
    sections = [(("sweep",), sweep), *((("variants", name), keys) for name, keys in variants.items())]
    places = [(tuple(key.split(".")), (*section, key)) for section, keys in sections for key in filter(is_option, keys)]
    return dict(reversed(places))


def without_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config whose sweep and variants do not set options of the mode."""
    content = dict(config)
    if sweep := config.get("sweep"):
        content["sweep"] = _without_mode(sweep)
    if variants := config.get("variants"):
        content["variants"] = {name: _without_mode(keys) for name, keys in variants.items()}
    return content


def _without_mode(keys: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if not is_option(key)}


def is_option(key: str) -> bool:
    """Return True for a key of a sweep or a variant that sets an option of the mode."""
    return str(key).startswith("mode.")


def _with_seeds(
    base: dict[str, Any], sweep: Mapping[str, Any], variants: Mapping[str, Any], files: Sequence[Source]
) -> Mapping[str, Any]:
    """Return the sweep with the seeds of `repeats`, and remove this key from the base.

    Raises:
        MMLError: the study already sets seeds.
    """
    if "repeats" not in base:
        return sweep
    study = load_study(base, files)
    del base["repeats"]
    if study.repeats == 1:
        return sweep
    sections = [f"variants.{name}" for name, keys in variants.items() if "seed" in keys]
    for section in ["sweep", *sections] if "seed" in sweep else sections:
        raise MMLError(f"repeats: {section} already sets seeds; leave out repeats, or the seed there")
    return {**sweep, "seed": [study.seed + number for number in range(study.repeats)]}
