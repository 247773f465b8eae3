"""Mode `info`: tables and figures of tasks, models and resources, and the explanation of a run."""

from mml_lib.schedulers.base import AbstractBaseScheduler


class InfoScheduler(AbstractBaseScheduler):
    """Lists the tasks of a study with samples and class histograms, all models of its project, and resources of steps.

    With the section `dimension` it estimates the intrinsic dimension of each task.

    If the study names a `run`, the mode only explains this run.
    """

    def create_routine(self) -> None:
        if self.study.cfg.run is not None:
            _, run = self.study.project_models.find(self.study.cfg.run)
            self.add("describe_run", run=run)
            return
        self.add_tasks()
        for task in self.study.tasks:
            self.add("draw_task", task=task)
            if self.study.cfg.dimension:
                self._check_dimension(task)
                self.add("estimate_dimension", task=task)
        self.add("list_tasks")
        self.add("list_models")
        if self.study.cfg.dimension:
            self.add("draw_dimensions")
        self.add("list_resources")

    def _check_dimension(self, task: str) -> None:
        """Refuse a task of which planning knows that its samples are too few.

        Raises:
            MMLError: they are.
        """
        options, samples = self.study.cfg.dimension, self.study.tasks.num_samples(task)
        if options and samples:
            from mml_lib.audit.dimension.intrinsic_dimension import check_number

            check_number(samples["all"], options.neighbours, options.subset, task)
