"""The section `images` of a task or data set: how image files are read."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from mml_lib.config.sections import Section

Depth = Literal["uint8", "uint16", "float16", "float32"]


def _increasing(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] >= ends[1]:
        raise ValueError(f"{ends[0]:g} is not below {ends[1]:g}; write [low, high]")
    return ends


def _no_fractions(percentiles: tuple[float, float]) -> tuple[float, float]:
    if percentiles[1] <= 1:
        low, high = (100 * end for end in percentiles)
        raise ValueError(f"percentiles run from 0 to 100; write [{low:g}, {high:g}]")
    return percentiles


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Percent = Annotated[float, Field(strict=True, ge=0, le=100)]


class Window(Section):
    """Window of grey values in the notation of radiology."""

    center: Number = Field(description="Centre of the window.")
    width: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] = Field(
        description="Width of the window, from black to white."
    )

    @property
    def ends(self) -> tuple[float, float]:
        """Values that become black and white."""
        return self.center - self.width / 2, self.center + self.width / 2


def _each_once(entries: list[Any]) -> list[Any]:
    if twice := [entry for number, entry in enumerate(entries) if entry in entries[:number]]:
        raise ValueError(f"{twice[0]} appears twice; keep it once")
    return entries


ChannelNumbers = Annotated[
    list[Annotated[int, Field(ge=0, strict=True)]], Field(min_length=1), AfterValidator(_each_once)
]
Windows = Annotated[list[Window], Field(min_length=1), AfterValidator(_each_once)]


COLOUR_KINDS = ("grey", "luma", "rgb")
"""Values of `channels` for grey and colour images without further channels."""


class Images(Section):
    """Options for reading image files: frames, groups, channels, depth, and the values of more than 8 bits."""

    frames: Literal["first", "all", "channels"] | None = Field(
        None,
        description="Images to read from files with several: the first, or all, each as a sample, or all as "
        "channels of one sample (in a series of volumes, the slices at one position). Unset: all of DICOM files "
        "and volumes, otherwise the first.",
    )
    group: Literal["patient", "file"] | None = Field(
        None,
        description="Samples that stay together if the data state no groups: those of a patient by the PatientID of "
        "DICOM files, or those of a file. Unset: patient.",
    )
    channels: Literal["grey", "luma", "rgb", "all"] | ChannelNumbers | None = Field(
        None,
        description="Channels to keep: grey (MML refuses images with colour), luma (grey; colours become their "
        "luma), rgb (grey is repeated three times), all, or a list of channel numbers starting at 0, e.g. [0, 3, "
        "4].",
    )
    depth: Depth | None = Field(
        None,
        description="Type of the packed pixels: uint8, uint16, float16 or float32.",
    )
    window: Window | Windows | None = Field(
        None,
        description="Range of values to map to grey levels, e.g. {center: 40, width: 400}. Lower values become "
        "black, higher ones white. A list of windows makes one channel per window.",
    )
    range: Annotated[tuple[Number, Number], AfterValidator(_increasing)] | None = Field(
        None,
        description="Values to map to black and white, [low, high]; unset: the range of values in the data set.",
    )
    percentiles: (
        Annotated[tuple[Percent, Percent], AfterValidator(_increasing), AfterValidator(_no_fractions)] | None
    ) = Field(None, description="Percentiles of the data set's values to map to black and white, e.g. [0.5, 99.5].")

    @model_validator(mode="after")
    def _one_mapping(self) -> "Images":
        stated = [key for key in ("range", "percentiles", "window") if getattr(self, key)]
        if len(stated) > 1:
            raise ValueError(f"{' and '.join(stated)} are all set; keep one of them")
        if self.frames == "channels" and self.channels in COLOUR_KINDS:
            raise ValueError(f"frames: channels leaves no channels: {self.channels}; keep one of them")
        if self.makes_channels and (self.channels is not None or self.frames == "channels"):
            raise ValueError(
                "a list of windows makes the channels; leave channels and frames: channels out, or write one window"
            )
        return self

    @property
    def keeps_all_channels(self) -> bool:
        """True if channels other than grey and colours are read."""
        if self.channels is None:
            return self.frames != "all"  # pages become samples, not channels
        return self.channels == "all" or self.picked is not None

    @property
    def windows(self) -> list[Window]:
        """All windows."""
        return self.window if isinstance(self.window, list) else [self.window] if self.window else []

    @property
    def makes_channels(self) -> bool:
        """True if each window makes a channel."""
        return isinstance(self.window, list)

    @property
    def picked(self) -> list[int] | None:
        """Indices of the channels to keep; None if `channels` is not a list."""
        return self.channels if isinstance(self.channels, list) else None

    @property
    def stated_range(self) -> tuple[float, float] | None:
        """Values that become black and white, from `range` or a single `window`; None without either."""
        return self.window.ends if isinstance(self.window, Window) else self.range
