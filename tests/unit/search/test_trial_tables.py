"""Tables, journals and figures of searches."""

import json
import random
from pathlib import Path

import optuna
import pandas as pd
import pytest

from mml_lib.config.analysis.search_options import Halving, Search
from mml_lib.errors import MMLError
from mml_lib.reports.searches.search_figures import draw_search, limits
from mml_lib.search.former_trials import former_trials
from mml_lib.search.rungs import Rung, plan_rungs
from mml_lib.search.space import Space
from mml_lib.search.trial_tables import SearchTrials, importance_table, trial_table, write_journal
from mml_lib.search.trials import Objective, TrialRecord, TrialResult, with_result

SPACE = {
    "optimizer.lr": {"low": 1e-4, "high": 1, "log": True},
    "sampling.batch_size": [16, 32],
    "optimizer.momentum": {"low": 0, "high": 0.9, "when": {"sampling.batch_size": 16}},
}
ACCURACY, SIZE = Objective("accuracy", lower_is_better=False), Objective("num_parameters", lower_is_better=True)


def halved() -> SearchTrials:
    """Return a search of four trials with two rungs, whose third one failed."""
    values = [0.5, 0.9, None, 0.7]
    first = [
        TrialRecord(
            number,
            {"optimizer.lr": 10.0**-number, "sampling.batch_size": 32},
            f"{number:08x}",
            None if value is None else [value],
            "the loss became nan" if value is None else None,
            epochs=1,
        )
        for number, value in enumerate(values, start=1)
    ]
    second = [
        TrialRecord(2, first[1].values, first[1].run, [0.95], epochs=2),
        TrialRecord(4, first[3].values, first[3].run, [0.8], epochs=2),
    ]
    options = Search(space=SPACE, trials=4, halving=Halving(min_epochs=1, factor=2))
    rungs = plan_rungs(4, 2, options.halving)
    return SearchTrials("0a1b2c3d", "", options, Space.of(SPACE, {}), [ACCURACY], rungs, [first, second])


def plain(objectives: list[list[float]], goals: list[Objective]) -> SearchTrials:
    rng = random.Random(0)
    records = [
        TrialRecord(
            number,
            {
                "optimizer.lr": 10 ** rng.uniform(-4, 0),
                "sampling.batch_size": 16,
                "optimizer.momentum": 0.1 * number % 0.9,
            },
            f"{number:08x}",
            values,
        )
        for number, values in enumerate(objectives, start=1)
    ]
    options = Search(space=SPACE, trials=len(records), objective=[goal.name for goal in goals])
    rungs = [Rung(0, 3, len(records))]
    return SearchTrials("0a1b2c3d", "plain", options, Space.of(SPACE, {}), goals, rungs, [records])


def test_a_row_says_how_far_its_trial_came():
    table = trial_table([halved()])
    assert table["state"].tolist() == ["stopped", "finished", "failed", "finished"]
    assert table["epochs"].tolist() == [1, 2, 1, 2]
    assert table["accuracy"].fillna(0).tolist() == [0.5, 0.95, 0, 0.8]
    assert table["rank"].fillna(0).tolist() == [0, 1, 0, 2]
    assert table["failure"].fillna("").tolist() == ["", "", "the loss became nan", ""]


def test_trials_that_no_other_one_beats_are_marked():
    search = plain([[0.9, 100], [0.8, 50], [0.7, 70], [0.95, 500], [0.95, 400]], [ACCURACY, SIZE])
    table = trial_table([search])
    assert table["pareto"].tolist() == [True, True, False, False, True]
    assert table["rank"].tolist() == [3, 4, 5, 1, 2]


def test_the_parameter_that_decides_is_the_most_important_one():
    rng = random.Random(1)
    search = plain([[rng.random()] for _ in range(40)], [ACCURACY])
    for place, record in enumerate(search.records[0]):
        search.records[0][place] = TrialRecord(
            record.number,
            {**record.values, "sampling.batch_size": rng.choice([16, 32])},
            record.run,
            [record.values["optimizer.lr"]],
        )
    table = importance_table([search])
    assert table["parameter"].iloc[0] == "optimizer.lr"
    assert table["importance"].sum() == pytest.approx(1)


def test_optuna_reads_the_journal_and_the_same_trials_give_the_same_one(tmp_path: Path):
    for name in ("a.log", "b.log"):
        write_journal([halved()], "digits", tmp_path / name)
    assert (tmp_path / "a.log").read_bytes() == (tmp_path / "b.log").read_bytes()
    assert all(json.loads(line) for line in (tmp_path / "a.log").read_text().splitlines())
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "a.log"))
    study = optuna.load_study(study_name="digits 0a1b2c3d", storage=optuna.storages.JournalStorage(backend))
    assert [trial.state.name for trial in study.trials] == ["PRUNED", "COMPLETE", "FAIL", "COMPLETE"]
    assert study.best_trial.user_attrs["run"] == "00000002"
    assert study.trials[1].intermediate_values == {1: 0.9, 2: 0.95}
    assert study.trials[1].params == {"optimizer.lr": 0.01, "sampling.batch_size": "32"}


