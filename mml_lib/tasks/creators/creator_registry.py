"""The registry of creators."""

import inspect
import os
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mml_lib.config.reading.settling import settled
from mml_lib.config.task_options import DataSet
from mml_lib.errors import MMLError, nearest
from mml_lib.machine.terminal import warn
from mml_lib.pipelines.digests import digest
from mml_lib.pipelines.own_code import changed_modules, code_of_function
from mml_lib.registry import Registry
from mml_lib.task_types import TASK_TYPES, TaskTypeName
from mml_lib.tasks.creators.file_kinds import OWN_READERS
from mml_lib.tasks.creators.helpers.creator_survey import Survey
from mml_lib.tasks.creators.helpers.own_results import checked_result, is_own, mistakes_named, ordered_delivery
from mml_lib.tasks.creators.shared_images.creator_sharing import ImagesAlone, Sharing
from mml_lib.tasks.dataset import SPLITS, Delivery
from mml_lib.tasks.names import join_spellings


@dataclass(frozen=True)
class Creator:
    """A function that makes a data set in a folder.

    Args:
        name: name in `tasks.<task>.creator`.
        function: takes the data set's folder and the task's arguments.
        survey: takes the arguments; called whenever a study is planned.
        version: raised when the function begins to deliver something else.
        metadata: takes names of columns and the task's arguments; returns the text of each sample by column.
        sharing: how several tasks learn from the images of one data set; None: they learn what it brings.
        stated: properties of the data, where there is no survey.
    """

    name: str
    function: Callable[..., Delivery]
    survey: Callable[..., Survey] | None = None
    version: int = 1
    metadata: Callable[..., Mapping[str, Mapping[str, str]]] | None = None
    sharing: Sharing | None = None
    stated: Survey = field(default_factory=Survey)

    @property
    def images_alone(self) -> ImagesAlone | None:
        """Delivery of images without what is learned; None: images and labels are delivered together."""
        return self.sharing.images if self.sharing else None

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """Parameters of the function that a task may set."""
        return dict(list(inspect.signature(self.function).parameters.items())[1:])

    def arguments(self, task: DataSet) -> dict[str, Any]:
        """Return the arguments of a task; its type is one where the function takes it."""
        typed = {"task_type": task.task_type} if "task_type" in self.parameters and task.task_type else {}
        return {key: settled(value, self.kind(key)) for key, value in task.arguments.items()} | typed

    def kind(self, key: str) -> Any:
        """Return the type of a parameter, Any where its annotation says none."""
        try:
            return typing.get_type_hints(self.function).get(key, Any)
        except (NameError, TypeError):  # a type that only the function knows
            return Any

    def look(self, task: DataSet, shared: bool = False) -> Survey:
        """Return the properties of a task's data that are known while planning.

        Args:
            task: the task, or data set.
            shared: its images are those of a data set, which are looked at once for all tasks.
        """
        if task.is_seen:
            look = (self.sharing.survey if shared and self.sharing else None) or self.survey
            return self._asked(look, self.arguments(task)) if look else self.stated
        if self.survey and "downloaded" in inspect.signature(self.survey).parameters:
            survey = self._asked(self.survey, self.arguments(task) | {"downloaded": True})
        else:
            survey = replace(self.stated, task_type=task.task_type or self.stated.task_type)
        return survey if task.splits is None else Survey.of_splits(set(task.splits), task_type=survey.task_type)

    def _asked(self, survey: Callable[..., Survey], arguments: Mapping[str, Any]) -> Survey:
        with mistakes_named(self.name, survey):
            return checked_result(survey(**arguments), Survey, self.name)

    def identity(self, task: DataSet, survey: Survey, of_images: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the identity of a data set: its arguments and downloads, or the state of own data.

        Args:
            task: the task that the data set belongs to, or the data set.
            survey: properties of the data.
            of_images: the arguments that images delivered alone depend on; None: labels are delivered too.
        """
        definition: dict[str, Any] = {"creator": self.name, "version": self.version}
        if of_images is not None:
            definition["images_alone"] = True
        if images := task.image_options:
            definition["images"] = images
        if not self.function.__module__.startswith("mml_lib."):
            definition["reader"] = READER_VERSION  # it may deliver files
        if code := self.code:
            definition["code"] = code
        if survey.fingerprint is not None:
            return definition | {"fingerprint": survey.fingerprint}
        definition["arguments"] = self.arguments(task) if of_images is None else dict(of_images)
        if task.downloads:
            definition["downloads"] = [file.checksum for file in task.downloads]
            if nested := [file.checksum for file in task.downloads if file.nested]:
                definition["nested"] = nested
        if task.made_by_rule:  # relative paths are others in another folder
            definition["made_by_rule"] = [os.path.abspath(path) for path in made_paths(definition["arguments"])]
        return definition

    def state_of_made(self, source: Mapping[str, Any]) -> str | None:
        """Return the fingerprint of data that a rule makes; None where they are not made yet, or not whole."""
        try:
            if source.get("images_alone") and self.images_alone:
                return self.images_alone.survey(**source["arguments"], whole=True)
            return self.survey(**source["arguments"]).fingerprint if self.survey else None
        except MMLError:
            return None

    def with_new_state(
        self, source: Mapping[str, Any], first_state: Callable[[str], str | None] | None
    ) -> dict[str, Any]:
        """Return the identity of a data set with the state of data that a rule has made anew.

        Args:
            source: identity of the data set.
            first_state: gives the fingerprint of the data that a rule made when a data set was created first. Later
                data with another one are another data set.
        """
        source = dict(source)
        if "made_by_rule" not in source or first_state is None:
            return source
        first, now = first_state(self.dataset_name(source)), self.state_of_made(source)
        return source | ({"fingerprint": now} if first and now and first != now else {})

    @property
    def code(self) -> dict[str, str]:
        """Digest of each module of the user's own that decides what the creator delivers, by module name.

        Readers of the user's own count for creators that may find files.
        """
        code = code_of_function(self.function.__module__, self.function.__name__)
        if "path" in self.parameters or code:
            for function in OWN_READERS.values():
                digests = code_of_function(function.__module__, function.__name__)
                code |= {f"{module} (reader {function.__name__})": value for module, value in digests.items()}
        return code

    def dataset_name(self, identity: Mapping[str, Any]) -> str:
        """Return the folder name `DSET_<creator>` of a data set, with digits of a digest where there are several."""
        plain = identity == {"creator": self.name, "version": 1, "arguments": {}}
        return f"DSET_{self.name}" if plain else f"DSET_{self.name}-{digest(identity)}"


CREATORS: Registry[Creator] = Registry("creator")
"""All creators by name, those of plugins among them."""

READER_VERSION = 2
"""Raised, with the version of `image_folder` and `csv`, when image files begin to be read as other pixels."""

PATHS = ("path", "masks")
"""Arguments that are paths; with downloads they are relative to these."""


def made_paths(arguments: Mapping[str, Any]) -> list[str]:
    """Return the paths of data that a rule makes, as the study writes them."""
    return [os.path.expanduser(arguments[key]) for key in PATHS if arguments.get(key)]


def register_creator(
    name: str,
    survey: Callable[..., Survey] | None = None,
    version: int = 1,
    metadata: Callable[..., Mapping[str, Mapping[str, str]]] | None = None,
    sharing: Sharing | None = None,
    task_type: TaskTypeName = "classification",
    splits: Collection[str] = (),
) -> Callable[[Callable[..., Delivery]], Callable[..., Delivery]]:
    """Register the decorated function `(folder: Path, **arguments) -> Delivery` as the creator `name`.

    The type of each argument is that of its annotation; a study may set it by the key of the same name. `folder` is an
    empty folder of the data set for files that the function writes. The function is called once, in a step.

    Args:
        name: name in a task's `creator`.
        survey: for data that the function only finds, that bring their own splits or folds, or that are not for a
            classification: called with the same arguments whenever a study is planned. With a parameter
            `downloaded` it is also asked (`downloaded=True`) while the files are still to be fetched.
        version: raise it when the function begins to deliver something else.
        metadata: for data with columns of sub-groups: called as `metadata(columns, **arguments)`, it returns the text
            of each sample id by column, and refuses missing columns.
        sharing: for data of which several tasks learn different things; the function is called again for each of them.
        task_type: task type of the data, where there is no `survey`.
        splits: splits that the data bring (train, val, test, unlabelled), where there is no `survey`.

    Raises:
        MMLError: there is no such task type or split, or another module has registered the name.

    Example:
        >>> @register_creator("cells", task_type="semantic_segmentation", splits=("train", "test"))
        ... def cells(folder: Path, path: str) -> Delivery: ...
    """
    if task_type not in TASK_TYPES:
        raise MMLError(f"creator {name}: there is no task type '{task_type}'{nearest(task_type, TASK_TYPES)}")
    if unknown := sorted(set(splits) - set(SPLITS)):
        raise MMLError(f"creator {name}: there is no split '{unknown[0]}'{nearest(unknown[0], SPLITS)}")
    stated = Survey.of_splits(set(splits), task_type=task_type)

    def register(function: Callable[..., Delivery]) -> Callable[..., Delivery]:
        CREATORS.add(name, Creator(name, function, survey, version, metadata, sharing, stated))
        return function

    return register


def get_creator(where: str, name: str) -> Creator:
    """Return a creator by name.

    Args:
        where: key of the task or data set.
        name: name of the creator.

    Raises:
        MMLError: no such creator.
    """
    try:
        return CREATORS[name]
    except MMLError as error:
        raise MMLError(f"{where}.creator: {error}") from error


def check_creator_code(name: str, code: Mapping[str, str], dataset: str) -> None:
    """Refuse to make a data set if the user's code of its creator has changed since the plan.

    Args:
        name: name of the creator.
        code: digest of each module when the study was planned.
        dataset: folder name of the data set.

    Raises:
        MMLError: a module has changed.
    """
    if modules := changed_modules(code, CREATORS[name].code):
        raise MMLError(
            f"the data set {dataset} was planned with another creator '{name}' than the present one: "
            f"{', '.join(modules)} changed; run the command again, which makes a new data set, or undo the change"
        )


def create(
    name: str,
    arguments: Mapping[str, Any],
    folder: Path,
    downloads: Path | None = None,
    images_alone: bool = False,
    places: bool = False,
) -> Delivery:
    """Make a data set in `folder`.

    Args:
        name: name of the creator.
        arguments: arguments of the task.
        folder: folder for files of the data set.
        downloads: folder of the unpacked downloads, which `path` and `masks` are relative to.
        images_alone: deliver images without what is learned.
        places: deliver split, fold and group of all images, whatever is known of their targets.

    Raises:
        MMLError: the creator cannot read the data.
    """
    creator = CREATORS[name]
    function = creator.function
    if images_alone and creator.images_alone:
        function = creator.images_alone.function
    elif places and creator.images_alone:
        function = creator.images_alone.places or function
    with mistakes_named(name, function):
        delivery = function(folder, **_located(arguments, downloads))
    if is_own(function):
        delivery = ordered_delivery(delivery, name)
    if downloads is not None:
        check_inside(delivery, folder, downloads)
    delivery, warnings = join_spellings(delivery)
    for line in warnings:
        warn(line)
    return delivery


def read_metadata(
    name: str, arguments: Mapping[str, Any], columns: Sequence[str], downloads: Path | None = None
) -> dict[str, dict[str, str]]:
    """Return columns of a data set as texts by sample id.

    Args:
        name: name of the creator, which has columns.
        arguments: arguments of the task.
        columns: names of the columns.
        downloads: folder of the unpacked downloads, as in `create`.

    Raises:
        MMLError: the data have no such column.
    """
    metadata = CREATORS[name].metadata
    if metadata is None:
        raise MMLError(f"the creator '{name}' has no columns; use csv")
    values = metadata(list(columns), **_located(arguments, downloads))
    return {column: dict(values[column]) for column in columns}


def _located(arguments: Mapping[str, Any], downloads: Path | None) -> dict[str, Any]:
    """Return the arguments, with paths in the unpacked downloads if there are some."""
    if downloads is None:
        return dict(arguments)
    paths = {"path": "."} | {key: arguments[key] for key in PATHS if arguments.get(key)}
    return {**arguments, **{key: str(_inside(downloads, str(path))) for key, path in paths.items()}}


def check_inside(delivery: Delivery, folder: Path, downloads: Path) -> None:
    """Refuse images and masks outside the downloads: a downloaded table could name any file.

    Args:
        delivery: result of a creator for downloads.
        folder: folder of the data set, where the creator may have written files of its own.
        downloads: folder of the unpacked downloads.

    Raises:
        MMLError: the first one.
    """
    roots = [os.path.join(os.path.abspath(root), "") for root in (folder, downloads)]
    for sample in delivery.samples:
        for name in sample.files:
            path = os.path.normpath(os.path.join(roots[0], name))
            if not path.startswith(tuple(roots)):
                raise MMLError(
                    f"sample '{sample.id}': the file {path} is not in the folder of downloads; name no files outside it"
                )


def _inside(folder: Path, path: str) -> Path:
    full_path = folder.absolute() / path
    if not full_path.resolve().is_relative_to(folder.resolve()):
        raise MMLError(f"the path '{path}' leads out of the downloaded files; write it relative to them")
    if not full_path.exists():
        names = [entry.name for entry in folder.iterdir()]
        raise MMLError(f"the downloads hold no '{path}'{nearest(path, names)}")
    return full_path
