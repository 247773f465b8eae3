"""Merging of pipelines, key by key: weighted means of numbers, weighted votes of choices."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mml_lib.pipelines.digests import canonical_json

Choose = Callable[[Mapping[str, float]], str]
"""Function that chooses one of several kinds of values by their weights."""

LOG_SCALED = frozenset(
    (
        *("lr", "learning_rate", "max_lr", "min_lr", "lr_min", "eta_min", "weight_decay", "eps"),
        *("batch_size", "sample_num", "min_sample_num", "accumulate_grad_batches", "gradient_clip_val"),
        *("max_epochs", "min_epochs", "max_steps", "min_steps", "warmup_steps", "T_0", "T_max", "step_size"),
        *("div_factor", "final_div_factor"),
    )
)
"""Last parts of keys whose numbers have a geometric mean. Other numbers have an arithmetic mean."""

WHOLE = ("preprocessing", "normalization", "arch", "decoder", "augmentations", "callbacks", "class_weights", "tune")
"""Sections that are chosen as a whole, because their parts depend on each other."""

DIGITS = 4
"""Significant digits of means."""


class _NotSet:
    """Value of a key that a pipeline does not have."""


NOT_SET = _NotSet()


@dataclass(frozen=True)
class Voter:
    """A value with its weight."""

    value: Any
    weight: float


def merge(key: str, voters: Sequence[Voter], choose: Choose) -> Any:
    """Return the merged value of a key; `NOT_SET` if most pipelines do not have the key.

    A vote chooses among kinds of values (numbers and none; optimizers of several classes). Values of the chosen kind
    are merged: mappings key by key, numbers to their weighted mean. Means of whole numbers are rounded.

    Args:
        key: dotted key of the pipeline.
        voters: value and weight of each pipeline; of equal weights, the preferred one comes first.
        choose: function that chooses a kind of value.
    """
    weights: dict[str, float] = {}
    kinds = [kind_of(key, voter.value) for voter in voters]
    for kind, voter in zip(kinds, voters, strict=True):
        weights[kind] = weights.get(kind, 0.0) + voter.weight
    chosen_kind = choose(weights) if len(weights) > 1 else kinds[0]
    members = [voter for kind, voter in zip(kinds, voters, strict=True) if kind == chosen_kind]
    value = members[0].value
    if chosen_kind.startswith("mapping"):
        return _merged_mapping(key, members, choose)
    return weighted_mean(key, members) if chosen_kind in ("number", "integer") else value


def kind_of(key: str, value: Any) -> str:
    """Return the kind of a value. Values of one kind can be merged; kinds are alternatives."""
    if isinstance(value, Mapping) and key not in WHOLE:
        return f"mapping {value.get('_target_', '')}"
    if isinstance(value, int | float) and not isinstance(value, bool) and (value > 0 or not is_log_scaled(key)):
        # For the trainer, 1 means one batch and 1.0 all batches.
        return "integer" if isinstance(value, int) and key.startswith("trainer.") else "number"
    return "not set" if value is NOT_SET else f"value {canonical_json(value)}"


def is_log_scaled(key: str) -> bool:
    """Return True for a key whose numbers are compared by their ratios."""
    return key.rpartition(".")[2] in LOG_SCALED


def weighted_mean(key: str, voters: Sequence[Voter]) -> int | float:
    """Return the weighted mean of numbers on the scale of their key, rounded if all numbers are whole."""
    total = sum(voter.weight for voter in voters)
    if len({voter.value for voter in voters}) == 1:
        value: int | float = voters[0].value
        return value
    is_logarithmic = is_log_scaled(key)
    mean = sum(voter.weight * (math.log(voter.value) if is_logarithmic else voter.value) for voter in voters) / total
    mean = math.exp(mean) if is_logarithmic else mean
    if all(isinstance(voter.value, int) for voter in voters):
        return round(mean)
    return float(f"{mean:.{DIGITS}g}")


def _merged_mapping(key: str, members: Sequence[Voter], choose: Choose) -> dict[str, Any]:
    merged = {}
    for name in dict.fromkeys(name for member in members for name in member.value):
        values = [Voter(member.value.get(name, NOT_SET), member.weight) for member in members]
        value = merge(f"{key}.{name}", values, choose)
        if value is not NOT_SET:
            merged[name] = value
    return merged


def chooser(temperature: float, draws: random.Random) -> Choose:
    """Return a function that chooses the largest weight, or draws by the weights to the power of 1/temperature.

    Args:
        temperature: 0 for the largest weight, or a positive number.
        draws: source of random numbers.
    """

    def choose(weights: Mapping[str, float]) -> str:
        if not temperature:
            return max(weights, key=lambda kind: weights[kind])
        largest = max(weights.values())
        powers = [(weight / largest) ** (1 / temperature) for weight in weights.values()]
        return draws.choices(list(weights), powers)[0]

    return choose
