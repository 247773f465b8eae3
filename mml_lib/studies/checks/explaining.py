"""Checks of a study that asks for explanations."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from mml_lib.config.analysis.explain_options import GRAD_CAM
from mml_lib.errors import MMLError

if TYPE_CHECKING:
    from mml_lib.schedulers.train import TrainScheduler

WITHOUT_MAPS = (
    *("cait", "coat_", "crossvit", "efficientvim", "hiera_", "levit", "mvitv2", "naflexvit", "pit_", "qwen3_vit"),
    *("tnt_", "twins", "vitamin", "xcit"),
)
"""Beginnings of names of timm's networks that have no feature map with rows and columns."""


def check_explanations(scheduler: "TrainScheduler", task: str) -> None:
    """Refuse explanations that no network of a task can have.

    Raises:
        MMLError: captum is missing, networks are of nested tasks or of patches, or have no feature maps.
    """
    explain = scheduler.study.cfg.explain
    if explain is None:
        return
    if find_spec("captum") is None:
        raise MMLError('explain: the package captum is missing; run pip install "mml[explain]", or leave the key out')
    if scheduler.options.nested:
        raise MMLError("explain: networks of mode.nested are for estimates; set nested: false, or leave explain out")
    for run in scheduler.runs_of(task):
        content = run.pipeline.content
        if content.get("patches"):
            raise MMLError(
                f"explain: run {run.id} of {task} sees images by windows (patches), which are not explained; leave "
                "explain or patches out"
            )
        name = str(content["arch"].get("name", ""))
        if explain.method == GRAD_CAM and name.startswith(WITHOUT_MAPS):
            raise MMLError(
                f"explain.method: grad_cam needs feature maps, and {name} has none; set it to integrated_gradients"
            )
