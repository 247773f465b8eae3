"""Inputs and params of rules/search.smk."""

from typing import TYPE_CHECKING, Any

from mml_lib.studies.inputs.rule_inputs import RuleInputs
from mml_lib.studies.searches.planned_search import PlannedSearch

if TYPE_CHECKING:
    from snakemake.iocontainers import OutputFiles, Wildcards


class SearchInputs(RuleInputs):
    """Trials of searches: proposals, trainings, promotions and results."""

    def _search(self, wildcards: "Wildcards") -> PlannedSearch:
        return self.study.searches.find(wildcards.task, wildcards.search)

    def _trial(self, search: PlannedSearch, rung: int, number: int) -> str:
        """Return the file that plans a training of a rung."""
        tokens = {"task": search.task, "search": search.id, "number": number}
        if search.rungs[rung].below is None:
            return self.fm.path("trial", **tokens)
        return self.fm.path("promotion", **tokens, rung=rung)

    def _results(self, search: PlannedSearch, rung: int, number: int) -> list[str]:
        """Return the results of a training of a rung, one of each fold."""
        tokens = {"task": search.task, "search": search.id, "number": number}
        return [self.fm.path("trial_result", **tokens, rung=rung, fold=fold) for fold in search.options.folds]

    def base(self, wildcards: "Wildcards") -> str:
        """The pipeline that trials vary."""
        search = self._search(wildcards)
        return self.fm.path("pipeline", task=search.task, run=search.base.run)

    def objectives(self, wildcards: "Wildcards") -> list[dict[str, Any]]:
        """The quantities that trials are compared by."""
        return [vars(objective) for objective in self._search(wildcards).objectives]

    # --- proposals ----------------------------------------------------------------------------------------------

    def previous(self, wildcards: "Wildcards") -> list[str]:
        """The trial that was proposed before; none for the first one."""
        number = int(wildcards.number)
        return [self._trial(self._search(wildcards), 0, number - 1)] if number > 1 else []

    def known_results(self, wildcards: "Wildcards") -> list[str]:
        """The results of trial `number` - `parallel`, for which a proposal waits. Earlier results precede it."""
        search, number = self._search(wildcards), int(wildcards.number)
        done = number - search.options.parallel
        if search.options.is_independent or done < 1:
            return []
        return self._results(search, search.first_rung(done).number, done)

    def former_trials(self, wildcards: "Wildcards") -> list[str]:
        """The trials of earlier studies for proposals; empty without `reuse.trials`."""
        return self.study.searches.former_tables(wildcards.task)

    def options(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The section `search`, without the options that change no trial."""
        without = {"trials", "top", "max_epochs"}
        return self._search(wildcards).options.model_dump(mode="json", exclude=without)

    def present(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The values of searched keys in the study."""
        return dict(self._search(wildcards).present)

    # --- trainings ----------------------------------------------------------------------------------------------

    def trial(self, wildcards: "Wildcards") -> str:
        """The file that plans a training."""
        return self._trial(self._search(wildcards), int(wildcards.rung), int(wildcards.number))

    def descriptions(self, wildcards: "Wildcards") -> list[str]:
        """The descriptions of all tasks that a trial learns."""
        return self.study.inputs.train.learned_files(wildcards.task, self._search(wildcards).base.run).descriptions

    def packed_images(self, wildcards: "Wildcards") -> list[str]:
        """The packed images of all tasks that a trial learns."""
        return self.study.inputs.train.learned_files(wildcards.task, self._search(wildcards).base.run).packed_images

    def selection(self, wildcards: "Wildcards") -> str | list[str]:
        """The choice of the model that trials start from; none if they start from no model of MML."""
        search = self._search(wildcards)
        if not search.base.pretraining:
            return []
        return self.fm.path("selection", task=search.task, run=search.base.run)

    def candidate_parameters(self, wildcards: "Wildcards") -> list[str]:
        """The weights of the models that trials may start from."""
        return [self.fm.path("parameters", **model) for model in self._models(wildcards)]

    def candidates(self, wildcards: "Wildcards", output: "OutputFiles") -> list[dict[str, Any]]:
        """The models that trials may start from: `project` (None: this one), `task`, `run`, `fold`."""
        return [dict(model) for model in self._models(wildcards)]

    def _models(self, wildcards: "Wildcards") -> list[Any]:
        return list(self._search(wildcards).base.pretraining.get("models", ()))

    def datasets(self, wildcards: "Wildcards", output: "OutputFiles") -> list[str]:
        """The manifests behind the images that a trial learns."""
        packs = dict.fromkeys((task["dataset"], task["pack"]) for task in self._search(wildcards).base.tasks)
        return [self.fm.path("dataset", dataset=dataset) for dataset, _ in packs]

    def epochs(self, wildcards: "Wildcards") -> int | None:
        """The epochs of a rung; None: trials are trained in full."""
        search = self._search(wildcards)
        rung = search.rungs[int(wildcards.rung)]
        return None if rung.is_last else rung.epochs

    def stores(self, wildcards: "Wildcards", output: "OutputFiles") -> dict[str, str]:
        """Patterns of the paths of a trial's network, checkpoints and pipeline, by run id and fold.

        They are the paths of an ordinary run with the same pipeline.
        """
        keys = ("pipeline", "parameters", "models", "history", "checkpoint", "tensorboard", "logger")
        return {key: self.fm.pattern(key) for key in keys}

    def threads(self, wildcards: "Wildcards", output: "OutputFiles") -> int:
        """The threads of a training, also where Snakemake has fewer cores: the result of a trial depends on them."""
        return self.study.resources.threads("train_trial", 1)

    # --- halving ------------------------------------------------------------------------------------------------

    def slot_before(self, wildcards: "Wildcards") -> list[str]:
        """The slot of the same rung that was filled before; none for the first one."""
        number = int(wildcards.number)
        return [self._trial(self._search(wildcards), int(wildcards.rung), number - 1)] if number > 1 else []

    def candidate_trials(self, wildcards: "Wildcards") -> list[str]:
        """The trainings of the rung below that become eligible with a slot."""
        search = self._search(wildcards)
        rung, numbers = self._eligible(search, wildcards)
        return [self._trial(search, rung, number) for number in numbers]

    def candidate_results(self, wildcards: "Wildcards") -> list[str]:
        """The results of these trainings."""
        search = self._search(wildcards)
        rung, numbers = self._eligible(search, wildcards)
        return [path for number in numbers for path in self._results(search, rung, number)]

    @staticmethod
    def _eligible(search: PlannedSearch, wildcards: "Wildcards") -> tuple[int, tuple[int, ...]]:
        """Return the rung below, and the numbers of its trainings that become eligible with a slot."""
        halving, below = search.options.early_stopping, search.rungs[int(wildcards.rung)].below
        assert halving is not None, "only halving has slots"
        assert below is not None, "slots continue trainings"
        slot = int(wildcards.number)
        return below, search.rungs[below].numbers[(slot - 1) * halving.factor : slot * halving.factor]

    # --- results ------------------------------------------------------------------------------------------------

    def finished_trials(self, wildcards: "Wildcards") -> list[str]:
        """The trials that are trained in full."""
        search = self._search(wildcards)
        return [
            self._trial(search, rung.number, number) for rung in search.rungs if rung.is_last for number in rung.numbers
        ]

    def finished_results(self, wildcards: "Wildcards") -> list[str]:
        """Their results."""
        search = self._search(wildcards)
        return [
            path
            for rung in search.rungs
            if rung.is_last
            for number in rung.numbers
            for path in self._results(search, rung.number, number)
        ]

    def rank(self, wildcards: "Wildcards") -> int:
        """The rank of the trial whose pipeline a run has."""
        return self._search(wildcards).rank_of(wildcards.run)

    def chosen_pipeline(self, wildcards: "Wildcards", output: "OutputFiles") -> str:
        """The path of the pipeline of a run that has the pipeline of a trial."""
        return self.fm.path("pipeline", task=wildcards.task, run=wildcards.run)

    def all_trials(self, wildcards: "Wildcards") -> list[str]:
        """The trainings of all searches for a task, rung by rung."""
        return [
            self._trial(search, rung.number, number)
            for search in self.study.searches.of_task(wildcards.task)
            for rung in search.rungs
            for number in rung.numbers
        ]

    def all_results(self, wildcards: "Wildcards") -> list[str]:
        """The results of these trainings."""
        return [
            path
            for search in self.study.searches.of_task(wildcards.task)
            for rung in search.rungs
            for number in rung.numbers
            for path in self._results(search, rung.number, number)
        ]

    def searches(self, wildcards: "Wildcards") -> list[dict[str, Any]]:
        """The searches for a task: `id label options objectives rungs`, and the parameters of the space."""
        return [
            {
                "id": search.id,
                "label": search.label,
                "options": search.options.model_dump(mode="json"),
                "objectives": [vars(objective) for objective in search.objectives],
                "rungs": [vars(rung) for rung in search.rungs],
                "present": search.present,
            }
            for search in self.study.searches.of_task(wildcards.task)
        ]

    def checkpoints(self, wildcards: "Wildcards", output: "OutputFiles") -> str:
        """Where checkpoints of trials are, by run id and fold."""
        return self.fm.pattern("checkpoint")

    def page(self, wildcards: "Wildcards") -> dict[str, str]:
        """The labels of a figure or table in the report."""
        content = wildcards.get("table") or wildcards.figure
        return {"content": content.replace("_", " "), "task": wildcards.task}
