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
    """A function that creates a data set in a folder.

    Args:
        name: name in `tasks.<task>.creator`.
        function: function from the data set's folder and the task's arguments to a delivery.
        survey: function from the arguments to the properties of the data, called whenever a study is planned.
        version: version that is increased when the function begins to deliver something else.
        metadata: function from names of columns and the arguments to the text of each sample by column.
        sharing: functions for several tasks on the images of one data set; None: tasks learn the data set's targets.
        stated: properties of the data, if there is no survey.
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
        """Delivery of images without targets; None: images and targets are delivered together."""
        return self.sharing.images if self.sharing else None

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """Parameters of the function that a task may set."""
        return dict(list(inspect.signature(self.function).parameters.items())[1:])

    def arguments(self, task: DataSet) -> dict[str, Any]:
        """Return the arguments of a task, including its type if the function accepts it."""
        typed = {"task_type": task.task_type} if "task_type" in self.parameters and task.task_type else {}
        return {key: settled(value, self.kind(key)) for key, value in task.arguments.items()} | typed

    def kind(self, key: str) -> Any:
        """Return the type of a parameter; Any without an annotation."""
        try:
            return typing.get_type_hints(self.function).get(key, Any)
        except (NameError, TypeError):  # the type is local to the function
            return Any

    def planned_survey(self, task: DataSet, shared: bool = False) -> Survey:
        """Return the properties of a task's data that are known while planning.

        Args:
            task: the task, or data set.
            shared: True if the task uses the images of a shared data set, which are surveyed once for all tasks.
        """
        if task.is_seen:
            function = (self.sharing.survey if shared and self.sharing else None) or self.survey
            return self._call_survey(function, self.arguments(task)) if function else self.stated
        if self.survey and "downloaded" in inspect.signature(self.survey).parameters:
            survey = self._call_survey(self.survey, self.arguments(task) | {"downloaded": True})
        else:
            survey = replace(self.stated, task_type=task.task_type or self.stated.task_type)
        return survey if task.splits is None else Survey.of_splits(set(task.splits), task_type=survey.task_type)

    def _call_survey(self, survey: Callable[..., Survey], arguments: Mapping[str, Any]) -> Survey:
        with mistakes_named(self.name, survey):
            return checked_result(survey(**arguments), Survey, self.name)

    def identity(self, task: DataSet, survey: Survey, images: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the identity of a data set: its arguments and downloads, or the fingerprint of own data.

        Args:
            task: the task that the data set belongs to, or the data set.
            survey: properties of the data.
            images: arguments that images without targets depend on; None: targets are delivered too.
        """
        definition: dict[str, Any] = {"creator": self.name, "version": self.version}
        if images is not None:
            definition["images_alone"] = True
        if options := task.image_options:
            definition["images"] = options
        if not self.function.__module__.startswith("mml_lib."):
            definition["reader"] = READER_VERSION  # it may deliver files that readers read
        if code := self.code:
            definition["code"] = code
        if survey.fingerprint is not None:
            return definition | {"fingerprint": survey.fingerprint}
        definition["arguments"] = self.arguments(task) if images is None else dict(images)
        if task.downloads:
            definition["downloads"] = [file.checksum for file in task.downloads]
            if nested := [file.checksum for file in task.downloads if file.nested]:
                definition["nested"] = nested
        if task.made_by_rule:  # relative paths depend on the folder
            definition["made_by_rule"] = [os.path.abspath(path) for path in made_paths(definition["arguments"])]
        return definition

    def state_of_made(self, source: Mapping[str, Any]) -> str | None:
        """Return the fingerprint of data that a rule makes; None if they are missing or incomplete."""
        try:
            if source.get("images_alone") and self.images_alone:
                return self.images_alone.survey(**source["arguments"], whole=True)
            return self.survey(**source["arguments"]).fingerprint if self.survey else None
        except MMLError:
            return None

    def with_new_state(
        self, source: Mapping[str, Any], first_state: Callable[[str], str | None] | None
    ) -> dict[str, Any]:
        """Return the identity of a data set, with the fingerprint of rule-made data if they have changed.

        Args:
            source: identity of the data set.
            first_state: function from a data set's folder name to the fingerprint of its first rule-made data. Later
                data with another fingerprint are another data set.
        """
        source = dict(source)
        if "made_by_rule" not in source or first_state is None:
            return source
        first, current = first_state(self.dataset_name(source)), self.state_of_made(source)
        return source | ({"fingerprint": current} if first and current and first != current else {})

    @property
    def code(self) -> dict[str, str]:
        """Digests of the user's own modules that the delivery depends on, by module name.

        They include the user's own readers for creators that may find files.
        """
        code = code_of_function(self.function.__module__, self.function.__name__)
        if "path" in self.parameters or code:
            for function in OWN_READERS.values():
                digests = code_of_function(function.__module__, function.__name__)
                code |= {f"{module} (reader {function.__name__})": value for module, value in digests.items()}
        return code

    def dataset_name(self, identity: Mapping[str, Any]) -> str:
        """Return the folder name `DSET_<creator>` of a data set, with digits of a digest if the creator has several."""
        is_only = identity == {"creator": self.name, "version": 1, "arguments": {}}
        return f"DSET_{self.name}" if is_only else f"DSET_{self.name}-{digest(identity)}"


