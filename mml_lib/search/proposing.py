"""Proposals of trials by Optuna's samplers. A proposal depends only on the search and the given results."""

import random
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial
from scipy.stats.qmc import Sobol

from mml_lib.config.analysis.search_options import Search
from mml_lib.config.factories import instantiate
from mml_lib.errors import MMLError
from mml_lib.search.space import Parameter, Space, name_choice
from mml_lib.search.trials import Objective, TrialRecord

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)  # names of metrics are experimental


STATELESS = ("tpe", "random", "gp")
"""Samplers whose proposals depend on the trials and the seed only."""


def propose(
    space: Space,
    options: Search,
    objectives: Sequence[Objective],
    earlier: Sequence[TrialRecord],
    former: Sequence[TrialRecord] = (),
    trial: int | None = None,
) -> dict[str, Any]:
    """Propose the next trial of a search: return the value of each active parameter.

    Trials without a result are pending. Failed ones count as the worst value so far.

    Args:
        space: the search space.
        options: sampler, seed, number of parallel trials, and initial trials.
        objectives: the objectives.
        earlier: the earlier trials, in order. The last `parallel` - 1 of all trials are pending.
        former: trials of earlier studies, for samplers without a state.
        trial: number of the trial, from 1 on; unset: one more than the number of earlier trials.

    Raises:
        MMLError: the sampler refuses the search.
    """
    number, sampler = len(earlier) if trial is None else trial - 1, options.sampler
    start = number < len(options.start)
    try:
        if sampler == "grid":
            return _grid_point(space, options.seed, number)
        if sampler == "qmc" and not start:
            return _quasi_random(space, options.seed, number)
        if start or sampler in STATELESS:
            return _from_trials(space, options, objectives, earlier, former, number)
        return _replay(space, options, objectives, earlier)
    except (ValueError, TypeError, NotImplementedError, RuntimeError) as error:
        raise MMLError(f"search.sampler: {sampler} cannot search this space: {' '.join(str(error).split())}") from error


def _from_trials(
    space: Space,
    options: Search,
    objectives: Sequence[Objective],
    earlier: Sequence[TrialRecord],
    former: Sequence[TrialRecord],
    number: int,
) -> dict[str, Any]:
    """Ask a new sampler, seeded for trial `number` (from 0 on) and initialised with all earlier trials."""
    # Without the number of former trials, a search with the same seed would repeat their random proposals.
    parts = (number, len(former)) if former else (number,)
    study = _study(options.sampler, _seed(options.seed, *parts), objectives)
    worst = _worst(earlier, objectives)
    study.add_trials([_optuna_trial(space, record, worst) for record in (*former, *earlier)])
    return _ask(study, space, options.start[number : number + 1])[1]


def _replay(
    space: Space, options: Search, objectives: Sequence[Objective], earlier: Sequence[TrialRecord]
) -> dict[str, Any]:
    """Repeat the search up to this trial: for samplers with a state, which is not stored."""
    study = _study(options.sampler, _seed(options.seed, 0), objectives)
    trials: list[optuna.Trial] = []
    for number in range(len(earlier) + 1):
        finished = number - options.parallel
        if finished >= 0:
            values = earlier[finished].objectives or _worst(earlier[: finished + 1], objectives)
            state = TrialState.FAIL if values is None else TrialState.COMPLETE
            study.tell(trials[finished], values, state=state)
        trial, proposed = _ask(study, space, options.start[number : number + 1])
        trials.append(trial)
    return proposed


def _study(sampler: str, seed: int, objectives: Sequence[Objective]) -> optuna.Study:
    directions = [objective.direction for objective in objectives]
    return optuna.create_study(sampler=_build(sampler, seed), directions=directions)


def _ask(study: optuna.Study, space: Space, start: Sequence[Mapping[str, Any]]) -> tuple[optuna.Trial, dict[str, Any]]:
    for values in start:
        study.enqueue_trial({key: _encoded(space, key, value) for key, value in values.items()})
    trial = study.ask()
    proposed: dict[str, Any] = {}
    for parameter in space.active(proposed):
        proposed[parameter.key] = _suggest(trial, parameter)
    return trial, proposed


def distribution(parameter: Parameter) -> BaseDistribution:
    """Return the Optuna distribution of a parameter, with names of choices."""
    if parameter.choices:
        return CategoricalDistribution(parameter.names)
    if parameter.integer:
        low, high = int(parameter.low), int(parameter.high)
        return IntDistribution(low, high, log=parameter.log, step=int(parameter.step or 1))
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log, step=parameter.step)


