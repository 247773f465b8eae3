"""Trial of a backbone that extracts features: it is built as in its step, and applied to dummy images."""

import torch

from mml_lib.config.feature_options import Extraction
from mml_lib.config.task_options import Preprocessing
from mml_lib.engine.preflight.tried_pipelines import DEVICE_ERROR, LARGEST, META_ERROR, native_size
from mml_lib.errors import MMLError
from mml_lib.images.transforms import packed_size, resolve
from mml_lib.inference.frozen_backbone import FrozenBackbone, build_backbone
from mml_lib.models.normalization import IMAGENET


def mistakes_of_backbone(options: Extraction, preprocessing: Preprocessing) -> list[str]:
    """Return the mistake of a backbone in one line; an empty list if it returns features.

    Args:
        options: the section `features`.
        preprocessing: preprocessing of the study, used if the section has none.
    """
    transforms = resolve(options.preprocessing or preprocessing)
    size = None if any("_target_" in spec for spec in transforms) else packed_size(transforms)
    try:
        try:
            with torch.device("meta"):
                _try_image(options, size)
        except Exception as error:
            if isinstance(error, MMLError) and not META_ERROR.search(str(error)):
                raise
            _try_image(options, size)
    except MMLError as error:
        return [str(error)]
    except Exception as error:
        problem = " ".join(str(error).split()) or type(error).__name__
        return [] if DEVICE_ERROR.search(problem) else [f"features.arch: {type(error).__name__}: {problem}"]
    return []


@torch.inference_mode()
def _try_image(options: Extraction, size: tuple[int, int] | None) -> None:
    """Apply a backbone to dummy images.

    Raises:
        MMLError: it cannot be built, or does not have the requested features.
    """
    network = build_backbone(options.backbone, None, options.seed)
    if sum(parameter.numel() for parameter in network.parameters()) > LARGEST and not _is_meta(network):
        return
    statistics = IMAGENET.of_channels(network.in_chans)
    backbone = FrozenBackbone(network, statistics, options.pooling == "tokens")
    device = next(network.parameters(), torch.empty(0)).device
    backbone(torch.zeros(2, network.in_chans, *(size or native_size(network)), device=device))


def _is_meta(network: torch.nn.Module) -> bool:
    return any(parameter.is_meta for parameter in network.parameters())
