"""The sections of a study about its tasks and the preprocessing of their images."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    model_validator,
)

from mml_lib.config.download_options import Download
from mml_lib.config.image_options import Images
from mml_lib.config.reading.settling import UNSETTLED, Settled
from mml_lib.config.sections import NAME, Section, TargetPath, as_pair
from mml_lib.task_types import IGNORED, TaskTypeName

SEPARATOR, ARGUMENT = "+", "~"
"""Separators before a tag in the name of a task, and before each argument of a tag."""

NESTED = f"{SEPARATOR}nested{ARGUMENT}"
"""Part of a nested task's name, between the name of its base and the number of the held-out fold."""

REDIVIDING = ("redistribute",)
"""Tags other than `nested` that divide the samples anew."""

TAGGED_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*(\+[a-z_]+(~[A-Za-z0-9_.-]+)*)*$"
TAGS = r"^(\+[a-z_]+(~[A-Za-z0-9_.-]+)*)*$"

TABLE = ".csv"
"""Suffix of tables of samples to exclude."""


def _is_table(text: str) -> bool:
    """Return True if an entry of `exclude` names a table. Entries with wildcards are patterns of files."""
    return text.endswith(TABLE) and not set(text) & set("*?[")


LONGEST_NAME = 100
"""Largest number of characters in a task's name. File names may have 255, and some contain two tasks."""

TaskName = Annotated[str, StringConstraints(pattern=NAME, max_length=LONGEST_NAME)]
TaggedName = Annotated[str, StringConstraints(pattern=TAGGED_NAME, max_length=LONGEST_NAME)]
Tags = Annotated[str, StringConstraints(pattern=TAGS)]
Split = Literal["train", "val", "test", "unlabelled"]
Channel = Annotated[int, Field(ge=0, le=255, strict=True)]
Color = tuple[Channel, Channel, Channel]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Folds = Annotated[int, Field(ge=2, le=1000)]


def _as_color_lists(colors: Any) -> Any:
    """Turn a single colour of a class into a list, and refuse values that are not colours."""
    if not isinstance(colors, dict):
        return colors
    lists = {name: listed if _has_lists(listed) else [listed] for name, listed in colors.items()}
    for name, listed in lists.items():
        for color in listed:
            if not _is_color(color):
                raise ValueError(f"{color!r} is not a colour of '{name}'; write [red, green, blue], each from 0 to 255")
    return {name if isinstance(name, bool) else str(name): listed for name, listed in lists.items()}


def _has_lists(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(part, list | tuple) for part in value)


def _is_color(value: Any) -> bool:
    if not isinstance(value, list | tuple) or len(value) != 3:
        return False
    return all(isinstance(part, int) and not isinstance(part, bool) and 0 <= part <= 255 for part in value)


def _check_colors(colors: dict[str, list[Color]] | None) -> dict[str, list[Color]] | None:
    """Refuse colours that do not distinguish classes."""
    if colors is None:
        return None
    if "" in colors:
        raise ValueError("a class has no name; write one")
    if len(set(colors) - {IGNORED}) < 2:
        raise ValueError("two classes or more are needed, as {background: [0, 0, 0], lesion: [255, 0, 0]}")
    first: dict[Color, str] = {}
    for name, listed in colors.items():
        for color in listed:
            if first.setdefault(color, name) != name:
                raise ValueError(f"{list(color)} is the colour of '{first[color]}' and of '{name}'; remove one of them")
    return colors