def frozen_trial(
    space: Space, record: TrialRecord, objectives: Sequence[float] | None, state: TrialState
) -> FrozenTrial:
    """Return a trial as a `FrozenTrial` of Optuna.

    Args:
        space: the search space.
        record: the trial.
        objectives: its objective values; None without any.
        state: its state.
    """
    parameters = {parameter.key: parameter for parameter in space.parameters}
    return create_trial(
        state=state,
        values=None if objectives is None else list(objectives),
        params={key: _encoded(space, key, value) for key, value in record.values.items()},
        distributions={key: distribution(parameters[key]) for key in record.values},
    )


def _build(sampler: str, seed: int) -> BaseSampler:
    builders = {
        "tpe": lambda: TPESampler(seed=seed, constant_liar=True),
        "random": lambda: RandomSampler(seed=seed),
        "qmc": lambda: RandomSampler(seed=seed),  # for parameters that an initial trial does not set
        "cmaes": lambda: CmaEsSampler(seed=seed, warn_independent_sampling=False),
        "gp": lambda: GPSampler(seed=seed, deterministic_objective=False),
    }
    if sampler in builders:
        return builders[sampler]()
    try:
        return instantiate({"_target_": sampler, "seed": seed}, BaseSampler)
    except MMLError as error:
        raise MMLError(f"search.sampler: {error}") from error


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(list(parts)).generate_state(1)[0])


def _worst(earlier: Sequence[TrialRecord], objectives: Sequence[Objective]) -> list[float] | None:
    """Return the worst value of each objective among trials; None without any."""
    values = [record.objectives for record in earlier if record.objectives is not None]
    if not values:
        return None
    columns = zip(*values, strict=True)
    return [
        max(column) if goal.lower_is_better else min(column) for column, goal in zip(columns, objectives, strict=True)
    ]


def _optuna_trial(space: Space, record: TrialRecord, worst: Sequence[float] | None) -> FrozenTrial:
    values = record.objectives
    if record.failure is not None:
        values = worst
    if values is not None:
        return frozen_trial(space, record, values, TrialState.COMPLETE)
    return frozen_trial(space, record, None, TrialState.FAIL if record.failure else TrialState.RUNNING)


def _encoded(space: Space, key: str, value: Any) -> Any:
    (parameter,) = (parameter for parameter in space.parameters if parameter.key == key)
    return name_choice(value) if parameter.choices else value


def _suggest(trial: optuna.Trial, parameter: Parameter) -> Any:
    if parameter.choices:
        return _choice(parameter, trial.suggest_categorical(parameter.key, parameter.names))
    options: dict[str, Any] = {"log": parameter.log}
    if parameter.integer:
        step = int(parameter.step or 1)
        return trial.suggest_int(parameter.key, int(parameter.low), int(parameter.high), step=step, **options)
    return trial.suggest_float(parameter.key, parameter.low, parameter.high, step=parameter.step, **options)


def _choice(parameter: Parameter, name: str) -> Any:
    return parameter.choices[parameter.names.index(name)]


def _grid_point(space: Space, seed: int, number: int) -> dict[str, Any]:
    points = space.points()
    random.Random(seed).shuffle(points)
    return points[number]


def _quasi_random(space: Space, seed: int, number: int) -> dict[str, Any]:
    """Return a point of a scrambled Sobol sequence."""
    sequence = Sobol(len(space.parameters), scramble=True, rng=np.random.default_rng(seed))
    if number:
        sequence.fast_forward(number)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # warns about unbalanced samples
        point = sequence.random(1)[0]
    return {
        parameter.key: _value_at(parameter, float(share))
        for parameter, share in zip(space.parameters, point, strict=True)
    }


def _value_at(parameter: Parameter, share: float) -> Any:
    """Return the value at a share of a parameter's range, in [0, 1). Each choice or step has the same share."""
    if parameter.num_points:
        return parameter.point(int(share * parameter.num_points))
    half = 0.5 if parameter.integer else 0.0  # both ends of a range of integers have their full share
    low, high = parameter.low - half, parameter.high + half
    value = low * (high / low) ** share if parameter.log else low + share * (high - low)
    return min(max(round(value), int(parameter.low)), int(parameter.high)) if parameter.integer else value
