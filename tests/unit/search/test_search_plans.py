"""Plans of searches: their trials are known before anything runs, and mistakes are refused."""

from pathlib import Path
from typing import Any

import pytest

from mml_lib.errors import MMLError
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.pipelines.suggested import as_planned
from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.search.best_trials import check_unchanged, choice_text
from mml_lib.search.former_trials import former_trials
from mml_lib.search.next_trial import next_trial
from mml_lib.search.trial_pipelines import trial_pipeline
from mml_lib.search.trials import TrialRecord
from mml_lib.studies.suggestions.following import follow_search
from tests.support.places import CONFIG
from tests.support.planned_studies import FAKE, planned

SPACE = {"optimizer.lr": {"low": 1e-4, "high": 0.1, "log": True}, "augmentations": ["none", "flips"]}
TASKS = {"mine": FAKE | {"num_samples": 60, "test_fraction": 0.2}, "others": FAKE | {"image_seed": 5}}


def search(folder: Path, mode: dict[str, Any] | None = None, **options: Any) -> AbstractBaseScheduler:
    section = {"space": SPACE, "trials": 6, "objective": "loss", **options.pop("search", {})}
    return planned(mode or {}, folder, **{"tasks": TASKS, "search": section, **options})


def steps(plan: AbstractBaseScheduler) -> dict[str, int]:
    return {rule: len(wildcards) for rule, wildcards in plan.steps_by_rule.items()}


def test_the_best_trial_is_trained_on_all_folds_under_a_run_that_is_known_before(tmp_path: Path):
    plan = search(tmp_path)
    (run,) = plan.runs_of("mine")
    assert run.label == "best of 6 trials"
    assert steps(plan)["train_fold"] == 3
    assert steps(plan)["collect_search"] == 1
    assert "search" in run.pipeline.content
    (line,) = [line for line in plan.announcement if line.startswith("search ")]
    assert "6 trials by tpe on fold 0" in line
    assert "6 trainings of 60 epochs" in line


def test_several_best_trials_are_runs_with_ranks(tmp_path: Path):
    runs = search(tmp_path, search={"top": 2}).runs_of("mine")
    assert [run.label for run in runs] == ["best of 6 trials", "number 2 of 6 trials"]
    assert len({run.id for run in runs}) == 2


def test_each_of_several_tasks_has_a_search_of_its_own(tmp_path: Path):
    tasks = {name: task | {"test_fraction": 0.2} for name, task in TASKS.items()}
    plan = search(tmp_path, tasks=tasks, pivot={})
    assert {item.task for item in plan.planned_searches} == {"mine", "others"}
    assert steps(plan)["collect_search"] == 2


def test_mode_search_trains_trials_only(tmp_path: Path):
    plan = search(tmp_path, {"preset": "search"})
    assert steps(plan) == {"collect_search": 1, "choose_trial": 1}
    with pytest.raises(MMLError, match="search: the section is missing"):
        planned({"preset": "search"}, tmp_path, tasks=TASKS)


def test_nested_tasks_have_searches_of_their_own(tmp_path: Path):
    plan = search(tmp_path, {"nested": True})
    ids = {search.id for task in plan.trained_tasks for search in plan.study.searches.of_task(task)}
    assert len(ids) == len(plan.trained_tasks) == 3
    assert len({plan.run_label(network).run for network in plan.networks("mine")}) == 1, "one row of the leaderboard"


def test_more_trials_continue_a_search_and_everything_else_makes_another(tmp_path: Path):
    def id_of(**options: Any) -> str:
        (planned_search,) = search(tmp_path, **options).study.searches.of_task("mine")
        return planned_search.id

    first = id_of()
    assert id_of(search={"trials": 60, "top": 3}) == first
    assert id_of(search={"folds": [0, 1]}) == id_of(search={"folds": [1, 0]})
    others = [
        {"search": {"seed": 1}},
        {"search": {"parallel": 2}},
        {"search": {"sampler": "random"}},
        {"search": {"folds": [1]}},
        {"search": {"objective": "accuracy"}},
        {"search": {"start": [{"optimizer.lr": 0.01}]}},
        {"search": {"space": {**SPACE, "sampling.batch_size": [8, 16]}}},
        {"search": {"halving": {"min_epochs": 3, "factor": 2}}},
        {"optimizer": "sgd"},
        {"seed": 7},
    ]
    assert len({first, *(id_of(**options) for options in others)}) == len(others) + 1
    independent = {"sampler": "random", "parallel": 1}
    assert id_of(search=independent) == id_of(search=independent | {"parallel": 5})


