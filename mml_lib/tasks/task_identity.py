"""The identity of a task: everything that its samples, folds and splits depend on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from mml_lib.config.task_options import ARGUMENT, DIVISION, SEPARATOR, Task, is_nested, keeps_division
from mml_lib.errors import MMLError
from mml_lib.pipelines.digests import digest
from mml_lib.task_types import IGNORED, TASK_TYPES
from mml_lib.tasks.creators.argument_checks import check_arguments, check_metadata
from mml_lib.tasks.creators.creator_registry import Creator, Survey, get_creator, read_metadata
from mml_lib.tasks.mask_values import with_unknown_colors, with_unknown_values
from mml_lib.tasks.metadata import check_sub_groups, header_columns
from mml_lib.tasks.names import merged_classes, one_spelling
from mml_lib.tasks.sharing.dataset_identity import DatasetIdentity
from mml_lib.tasks.tags import Shape, Tag, parse_tag, plan_tag

TASK_VERSION = 2
"""Raised when the same definition begins to give another task."""

GROUPS_VERSION = 2
"""Raised when the same definition begins to give another division of groups. The first has no key in an identity."""

SHARED_VERSION = 1
"""Raised when nested tasks of one declared division begin to have other folds."""

PLANNED = (
    *("num_folds", "has_test", "has_unlabelled", "brings_test", "about", "classes"),
    *("is_partial", "is_weighted", "is_grouped", "files"),
)
"""Properties of a task that do not define it."""


@dataclass(frozen=True)
class TaskIdentity:
    """A task as it is named on disk.

    Args:
        name: its name in the study, tags included.
        id: 8 digits of the digest of everything that it depends on.
        bases: ids of the tasks that its tags were put on, one after the other; empty for a task without tags.
        dataset: folder name of its data set.
        source: identity of the data set: creator, and arguments or fingerprint of the data.
        task_type: name of the task type.
        idx_to_class: class of each index or mask value; equal names merge classes.
        folds, fold_0_fraction, test_fraction, seed, fold_time_limit: options of the split, unless the data define it.
        num_folds: number of folds.
        has_test: there is a test split.
        has_unlabelled: there are unlabelled samples.
        brings_test: the data define the test split.
        about: description in the study, beyond that of the data set.
        colors: colours of each class in masks, in the order of the classes.
        classes: its classes in the order of their indices; None where they are unknown until the task is made.
        is_partial: some labels of labelled samples are known to be unknown.
        is_weighted: its samples are known to have weights.
        is_grouped: its samples are known to have groups, so that its id covers the version of their division.
        targets: identity of what it learns from a data set that tasks share; None: what the data set brings.
        division: identity of the division that it has in common with other tasks of its data set; None: its own.
        files: sketch of its image files; empty for downloads.
        exclude: identity of the samples that tables leave out; None: there are none.
    """

    name: str
    id: str
    bases: tuple[str, ...]
    dataset: str
    source: Mapping[str, Any]
    task_type: str
    idx_to_class: Mapping[int, str] | None
    folds: int
    fold_0_fraction: float | None
    test_fraction: float
    seed: int
    fold_time_limit: float
    num_folds: int
    has_test: bool
    has_unlabelled: bool
    brings_test: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)
    colors: Sequence[tuple[str, Sequence[Sequence[int]]]] | None = None
    classes: tuple[str, ...] | None = None
    is_partial: bool = False
    is_weighted: bool = False
    is_grouped: bool = False
    targets: Mapping[str, Any] | None = None
    division: Mapping[str, Any] | None = None
    files: tuple[int, ...] = ()
    exclude: str | None = None

    @classmethod
    def of(
        cls,
        name: str,
        task: Task,
        first_state: Callable[[str], str | None] | None = None,
        dataset: DatasetIdentity | None = None,
        exclude: str | None = None,
    ) -> "TaskIdentity":
        """Identify a task of a study; own data are looked at.

        Args:
            name: of the task.
            task: its section of the study.
            first_state: gives the fingerprint of the data that a rule made when a data set was created first. Later
                data with another one are another data set.
            dataset: the data set whose images it shares; None: it has its own.
            exclude: identity of the samples that tables leave out.

        Raises:
            MMLError: unknown creator, wrong arguments, data that do not exist.
        """
        creator = get_creator(f"tasks.{name}", task.creator)
        survey = _surveyed(name, task, creator, dataset)
        targets = division = None
        if dataset is None:
            source = creator.with_new_state(creator.identity(task, survey), first_state)
        else:
            source, targets = dict(dataset.source), dataset.targets(task, survey)
            division = dataset.division(task) if TASK_TYPES[survey.task_type].is_learnable else None
        split = {key: getattr(task, key) for key in DIVISION}
        idx_to_class, colors_by_class = _with_unknown(name, task, survey.task_type)
        content = {"version": TASK_VERSION, "source": source, **split, "idx_to_class": _by_text(idx_to_class)}
        colors = _in_order(colors_by_class)
        content |= {"colors": colors} if colors else {}
        content |= {"targets": targets} if targets else {}
        content |= {"division": division} if division else {}
        content |= {"exclude": exclude} if exclude else {}
        is_grouped = _has_groups(task, survey)
        content |= {"groups": GROUPS_VERSION} if is_grouped else {}
        return cls(
            name=name,
            id=digest(content),
            bases=(),
            dataset=creator.dataset_name(source),
            source=source,
            task_type=survey.task_type,
            idx_to_class=idx_to_class,
            colors=colors,
            **split,
            fold_time_limit=task.fold_time_limit,
            **_planned(task, survey),
            about=task.about,
            classes=_classes(name, task, survey),
            is_partial=survey.is_partial if task.is_seen else _may_be_partial(task),
            is_weighted=survey.is_weighted if task.is_seen else _names_weights(task),
            is_grouped=is_grouped,
            targets=targets,
            division=division,
            files=survey.files,
            exclude=exclude,
        )

    @property
    def base_name(self) -> str:
        """Its name without tags."""
        return self.name.split(SEPARATOR)[0]

    def tagged(self, tag: str) -> "TaskIdentity":
        """Return the task with a further tag, `subset~0.1`.

        Raises:
            MMLError: the tag does not exist, or cannot be put on such a task.
        """
        if is_nested(tag) and f"{SEPARATOR}nested{ARGUMENT}" in self.name:
            raise MMLError(
                f"task {self.name}{SEPARATOR}{tag}: it is nested already, and its held-out fold would be lost; "
                "leave one of the tags, or mode.nested, out"
            )
        try:
            registered, _ = parse_tag(tag)
            shape = plan_tag(Shape(self.task_type, self.num_folds, self.has_test, self.has_unlabelled), tag)
        except MMLError as error:
            raise MMLError(f"task {self.name}{SEPARATOR}{tag}: {error}") from error
        is_shared = self.division is not None and _is_nested_division(self.name, tag)
        return replace(
            self,
            name=f"{self.name}{SEPARATOR}{tag}",
            id=_tagged_id(self.id, tag, registered, is_shared),
            bases=(*self.bases, self.id),
            num_folds=shape.num_folds,
            has_test=shape.has_test,
            has_unlabelled=shape.has_unlabelled,
            classes=self.classes if registered.keeps_classes else None,
        )

    def definition(self) -> dict[str, Any]:
        """Return the entry of the task in a pipeline file: enough to make the task again."""
        definition = {key: value for key, value in asdict(self).items() if key not in PLANNED}
        for key in ("colors", "targets", "division", "exclude"):  # no keys of tasks that do not use them
            if definition[key] is None:
                del definition[key]
        definition["bases"] = list(self.bases)
        definition["idx_to_class"] = _by_text(self.idx_to_class)
        return definition


def _tagged_id(base: str, tag: str, registered: Tag, is_shared: bool) -> str:
    """Return the id of a task with a further tag.

    Args:
        base: id of the task without the tag.
        tag: the tag with its arguments.
        registered: the kind of tag.
        is_shared: its folds come from the division that its data set declares for all tasks.
    """
    content: dict[str, Any] = {"base": base, "tag": tag, "version": registered.version}
    if code := registered.code:
        content["code"] = code
    if is_shared:
        content["division"] = SHARED_VERSION
    return digest(content)


def _is_nested_division(name: str, tag: str) -> bool:
    """Return True for a tag `nested` on a task whose other tags are MML's own and keep its division."""
    if not is_nested(tag) or not keeps_division(name):
        return False
    return not any(parse_tag(other)[0].code for other in name.split(SEPARATOR)[1:])


