"""Reusables: files of other projects that a study reads, but none of its rules makes or removes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mml_lib.errors import MMLError, nearest
from mml_lib.files.templates import TOKENS

if TYPE_CHECKING:
    from pathlib import Path

    from mml_lib.files.manager import MMLFileManager

SHOWN = 12
"""Largest number of names that an error lists."""

ALSO = {"predictions": ("other_predictions",), "blueprint": ("suggestion", "search_choice")}
"""Further keys that provide the artefacts of a key."""

OF_A_RUN = {"blueprint": "pipeline"}
"""Key that provides the artefact if a reference names a run: its pipeline is a blueprint too."""


class Reusables:
    """Reused files of other projects.

    Args:
        fm: the file manager of the study.
        references: projects, or `project#run`, by assignment key.

    Raises:
        MMLError: the artefacts of a key cannot be reused.
    """

    def __init__(self, fm: "MMLFileManager", references: Mapping[str, Sequence[str]]):
        self.fm = fm
        self.references = dict(references)
        for key in self.references:
            self._check_key(key)

    def paths(self, key: str, **tokens: Any) -> list["Path"]:
        """Return the reused files of a key, project by project, the latest of each last.

        The result is empty if the study does not reuse this key.

        Args:
            key: assignment key.
            tokens: required values of wildcards, for instance `task`.

        Raises:
            MMLError: artefacts of this key cannot be reused, or a project does not exist.
        """
        return [
            self.fm.construct_saving_path(None, name, **wildcards) for name, wildcards in self._artefacts(key, tokens)
        ]

    def inputs(self, key: str, **tokens: Any) -> list[str]:
        """Return the reused files of a key as inputs of a rule."""
        return [self.fm.path(name, **wildcards) for name, wildcards in self._artefacts(key, tokens)]

    def of_task(self, task: str) -> "OfTask":
        """Return the reused files of a task by key; empty for keys that are not reused."""
        return OfTask({key: self.paths(key, task=task) for key in self._keys("TASK_NAME")})

    def project_of(self, key: str, reference: str) -> tuple[str, str | None]:
        """Return the project of a reference, and its run if it names one.

        Raises:
            MMLError: there is no such project, or artefacts of the key do not belong to runs.
        """
        project, _, run = reference.partition("#")
        projects = self.fm.projects
        if project not in projects:
            where = self.fm.results_path
            raise MMLError(f"reuse.{key}: there is no project '{project}' in {where}{_near(project, projects)}")
        if run and "RUN" not in self.fm.template(OF_A_RUN.get(key, key)).tokens:
            raise MMLError(f"reuse.{key}: {key} does not belong to runs; name the project only, {project}")
        return project, run or None

    def check(self) -> None:
        """Check that the named projects have files of each key.

        Raises:
            MMLError: a project is missing, or has no artefact of the key or the run.
        """
        for key, references in self.references.items():
            for reference in references:
                self._check(key, *self.project_of(key, reference))

    # --- parts --------------------------------------------------------------------------------------------------

    def _artefacts(self, key: str, tokens: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """Return assignment key and tokens, including the project, of each file."""
        self._check_key(key)
        wildcard_names = [TOKENS[token][0] for token in self.fm.template(key).tokens]
        if unknown := [token for token in tokens if token not in wildcard_names]:
            raise MMLError(f"{key} have no '{unknown[0]}'{nearest(unknown[0], wildcard_names)}")
        artefacts: list[tuple[str, dict[str, Any]]] = []
        for project, run in (self.project_of(key, reference) for reference in self.references.get(key, ())):
            name = OF_A_RUN.get(key, key) if run else key
            required = {**tokens, **({"run": run} if run else {})}
            artefacts += [
                (name, {"project": project, **wildcards}) for wildcards in self.fm.existing(name, project, **required)
            ]
        return artefacts

    def _check_key(self, key: str) -> None:
        keys = self._keys()
        if key not in keys:
            registered = any(template.key == key for template in self.fm.templates())
            why = f"artefacts of '{key}' cannot be reused" if registered else f"there is no key '{key}'"
            raise MMLError(f"reuse.{key}: {why}{_near(key, keys)}")

    def _keys(self, *tokens: str) -> list[str]:
        return [template.key for template in self.fm.templates(*tokens) if template.reusable]

    def _check(self, key: str, project: str, run: str | None) -> None:
        name, *further = (OF_A_RUN.get(key, key) if run else key, *ALSO.get(key, ()))
        artefacts = [wildcards for other in (name, *further) for wildcards in self.fm.existing(other, project)]
        if not artefacts:
            others = [other for other in self._keys() if self.fm.existing(other, project)]
            available = ", ".join(others) or "nothing that can be reused"
            projects = [other for other in self.fm.projects if other != project and self.fm.existing(name, other)]
            hint = f"; {name} are in {_listed(projects)}" if projects else ""
            raise MMLError(f"reuse.{key}: the project {project} has no {name}; it has {available}{hint}")
        runs = dict.fromkeys(wildcards.get("run") for wildcards in artefacts)
        if run and run not in runs:
            raise MMLError(f"reuse.{key}: the project {project} has no {name} of a run '{run}'{_near(run, runs)}")


class OfTask(dict[str, list["Path"]]):
    """Reused files of a task by key. The error of another key suggests a similar one."""

    def __missing__(self, key: str) -> list["Path"]:
        raise MMLError(f"there is no reusable '{key}' of tasks{nearest(key, self)}")


def _near(word: str, names: Any) -> str:
    """Return a hint with the most similar name, if there is one, and the list of all names."""
    hint = nearest(word, names)
    return f"{hint} (known: {_listed(names)})" if "did you mean" in hint else f"; known: {_listed(names) or 'none'}"


def _listed(items: Any) -> str:
    names = list(map(str, items))
    more = len(names) - SHOWN
    return ", ".join(names[-SHOWN:]) + (f" and {more} more" if more > 0 else "")