class DataSet(Section):
    """Images and their creator. Keys that are not listed here are arguments of the creator."""

    model_config = ConfigDict(extra="allow")
    further = UNSETTLED
    creator: str = Field(
        description="Creator of the data set: image_folder, csv, path_pattern, file_lists, medmnist, idx, digits, fake "
        "… or one of a plugin."
    )
    task_type: TaskTypeName | None = Field(
        None, description="Task type; unset: inferred from the data (classification for downloads)."
    )
    downloads: list[Download] = Field(
        default_factory=list,
        description="Files to download first. The creator's paths (`path`, `masks`) are then relative to them.",
    )
    made_by_rule: bool = Field(
        False,
        description="true: `path` and `masks` are outputs of another rule of the workflow, which makes them first. "
        "State `task_type` and `splits`, because MML cannot read these data while planning.",
    )
    splits: list[Split] | None = Field(
        None,
        description="Splits in downloads, or in data that a rule makes, which MML cannot read while planning; "
        "unset: none.",
    )
    images: Images | None = Field(
        None,
        description="Options for reading image files: channels, depth, frames, and the range of values.",
    )
    idx_to_class: dict[int, str] | None = Field(
        None,
        description="Class name of each mask value, or of each class index as delivered. Equal names are merged "
        "into one class; mask values named `ignore` are ignored.",
    )
    colors: Annotated[
        dict[str, Annotated[list[Color], Field(min_length=1)]] | None,
        BeforeValidator(_as_color_lists, json_schema_input_type=dict[str, Color | list[Color]] | None),
        AfterValidator(_check_colors),
    ] = Field(
        None,
        description="Colour of each class in the masks as [red, green, blue], or a list of several colours. "
        "Classes keep this order; the class `ignore` is ignored.",
    )
    modalities: dict[str, str] | None = Field(None, description="Modality of the images, e.g. {image: dermatoscopy}.")
    keywords: list[str] | None = Field(None, description="Keywords of the task, e.g. [dermatology, lesion].")
    license: str | None = Field(None, description="Licence of the data.")
    reference: str | None = Field(None, description="Reference to cite.")
    url: str | None = Field(None, description="Home page of the data.")
    release: str | None = Field(None, description="Version or date of the data.")

    @model_validator(mode="after")
    def _one_key_for_masks(self) -> "DataSet":
        if self.colors and self.idx_to_class:
            raise ValueError("colors and idx_to_class both define the classes of masks; leave one of them out")
        return self

    @model_validator(mode="after")
    def _one_origin(self) -> "DataSet":
        if self.downloads and self.made_by_rule:
            raise ValueError("downloads and made_by_rule both define the origin of the data; leave one of them out")
        return self

    @model_validator(mode="after")
    def _one_kind_of_channels(self) -> "DataSet":
        columns = self.arguments.get("columns")
        image = columns.get("image") if isinstance(columns, dict) else None
        if self.images and self.images.frames == "channels" and isinstance(image, dict) and "channels" in image:
            raise ValueError(
                "images.frames: channels makes channels of the frames of one file, and columns.image names a file for "
                "each channel; leave frames out, or name one file"
            )
        return self

    @property
    def is_seen(self) -> bool:
        """True if planning can read the data: they are neither downloaded nor made by a rule."""
        return not (self.downloads or self.made_by_rule)

    @property
    def arguments(self) -> dict[str, Any]:
        """The creator's arguments: all keys that are not fields of the section."""
        return dict(self.model_extra or {})

    @property
    def image_options(self) -> dict[str, Any]:
        """Options that determine pixels, and are therefore part of the data set's identity."""
        return self.images.model_dump(mode="json", exclude_none=True) if self.images else {}

    @property
    def about(self) -> dict[str, Any]:
        """Description in the study, in addition to that of the creator."""
        keys = ("modalities", "keywords", "license", "reference", "url", "release")
        return {key: getattr(self, key) for key in keys if getattr(self, key) is not None}


DIVISION = ("folds", "fold_0_fraction", "test_fraction", "seed")
"""Keys of a division into folds and a test split."""


class SharedDataSet(DataSet):
    """Images that tasks share, and optionally their common division. Other keys are arguments of the creator."""

    folds: Folds | None = Field(
        None,
        description="Number of folds of one division of the images for all tasks of the data set. Each of folds, "
        "fold_0_fraction, test_fraction and seed declares a common division; unset: each task divides its images.",
    )
    fold_0_fraction: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="Fraction of the training samples in fold 0 of the division for all tasks."
    )
    test_fraction: Fraction | None = Field(
        None, description="Share of the test split in the division for all tasks; 0: none."
    )
    seed: Annotated[int, Field(ge=0)] | None = Field(None, description="Seed of the division for all tasks.")
    fold_time_limit: PositiveFloat | None = Field(
        None, description="Time limit in seconds for balancing classes over groups, for all tasks."
    )

    @property
    def division(self) -> dict[str, Any] | None:
        """Values of `DIVISION` that all tasks have in common; None: each task has its own division."""
        stated = {key: getattr(self, key) for key in DIVISION if getattr(self, key) is not None}
        return {key: stated.get(key, Task.model_fields[key].default) for key in DIVISION} if stated else None


