"""The identity of a task: everything that its samples, folds and splits depend on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from mml_lib.config.task_options import ARGUMENT, DIVISION, SEPARATOR, Task, is_nested, keeps_division
from mml_lib.errors import MMLError
from mml_lib.pipelines.digests import digest
from mml_lib.pipelines.own_code import changed_modules
from mml_lib.task_types import IGNORED, TASK_TYPES
from mml_lib.tasks.creators.argument_checks import check_arguments, check_metadata
from mml_lib.tasks.creators.creator_registry import Creator, Survey, get_creator, read_metadata
from mml_lib.tasks.mask_values import with_unknown_colors, with_unknown_values
from mml_lib.tasks.metadata import check_sub_groups, header_columns
from mml_lib.tasks.names import merged_classes, one_spelling
from mml_lib.tasks.sharing.dataset_identity import DatasetIdentity
from mml_lib.tasks.tags import Shape, Tag, parse_tag, plan_tag

TASK_VERSION = 2
"""Version that is increased when the same definition begins to give another task."""

GROUPS_VERSION = 2
"""Version that is increased when groups are divided in another way. The first version has no key in an identity."""

SHARED_VERSION = 1
"""Version that is increased when nested tasks of a declared division begin to have other folds."""

PLANNED = (
    *("num_folds", "has_test", "has_unlabelled", "brings_test", "about", "classes"),
    *("is_partial", "is_weighted", "is_grouped", "files"),
)
"""Properties of a task that are known while planning, but do not define it."""


@dataclass(frozen=True)
class TaskIdentity:
    """Identity of a task: its name, its id, and everything that the id depends on.

    Args:
        name: name in the study, including tags.
        id: 8 hexadecimal digits of the digest of everything that the task depends on.
        bases: ids of the task without tags, with its first tag, and so on, without its own id; empty for a task without
            tags.
        dataset: folder name of its data set.
        source: identity of the data set: creator, and arguments or fingerprint of the data.
        task_type: name of the task type.
        idx_to_class: class of each index or mask value; equal names merge classes.
        folds, fold_0_fraction, test_fraction, seed, fold_time_limit: options of the splits, if not in the data.
        num_folds: number of folds.
        has_test: True if there is a test split.
        has_unlabelled: True if there are unlabelled samples.
        brings_test: True if the data define the test split.
        about: description in the study, in addition to that of the data set.
        colors: colours of each class in masks, in the order of the classes.
        classes: classes in the order of their indices; None if they are unknown until the task is created.
        is_partial: True if planning shows that labelled samples have unknown labels.
        is_weighted: True if planning shows that samples have weights.
        is_grouped: True if planning shows that samples have groups. The id then covers the version of their division.
        targets: identity of the targets of a task on a shared data set; None: the data set delivers the targets.
        division: identity of the division that tasks of a shared data set have in common; None: the task has its own.
        files: summary of its image files; empty for downloads.
        exclude: identity of the samples that tables exclude; None: no sample is excluded.
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
        """Return the identity of a task of a study. It depends on the content of own data.

        Args:
            name: name of the task.
            task: section of the study for the task.
            first_state: function from a data set's folder name to the fingerprint of its first rule-made data.
            dataset: data set whose images the task shares; None: it has its own.
            exclude: identity of the samples that tables exclude.

        Raises:
            MMLError: the creator is unknown, its arguments are wrong, or data do not exist.
        """
        creator = get_creator(f"tasks.{name}", task.creator)
        survey = _survey(name, task, creator, dataset)
        source = (
            dict(dataset.source) if dataset else creator.with_new_state(creator.identity(task, survey), first_state)
        )
        targets = dataset.targets(task, survey) if dataset else None
        division = dataset.division(task) if dataset and TASK_TYPES[survey.task_type].is_learnable else None
        split = {key: getattr(task, key) for key in DIVISION}
        idx_to_class, colors_by_class = _with_unknown(name, task, survey.task_type)
        colors = _in_order(colors_by_class)
        planned = _planned(name, task, survey)
        content = {"version": TASK_VERSION, "source": source, **split, "idx_to_class": _by_text(idx_to_class)}
        groups = planned["is_grouped"] and GROUPS_VERSION
        optional = {"colors": colors, "targets": targets, "division": division, "exclude": exclude, "groups": groups}
        return cls(
            name=name,
            id=digest(content | {key: value for key, value in optional.items() if value}),
            bases=(),
            dataset=creator.dataset_name(source),
            source=source,
            task_type=survey.task_type,
            idx_to_class=idx_to_class,
            colors=colors,
            **split,
            fold_time_limit=task.fold_time_limit,
            targets=targets,
            division=division,
            exclude=exclude,
            **planned,
        )

    @property
    def base_name(self) -> str:
        """Name without tags."""
        return self.name.split(SEPARATOR)[0]

    def tagged(self, tag: str) -> "TaskIdentity":
        """Return the task with a further tag, `subset~0.1`.

        Raises:
            MMLError: the tag does not exist, or does not fit the task.
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
        """Return the entry of the task in a pipeline file. The task can be created again from it."""
        definition = {key: value for key, value in asdict(self).items() if key not in PLANNED}
        for key in ("colors", "targets", "division", "exclude"):  # tasks without them omit these keys
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
        registered: the registered tag.
        is_shared: True if its folds come from the division that the data set declares for all tasks.
    """
    content: dict[str, Any] = {"base": base, "tag": tag, "version": registered.version}
    if code := registered.code:
        content["code"] = code
    if is_shared:
        content["division"] = SHARED_VERSION
    return digest(content)