def test_a_choice_of_the_same_name_with_another_content_makes_another_search(tmp_path: Path):
    def id_of(rotation: int) -> str:
        presets = tmp_path / f"presets{rotation}"
        (presets / "augmentations").mkdir(parents=True, exist_ok=True)
        text = f"transforms:\n  - _target_: kornia.augmentation.RandomRotation\n    degrees: {rotation}\n"
        (presets / "augmentations/own.yaml").write_text(text)
        paths = {"presets": [str(presets), str(CONFIG)], "data": str(tmp_path / "d"), "results": str(tmp_path / "r")}
        plan = search(tmp_path, paths=paths, search={"space": {"augmentations": ["none", "own"]}})
        (planned_search,) = plan.study.searches.of_task("mine")
        return planned_search.id

    assert id_of(10) != id_of(20)


def test_a_trial_is_the_ordinary_run_of_its_pipeline(tmp_path: Path):
    plan = search(tmp_path)
    (planned_search,) = plan.study.searches.of_task("mine")
    assert trial_pipeline(plan.study.config, planned_search.base, {}).content == planned_search.base.content
    values = {"augmentations": "flips", "optimizer.lr": 0.02}
    plain = planned({}, tmp_path, tasks=TASKS, augmentations="flips", optimizer={"preset": "adamw", "lr": 0.02})
    assert trial_pipeline(plan.study.config, planned_search.base, values).run == plain.runs_of("mine")[0].id


def test_a_section_is_set_before_the_keys_below_it(tmp_path: Path):
    (planned_search,) = search(tmp_path).study.searches.of_task("mine")
    values = {"optimizer.lr": 0.5, "optimizer": "sgd"}
    optimizer = trial_pipeline(config_of(tmp_path), planned_search.base, values).content["optimizer"]
    assert (optimizer["_target_"], optimizer["lr"]) == ("torch.optim.SGD", 0.5)


def config_of(folder: Path) -> dict[str, Any]:
    return search(folder).study.config


def test_the_written_pipeline_keeps_the_run_id_of_the_planned_one(tmp_path: Path):
    plan = search(tmp_path)
    (run,) = plan.runs_of("mine")
    (planned_search,) = plan.study.searches.of_task("mine")
    trial = trial_pipeline(plan.study.config, planned_search.base, {"augmentations": "flips", "optimizer.lr": 0.02})
    written = Pipeline(follow_search(run.pipeline.content, trial.content, trial.run))
    assert written.run == run.id != trial.run
    assert as_planned(written.content) == run.pipeline.content
    assert written.content["optimizer"] == trial.content["optimizer"]
    assert written.content["search"]["trained_as"] == trial.run


def test_a_run_whose_pipeline_is_written_keeps_its_trial(tmp_path: Path):
    plan = search(tmp_path)
    (run,) = plan.runs_of("mine")
    (planned_search,) = plan.study.searches.of_task("mine")
    trial = trial_pipeline(plan.study.config, planned_search.base, {"augmentations": "flips", "optimizer.lr": 0.02})
    path = tmp_path / f"{run.id}.yaml"
    check_unchanged(path, TrialRecord(1, {}, trial.run))
    path.write_text(Pipeline(follow_search(run.pipeline.content, trial.content, trial.run)).to_yaml())
    check_unchanged(path, TrialRecord(1, {}, trial.run))
    with pytest.raises(MMLError, match="remove this file and the networks"):
        check_unchanged(path, TrialRecord(2, {}, "0a1b2c3d"))


def test_trials_are_named_among_the_runs_of_a_project(tmp_path: Path):
    plan = search(tmp_path)
    (planned_search,) = plan.study.searches.of_task("mine")
    table = Path(plan.fm.path("trials", task="mine"))
    table.parent.mkdir(parents=True)
    table.write_text(f"search,trial,run\n{planned_search.id},3,0a1b2c3d\nffffffff,4,0a1b2c3e\n")
    labels = plan.study.project_models.labels()["mine"]
    assert labels["0a1b2c3d"] == f"trial 3 of search {planned_search.id}"
    assert "0a1b2c3e" not in labels


def test_trials_need_the_gpu_that_a_study_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mml_lib.studies.resources.gpu_requests.may_have_gpu", lambda: False)
    plan = search(tmp_path, {"preset": "search"}, trainer={"accelerator": "gpu"})
    assert "is not available" in str(plan.study.gpus._problem(None, ["search"]))
    (planned_search,) = plan.study.searches.of_task("mine")
    (run,) = [pipeline.run for pipeline in planned_search.chosen.values()]
    choice = Path(plan.fm.path("search_choice", task="mine", search=planned_search.id, run=run))
    choice.parent.mkdir(parents=True)
    choice.touch()
    assert plan.study.gpus._problem(None, ["search"]) is None, "nothing is left to train"


