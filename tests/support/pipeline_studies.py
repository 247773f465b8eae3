"""Studies for tests of pipeline parts, and the options of some parts."""

from typing import Any

from mml_lib.config.loading import load_study
from mml_lib.config.schema import StudyConfig
from tests.support.small_tasks import PRESETS
from tests.support.workplaces import TINY


def study(**changes: Any) -> StudyConfig:
    base = TINY | {"loss": "default", "lr_scheduler": None, "decoder": "unet_small"}
    trainer = {"max_epochs": 3, "accelerator": "cpu"} | changes.pop("trainer", {})
    return load_study(base | {"trainer": trainer, "paths": {"presets": [str(PRESETS)]}} | changes)


EARLY = {"early": {"_target_": "lightning.pytorch.callbacks.EarlyStopping", "monitor": "val/loss"}}


SWA = {"preset": "swa", "swa": {"swa_epoch_start": 2, "annealing_epochs": 2, "swa_lrs": 0.01}}
