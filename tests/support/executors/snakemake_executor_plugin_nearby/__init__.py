"""An executor for tests: jobs as a cluster runs them, each a Snakemake of its own, on this machine and one at a time.

`pretended_steps.py` puts its folder where Snakemake finds executors. The steps of the jobs only write their outputs.
Each job is a line of `jobs.txt`: its rules and what it requests.
"""

import json
import subprocess
from collections.abc import AsyncIterator
from typing import Any

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_default_storage_provider_args=True,
    pass_default_resources_args=True,
    pass_envvar_declarations_to_cmd=False,
    auto_deploy_default_storage_provider=False,
    init_seconds_before_status_checks=0,
)


class Executor(RemoteExecutor):
    """Runs each job before it looks at the next one."""

    def run_job(self, job: Any) -> None:
        requests = {name: job.resources.get(name) for name in ("_cores", "mem_mb", "runtime", "gpu")}
        rules = sorted(spec.rulename for spec in job.get_target_spec())
        line = {"name": job.name, "rules": rules, "requests": requests}
        with open("jobs.txt", "a", encoding="utf-8") as jobs:
            jobs.write(json.dumps(line) + "\n")
        self.report_job_submission(SubmittedJobInfo(job, external_jobid=f"nearby{job.jobid}"))

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncIterator[SubmittedJobInfo]:
        for info in active_jobs:
            command = self.format_job_exec(info.job).replace("-m snakemake", "-m tests.support.pretended_steps", 1)
            ended = subprocess.run(command, shell=True, capture_output=True, text=True)
            with open("jobs.log", "a", encoding="utf-8") as log:
                log.write(ended.stdout + ended.stderr)
            if ended.returncode:
                self.report_job_error(info)
            else:
                self.report_job_success(info)
        return
        yield  # no job goes on

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """End nothing: no job runs while this is called."""

    @property
    def next_seconds_between_status_checks(self) -> float:
        return 0.1

    @next_seconds_between_status_checks.setter
    def next_seconds_between_status_checks(self, value: float) -> None: ...
