"""Columns of a table: their meaning by their own names or by the key `columns` of the task."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mml_lib.errors import MMLError, nearest
from mml_lib.machine.terminal import summarized
from mml_lib.tasks.creators.column_names import COLUMNS, OPTIONAL, TARGETS, ColumnText, as_yaml, rank, role_of
from mml_lib.tasks.creators.delimited import Row
from mml_lib.tasks.creators.file_kinds import SUFFIXES, suffix_of
from mml_lib.tasks.creators.indicators import Indicators, PartialLabels, one_hot_names
from mml_lib.tasks.drawings.shape_cells import SHAPES, ShapeCells, shape_cells

ColumnMapping = Mapping[str, ColumnText | None]
"""The key `columns` of a task: columns by meaning; None: not used."""


@dataclass(frozen=True)
class Source:
    """Source of the values of one kind: a column, or a template `{folder}/{id}.png` of columns.

    Args:
        text: the name or template as written.
        parts: literal texts, and the places of columns in a row.
        partial: values that are unknown or uncertain, of targets.
    """

    text: str
    parts: tuple[str | int, ...]
    partial: PartialLabels | None = None

    @property
    def place(self) -> int | None:
        """Place of its only column in a row; None for a template."""
        part = self.parts[0]
        return part if isinstance(part, int) and len(self.parts) == 1 else None

    @property
    def has_wildcard(self) -> bool:
        """True for a template with `*`, which stands for any text in the name of a file."""
        return self.place is None and any("*" in part for part in self.parts if isinstance(part, str))

    def read(self, cells: Sequence[str], missing: Callable[[str], bool]) -> str:
        """Return the value in a row; empty where one of its columns has none."""
        texts = [part if isinstance(part, str) else cell(cells, part) for part in self.parts]
        is_empty = any(missing(text) for part, text in zip(self.parts, texts, strict=True) if isinstance(part, int))
        return "" if is_empty else "".join(texts)


def cell(cells: Sequence[str], place: int) -> str:
    """Return a cell of a row; empty beyond its end."""
    return cells[place].strip() if place < len(cells) else ""


@dataclass(frozen=True)
class Columns:
    """The columns of a table that are read.

    Args:
        file: the table.
        header: names of all columns.
        kind: the task type.
        sources: sources of `image`, `target` (what is learned), `split`, `group`, `fold` and `weight`, if the table has
            them.
        unused: kinds that the task switches off, by `columns: {group: null}`.
        further_images: sources of further images of a row.
        channels: sources of the files that make up an image, by the name of their channel.
        shapes: columns of shapes, of which a row has one.
    """

    file: Path
    header: tuple[str, ...]
    kind: str
    sources: Mapping[str, Source | Indicators]
    unused: frozenset[str]
    further_images: tuple[Source, ...] = ()
    channels: Mapping[str, Source] = field(default_factory=dict)
    shapes: ShapeCells | None = None

    @classmethod
    def of(
        cls,
        file: Path,
        header: Row,
        mapping: ColumnMapping | None = None,
        task_type: str | None = None,
        first: Row | None = None,
    ) -> "Columns":
        """Find the columns.

        Args:
            file: the table.
            header: its first row.
            mapping: the key `columns` of the task: the column, or template, of each kind.
            task_type: that of the task.
            first: the row below the header.

        Raises:
            MMLError: a column is missing, appears twice, or is spelled otherwise.
        """
        names = tuple(name.strip().strip("\"'").strip() for name in header.cells)
        finder = _Finder(file, header.line, names, dict(mapping or {}), first)
        finder.check()
        target, kind = finder.target(task_type)
        roles = {role: role for role in ("image", *OPTIONAL)} | ({"target": target} if target else {})
        sources = {name: source for name, role in roles.items() if (source := finder.source(role))}
        unused = frozenset(role for role, name in finder.mapping.items() if name is None)
        return cls(file, names, kind, sources, unused, finder.further_images(), finder.channels(), finder.shapes())

    @property
    def images(self) -> tuple[Source, ...]:
        """Sources of the images of a row."""
        first = self.sources["image"]
        assert isinstance(first, Source)
        return (first, *self.further_images)

    def wrong(self, line: int, problem: str) -> MMLError:
        """Return the error that names a line of the table."""
        return MMLError(f"{self.file}, line {line}: {problem}")

    def place(self, name: str, key: str) -> int:
        """Return the place of a column that a key of the task names.

        Raises:
            MMLError: the table has no such column, or has it twice.
        """
        if (count := self.header.count(name)) != 1:
            near = nearest(name, [column for column in self.header if column])
            state = "appears twice; keep one" if count else f"does not exist{near}"
            raise MMLError(f"{self.file}: {key}: the column '{name}' {state}")
        return self.header.index(name)

    def name_of(self, role: str) -> str:
        """Return the column or template of a kind, as the user wrote it."""
        return self.sources[role].text if role in self.sources else role


@dataclass(frozen=True)
class _Finder:
    """Finds the columns of one table by its header and the key `columns` of the task."""

    file: Path
    line: int
    header: tuple[str, ...]
    mapping: ColumnMapping
    first: Row | None

    def check(self) -> None:
        """Refuse names of columns that are wrong.

        Raises:
            MMLError: the first one.
        """
        for role in self.mapping:
            if role not in (*COLUMNS, *SHAPES):
                raise MMLError(f"columns: there is no '{role}'{nearest(role, (*COLUMNS, *SHAPES))}")
        if self.mapping.get("image", "image") is None:
            raise MMLError("columns.image: a table needs a column of images; name one")
        for name in self.header:
            if name in COLUMNS and name not in self.mapping and self.header.count(name) > 1:
                raise MMLError(f"{self.file}: the column '{name}' appears twice; keep one")
            role = name.lower()
            if role in OPTIONAL and role != "weight" and role not in self.header and role not in self.mapping:
                # Or a split would be overlooked.
                raise MMLError(f"{self.file}: write the column '{name}' as '{role}', or columns: {{{role}: {name}}}")
        if self.source("image") is None:
            raise self._without("image")

    def source(self, role: str) -> Source | Indicators | None:
        """Return the source of one kind, None where the table has none.

        Raises:
            MMLError: the task names a column that is missing, or that appears twice.
        """
        if role not in self.mapping:
            is_another = role == "weight" and role in self.mapping.values()  # such as the value of a birth weight
            return Source(role, (self.header.index(role),)) if role in self.header and not is_another else None
        name = self.mapping[role]
        if name is None:
            return None
        if isinstance(name, list):
            return self._template(role, name[0]) if role == "image" and name else self._indicators(role, name)
        if role == "image" and isinstance(name, dict):
            return next(iter(self.channels().values()))
        return self._template(role, name)

    def _template(self, role: str, name: ColumnText) -> Source:
        """Return the source of a column, or of a template of columns."""
        if not isinstance(name, str):
            raise MMLError(
                f"columns.{role}: {name} is not a column; write its name, or a template such as '{{id}}.png'"
            )
        if name in self.header:
            return Source(name, (self._place(role, name),))
        fields = re.split(r"\{([^{}]+)\}", name)
        if any(brace in text for text in fields[::2] for brace in "{}"):
            raise MMLError(f"columns.{role}: a brace of '{name}' has no partner; write columns as '{{id}}.png'")
        if len(fields) == 1:
            raise MMLError(f"columns.{role}: {self.file} has no column '{name}'{nearest(name, self._named)}")
        parts = (self._place(role, field.strip()) if odd % 2 else field for odd, field in enumerate(fields))
        return Source(name, tuple(part for part in parts if part != ""))

    def further_images(self) -> tuple[Source, ...]:
        """Return the sources of the second and further images of a row.

        Raises:
            MMLError: a column is missing, or named twice.
        """
        names = self.mapping.get("image")
        if not isinstance(names, list):
            return ()
        if len(set(names)) < max(2, len(names)):
            raise MMLError("columns.image: a list names at least two columns or templates of images, each once")
        return tuple(self._template("image", name) for name in names[1:])

    def channels(self) -> dict[str, Source]:
        """Return the sources of the channels of an image by name, none where an image is one file.

        Raises:
            MMLError: a column is missing, or named twice; there is only one; the names are not one for each.
        """
        value = self.mapping.get("image")
        if not isinstance(value, dict):
            return {}
        columns = _different_texts(value.get("channels"))
        names = _different_texts(value["names"]) if "names" in value else columns
        if value.keys() - {"channels", "names"} or not columns or not names:
            raise MMLError(
                "columns.image: channels of one image are two columns or more, each once; write image: {channels: "
                "[dapi, gfp]}, and names: [DAPI, GFP] beside channels if they have other names"
            )
        if len(names) != len(columns):
            raise MMLError(f"columns.image.names: there are {len(names)} names of {len(columns)} channels; name each")
        return {name: self._template("image", text) for name, text in zip(names, columns, strict=True)}

    def shapes(self) -> ShapeCells | None:
        """Return the columns of shapes, None where the task names none.

        Raises:
            MMLError: a column is missing, or other columns state masks or labels too.
        """
        roles = [role for role in SHAPES if self.mapping.get(role) is not None]
        others = [role for role in ("mask", "labels", "value") if self.mapping.get(role) is not None]
        if roles and (len(roles) > 1 or others):
            second = (*roles[1:], *others)[0]
            raise MMLError(f"columns: {roles[0]} and {second} both state what is learned; leave one of them out")
        if roles and isinstance(self.mapping.get("image"), list):
            raise MMLError(f"columns.{roles[0]}: shapes belong to one image; name one column of images")
        if roles and isinstance(self.mapping.get("label"), list):
            raise MMLError(f"columns.{roles[0]}: the class of a shape stands in one column; name it by label")
        value = self.mapping[roles[0]] if roles else None
        return None if value is None else shape_cells(roles[0], value, partial(self._place, roles[0]))

    def _indicators(self, role: str, names: Sequence[str]) -> Indicators:
        if role not in ("label", "labels"):
            raise MMLError(f"columns.{role}: only label and labels may have several columns; name one")
        if len(set(names)) < max(2, len(names)):
            raise MMLError(f"columns.{role}: name at least two columns, each once, one for each class")
        return Indicators(tuple(names), tuple(self._place(role, name) for name in names))

    @property
    def _named(self) -> list[str]:
        return [name for name in self.header if name]

    def _place(self, role: str, name: str) -> int:
        if name not in self.header:
            raise MMLError(
                f"{self.file}, line {self.line}: columns.{role} names the column '{name}', which does not exist"
                f"{nearest(name, self._named)}"
            )
        if self.header.count(name) > 1:
            raise MMLError(f"{self.file}: the column '{name}' appears twice; keep one")
        return self.header.index(name)

    def target(self, task_type: str | None) -> tuple[str | None, str]:
        """Return the column of targets, None for no task, and the task type.

        Raises:
            MMLError: there are several, or there is none but a similar name.
        """
        if self.shapes() is not None:
            kind = task_type or TARGETS["mask"]
            return self._target_of_shapes(kind), kind
        mapped = [role for role in TARGETS if self.mapping.get(role) is not None]
        present = mapped or [role for role in TARGETS if role in self.header and role not in self.mapping]
        if task_type is not None:
            target = next((role for role, kind in TARGETS.items() if kind == task_type), None)
            if target and self.source(target) is None:
                raise self._without(target, f", which {task_type} needs")
            return target, task_type
        if len(present) > 1:
            raise MMLError(
                f"{self.file}: the columns {', '.join(present)} are present; choose one by task_type: "
                f"{', '.join(TARGETS[role] for role in present)}"
            )
        if present:
            return present[0], TARGETS[present[0]]
        self._refuse_overlooked_target()
        return None, "no_task"

    def _target_of_shapes(self, kind: str) -> str | None:
        """Return the column of the classes of shapes, None where there is none."""
        if kind == TARGETS["value"]:
            raise MMLError("columns: shapes have classes, no values for a regression; leave box or rle out")
        if self.source("label") is not None:
            return "label"
        if kind in (TARGETS["label"], TARGETS["labels"]):
            raise self._without("label", f", which {kind} needs")
        return None

    def _refuse_overlooked_target(self) -> None:
        others = [name for name in self.header if name and name not in COLUMNS and name not in self.mapping.values()]
        for role in TARGETS:
            if "?" in (near := nearest(role, others)):
                raise MMLError(f"{self.file}: there is no column '{role}'{near} Or set task_type: no_task")
        if any(role_of(name, [role]) for name in others for role in ("label", "labels", "mask")):
            raise MMLError(
                f"{self.file}: no column says what is learned ({', '.join(TARGETS)})"
                f"{self._suggestion('label', 'labels', 'mask')}, or set task_type: no_task"
            )
        used = [name for name in (*COLUMNS, *self.mapping.values()) if isinstance(name, str)]
        if names := one_hot_names(self.header, self.first.cells if self.first else (), used):
            raise MMLError(
                f"{self.file}: no column says what is learned ({', '.join(TARGETS)}); if {summarized(names, 3)} are "
                f"one class each, write columns: {{label: {as_yaml(names)}}} (labels: […] for several "
                "an image), or set task_type: no_task"
            )

    def _without(self, role: str, why: str = "") -> MMLError:
        """Return the error of a missing column, with the line to write."""
        if role == "image" and any(suffix_of(name) in SUFFIXES for name in self.header):
            return MMLError(
                f"{self.file}: there is no column 'image': the first line ({', '.join(self.header)}) is not a header; "
                "put one above it, such as image,label"
            )
        near = nearest(role, self._named)
        others = [column for column in TARGETS if self.mapping.get(column, column) in self.header] or list(TARGETS)
        suggestion = self._suggestion(role, *(others if role == "image" else []))
        return MMLError(f"{self.file}: there is no column '{role}'{why}{near}{suggestion}")

    def _suggestion(self, *needed: str) -> str:
        """Return `; write columns: {image: file_name, label: diagnosis}`, the line for columns of well-known names."""
        columns: dict[str, ColumnText] = {role: name for role, name in self.mapping.items() if name}
        targets = [role for role in needed if role in TARGETS]
        roles = ["image", "group", "split", "fold", *targets]
        for role in sorted(roles, key=COLUMNS.index):
            candidates = [name for name in self._named if role_of(name, [role]) and name not in columns.values()]
            candidates.sort(key=partial(rank, role=role))
            has_target = any(other in columns for other in TARGETS)
            if role in columns or not candidates or (role in TARGETS and has_target):
                continue
            if candidates[0] != role:
                columns[role] = self._image_template(candidates[0]) if role == "image" else candidates[0]
        if not set(needed) & set(columns):
            return ""
        listed = ", ".join(f"{role}: {as_yaml(name)}" for role, name in columns.items())
        return f"; if these columns are meant, write columns: {{{listed}}}"

    def _image_template(self, name: str) -> str:
        """Return a column of images, or the template by which its first cell names a file."""
        text = cell(self.first.cells, self.header.index(name)) if self.first else ""
        root = self.file.parent
        if not text or "\0" in text or (root / text).is_file():
            return name
        folders = [root, *sorted(entry for entry in root.iterdir() if entry.is_dir())]
        for folder in folders:
            lead = "" if folder == root else f"{folder.name}/"
            for suffix in ("", ".jpg", ".png", ".jpeg", *sorted(SUFFIXES)):
                if (folder / f"{text}{suffix}").is_file():
                    return f"{lead}{{{name}}}{suffix}"
        return name


def _different_texts(value: object) -> list[str]:
    """Return a list of two texts or more, each once; an empty list in place of anything else."""
    texts = [text for text in value if isinstance(text, str) and text.strip()] if isinstance(value, list) else []
    return texts if texts == value and len(set(texts)) == len(texts) > 1 else []