CREATORS: Registry[Creator] = Registry("creator")
"""All creators by name, including those of plugins."""

READER_VERSION = 2
"""Version that is increased, like those of `image_folder` and `csv`, when files are read as other pixels."""

PATHS = ("path", "masks")
"""Arguments that are paths. With downloads, they are relative to the unpacked files."""


def made_paths(arguments: Mapping[str, Any]) -> list[str]:
    """Return the paths of rule-made data as written in the study."""
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

    A study sets each argument by the key of the same name, with the type of its annotation. `folder` is an empty folder
    of the data set for files that the function writes. The function is called once, in a step.

    Args:
        name: name in a task's `creator`.
        survey: function of the same arguments that returns the properties of the data. Planning calls it. It is needed
            for existing data, for data with splits or folds, and for other task types than classification. With a
            parameter `downloaded`, it is also called (`downloaded=True`) before files are fetched.
        version: increase it when the function begins to deliver something else.
        metadata: for data with columns of sub-groups: `metadata(columns, **arguments)` returns the text of each sample
            id by column, and refuses missing columns.
        sharing: for data with several tasks on the same images. The function is called for each task.
        task_type: task type of the data, if there is no `survey`.
        splits: splits of the data (train, val, test, unlabelled), if there is no `survey`.

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
        MMLError: there is no such creator.
    """
    try:
        return CREATORS[name]
    except MMLError as error:
        raise MMLError(f"{where}.creator: {error}") from error


def check_creator_code(name: str, code: Mapping[str, str], dataset: str) -> None:
    """Refuse to create a data set if the user's code of its creator changed after the plan.

    Args:
        name: name of the creator.
        code: digest of each module in the plan.
        dataset: folder name of the data set.

    Raises:
        MMLError: a module has changed.
    """
    if modules := changed_modules(code, CREATORS[name].code):
        raise MMLError(
            f"the data set {dataset} was planned with another version of the creator '{name}': {', '.join(modules)} "
            "changed; run the command again, which makes a new data set, or undo the change"
        )


def create(
    name: str,
    arguments: Mapping[str, Any],
    folder: Path,
    downloads: Path | None = None,
    images_alone: bool = False,
    places: bool = False,
) -> Delivery:
    """Create a data set in `folder`, and return its delivery.

    Args:
        name: name of the creator.
        arguments: arguments of the task.
        folder: folder for files of the data set.
        downloads: folder of the unpacked downloads; `path` and `masks` are relative to it.
        images_alone: deliver images without targets.
        places: deliver split, fold and group of all images, even those without targets.

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
    """Return columns of a data set as text by sample id.

    Args:
        name: name of the creator.
        arguments: arguments of the task.
        columns: names of the columns.
        downloads: folder of the unpacked downloads, as in `create`.

    Raises:
        MMLError: the creator or the data lack the columns.
    """
    metadata = CREATORS[name].metadata
    if metadata is None:
        raise MMLError(f"the creator '{name}' has no columns; use csv")
    values = metadata(list(columns), **_located(arguments, downloads))
    return {column: dict(values[column]) for column in columns}


def _located(arguments: Mapping[str, Any], downloads: Path | None) -> dict[str, Any]:
    """Return the arguments, with paths in the unpacked downloads if there are any."""
    if downloads is None:
        return dict(arguments)
    paths = {"path": "."} | {key: arguments[key] for key in PATHS if arguments.get(key)}
    return {**arguments, **{key: str(_inside(downloads, str(path))) for key, path in paths.items()}}


def check_inside(delivery: Delivery, folder: Path, downloads: Path) -> None:
    """Refuse images and masks outside of the downloads, because a downloaded table could name any file.

    Args:
        delivery: result of a creator for downloads.
        folder: folder of the data set, where the creator may have written files of its own.
        downloads: folder of the unpacked downloads.

    Raises:
        MMLError: there is such a file.
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
        raise MMLError(f"the downloads contain no '{path}'{nearest(path, names)}")
    return full_path
