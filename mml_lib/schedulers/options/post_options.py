"""Options of the mode `post`."""

from typing import Any, Literal

from pydantic import Field, model_validator

from mml_lib.schedulers.options.transfer_options import TransferOptions

Part = Literal["train", "predict", "test", "calibrate", "ensemble", "compare", "draw"]


class PostOptions(TransferOptions):
    """Options of the mode `post`, beside those of `train`, and of `tl` where it names a `pretrain_task`."""

    # Both are wider than in the base: the mode has more parts, and needs no pretraining.
    subroutines: list[Part] | None = Field(  # type: ignore[assignment]
        None, description="Parts of the mode; unset: all. Each brings what it needs."
    )
    pretrain_task: str | None = Field(  # type: ignore[assignment]
        None, description="As in mode tl; unset: networks are trained as in mode train."
    )
    calibration: Literal["affine", "temperature", "auto", "none"] = Field(
        "auto", description="What probabilities are corrected by, fitted on validation predictions."
    )
    prior: Literal["val", "test", "quantify"] | list[float] = Field(
        "val",
        description="How often each class is assumed to be there: as in validation, as in the test split, as estimated "
        "of unlabelled samples, or a frequency for each.",
    )
    ensemble: dict[str, Any] = Field(
        default_factory=dict,
        description="How an ensemble is selected: strategy (budget, greedy, program, mean, best), metric, "
        "max_ensemble_size, budget, temperature, weights_budget, weights_temperature, member_temperatures, eval_frac, "
        "time_limit, seed, calibrate (its own probabilities, where that helps).",
    )

    source_tasks: list[str] = Field(
        default_factory=list,
        description="Other tasks of the study, of the same type and classes, whose networks join: they are trained "
        "too, predict what is asked of the pivot, and may be members of its ensemble.",
    )

    @model_validator(mode="after")
    def _what_transfer_needs(self) -> "PostOptions":
        for key in ("model_selection", "freeze", "pretrain_cv", "pretrain_with"):
            if self.pretrain_task is None and key in self.model_fields_set:
                raise ValueError(f"{key} means nothing without pretrain_task")
        return self
