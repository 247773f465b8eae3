"""GPU resources of a step, as the sections `resources` and `trainer` of a study set them."""

from mml_lib.config.schema import StudyConfig
from mml_lib.config.sections import Resources

ACCELERATORS = ("auto", "gpu", "cuda")
"""Values of `trainer.accelerator` that may mean a GPU that can be leased."""

TRAINING = "train_fold"

TRIAL = "train_trial"

TRAININGS = (TRAINING, TRIAL)
"""Rules whose steps use as many GPUs as their pipeline has devices."""

SAME = {"predict_other": "predict_fold"}
"""Rules that use the resources of another rule."""


def resources_of(cfg: StudyConfig, rule: str) -> Resources:
    """Return the resources of a rule. Prediction and tuning inherit the GPU options of trainings."""
    own, training = (cfg.resources.get(name) or Resources() for name in (SAME.get(rule, rule), TRAINING))
    gpu = 0 if own.gpu is None and training.gpu == 0 else own.gpu
    update = {"gpu": gpu, "gpu_mem_mb": own.gpu_mem_mb or training.gpu_mem_mb}
    if rule == TRIAL:  # those of a training, unless the study sets them
        update |= {key: getattr(own, key) or getattr(training, key) for key in ("mem_mb", "runtime")}
    return own.model_copy(update=update)


def gpus_of(cfg: StudyConfig, rule: str, devices: int = 1) -> int:
    """Return the number of GPUs of a step on a machine with GPUs: `devices` for a training, one for other rules."""
    if cfg.trainer.accelerator not in ACCELERATORS or resources_of(cfg, rule).gpu == 0:
        return 0
    return devices if rule in TRAININGS else 1
