"""Mode `clean`: list artefacts that no study uses; remove them if the study says `force`."""

from mml_lib.errors import MMLError, nearest
from mml_lib.files.manager import projects_below
from mml_lib.schedulers.base import AbstractBaseScheduler


class CleanScheduler(AbstractBaseScheduler):
    """Lists artefacts of all projects, and shared data, that no study refers to; removes them on demand."""

    alone = True

    def create_routine(self) -> None:
        for path in self.cfg.clean.studies or ():
            if not path.is_file():
                raise MMLError(f"clean.studies: the file {path.absolute()} does not exist")
        projects = projects_below(self.fm.results_path)
        for project in self.cfg.clean.projects:
            if project not in projects:
                raise MMLError(
                    f"clean.projects: there is no project '{project}' in {self.fm.results_path}"
                    f"{nearest(project, projects)}"
                )
        self.add("clean_up")
