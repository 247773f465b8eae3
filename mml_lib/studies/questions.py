"""Questions of a study: differences of procedures to a baseline, learning curves, and procedures across tasks."""

from functools import cached_property
from typing import TYPE_CHECKING

from mml_lib.config.task_options import SEPARATOR
from mml_lib.errors import MMLError, nearest
from mml_lib.evaluation.comparisons.planned_tests import PlannedTest
from mml_lib.pipelines.variants import Variant
from mml_lib.studies.runs import Run
from mml_lib.studies.transfers import Transfers
from mml_lib.tasks.curves import Curve, curves_of

if TYPE_CHECKING:
    from mml_lib.schedulers.train import TrainScheduler

SEVERAL = 20
"""Procedures that an error lists at most."""


class Questions:
    """Procedures of a mode, by name, and its tested networks.

    Args:
        scheduler: the scheduler of the mode.
    """

    def __init__(self, scheduler: "TrainScheduler"):
        self.scheduler = scheduler
        self.study = scheduler.study

    # --- procedures ---------------------------------------------------------------------------------------------

    @property
    def procedures(self) -> list[str]:
        """Names of the procedures that the mode trains."""
        return list(dict.fromkeys(self._names.values()))

    def name_of(self, variant: Variant) -> str:
        """Return the name of a variant's procedure."""
        names = self._names  # planning the runs, which the next line needs
        return names[self.scheduler.best_procedures.get(variant.procedure, variant.procedure)]

    @cached_property
    def transfers(self) -> Transfers:
        """Procedures that start from sources, and those from scratch."""
        return Transfers(self)

    @cached_property
    def _names(self) -> dict[str, str]:
        """The name of each variant's procedure. Variants that are one procedure on all tasks share their name."""
        plain = [item for item in self.scheduler.variants if not (self.scheduler.searches and item.study.search)]
        ids: dict[str, list[str]] = {variant.procedure: [] for variant in plain}
        for task in self.scheduler.trained_tasks:
            for run in self.scheduler.runs_of(task):
                for label in dict.fromkeys(run.procedure_labels):
                    ids.setdefault(label, []).append(self._procedure(run))
        names: dict[tuple[str, ...], list[str]] = {}
        for label, of_label in ids.items():
            names.setdefault(tuple(of_label), []).append(label)
        return {label: " = ".join(filter(None, labels)) for labels in names.values() for label in labels}

    def _procedure(self, run: Run) -> str:
        """Return the id of a run's procedure; the folds of nested validation share it."""
        return run.pipeline.procedure_recipe if self.scheduler.options.nested else run.pipeline.procedure

    def baselines(self) -> dict[str, dict[str, str]]:
        """Return, by each baseline of the study, the procedure that each procedure is compared with.

        A variant that is a baseline is that at each value of the sweep, and the other way round.

        Raises:
            MMLError: the baseline is not a procedure, or there is a single procedure.
        """
        baselines = {}
        for baseline in self.study.cfg.baseline:
            if len(self.procedures) < 2:
                raise self._error(f"baseline: there is nothing to compare '{baseline}' with; add variants, or a sweep")
            of_baseline = {
                self.name_of(variant): self.name_of(other)
                for variant in self.scheduler.variants
                if (other := self._counterpart(variant, baseline))
            }
            if not of_baseline:
                raise self._error(self._unknown(baseline))
            baselines[baseline] = of_baseline
        return baselines

    def _counterpart(self, variant: Variant, baseline: str) -> Variant | None:
        """Return the variant with which another one is compared; None without one."""
        by_parts = {other.parts: other for other in self.scheduler.variants}
        for other in by_parts.values():
            if baseline in (other.procedure, self.name_of(other)):
                return other
        for other in by_parts.values():
            if baseline in other.parts:
                place = other.parts.index(baseline)
                parts = (*variant.parts[:place], baseline, *variant.parts[place + 1 :])
                return by_parts.get(parts)
        return None

    def _unknown(self, baseline: str) -> str:
        parts = [part for variant in self.scheduler.variants for part in variant.parts]
        names = [name for name in dict.fromkeys([*parts, *self.procedures]) if name]
        suggestion = nearest(baseline, names)
        spelling = suggestion if suggestion.endswith("?") else ""  # otherwise it is a list, as the next one
        rest = [f"and {len(names) - SEVERAL} more"] if len(names) > SEVERAL else []
        possible = ", ".join([*(f"'{name}'" for name in names[:SEVERAL]), *rest])
        return f"baseline: there is no procedure '{baseline}'{spelling}; it is one of {possible}"

    def _error(self, problem: str) -> MMLError:
        return MMLError(self.study.origins.of(("baseline",)).mark(problem))

    # --- curves -------------------------------------------------------------------------------------------------

    def curves(self) -> list[Curve]:
        """Return the curves that the tasks of the mode form, if they are tested on the same samples."""
        return [curve for curve in curves_of(self.scheduler.task_names) if not self._problem(curve)]

    def refusals(self) -> list[str]:
        """Return a line for each missing curve or gain over training from scratch, with the reason."""
        problems = [(curve, self._problem(curve)) for curve in curves_of(self.scheduler.task_names)]
        lines = [f"  no curve of {curve.name}: {problem}" for curve, problem in problems if problem]
        return [*lines, *filter(None, [self.transfers.refusal])]

    def _problem(self, curve: Curve) -> str | None:
        """Return the reason why a curve is not drawn; None: it is."""
        if self.scheduler.options.nested:
            return "with mode.nested each of its tasks is tested on other samples"
        if not all("test" in self.scheduler.splits(point.task) for point in curve.points):
            return "its tasks are tested on their validation splits, which differ; it needs a test split"
        return None

    # --- networks -----------------------------------------------------------------------------------------------

    @cached_property
    def tests(self) -> list[PlannedTest]:
        """The networks of the mode that are tested."""
        networks = [network for task in self.scheduler.task_names for network in self.scheduler.networks(task)]
        trained = dict.fromkeys(network.task for network in networks)
        runs = {(task, run.id): run for task in trained for run in self.scheduler.runs_of(task)}
        labels = {(network.task, network.run): self.scheduler.run_label(network) for network in networks}
        procedures: dict[tuple[str, str], dict[str, None]] = {}
        for (task, _), run in runs.items():
            names = dict.fromkeys(self._names[label] for label in run.procedure_labels)
            procedures.setdefault((task, self._procedure(run)), {}).update(names)
        tests = []
        for network in networks:
            label, run = labels[network.task, network.run], runs[network.task, network.run]
            splits = [split for split in self.scheduler.splits(network.task) if split != "unlabelled"]
            if splits:
                fold = network.fold if label.fold is None else label.fold
                split = "test" if "test" in splits else splits[0]
                of_network = tuple(procedures[network.task, self._procedure(run)])
                tests.append(PlannedTest(label.task, label.run, fold, network, split, of_network))
        return tests

    # --- tasks --------------------------------------------------------------------------------------------------

    def siblings(self) -> dict[str, str]:
        """Return the tasks that do not count as independent evidence, each with the task of its data set that counts.

        Of each data set, the first task with the fewest tags counts. Tasks have their names in tables.
        """
        tables = dict.fromkeys((test.task, test.network.task) for test in self.tests)
        datasets: dict[str, list[str]] = {}
        for task, trained in tables:
            siblings = datasets.setdefault(self.study.task(trained).dataset, [])
            siblings += [task] if task not in siblings else []
        first = {id_: min(tasks, key=lambda task: task.count(SEPARATOR)) for id_, tasks in datasets.items()}
        return {task: first[id_] for id_, tasks in datasets.items() for task in tasks if task != first[id_]}