class Task(DataSet):
    """One learning problem. Keys that are not listed here are arguments of the creator."""

    dataset: TaskName | None = Field(
        None,
        description="Data set of `datasets` whose images the task shares. The task states its targets (label, "
        "labels, value, filter …), but no creator.",
    )
    folds: Folds = Field(5, description="Number of cross-validation folds, unless the data define folds.")
    fold_0_fraction: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="Fraction of the training samples in fold 0; the other folds share the rest equally. "
        "Unset: all folds are equal.",
    )
    test_fraction: Fraction = Field(
        0.2,
        description="Share of the test split, unless the data define one. 0: none; each sample is then tested once, "
        "by the network of the fold that did not train on it.",
    )
    seed: int = Field(0, ge=0, description="Seed of the split into folds and test split.")
    fold_time_limit: PositiveFloat = Field(
        60, description="Time limit in seconds for balancing the classes over groups, per split."
    )
    duplicates: Literal["refuse", "allow"] = Field(
        "refuse",
        description="Identical images in two splits or folds that the data define: refuse the data, or allow them "
        "with a warning. If MML draws the splits, copies stay together. Not part of a run.",
    )
    metadata: list[Annotated[str, StringConstraints(min_length=1)]] = Field(
        default_factory=list,
        description="Columns of the data set by which mode post reports subgroup results, e.g. [site, sex, age]. "
        "Not part of a run.",
    )
    exclude: str | list[str] | None = Field(
        None,
        description="Tables of samples to leave out, with the columns task and id, such as those of mode audit: "
        "AUDIT/lesions/labels.csv. Paths are relative to the project or the working folder. Creators that read "
        "folders also take patterns of files, e.g. *_thumb.png.",
    )

    @property
    def excluding_tables(self) -> list[str]:
        """Tables of samples to exclude."""
        return [text for text in self._excluded if _is_table(text)]

    @property
    def arguments(self) -> dict[str, Any]:
        """The creator's arguments: all keys that are not fields of the section, and patterns of `exclude`."""
        patterns = [text for text in self._excluded if not _is_table(text)]
        if not patterns:
            return super().arguments
        return super().arguments | {"exclude": self.exclude if isinstance(self.exclude, str) else patterns}

    @property
    def _excluded(self) -> list[str]:
        return [self.exclude] if isinstance(self.exclude, str) else list(self.exclude or ())


class Tagging(Section):
    """Tags of all tasks of a study except the pivot."""

    all: Tags = Field("", description="Tags for every task, e.g. +subset~0.1.")
    variants: list[Tags] = Field(
        default_factory=list,
        description="MML uses each task once with each of these tags; +identity stands for the task without further "
        "tags.",
    )


class Pivot(Section):
    name: TaskName | None = Field(None, description="The task that the study is about; unset: all tasks.")
    tags: Tags = Field("", description="Tags for the pivot, e.g. +nested~0.")


class Transform(Settled):
    """One transform of a preprocessing, by name or by `_target_`, with its arguments."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)
    name: str | None = Field(None, description="Name of a transform: resize, resize_smallest, center_crop …")
    target: TargetPath | None = Field(None, alias="_target_", description="Dotted path of your own function.")

    @model_validator(mode="after")
    def _one_of_both(self) -> "Transform":
        if (self.name is None) == (self.target is None):
            raise ValueError("a transform has either a 'name' or a '_target_'")
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the transform."""
        return dict(self.model_extra or {})


def _as_transform(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Preprocessing(Section):
    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$")] = Field(
        "own", description="Name used in the folder of the packed images. Presets set it themselves."
    )
    size: Annotated[PositiveInt | tuple[PositiveInt, PositiveInt], AfterValidator(as_pair)] = Field(
        (224, 224),
        description="Height and width in pixels, or one number for both, for transforms that state no size.",
    )
    transforms: list[Annotated[Transform, BeforeValidator(_as_transform)]] = Field(
        default_factory=lambda: [Transform(name="resize")],
        description="Transforms of images and masks, applied in this order; []: images keep their sizes.",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_transforms(cls, value: Any) -> Any:
        return {"transforms": value} if isinstance(value, list) else value


def is_nested(tag: str) -> bool:
    """Return True for a tag `nested~FOLD`."""
    return tag.startswith(NESTED.removeprefix(SEPARATOR))


def keeps_division(name: str) -> bool:
    """Return True if no tag in the name of a task divides its samples anew."""
    return not any(tag.split(ARGUMENT)[0] in REDIVIDING for tag in name.split(SEPARATOR)[1:])


def learned_as(task: str, learned: Iterable[str]) -> str | None:
    """Return the name of a task, or of its nested form, among the tasks that networks were trained on.

    Args:
        task: name of the task.
        learned: names of the tasks that networks were trained on.

    Returns:
        The name in `learned`; None if neither form is among them.
    """
    names = list(learned)
    return task if task in names else next((name for name in names if name.rpartition(NESTED)[0] == task), None)
