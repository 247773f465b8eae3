"""Order of ready steps: trainings before short steps, and a trained run before both."""

from mml_lib.engine.step_order import StepOrder
from tests.support.simulated_schedule import drawn_tasks, networks, simulate

PLANNED = [("t", f"{run:08x}") for run in range(12)]


def start_of(steps, name, run, fold=0):
    return next(step for step in steps if (step.name, step.run, step.fold) == (name, PLANNED[run][1], fold))


def test_trainings_start_in_the_order_of_the_plan_whatever_the_order_of_ready_steps():
    steps = networks(3, 5)
    ready = [step for step in reversed(steps) if step.name == "train_fold"]
    chosen = StepOrder(lambda: PLANNED).first(ready, {"_cores": 4})
    assert [(step.run, step.fold) for step in chosen] == [(PLANNED[0][1], fold) for fold in range(4)]


def test_no_training_waits_for_short_steps_of_a_run_that_is_still_trained():
    steps = networks(2, 5)
    trainings = [start_of(steps, "train_fold", 0, fold) for fold in (3, 4)]
    short = [start_of(steps, "predict_fold", 0, fold) for fold in (0, 1, 2)]
    chosen = StepOrder(lambda: PLANNED).first([*short, *trainings], {"_cores": 8})
    assert chosen[:2] == trainings
    assert set(chosen[2:]) == set(short)


def test_short_steps_of_a_trained_run_come_before_trainings_of_other_runs():
    steps = networks(2, 2)
    short, training = start_of(steps, "test_fold", 0), start_of(steps, "train_fold", 1)
    assert StepOrder(lambda: PLANNED).first([training, short], {"_cores": 2}) == [short, training]


def test_cores_that_a_training_needs_are_kept_for_it_while_short_steps_end():
    training, short, ended = networks(3, 1)[3], networks(1, 2)[1], networks(1, 1)[2]
    training.scheduler_resources = {"_cores": 4}
    order = StepOrder(lambda: PLANNED)
    waiting = [networks(1, 2)[3], training, short]
    waiting[0].scheduler_resources = {"_cores": 4}
    assert order.first(waiting, {"_cores": 3}, [ended]) == []
    assert order.first(waiting, {"_cores": 4}) == [waiting[0]]
    busy = networks(3, 1)[6]
    assert short in order.first(waiting, {"_cores": 1}, [busy])  # not while another training runs


def test_steps_without_a_gpu_do_not_wait_for_that_of_a_training():
    training, predicting, short, untrained = (
        networks(3, 1)[3],
        networks(1, 1)[1],
        networks(3, 2)[14],
        networks(3, 2)[15],
    )
    for step in (training, predicting, untrained):
        step.scheduler_resources = {"_cores": 1, "gpu": 1}
    waiting = [training, short, untrained]
    assert StepOrder(lambda: PLANNED).first(waiting, {"_cores": 3, "gpu": 0}, [predicting]) == [short]


def test_pipelines_are_written_a_few_runs_ahead():
    steps = networks(12, 1)
    for step in steps:
        if step.name == "predict_fold":
            step.rule.name = "write_pipeline"
    ready = [step for step in steps if step.rule.name != "test_fold"]
    chosen = StepOrder(lambda: PLANNED).first(ready, {"_cores": 99})
    place = [(step.rule.name, int(step.run, 16)) for step in chosen]
    assert place.index(("write_pipeline", 7)) < place.index(("train_fold", 0)) < place.index(("write_pipeline", 9))


def test_a_priority_comes_before_everything():
    steps = networks(1, 1)
    late = start_of(steps, "test_fold", 0)
    late.priority = 1
    assert StepOrder(lambda: PLANNED).first(steps, {"_cores": 1})[0] is late


def test_no_more_steps_start_than_fit():
    steps = networks(12, 5)
    for step in steps:
        step.scheduler_resources = {"_cores": 1, "_nodes": 1}
    order = StepOrder(lambda: PLANNED)
    assert len(order.first(steps, {"_cores": 4})) == 4
    assert len(order.first(steps, {"_cores": 10**9, "_nodes": 2})) == 2
    assert order.first(steps, {"_cores": 0}) == []


def test_the_first_run_is_finished_early_and_no_slot_is_idle_before_the_end():
    steps = networks(12, 5)
    simulate(steps, 4, StepOrder(lambda: PLANNED).first)
    first = max(step.end for step in steps if step.run == PLANNED[0][1])
    end = max(step.end for step in steps)
    assert first <= 0.15 * end
    assert sum(step.end - step.start for step in steps) >= 0.97 * 4 * end


def test_steps_that_do_not_run_side_by_side_start_one_after_another():
    steps = networks(2, 2)
    own = steps[0]
    order = StepOrder(lambda: PLANNED, lambda step: step.run == own.run)
    trainings = [step for step in steps if step.name == "train_fold"]
    started = order.first(trainings, {"_cores": 8})
    assert [step.run for step in started].count(own.run) == 1
    assert [step.run for step in started].count(PLANNED[1][1]) == 2, "others do not wait"
    assert own.run not in [step.run for step in order.first(trainings[1:], {"_cores": 7}, [own])]


def test_pictures_of_a_task_are_drawn_beside_trainings_of_other_tasks():
    tasks = ("a", "b", "c")
    steps = drawn_tasks(tasks, 6)
    simulate(steps, 4, StepOrder(lambda: [(task, PLANNED[0][1]) for task in tasks]).first)
    drawn = [step for step in steps if step.name == "draw_results"]
    assert [step.start for step in drawn] == [max(needed.end for needed in step.needs) for step in drawn]
    last_training = max(step.end for step in steps if step.name == "train_fold")
    assert [step.end <= last_training for step in drawn] == [True, True, False]
    assert max(step.end for step in steps) == drawn[-1].end
