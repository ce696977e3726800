"""Schedules: how much each round leaves."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sklearn_prune import PrunedRegressor
from sklearn_prune.weight_pruning import (
    GradualSchedule,
    IterativeSchedule,
    MagnitudeCriterion,
)
from sklearn_prune.weight_pruning._schedule import check_schedule
from tests.estimators import sk


@pytest.mark.parametrize("keep", [0.9, 0.2, 0.001])
@pytest.mark.parametrize("n_steps", [1, 2, 7])
def test_each_round_leaves_the_same_share(keep, n_steps):
    shares = np.array([1.0, *IterativeSchedule(n_steps).shares(keep)])
    assert len(shares) == n_steps + 1
    assert shares[-1] == keep
    np.testing.assert_allclose(shares[1:] / shares[:-1], keep ** (1 / n_steps))


@pytest.mark.parametrize("keep", [0.9, 0.2, 0.001])
@pytest.mark.parametrize(("n_steps", "power"), [(1, 3), (4, 1), (10, 3), (7, 0.5)])
def test_the_amount_that_is_gone_follows_the_power(keep, n_steps, power):
    shares = GradualSchedule(n_steps, power=power).shares(keep)
    assert len(shares) == n_steps
    assert shares[-1] == keep
    for step, share in enumerate(shares, start=1):
        gone = (1 - keep) * (1 - (1 - step / n_steps) ** power)
        np.testing.assert_allclose(1 - share, gone)


@pytest.mark.parametrize("schedule", [IterativeSchedule, GradualSchedule])
@pytest.mark.parametrize("n_steps", [0, -1, 2.0, True, "3"])
def test_n_steps_is_a_positive_int(schedule, n_steps):
    with pytest.raises(ValueError, match=r"n_steps must be an int of at least 1\. Got"):
        check_schedule(schedule(n_steps), sk.Ridge())


@pytest.mark.parametrize("power", [0, -1, True, "3", float("nan"), float("inf"), None])
def test_power_is_a_positive_number(power):
    with pytest.raises(ValueError, match=r"power must be a number above 0\. Got"):
        check_schedule(GradualSchedule(power=power), sk.Ridge())


@pytest.mark.parametrize("schedule", ["gradual", 5, GradualSchedule])
def test_what_is_no_schedule_is_refused(schedule):
    with pytest.raises(ValueError, match="schedule must be None or a schedule"):
        check_schedule(schedule, sk.Ridge())


@pytest.mark.parametrize(
    "model",
    [
        sk.SGDClassifier(),
        sk.Perceptron(),
        sk.MLPRegressor(),
        make_pipeline(sk.StandardScaler(), sk.SGDRegressor()),
        sk.OneVsRestClassifier(make_pipeline(sk.StandardScaler(), sk.SGDClassifier())),
        sk.TransformedTargetRegressor(sk.SGDRegressor()),
    ],
    ids=lambda model: type(model).__name__,
)
def test_models_that_train_can_be_rewound(model):
    check_schedule(IterativeSchedule(rewind="init"), model)
    check_schedule(GradualSchedule(), model)
    with pytest.raises(ValueError, match='rewind must be "none" or "init"'):
        check_schedule(IterativeSchedule(rewind="start"), model)


@pytest.mark.parametrize(
    "model",
    [
        sk.Ridge(),
        sk.RandomForestRegressor(),
        make_pipeline(sk.StandardScaler(), sk.Ridge()),
        sk.FrozenEstimator(sk.SGDClassifier()),
        make_pipeline(sk.StandardScaler(), sk.FrozenEstimator(sk.SGDClassifier())),
    ],
    ids=lambda model: type(model).__name__,
)
def test_models_without_known_initial_parameters_cannot_be_rewound(model):
    check_schedule(IterativeSchedule(), model)
    with pytest.raises(ValueError, match='rewind="init" restores') as caught:
        check_schedule(IterativeSchedule(rewind="init"), model)
    assert "\n" not in str(caught.value)
    frozen = "Frozen" in repr(model)
    assert ("FrozenEstimator, of which they are not known" in str(caught.value)) == frozen


def test_rounds_follow_the_gradual_amounts():
    X = np.random.default_rng(0).normal(size=(100, 20))
    y = X @ np.linspace(1, 2, 20)
    found = {}
    for n_steps in (1, 3):
        small = PrunedRegressor(
            sk.Ridge(),
            MagnitudeCriterion(),
            unit="coefficient",
            keep=0.3,
            schedule=GradualSchedule(n_steps),
        ).fit(X, y)
        found[n_steps] = small.kept_
    once = PrunedRegressor(sk.Ridge(), MagnitudeCriterion(), unit="coefficient", keep=0.3)
    assert np.array_equal(found[1], once.fit(X, y).kept_)
    assert len(found[3]) == 6
