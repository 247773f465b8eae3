"""State of a run in a file of its project."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mml_lib.engine.failures import Failures
from mml_lib.engine.screen.run_state import RunState, direct_edges
from mml_lib.machine.rule_names import RuleNames


class Run:
    """A run of an outer pipeline whose module has the prefix `mml_`."""

    def __init__(self, folder: Path):
        names = {"mml_train_fold": "train_fold", "mml_test_fold": "test_fold", "mml_finish_exp": "finish_exp"}
        self.study = SimpleNamespace(
            rule_names=RuleNames(names),
            schedulers=SimpleNamespace(modes=["train"]),
            tasks={"moles": SimpleNamespace(name="moles", task_type="classification")},
            main_metric=lambda task_type: "auroc",
            fm=SimpleNamespace(proj_path=folder, run_state_path=folder / ".run.json"),
        )
        failures = Failures()
        self.state = RunState(self.study, failures)
        self.logger = logging.Logger("run")
        self.logger.addHandler(failures)
        self.logger.addHandler(self.state)
        train, test, other = (_job(rule) for rule in ("mml_train_fold", "mml_test_fold", "download"))
        self.dag = SimpleNamespace(
            jobs=[train, test, other, _job("mml_finish_exp", mode="train")],
            needrun_jobs=lambda: [train, test, other],
            dependencies={train: {other: ()}, test: {train: ()}, other: {}},
            workflow=SimpleNamespace(rules=[SimpleNamespace(name=name) for name in ("download", *names)]),
        )
        self.event("run_info", stats={"mml_train_fold": 2, "mml_test_fold": 2, "download": 1, "total": 5})

    def event(self, name: str, level: int = logging.INFO, **values: Any) -> None:
        self.logger.log(level, None, extra={"event": name, **values})

    def start(self, jobid: int, rule: str = "mml_train_fold") -> None:
        values = {"rule_name": rule, "rule_msg": f"{rule} {jobid}", "wildcards": {}, "threads": 2, "resources": {}}
        log = self.study.fm.proj_path / "LOGS" / rule / "a.log"
        self.event("job_info", jobid=jobid, log=[str(log), "/data/b.log"], local=True, **values)

    def fail(self, jobid: int) -> None:
        self.event("job_error", logging.ERROR, jobid=jobid, rule_msg=None, aux={}, log=[], shellcmd=None)

    @property
    def content(self) -> dict[str, Any]:
        return json.loads(self.study.fm.run_state_path.read_text())


def _job(rule: str, **wildcards: str) -> Any:
    return type("Job", (), {"rule": SimpleNamespace(name=rule), "wildcards": SimpleNamespace(**wildcards)})()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path)
    run.start(1)
    run.start(2)
    run.start(9, "download")
    return run


def counts(content: dict[str, Any]) -> dict[str, tuple[int, int, int]]:
    return {rule["name"]: (rule["planned"], rule["finished"], rule["failed"]) for rule in content["rules"]}


def test_running_steps_of_the_study_with_their_logs(run: Run):
    run.event("job_finished", job_id=1)
    run.state.start(run.dag, lambda: "about 1 min left")
    content = run.state.content("running")
    assert counts(content) == {"train_fold": (2, 1, 0), "test_fold": (2, 0, 0)}
    (step,) = content["running"]
    assert (step["rule"], step["threads"], step["logs"]) == (
        "train_fold",
        2,
        ["LOGS/mml_train_fold/a.log", "/data/b.log"],
    )
    assert (content["follows"], content["modes"], content["left"]) == (
        [["train_fold", "test_fold"]],
        ["train"],
        "about 1 min left",
    )
    assert content["main_metrics"] == {"moles": "auroc"}
    run.state.end("finished")


def test_file_has_the_end_of_the_run(run: Run):
    run.state.start(run.dag, lambda: "")
    run.fail(1)
    run.state.end("failed")
    content = run.content
    assert (content["status"], content["running"]) == ("failed", [])
    assert counts(content)["train_fold"] == (2, 0, 1)
    assert [failure["name"] for failure in content["failures"]] == ["mml_train_fold 1"]
    run.state.end("interrupted")
    assert run.content["status"] == "failed", "a run ends once"


def test_step_that_succeeds_at_another_attempt_has_not_failed(run: Run):
    run.fail(1)
    run.start(1)
    run.event("job_finished", job_id=1)
    run.state.start(run.dag, lambda: "")
    assert counts(run.state.content("running"))["train_fold"] == (2, 1, 0)
    run.state.end("finished")


def test_steps_that_the_user_ends_have_not_failed(run: Run):
    run.logger.info("Terminating processes on user request, this might take some time.")
    run.fail(1)
    run.state.start(run.dag, lambda: "")
    assert counts(run.state.content("running"))["train_fold"] == (2, 0, 0)
    run.state.end("interrupted")


def test_plan_without_a_run_writes_nothing(run: Run):
    run.state.end("finished")
    assert not run.study.fm.run_state_path.exists()


def test_project_that_cannot_be_written_ends_no_run(run: Run, tmp_path: Path):
    run.study.fm.run_state_path = tmp_path / "file" / ".run.json"
    (tmp_path / "file").write_text("")
    run.state.start(run.dag, lambda: "")
    run.state.end("finished")


def test_direct_edges_of_a_graph():
    edges = {("a", "b"), ("b", "c"), ("c", "d"), ("a", "c"), ("a", "d")}
    assert direct_edges(edges, "abcd") == {("a", "b"), ("b", "c"), ("c", "d")}
    assert direct_edges(edges, "dcba") == direct_edges(edges, "abcd"), "the order matters in circles only"
    circle = {("propose", "train"), ("train", "propose"), ("train", "choose"), ("propose", "choose")}
    order = ["propose", "train", "choose"]
    assert direct_edges(circle, order) == {("propose", "train"), ("train", "choose")}
