"""Inputs and params of rules/tasks.smk, and of other rules that read tasks of the study."""

from typing import TYPE_CHECKING, Any

from mml_lib.config.download_options import Download
from mml_lib.errors import MMLError
from mml_lib.studies.inputs.rule_inputs import RuleInputs
from mml_lib.tasks.creators.creator_registry import made_paths
from mml_lib.tasks.task_identity import GROUPS_VERSION, has_shared_nesting, lineage

if TYPE_CHECKING:
    from snakemake.iocontainers import OutputFiles, Wildcards


class TasksInputs(RuleInputs):
    """Downloads, data sets and descriptions of tasks."""

    untagged = r"[^+/]+"
    tagged = r"[^+/]+(\+[^+/]+)+"

    # --- downloads ----------------------------------------------------------------------------------------------

    def url(self, wildcards: "Wildcards", output: "OutputFiles") -> str:
        """The address of a download.

        Snakemake does not repeat steps if params that are functions of the output change.
        """
        for task in self.study.cfg.tasks.values():
            for file in task.downloads if task else ():
                if file.checksum == wildcards.checksum:
                    return file.address
        raise MMLError(f"no task of the study downloads a file with the checksum {wildcards.checksum}")

    def downloads(self, wildcards: "Wildcards") -> list[str]:
        """The downloaded files of a data set."""
        task = self.study.tasks.task_on(wildcards.dataset)
        return [self._download(file) for file in self.study.tasks.options_of(task.name).downloads] if task else []

    def made_files(self, wildcards: "Wildcards") -> list[str]:
        """The files and folders of a data set that rules of an outer pipeline create."""
        task = self.study.tasks.task_on(wildcards.dataset)
        return made_paths(task.source["arguments"]) if task and "made_by_rule" in task.source else []

    def unpacking(self, wildcards: "Wildcards", output: "OutputFiles") -> dict[str, dict[str, Any]]:
        """Options for unpacking, by checksum of the download. Passwords are in environment variables."""
        task = self.study.tasks.task_on(wildcards.dataset)
        files = self.study.tasks.options_of(task.name).downloads if task else ()
        stated = [file for file in files if file.nested or file.password]
        return {file.checksum: {"nested": file.nested, "password_variable": file.password_variable} for file in stated}

    def _download(self, file: Download) -> str:
        return self.fm.path("download", checksum=file.checksum, file_name=file.file_name)

    def data_path(self, wildcards: "Wildcards", output: "OutputFiles") -> str:
        """The root of the data, which manifests name images relative to."""
        return str(self.fm.data_path)

    # --- data sets ----------------------------------------------------------------------------------------------

    def source(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The `creator` of a data set, its `arguments` and `code`, and options of its `images`."""
        return self.study.tasks.source(wildcards.dataset)

    def dataset(self, wildcards: "Wildcards") -> str:
        """The manifest of the data set of a task with an id."""
        definition = self.study.tasks.definition(wildcards.task, wildcards.task_id)
        return self.fm.path("dataset", dataset=definition["dataset"])

    # --- tasks --------------------------------------------------------------------------------------------------

    def definition(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The definition of a task with an id."""
        return self.study.tasks.definition(wildcards.task, wildcards.task_id)

    def targets(self, wildcards: "Wildcards", output: "OutputFiles") -> dict[str, Any] | None:
        """The `creator` and `arguments` of a task's labels on a shared data set; None: labels of the data set.

        The identity of the task covers them, so a step that differs in them has another output.
        """
        return self.study.tasks.targets(self.definition(wildcards))

    def division(self, wildcards: "Wildcards", output: "OutputFiles") -> dict[str, Any] | None:
        """The division of a data set that its tasks share; None: the task has its own division.

        The identity of the task covers it, so a step that differs in it has another output.
        """
        return self.study.tasks.division(self.definition(wildcards))

    def compared(self, wildcards: "Wildcards", output: "OutputFiles") -> list[str]:
        """Descriptions of tasks on other data sets of the study, which may have the same images; one of each.

        The first task of a data set is compared with existing ones. They are a param, because none is required.
        """
        tasks = self.study.tasks
        task = tasks.bases.get(wildcards.task)
        if task is None or task.id != wildcards.task_id or tasks.task_on(task.dataset) is not task:
            return []
        options = tasks.options_of(task.name).image_options
        others = {other.dataset: tasks.task_on(other.dataset) for other in tasks.bases.values()}
        return [
            tasks.description_path(other.name)
            for dataset, other in others.items()
            if other and dataset != task.dataset and tasks.options_of(other.name).image_options == options
        ]

    def nested_dataset(self, wildcards: "Wildcards") -> str | list[str]:
        """The manifest of a data set whose declared division has a nested task's inner folds; empty without one."""
        return self.dataset(wildcards) if has_shared_nesting(self.definition(wildcards)) else []

    def nested_division(self, wildcards: "Wildcards", output: "OutputFiles") -> dict[str, Any] | None:
        """The declared division with the inner folds of a nested task; None: the task divides the samples itself."""
        definition = self.definition(wildcards)
        return self.study.tasks.division(definition) if has_shared_nesting(definition) else None

    def excluding_tables(self, wildcards: "Wildcards", output: "OutputFiles") -> list[str]:
        """The tables of excluded samples of a task. Its identity covers their content."""
        return self.study.tasks.excluding_tables(self.definition(wildcards))

    def metadata(self, wildcards: "Wildcards") -> dict[str, Any]:
        """Descriptive keys of a task that are no part of its definition: license, keywords …"""
        task = self.study.tasks.bases.get(wildcards.task)
        return dict(task.about) if task else {}

    def planned(self, wildcards: "Wildcards") -> dict[str, Any] | None:
        """Folds and splits that the plan assumes of a task; None for a task of a run on the disk."""
        task = self.study.tasks.bases.get(wildcards.task)
        if task is None or task.id != wildcards.task_id:
            return None
        return {key: getattr(task, key) for key in ("task_type", "num_folds", "has_test", "has_unlabelled")}

    def group_version(self, wildcards: "Wildcards", output: "OutputFiles") -> int | None:
        """The version of a division of groups that is unknown while planning; None if the task's id covers it."""
        task = self.study.tasks.bases.get(wildcards.task)
        is_covered = task is not None and task.id == wildcards.task_id and (task.is_grouped or task.division)
        return None if is_covered else GROUPS_VERSION

    def duplicates(self, wildcards: "Wildcards") -> str:
        """Treatment of copies across given splits; tasks of runs on the disk were created with such copies."""
        task = self.study.cfg.tasks.get(wildcards.task)
        return task.duplicates if task else "allow"

    def base(self, wildcards: "Wildcards") -> str:
        """The description of the task that the last tag is applied to."""
        *_, base, _ = lineage(self.study.tasks.definition(wildcards.task, wildcards.task_id))
        return self.fm.path("description", task=base["name"], task_id=base["id"])
