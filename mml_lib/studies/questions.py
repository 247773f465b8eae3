"""Questions of a study: differences of procedures to a baseline, learning curves, and procedures across tasks."""

from functools import cache
from typing import TYPE_CHECKING

from mml_lib.config.task_options import SEPARATOR
from mml_lib.errors import MMLError, nearest
from mml_lib.evaluation.comparisons.planned_tests import PlannedTest
from mml_lib.pipelines.pipeline import Variant
from mml_lib.studies.runs import Run
from mml_lib.tasks.curves import Curve, curves_of

if TYPE_CHECKING:
    from mml_lib.schedulers.train import TrainScheduler
    from mml_lib.studies.study import Study

SEVERAL = 20
"""Procedures that an error lists at most."""


class Questions:
    """Procedures of a study, by name, and their tested networks.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.study = study
        self.fm = study.fm
        self._procedures, self._tested = cache(self._named), cache(self._of_networks)

    # --- procedures ---------------------------------------------------------------------------------------------

    def procedures(self, scheduler: "TrainScheduler") -> list[str]:
        """Return the names of the procedures that a mode trains."""
        return list(dict.fromkeys(self._procedures(scheduler).values()))

    def _named(self, scheduler: "TrainScheduler") -> dict[str, str]:
        """Return the name of each variant's procedure: several that are one on all tasks share theirs."""
        ids: dict[str, list[str]] = {variant.procedure: [] for variant in scheduler.variants}
        for task in scheduler.trained_tasks:
            for run in scheduler.runs_of(task):
                procedure = self._procedure(scheduler, run)
                for label in dict.fromkeys(run.procedure_labels):
                    ids[label].append(procedure)
        names: dict[tuple[str, ...], list[str]] = {}
        for label, of_label in ids.items():
            names.setdefault(tuple(of_label), []).append(label)
        return {label: " = ".join(filter(None, labels)) for labels in names.values() for label in labels}

    def _procedure(self, scheduler: "TrainScheduler", run: Run) -> str:
        """Return the id of a run's procedure; the folds of nested validation share it."""
        return run.pipeline.procedure_recipe if scheduler.options.nested else run.pipeline.procedure

    def baselines(self, scheduler: "TrainScheduler") -> dict[str, dict[str, str]]:
        """Return, by each baseline of the study, the procedure that each procedure is compared with.

        A variant that is a baseline is that at each value of the sweep, and the other way round.

        Raises:
            MMLError: a baseline that is no procedure, or there is a single procedure.
        """
        names = self._procedures(scheduler)
        baselines = {}
        for baseline in self.study.cfg.baseline:
            if len(set(names.values())) < 2:
                raise self._error(f"baseline: there is nothing to compare '{baseline}' with; add variants, or a sweep")
            of_baseline = {
                names[variant.procedure]: names[other.procedure]
                for variant in scheduler.variants
                if (other := self._counterpart(scheduler, variant, baseline))
            }
            if not of_baseline:
                raise self._error(self._unknown(scheduler, baseline))
            baselines[baseline] = of_baseline
        return baselines

    def _counterpart(self, scheduler: "TrainScheduler", variant: Variant, baseline: str) -> Variant | None:
        """Return the variant that one is compared with; None where the baseline names none."""
        by_parts = {other.parts: other for other in scheduler.variants}
        names = self._procedures(scheduler)
        for other in by_parts.values():
            if baseline in (other.procedure, names[other.procedure]):
                return other
        for other in by_parts.values():
            if baseline in other.parts:
                place = other.parts.index(baseline)
                parts = (*variant.parts[:place], baseline, *variant.parts[place + 1 :])
                return by_parts.get(parts)
        return None

    def _possible(self, scheduler: "TrainScheduler") -> list[str]:
        """Return the possible names of a baseline."""
        parts = [part for variant in scheduler.variants for part in variant.parts]
        return [name for name in dict.fromkeys([*parts, *self.procedures(scheduler)]) if name]

    def _unknown(self, scheduler: "TrainScheduler", baseline: str) -> str:
        suggestion = nearest(baseline, self._possible(scheduler))
        spelling = suggestion if suggestion.endswith("?") else ""  # otherwise it is a list, as the next one
        return f"baseline: there is no procedure '{baseline}'{spelling}; it is one of {self._listed(scheduler)}"

    def _listed(self, scheduler: "TrainScheduler") -> str:
        names = [f"'{name}'" for name in self._possible(scheduler)]
        rest = [f"and {len(names) - SEVERAL} more"] if len(names) > SEVERAL else []
        return ", ".join([*names[:SEVERAL], *rest])

    def _error(self, problem: str) -> MMLError:
        return MMLError(self.study.origins.of(("baseline",)).mark(problem))

    # --- curves -------------------------------------------------------------------------------------------------

    def curves(self, scheduler: "TrainScheduler") -> list[Curve]:
        """Return the curves that the tasks of a mode form, if they are tested on the same samples."""
        return [curve for curve in curves_of(scheduler.task_names) if not self._problem(scheduler, curve)]

    def refusals(self, scheduler: "TrainScheduler") -> list[str]:
        """Return why tasks of a mode form no curve, a line for each curve."""
        problems = [(curve, self._problem(scheduler, curve)) for curve in curves_of(scheduler.task_names)]
        return [f"  no curve of {curve.name}: {problem}" for curve, problem in problems if problem]

    def _problem(self, scheduler: "TrainScheduler", curve: Curve) -> str | None:
        """Return why a curve is not to be drawn."""
        if scheduler.options.nested:
            return "with mode.nested each of its tasks is tested on other samples"
        tested = [point.task for point in curve.points if "test" in scheduler.splits(point.task)]
        if len(tested) < len(curve.points):
            return "its tasks are tested on their validation splits, which differ; it needs a test split"
        return None

    # --- networks -----------------------------------------------------------------------------------------------

    def networks(self, scheduler: "TrainScheduler") -> list[PlannedTest]:
        """Return the networks of a mode that are tested."""
        return self._tested(scheduler)

    def _of_networks(self, scheduler: "TrainScheduler") -> list[PlannedTest]:
        networks = [network for task in scheduler.task_names for network in scheduler.networks(task)]
        keys = dict.fromkeys((network.task, network.run) for network in networks)
        runs = {key: self.study.run(*key) for key in keys}
        run_labels = {(task, id_): scheduler.run_label(task, run) for (task, id_), run in runs.items()}
        procedures = {key: (key[0], self._procedure(scheduler, run)) for key, run in runs.items()}
        names = self._procedures(scheduler)
        labels: dict[tuple[str, str], dict[str, None]] = {}
        for key, run in runs.items():
            labels.setdefault(procedures[key], {}).update(dict.fromkeys(names[label] for label in run.procedure_labels))
        tested = []
        for network in networks:
            key = (network.task, network.run)
            label = run_labels[key]
            splits = [split for split in scheduler.splits(network.task) if split != "unlabelled"]
            if splits:
                fold = network.fold if label.fold is None else label.fold
                split = "test" if "test" in splits else splits[0]
                of_network = tuple(labels[procedures[key]])
                tested.append(PlannedTest(label.task, label.run, fold, network, split, of_network))
        return tested

    # --- tasks --------------------------------------------------------------------------------------------------

    def siblings(self, scheduler: "TrainScheduler") -> dict[str, str]:
        """Return the tasks that count as no further evidence, with the task of the same data set that counts.

        Of each data set, the first task with the fewest tags counts. Tasks have their names in tables.
        """
        tables = dict.fromkeys((test.task, test.network.task) for test in self._tested(scheduler))
        datasets: dict[str, list[str]] = {}
        for task, trained in tables:
            siblings = datasets.setdefault(self.study.task(trained).dataset, [])
            siblings += [task] if task not in siblings else []
        first = {id_: min(tasks, key=lambda task: task.count(SEPARATOR)) for id_, tasks in datasets.items()}
        return {task: first[id_] for id_, tasks in datasets.items() for task in tasks if task != first[id_]}