def nested_alike(definition: Mapping[str, Any]) -> bool:
    """Return True for a nested task whose folds come from the division that its data set declares for all tasks."""
    name, _, tag = definition["name"].rpartition(SEPARATOR)
    if not definition.get("division") or not _is_nested_division(name, tag):
        return False
    return definition["id"] == _tagged_id(definition["bases"][-1], tag, parse_tag(tag)[0], is_shared=True)


def _may_be_partial(task: Task) -> bool:
    """Return True if a task whose data are not there yet says how its unknown labels are written."""
    arguments = task.arguments
    uncertain = arguments.get("uncertain")
    meaning = uncertain.get("as") if isinstance(uncertain, Mapping) else uncertain
    return bool(arguments.get("unknown")) or meaning == "ignore"


def _names_weights(task: Task) -> bool:
    """Return True if a task whose data are not there yet names a column of weights."""
    columns = task.arguments.get("columns")
    return isinstance(columns, Mapping) and columns.get("weight") is not None


def _has_groups(task: Task, survey: Survey) -> bool:
    """Return True if samples have groups, or the study names some of data that are not there yet."""
    columns, layout = task.arguments.get("columns"), task.arguments.get("layout")
    named = columns.get("group") if isinstance(columns, Mapping) else task.arguments.get("group")
    return survey.is_grouped or bool(named) or "{group}" in str(layout)


