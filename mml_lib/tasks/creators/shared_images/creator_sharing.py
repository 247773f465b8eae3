"""Sharing of the images of a creator by several tasks: the parts that a creator states."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mml_lib.tasks.dataset import Delivery


@dataclass(frozen=True)
class ImagesAlone:
    """Delivery of images without what is learned, for data whose labels may change while their images do not.

    Args:
        function: takes the data set's folder and `arguments`; delivers images, with masks if there are some.
        survey: takes `arguments`; returns the fingerprint of own images; with `whole=True` of all that is learned too.
        arguments: takes the arguments of the creator; returns those that images depend on.
        places: takes the data set's folder and the arguments of the creator; delivers split, fold and group of each
            image, with the target that the data set states; None: the creator delivers them.
    """

    function: Callable[..., Delivery]
    survey: Callable[..., str]
    arguments: Callable[[Mapping[str, Any]], dict[str, Any]]
    places: Callable[..., Delivery] | None = None


@dataclass(frozen=True)
class Sharing:
    """Sharing of a data set's images by several tasks. The creator is called again for each of them.

    Args:
        keys: arguments that say what is learned, which a task may state.
        images: delivery of the images alone; None: labels that the data set brings decide nothing about its images.
        survey: returns the `Survey` of what is learned without a look at the images; None: the creator's own survey.
    """

    keys: tuple[str, ...]
    images: ImagesAlone | None = None
    survey: Callable[..., Any] | None = None
