"""Small tasks of every type on generated images, and networks for them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import torch
import yaml
from PIL import Image

from mml_lib.config.factories import instantiate
from mml_lib.config.metric_options import NAMED
from mml_lib.config.training_options import Augmentations
from mml_lib.data.augmentation import Augmentation
from mml_lib.images.packing import pack
from mml_lib.images.surveying import survey_images
from mml_lib.models.metric_modules import build_metrics
from mml_lib.models.network import Network, head_spec
from mml_lib.tasks.creators.creator_registry import CREATORS
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.splits.splitting import Splitting, assign
from mml_lib.tasks.struct import TaskStruct
from mml_lib.tasks.targets import Targets
from mml_lib.training.module import MMLModule
from mml_lib.training.objectives import Objective
from tests.support.places import CONFIG

torch.set_num_threads(1)  # more are slower on networks and images this small

PRESETS = CONFIG
ARCH = {"_target_": "mml_lib.models.network.timm_backbone", "name": "test_resnet", "pretrained": False}
DECODER = yaml.safe_load((PRESETS / "decoder/unet_small.yaml").read_text())
LOSSES = yaml.safe_load((PRESETS / "loss/default.yaml").read_text())


def fake_task(
    folder: Path,
    task_type: str,
    transforms: Sequence[dict[str, Any]] = ({"name": "resize", "size": [32, 32]},),
    cuts: Sequence[tuple[int, int]] = (),
    is_deep: bool = False,
    **arguments: Any,
) -> TaskStruct:
    """Make a task `t` with 3 folds and a test split; image n is cut to the size `cuts[n % len(cuts)]`.

    Deep images are grey and have 12 of 16 bits.
    """
    create = CREATORS["fake"].function
    delivery = create(folder, task_type=task_type, **({"num_samples": 24, "size": 32, "image_seed": 0} | arguments))
    for number, sample in enumerate(delivery.samples if cuts else ()):
        for file in {sample.image, sample.mask} - {None, EMPTY_MASK_TOKEN}:
            height, width = cuts[number % len(cuts)]
            with Image.open(folder / file) as image:
                image.crop((0, 0, width, height)).save(folder / file)
    for sample in delivery.samples if is_deep else ():
        with Image.open(folder / sample.image) as image:
            values = np.asarray(image.convert("L")).astype(np.uint16)
        Image.fromarray(values * np.uint16(16)).save(folder / sample.image)
    dataset = survey_images(delivery, "d", folder, 1)
    targets = Targets.of(dataset, None, "t")
    assignment = assign(delivery.samples, targets, "t", Splitting(3, test_fraction=0.25))
    task = TaskDescription.of({"name": "t", "id": "0a1b2c3d", "dataset": "d"}, dataset, targets, assignment)
    paths = {"description": folder / "t.json", "dataset": folder / "dataset.json", "packed": folder / "packed"}
    dataset.write(paths["dataset"])
    task.write(paths["description"])
    pack(dataset, range(len(delivery.samples)), transforms, str(paths["packed"]), 1)
    return TaskStruct("t", paths)


def small_model(struct: TaskStruct, **changes: Any) -> MMLModule:
    """Return a module that learns a task with all metrics of its type."""
    torch.manual_seed(0)
    kind = struct.task_type
    loss, mixing = changes.pop("loss", None) or instantiate(LOSSES[kind], torch.nn.Module), changes.pop("mixing", None)
    arguments = {
        "network": Network(ARCH, {struct.name: head_spec(struct, DECODER)}),
        "objectives": [Objective(struct.name, kind, loss, mixing)],
        "mean": struct.means,
        "std": struct.stds,
        "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.01},
        "lr_scheduler": None,
        "augmentation": Augmentation(Augmentations()),
        "metrics": build_metrics(list(NAMED[kind]), kind, struct.num_outputs),
        "seed": 0,
    }
    return MMLModule(**arguments | changes)