def test_figures_are_drawn_of_what_there_is(tmp_path: Path):
    (tmp_path / "halved").mkdir()
    draw_search(halved(), tmp_path / "halved")
    names = {path.stem for path in (tmp_path / "halved").iterdir()}
    assert names == {"trials", "parameters", "parallel", "rungs"}
    (tmp_path / "front").mkdir()
    draw_search(plain([[0.1 * number, number] for number in range(8)], [ACCURACY, SIZE]), tmp_path / "front", "_a")
    assert {path.stem for path in (tmp_path / "front").iterdir()} == {
        f"{name}_a" for name in ("trials", "parameters", "parallel", "importance", "pareto")
    }


def test_a_value_that_is_far_off_does_not_hide_all_differences():
    low, high = limits(pd.Series([0.1, 0.2, 0.3, 1e14]), Objective("loss", lower_is_better=True))
    assert (low, high) == (0.1, pytest.approx(0.1 + 4 * 0.15))
    low, high = limits(pd.Series([0.1, 0.2, 0.3]), ACCURACY)
    assert (low, high) == (0.1, 0.3)


def test_a_result_of_another_pipeline_is_refused():
    record = TrialRecord(2, {"optimizer.lr": 0.1}, "0000000a")
    result = TrialResult("0000000a", 3, {"accuracy": 0.5})
    assert with_result(record, [result], [ACCURACY]).objectives == [0.5]
    assert with_result(record, [TrialResult(None, 0, None, "no memory")], [ACCURACY]).failure == "no memory"
    with pytest.raises(MMLError, match=r"trial 2 is of run 0000000b.*remove"):
        with_result(record, [result, TrialResult("0000000b", 3, {"accuracy": 0.6})], [ACCURACY])


def test_figures_have_choices_of_whole_and_broken_numbers_and_labels_without_mathematics(tmp_path: Path):
    options = {
        "trainer.gradient_clip_val": [1.0, 2, 2.5, None],
        "optimizer.lr": {"low": 0.01, "high": 0.09, "log": True},
    }
    search = Search(trials=4, space=options, objective="accuracy")
    records = [
        TrialRecord(
            number, {"trainer.gradient_clip_val": value, "optimizer.lr": 0.02 * number}, f"{number}", [0.5], None, 2
        )
        for number, value in enumerate([1.0, 2, 2.5, None], start=1)
    ]
    rungs = plan_rungs(4, 2, None)
    draw_search(SearchTrials("a", "", search, Space.of(options, {}), [ACCURACY], rungs, [records]), tmp_path)
    text = (tmp_path / "parameters.svg").read_text()
    assert "mathdefault" not in text
    ends = [text.index(f">{tick}</text>") for tick in (0.01, 0.03, 0.09)]
    assert ends == sorted(ends)
    assert "e\N{MINUS SIGN}0" not in text, "labels between those of the ends would overlap"
    assert ">null</text>" in text


def test_numbers_in_tables_are_as_the_study_writes_them_and_lie_in_the_space_again(tmp_path: Path):
    space = {
        "optimizer": ["adamw", "sgd"],
        "optimizer.weight_decay": [0, 0.1],
        "sampling.batch_size": {"choices": [16, 32], "when": {"optimizer": "sgd"}},
        "trainer.accumulate_grad_batches": {"low": 1, "high": 8, "when": {"optimizer": "sgd"}},
    }
    plain = {"optimizer": "adamw", "optimizer.weight_decay": 0.1}
    full = {"optimizer": "sgd", "optimizer.weight_decay": 0, "sampling.batch_size": 16}
    full["trainer.accumulate_grad_batches"] = 2
    records = [TrialRecord(1, plain, "00000001", [0.5], epochs=1), TrialRecord(2, full, "00000002", [0.6], epochs=1)]
    options = Search(space=space, trials=2, objective="accuracy")
    search = SearchTrials("s", "", options, Space.of(space, {}), [ACCURACY], plan_rungs(2, 1, None), [records])
    table = trial_table([search])
    path = tmp_path / "trials.csv"
    table.to_csv(path, index=False)
    assert path.read_text().splitlines()[2].endswith(",0.6,sgd,0,16,2")
    former = former_trials([path], search.space, [ACCURACY])
    assert [record.values for record in former] == [plain, full]


def test_trials_of_a_table_beside_the_steps_of_a_range_do_not_lie_in_the_space(tmp_path: Path):
    path = tmp_path / "trials.csv"
    path.write_text("run,state,accuracy,optimizer.lr\n0a,finished,0.5,0.2\n0b,finished,0.5,0.25\n")
    space = Space.of({"optimizer.lr": {"low": 0.1, "high": 0.5, "step": 0.1}}, {})
    assert [record.run for record in former_trials([path], space, [ACCURACY])] == ["0a"]