def _surveyed(name: str, task: Task, creator: Creator, dataset: DatasetIdentity | None) -> Survey:
    """Return the properties of a task's data after a check of its arguments and columns."""
    check_arguments(creator, f"tasks.{name}", task)
    check_metadata(creator, name, task)
    if dataset is not None:
        dataset.check(f"tasks.{name}", task)
    columns: dict[str, dict[str, str]] = {}
    try:
        survey = creator.look(task, shared=dataset is not None)
        of_headers = header_columns(name, task.metadata)  # which a step reads
        of_data = [column for column in task.metadata if column not in of_headers]
        if of_data and task.is_seen:
            columns = read_metadata(creator.name, creator.arguments(task), of_data)
    except MMLError as error:
        raise MMLError(f"tasks.{name}: {error}") from error
    if task.task_type not in (None, survey.task_type):
        raise MMLError(
            f"tasks.{name}.task_type: the creator '{creator.name}' makes {survey.task_type}, not {task.task_type}"
        )
    check_sub_groups(name, columns)
    if task.colors and not TASK_TYPES[survey.task_type].has_masks:
        remedy = "set task_type: semantic_segmentation, or " if task.downloads else ""
        raise MMLError(f"tasks.{name}.colors: a {survey.task_type} has no masks; {remedy}leave it out")
    return survey


def _classes(name: str, task: Task, survey: Survey) -> tuple[str, ...] | None:
    """Return the classes of a task that are known while planning.

    Raises:
        MMLError: `idx_to_class` does not name a class for each index.
    """
    if TASK_TYPES[survey.task_type].has_masks:
        names = task.colors or (task.idx_to_class and dict.fromkeys(task.idx_to_class.values()))
        return tuple(label for label in names or () if label != IGNORED) or None
    if survey.classes is None:
        return None
    classes = list(dict.fromkeys(one_spelling(survey.classes).values()))
    merged = merged_classes(classes, task.idx_to_class or {}, survey.task_type, name)
    return tuple(dict.fromkeys(merged.values()))


def _with_unknown(
    name: str, task: Task, task_type: str
) -> tuple[Mapping[int, str] | None, Mapping[str, Sequence[Sequence[int]]] | None]:
    """Return the classes of mask values and the colours of classes, unknown pixels of masks named `ignore`."""
    unknown = task.arguments.get("unknown") or ()
    if not TASK_TYPES[task_type].has_masks:
        return task.idx_to_class, task.colors
    values = with_unknown_values(name, unknown, task.idx_to_class, task.colors)
    return values, with_unknown_colors(name, unknown, task.colors)


def _by_text(idx_to_class: Mapping[int, str] | None) -> dict[str, str] | None:
    """Return the class of each index, by its text as JSON has it."""
    return None if idx_to_class is None else {str(index): label for index, label in idx_to_class.items()}


def _in_order(colors: Mapping[str, Sequence[Sequence[int]]] | None) -> list[Any] | None:
    """Return the colours of each class in the order of the classes, those of no class last."""
    if colors is None:
        return None
    classes = sorted(colors.items(), key=lambda item: item[0] == IGNORED)
    return [[label, sorted(list(color) for color in listed)] for label, listed in classes]


def lineage(definition: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the definitions of a task and of all that its tags were put on, the task itself last."""
    parts = definition["name"].split(SEPARATOR)
    ids = [*definition["bases"], definition["id"]]
    return [
        {
            **definition,
            "name": SEPARATOR.join(parts[: len(parts) - len(ids) + number + 1]),
            "id": id_,
            "bases": ids[:number],
        }
        for number, id_ in enumerate(ids)
    ]


def _planned(task: Task, survey: Survey) -> dict[str, Any]:
    """Return the folds and splits of a planned task."""
    learnable = TASK_TYPES[survey.task_type].is_learnable
    return {
        "num_folds": (survey.folds or task.folds) if learnable else 0,
        "has_test": learnable and (task.test_fraction > 0 if survey.has_test is None else survey.has_test),
        "has_unlabelled": survey.has_unlabelled or not learnable,
        "brings_test": learnable and bool(survey.has_test),
    }


def divided_by(definition: Mapping[str, Any], brings_test: bool, tags: Sequence[str]) -> str:
    """Return the key of the test split of a task; tasks with one key hold out the same samples.

    Args:
        definition: definition of the task.
        brings_test: the data define the test split.
        tags: names of the tags that hold out other samples.
    """
    parts = definition["name"].split(SEPARATOR)
    last = max((number for number, part in enumerate(parts[1:], 1) if part.split(ARGUMENT)[0] in tags), default=0)
    if brings_test and not last:
        return definition["dataset"]
    if (division := definition.get("division")) and keeps_division(definition["name"]):
        key = [definition["dataset"], division, [definition[key] for key in DIVISION]]
        if not last:
            return digest(key)
        if nested_alike(lineage(definition)[last - len(parts)]):
            return digest([*key, parts[last]])
    return [*definition["bases"], definition["id"]][last]