def test_a_baseline_is_compared_with_the_best_trial_of_a_search(tmp_path: Path):
    variants = {"plain": {"search": None}, "searched": {}, "small": {"sampling.batch_size": 4}}
    plan = search(tmp_path, variants=variants, baseline="plain")
    best = {name: f"{name}, best of 6 trials" for name in ("searched", "small")}
    assert plan.questions.baselines() == {
        "plain": {"plain": "plain", best["searched"]: "plain", best["small"]: "plain"}
    }
    plan = search(tmp_path, variants={"searched": {}, "small": {"sampling.batch_size": 4}}, baseline="searched")
    assert set(plan.questions.baselines()["searched"].values()) == {best["searched"]}
    sources = {"scratch": {"mode.pretrain_task": "none"}, "warm": {"mode.pretrain_task": "others"}}
    plan = search(tmp_path, {"preset": "tl"}, pivot={"name": "mine"}, variants=sources)
    (transfer,) = plan.questions.transfers.all
    assert (transfer.procedure, transfer.scratch) == ("warm, best of 6 trials", "scratch, best of 6 trials")


def test_the_best_trial_is_a_blueprint_for_other_studies(tmp_path: Path):
    plan = search(tmp_path, search={"top": 2})
    (planned_search,) = plan.study.searches.of_task("mine")
    for rank, run in enumerate(plan.runs_of("mine"), start=1):
        values = {"optimizer.lr": 0.01 * rank, "augmentations": "flips"}
        pipeline = trial_pipeline(plan.study.config, planned_search.base, values)
        record = TrialRecord(rank, values, pipeline.run, [0.1])
        path = tmp_path / f"results/old/SEARCH/mine/{planned_search.id}/{run.id}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(choice_text(record, pipeline.content, planned_search.objectives, 6, rank))
    mode = {"use_blueprint": "mine#best"}
    other = planned(mode, tmp_path, tasks=TASKS, pivot={"name": "others"}, reuse={"blueprint": "old"})
    assert other.runs_of("others")[0].pipeline.content["optimizer"]["lr"] == 0.01
    with pytest.raises(MMLError, match="there is no search for the task others"):
        planned({"use_blueprint": "others#best"}, tmp_path, tasks=TASKS, reuse={"blueprint": "old"})


def test_variants_search_by_themselves(tmp_path: Path):
    plan = search(tmp_path, variants={"a": {"search.sampler": "random"}, "b": {"sampling.batch_size": 4}})
    assert [run.label for run in plan.runs_of("mine")] == ["a, best of 6 trials", "b, best of 6 trials"]
    assert len(plan.study.searches.of_task("mine")) == 2


def test_a_budget_of_epochs_limits_the_number_of_trials(tmp_path: Path):
    def size(**options: Any) -> tuple[int, int]:
        (planned_search,) = search(tmp_path, search={"trials": 20, **options}).study.searches.of_task("mine")
        return planned_search.options.trials, planned_search.epochs

    assert size() == (20, 200)
    assert size(max_epochs=65) == (6, 60)
    assert size(max_epochs=65, folds=[0, 1]) == (3, 60)
    assert size(max_epochs=1000) == (20, 200)
    halving = {"halving": {"min_epochs": 5, "factor": 2}}
    assert size(**halving) == (20, 20 * 5 + 10 * 5)
    assert size(**halving, max_epochs=100) == (13, 13 * 5 + 6 * 5)
    space = {**SPACE, "trainer.max_epochs": [5, 20]}
    assert size(space=space, max_epochs=100) == (5, 100)
    with pytest.raises(MMLError, match="raise it"):
        size(max_epochs=9)


