"""A backbone that extracts features is tried: it is built as its step builds it, and given a dummy image."""

import torch

from mml_lib.config.feature_options import Extraction
from mml_lib.config.task_options import Preprocessing
from mml_lib.engine.preflight.tried_pipelines import ELSEWHERE, LARGEST, OF_META, native_size
from mml_lib.errors import MMLError
from mml_lib.images.transforms import packed_size, resolve
from mml_lib.inference.frozen_backbone import FrozenBackbone, build_backbone
from mml_lib.models.normalization import IMAGENET


def mistakes_of_backbone(options: Extraction, preprocessing: Preprocessing) -> list[str]:
    """Return the mistake of a backbone in one line, none where it gives features.

    Args:
        options: the section `features`.
        preprocessing: preprocessing of the study, where the section has none of its own.
    """
    transforms = resolve(options.preprocessing or preprocessing)
    size = None if any("_target_" in spec for spec in transforms) else packed_size(transforms)
    try:
        try:
            with torch.device("meta"):
                _see(options, size)
        except Exception as error:
            if isinstance(error, MMLError) and not OF_META.search(str(error)):
                raise
            _see(options, size)
    except MMLError as error:
        return [str(error)]
    except Exception as error:
        problem = " ".join(str(error).split()) or type(error).__name__
        return [] if ELSEWHERE.search(problem) else [f"features.arch: {type(error).__name__}: {problem}"]
    return []


@torch.inference_mode()
def _see(options: Extraction, size: tuple[int, int] | None) -> None:
    """Show a backbone an image.

    Raises:
        MMLError: it cannot be built, or has no such features.
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