def check_tag_code(definition: Mapping[str, Any]) -> None:
    """Refuse to derive a task if the user's code of its last tag is not the code that its id was planned with.

    Args:
        definition: definition of the task.

    Raises:
        MMLError: the code has changed.
    """
    tag = definition["name"].rpartition(SEPARATOR)[2]
    registered, _ = parse_tag(tag)
    ids = [_tagged_id(definition["bases"][-1], tag, registered, is_shared) for is_shared in (False, True)]
    if registered.code and definition["id"] not in ids:
        raise MMLError(
            f"the task {definition['name']} ({definition['id']}) was planned with another version of the tag "
            f"'{registered.name}': {', '.join(changed_modules(registered.code, {}))} changed; run the command again, "
            "which makes a new task, or undo the change"
        )


def _is_nested_division(name: str, tag: str) -> bool:
    """Return True for a tag `nested` on a task whose other tags are built in and keep its division."""
    if not is_nested(tag) or not keeps_division(name):
        return False
    return not any(parse_tag(other)[0].code for other in name.split(SEPARATOR)[1:])


def has_shared_nesting(definition: Mapping[str, Any]) -> bool:
    """Return True for a nested task whose folds come from the division that its data set declares for all tasks."""
    name, _, tag = definition["name"].rpartition(SEPARATOR)
    if not definition.get("division") or not _is_nested_division(name, tag):
        return False
    return definition["id"] == _tagged_id(definition["bases"][-1], tag, parse_tag(tag)[0], is_shared=True)


def _may_be_partial(task: Task) -> bool:
    """Return True if a task whose data do not exist yet states how unknown labels are written."""
    arguments = task.arguments
    uncertain = arguments.get("uncertain")
    meaning = uncertain.get("as") if isinstance(uncertain, Mapping) else uncertain
    return bool(arguments.get("unknown")) or meaning == "ignore"


def _names_weights(task: Task) -> bool:
    """Return True if a task whose data do not exist yet names a column of weights."""
    columns = task.arguments.get("columns")
    return isinstance(columns, Mapping) and columns.get("weight") is not None


def _has_groups(task: Task, survey: Survey) -> bool:
    """Return True if samples have groups, or if the study names the groups of data that do not exist yet."""
    columns, layout = task.arguments.get("columns"), task.arguments.get("layout")
    group = columns.get("group") if isinstance(columns, Mapping) else task.arguments.get("group")
    return survey.is_grouped or bool(group) or "{group}" in str(layout)


def _survey(name: str, task: Task, creator: Creator, dataset: DatasetIdentity | None) -> Survey:
    """Check the arguments and columns of a task, and return the properties of its data."""
    check_arguments(creator, f"tasks.{name}", task)
    check_metadata(creator, name, task)
    if dataset is not None:
        dataset.check(f"tasks.{name}", task)
    columns: dict[str, dict[str, str]] = {}
    try:
        survey = creator.planned_survey(task, shared=dataset is not None)
        header_fields = header_columns(name, task.metadata)  # a step reads these
        data_columns = [column for column in task.metadata if column not in header_fields]
        if data_columns and task.is_seen:
            columns = read_metadata(creator.name, creator.arguments(task), data_columns)
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
    """Return the classes of mask values and the colours of classes; unknown values and colours become `ignore`."""
    unknown = task.arguments.get("unknown") or ()
    if not TASK_TYPES[task_type].has_masks:
        return task.idx_to_class, task.colors
    values = with_unknown_values(name, unknown, task.idx_to_class, task.colors)
    return values, with_unknown_colors(name, unknown, task.colors)


def _by_text(idx_to_class: Mapping[int, str] | None) -> dict[str, str] | None:
    """Return the class of each index, with text as keys like in JSON."""
    return None if idx_to_class is None else {str(index): label for index, label in idx_to_class.items()}


def _in_order(colors: Mapping[str, Sequence[Sequence[int]]] | None) -> list[Any] | None:
    """Return the colours of each class in the order of the classes, with `ignore` last."""
    if colors is None:
        return None
    classes = sorted(colors.items(), key=lambda item: item[0] == IGNORED)
    return [[label, sorted(list(color) for color in listed)] for label, listed in classes]


def lineage(definition: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the definitions of a task without tags, with its first tag, and so on; the task itself is last."""
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


def _planned(name: str, task: Task, survey: Survey) -> dict[str, Any]:
    """Return the properties in `PLANNED` of a task."""
    learnable = TASK_TYPES[survey.task_type].is_learnable
    return {
        "num_folds": (survey.folds or task.folds) if learnable else 0,
        "has_test": learnable and (task.test_fraction > 0 if survey.has_test is None else survey.has_test),
        "has_unlabelled": survey.has_unlabelled or not learnable,
        "brings_test": learnable and bool(survey.has_test),
        "about": task.about,
        "classes": _classes(name, task, survey),
        "is_partial": survey.is_partial if task.is_seen else _may_be_partial(task),
        "is_weighted": survey.is_weighted if task.is_seen else _names_weights(task),
        "is_grouped": _has_groups(task, survey),
        "files": survey.files,
    }


def held_out_key(definition: Mapping[str, Any], brings_test: bool, tags: Sequence[str]) -> str:
    """Return the key of a task's held-out samples: tasks with equal keys hold out the same samples.

    Args:
        definition: definition of the task.
        brings_test: True if the data define the test split.
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
        if has_shared_nesting(lineage(definition)[last - len(parts)]):
            return digest([*key, parts[last]])
    return [*definition["bases"], definition["id"]][last]