REFUSED = [
    ({"search": {"space": {"optimiser.lr": [1, 2]}}}, "did you mean 'optimizer'"),
    ({"search": {"space": {"bootstrap": [100, 200]}}}, "'bootstrap' is not part of a run"),
    ({"search": {"space": {"preprocessing": ["none", "size32"]}}}, "sweep"),
    ({"search": {"space": {"preprocessing.size": [32, 64]}}}, "sweep"),
    ({"search": {"space": {"seed": [1, 2]}}}, "repeats"),
    ({"search": {"space": {"trainer.devices": [1, 2]}}}, "same devices"),
    ({"search": {"space": {"augmentations": ["flips", "flip"]}}}, r"search\.space\.augmentations"),
    ({"search": {"space": {"optimizer.lr": {"low": 0, "high": 1}}}}, r"search\.space\.optimizer\.lr"),
    ({"search": {"space": {"sampling.batch_size": {"low": 0, "high": 8}}}}, r"search\.space\.sampling\.batch_size"),
    ({"search": {"space": {"sampling.batchsize": [8, 16]}}}, r"search\.space\.sampling\.batchsize"),
    ({"search": {"space": {"decoder": ["unet_small", "unet"]}}}, "same run"),
    ({"search": {"objective": "dice"}}, "search.objective: 'dice'"),
    ({"search": {"objective": ["loss", "loss"]}}, "twice"),
    ({"search": {"sampler": "tpee"}}, "did you mean 'tpe'"),
    ({"search": {"sampler": "cmaes", "objective": ["loss", "accuracy"]}}, "sampler: tpe"),
    ({"search": {"sampler": "grid"}}, r"step for optimizer\.lr"),
    ({"search": {"sampler": "grid", "space": {"augmentations": ["none", "flips"]}}}, "2 points"),
    ({"search": {"folds": [3]}}, r"search\.folds: task mine has no fold 3"),
    ({"search": {"folds": [-1]}}, r"search\.folds: task mine has no fold -1"),
    ({"search": {"folds": [0, 0]}}, "twice"),
    ({"search": {"halving": {"min_epochs": 1, "factor": 3}}}, "at least 27 trials"),
    ({"search": {"halving": {"min_epochs": 10}}}, "lower min_epochs"),
    ({"search": {"halving": {"min_epochs": 4}, "top": 3}}, "search.top"),
    ({"search": {"halving": {"min_epochs": 4}, "objective": ["loss", "accuracy"]}}, "halving"),
    ({"search": {"halving": {"min_epochs": 4}, "objective": "training_time"}}, "training_time"),
    ({"search": {"hyperband": {"min_epochs": 4}, "objective": "num_parameters"}}, "hyperband .*num_parameters"),
    ({"search": {"hyperband": {"min_epochs": 4}, "halving": {"min_epochs": 4}}}, "leave one of them out"),
    ({"search": {"hyperband": {"min_epochs": 10}}}, r"search\.hyperband\.min_epochs.*lower min_epochs"),
    ({"search": {"hyperband": {"min_epochs": 1}, "trials": 1}}, r"search\.hyperband: .*raise it"),
    ({"search": {"hyperband": {"min_epochs": 4}, "top": 4}}, r"search\.top is 4, but hyperband trains 3"),
    (
        {
            "search": {
                "hyperband": {"min_epochs": 4},
                "sampler": "cmaes",
                "space": {**SPACE, "optimizer.eps": SPACE["optimizer.lr"]},
            }
        },
        "combined with sampler: cmaes; set sampler: tpe",
    ),
    (
        {"search": {"hyperband": {"min_epochs": 4}}, "trainer": {"min_epochs": 2}},
        r"search\.hyperband: .*trainer\.min_epochs",
    ),
    (
        {"search": {"halving": {"min_epochs": 4}, "space": {**SPACE, "trainer.max_epochs": [5, 9]}}},
        "halving decides how long",
    ),
    ({"search": {"halving": {"min_epochs": 4}}, "trainer": {"max_steps": 50}}, r"trainer\.max_steps"),
    ({"search": {"top": 7}}, "lower top"),
    ({"search": {"folds": [True]}}, r"search\.folds.*number"),
    ({"search": {"space": {"optimizer.lr": {"low": 0.1, "high": 0.2, "step": 0.5}}}}, "step .* larger than the range"),
    ({"search": {"sampler": "cmaes"}}, "at least two ranges"),
    ({"search": {"sampler": "optuna.samplers.NSGAII"}}, r"search\.sampler: .*NSGAII"),
    ({"search": {"sampler": "optuna.samplers.GridSampler"}}, r"search\.sampler: .*search_space"),
    ({"search": {"sampler": "optuna.trial.Trial"}}, r"search\.sampler: .*Trial"),
    (
        {"search": {"sampler": "optuna.samplers.CmaEsSampler", "objective": ["loss", "num_parameters"]}},
        r"search\.sampler: .*multi-objective",
    ),
    (
        {"search": {"halving": {"min_epochs": 5, "factor": 2}}, "trainer": {"check_val_every_n_epoch": 2}},
        r"check_val_every_n_epoch is 2; set min_epochs",
    ),
    ({"variants": {"a": {"search.trials": 3}, "b": {}}}, r"search\.trials: variants 'a' and 'b'.*search\.seed"),
    ({"sweep": {"search.top": [1, 2]}}, r"search\.top: .*search\.seed"),
    ({"search": {"start": [{"optimizer.lr": 3}]}}, r"search\.start: trial 1"),
    ({"search": {"start": [{"optimizer.lr": 0.1}] * 7}}, "raise trials"),
    ({"sweep": {"optimizer.lr": [0.1, 0.2]}}, r"sweep\.optimizer\.lr"),
    ({"sweep": {"optimizer": ["adamw", "sgd"]}}, r"sweep\.optimizer"),
    ({"variants": {"a": {"optimizer.lr": 0.1}, "b": {}}}, r"variants\.a\.optimizer\.lr"),
    ({"tasks": {"mine": FAKE | {"test_fraction": 0}}}, r"search chooses by the validation split.*test_fraction"),
]


@pytest.mark.parametrize(("changes", "remedy"), REFUSED, ids=[str(changes)[:70] for changes, _ in REFUSED])
def test_a_search_that_cannot_be_done_is_refused_while_planning(tmp_path: Path, changes: dict[str, Any], remedy: str):
    with pytest.raises(MMLError, match=remedy):
        search(tmp_path, **changes)


def test_a_conditional_space_needs_a_sampler_that_can_do_conditions(tmp_path: Path):
    space = {"optimizer": ["adamw", "sgd"], "optimizer.momentum": {"low": 0, "high": 0.9, "when": {"optimizer": "sgd"}}}
    search(tmp_path, search={"space": space})
    for sampler in ("grid", "qmc", "cmaes", "gp"):
        with pytest.raises(MMLError, match=r"optimizer\.momentum has a condition"):
            search(tmp_path, search={"space": space, "sampler": sampler})


def test_planning_does_not_import_optuna(tmp_path: Path):
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from tests.support.planned_studies import FAKE, planned;"
        f"section = {{'trials': 6, 'objective': 'loss', 'space': {SPACE!r}}};"
        f"planned({{}}, Path({str(tmp_path)!r}), tasks={TASKS!r}, search=section); print('optuna' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split()[-1] == "False"


def old_project(folder: Path, changes: dict[str, Any] | None = None) -> None:
    """Put a project with trials on the task beside that of a study."""
    (run,) = planned({}, folder, tasks=TASKS | (changes or {})).runs_of("mine")
    root = folder / "results/old"
    for path in (root / "SEARCH/mine", root / "PIPELINES/mine"):
        path.mkdir(parents=True, exist_ok=True)
    (root / f"PIPELINES/mine/{run.id}.yaml").write_text(run.pipeline.to_yaml())
    rows = ["state,run,loss,optimizer.lr,augmentations"]
    rows += ["finished,0a1b2c3d,0.5,0.01,flips", "finished,0a1b2c3e,0.4,5,flips", "stopped,0a1b2c3f,0.3,0.01,none"]
    rows += [
        "finished,0a1b2c3a,,0.01,none",
        "finished,0a1b2c3b,0.2,0.02,randaugment",
        "finished,0a1b2c3c,0.1,0.02,none",
    ]
    (root / "SEARCH/mine/trials.csv").write_text("\n".join(rows) + "\n")


def test_trials_of_earlier_studies_are_known_if_they_lie_in_the_space(tmp_path: Path):
    old_project(tmp_path)
    plan = search(tmp_path, reuse={"trials": "old"})
    (with_former,) = plan.study.searches.of_task("mine")
    (without,) = search(tmp_path).study.searches.of_task("mine")
    assert (with_former.former, without.former) == (2, 0)
    assert with_former.id != without.id
    records = former_trials(plan.study.searches.former_tables("mine"), with_former.space, with_former.objectives)
    assert [(record.values["optimizer.lr"], record.values["augmentations"]) for record in records] == [
        (0.01, "flips"),
        (0.02, "none"),
    ]
    trial = next_trial(
        plan.study.config,
        with_former.base,
        with_former.space,
        with_former.options,
        with_former.objectives,
        [],
        [],
        records,
    )
    assert (trial.record.number, trial.earlier) == (1, [])


def test_trials_of_another_task_or_for_a_sampler_that_takes_none_are_refused(tmp_path: Path):
    old_project(tmp_path, {"mine": TASKS["mine"] | {"folds": 4}})
    with pytest.raises(MMLError, match="other samples or splits"):
        search(tmp_path, reuse={"trials": "old"})
    with pytest.raises(MMLError, match=r"leave reuse\.trials out"):
        search(tmp_path, reuse={"trials": "old"}, search={"sampler": "random"})
