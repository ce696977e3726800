from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
)

from sklearn_prune.comparison.verdicts.statistics import (
    Posterior,
    certifiable_margin,
    corrected_posterior,
    fixed_sequence,
    looks_forward,
    p_equivalent,
    share_of_test,
    verdict,
)

posteriors = st.builds(
    Posterior, mean=st.floats(-1, 1), scale=st.floats(1e-4, 1), df=st.integers(1, 99)
)
alphas = st.floats(0.005, 0.25)
margins = st.floats(1e-4, 1)


@pytest.mark.parametrize("n", [10, 13, 101])
@pytest.mark.parametrize("k", [2, 3, 7, 10])
def test_folds_of_any_size_hold_one_kth_of_test_rows(n, k):
    X, y = np.zeros((n, 1)), np.arange(n) % 2
    assert share_of_test(KFold(k).split(X)) == 1 / k
    assert share_of_test(RepeatedKFold(n_splits=k, n_repeats=3).split(X)) == 1 / k
    if k <= n // 2:
        cv = RepeatedStratifiedKFold(n_splits=k, n_repeats=2)
        assert share_of_test(cv.split(X, y)) == 1 / k


def test_share_of_a_splitter_that_leaves_rows_out():
    cv = ShuffleSplit(20, test_size=30, train_size=50, random_state=0)
    assert share_of_test(cv.split(np.zeros((100, 1)))) == 30 / 80


def test_groups_are_counted_in_groups():
    sizes = [50, 1, 1, 1, 1, 1, 1, 1, 1, 2]
    groups = np.repeat([f"g{i}" for i in range(10)], sizes)
    X = np.zeros((len(groups), 1))
    splits = list(
        GroupShuffleSplit(30, test_size=0.3, random_state=0).split(X, None, groups)
    )
    assert share_of_test(splits, groups) == 0.3
    assert share_of_test(splits) != pytest.approx(0.3, abs=0.01)
    assert share_of_test(GroupKFold(5).split(X, None, groups), groups) == 0.2


def test_only_time_looks_forward():
    X, groups = np.zeros((24, 1)), np.repeat(range(8), 3)
    assert looks_forward(TimeSeriesSplit(4).split(X))
    assert looks_forward(TimeSeriesSplit(4, gap=2).split(X))
    assert not looks_forward(KFold(4).split(X))
    assert not looks_forward(ShuffleSplit(4, random_state=0).split(X))
    assert not looks_forward(GroupKFold(4).split(X, None, groups))


@pytest.mark.parametrize("seed", range(30))
def test_equals_baycomp(seed):
    baycomp = pytest.importorskip("baycomp")
    rng = np.random.default_rng(seed)
    repeats, k = int(rng.integers(1, 11)), int(rng.integers(2, 11))
    rope = float(rng.uniform(0.001, 0.05))
    baseline = rng.uniform(0.6, 0.9, repeats * k)
    variant = baseline + rng.normal(rng.normal(0, 0.02), 0.03, repeats * k)
    rows = np.zeros((int(rng.integers(2 * k, 200)), 1))
    share = share_of_test(RepeatedKFold(n_splits=k, n_repeats=repeats).split(rows))
    posterior = corrected_posterior(variant - baseline, share)
    ours = (
        1 - posterior.above(-rope),
        p_equivalent(posterior, rope),
        posterior.above(rope),
    )
    theirs = baycomp.two_on_single(baseline, variant, rope, runs=repeats)
    assert ours == pytest.approx(theirs, abs=1e-10)
    left, right = baycomp.two_on_single(baseline, variant, 0, runs=repeats)
    assert (1 - posterior.above(0), posterior.above(0)) == pytest.approx(
        (left, right), abs=1e-10
    )
    assert posterior.p_value == pytest.approx(2 * min(left, right), abs=1e-10)


@pytest.mark.parametrize("difference", [-0.02, -0.005, 0.005, 0.02])
def test_point_mass_equals_baycomp_off_the_edges(difference):
    baycomp = pytest.importorskip("baycomp")
    posterior = corrected_posterior([difference] * 10, 0.2)
    theirs = baycomp.CorrelatedTTest(np.zeros(10), np.full(10, difference), 0.01, 2)
    theirs.var = 0.0  # their spread of equal numbers may be rounding noise
    found = (
        1 - posterior.above(-0.01),
        p_equivalent(posterior, 0.01),
        posterior.above(0.01),
    )
    assert found == theirs.probs()


def test_variance_by_hand():
    posterior = corrected_posterior([0.0, 0.01, 0.02, 0.03], test_share=0.25)
    assert posterior.mean == pytest.approx(0.015)
    assert posterior.scale**2 == pytest.approx(0.0005 / 3 * (1 / 4 + 1 / 3))
    assert posterior.df == 3


def test_agrees_with_the_uncorrected_t_as_the_test_share_vanishes():
    rng = np.random.default_rng(0)
    differences = rng.normal(0.1, 1, 12)
    expected = stats.ttest_1samp(differences, 0).pvalue
    assert corrected_posterior(differences, 1e-15).p_value == pytest.approx(expected)


@given(posteriors, alphas)
def test_bounds_are_the_inverse_of_above(posterior, alpha):
    assert posterior.above(posterior.lower_bound(alpha)) == pytest.approx(1 - alpha)
    assert posterior.above(posterior.upper_bound(alpha)) == pytest.approx(alpha)
    low, high = posterior.interval(1 - 2 * alpha)
    assert low == pytest.approx(posterior.lower_bound(alpha))
    assert posterior.above(low) - posterior.above(high) == pytest.approx(1 - 2 * alpha)
    assert low <= posterior.mean <= high


@given(posteriors, alphas)
def test_p_value_and_interval_tell_the_same(posterior, alpha):
    assume(abs(posterior.p_value - alpha) > 1e-9)
    low, high = posterior.interval(1 - alpha)
    assert (low <= 0 <= high) == (posterior.p_value > alpha)


@given(posteriors, margins, alphas)
def test_verdict_by_its_definition(posterior, margin, alpha):
    p_not_worse = posterior.above(-margin)
    assume(min(abs(p_not_worse - alpha), abs(p_not_worse - 1 + alpha)) > 1e-9)
    if p_not_worse >= 1 - alpha:
        expected = "not worse"
    else:
        expected = "worse" if p_not_worse <= alpha else "undecided"
    assert verdict(posterior, margin, alpha) == expected


@given(posteriors, alphas)
def test_certifiable_margin_is_the_smallest(posterior, alpha):
    margin = certifiable_margin(posterior, alpha)
    assert margin >= 0
    assert verdict(posterior, margin, alpha) == "not worse"
    if margin > 0:
        assert verdict(posterior, margin * (1 - 1e-9), alpha) != "not worse"


@given(
    st.lists(st.floats(-1, 1), min_size=2, max_size=30),
    st.floats(0.05, 0.9),
    st.floats(0.01, 100),
)
def test_units_of_the_score_do_not_matter(differences, share, unit):
    assume(np.std(differences) > 1e-6)
    posterior = corrected_posterior(differences, share)
    other = corrected_posterior(np.multiply(differences, unit), share, magnitude=unit)
    assert other.p_value == pytest.approx(posterior.p_value)
    assert other.interval() == pytest.approx(np.multiply(posterior.interval(), unit))
    mirrored = corrected_posterior(np.negative(differences), share)
    assert mirrored.above(0) == pytest.approx(1 - posterior.above(0))


def test_no_difference_at_all():
    posterior = corrected_posterior(np.zeros(20), 0.2)
    assert posterior == Posterior(0.0, 0.0, 19)
    assert posterior.p_value == 1
    assert posterior.above(-0.01) == 1
    assert posterior.interval() == (0, 0)
    assert p_equivalent(posterior, 0.01) == 1
    assert certifiable_margin(posterior, 0.05) == 0
    assert verdict(posterior, 0.01, 0.05) == "not worse"


def test_rounding_noise_is_no_difference():
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.8, 0.9, 20)
    differences = (scores + 3.3) - 3.3 - scores
    posterior = corrected_posterior(differences, 0.2)
    assert np.ptp(differences) > 0
    assert (posterior.mean, posterior.scale, posterior.p_value) == (0, 0, 1)
    large = scores * 1e9
    noise = (large + 1e8) - 1e8 - large + np.tile([0, 1e-7], 10)
    assert corrected_posterior(noise, 0.2).p_value < 1
    assert corrected_posterior(noise, 0.2, magnitude=large.max()).p_value == 1


def test_a_small_score_is_no_noise():
    differences = np.array([1.0, 2.0, 4.0]) * 1e-14
    assert corrected_posterior(differences, 0.2).scale == 0
    assert corrected_posterior(differences, 0.2, magnitude=1e-13).scale > 0
    assert corrected_posterior(np.zeros(3), 0.2, magnitude=0.0).p_value == 1


def test_a_constant_loss_on_the_margin_is_not_worse():
    scores = np.array([0.95, 0.93, 0.9, 0.87])
    posterior = corrected_posterior((scores - 0.01) - scores, 0.25)
    assert posterior == Posterior(-0.01, 0.0, 3)
    assert verdict(posterior, 0.01, 0.05) == "not worse"
    assert certifiable_margin(posterior, 0.05) == 0.01
    assert p_equivalent(posterior, 0.01) == 1
    assert posterior.p_value == 0
    assert verdict(posterior, 0.0099, 0.05) == "worse"
    assert posterior.above(-0.0099) == p_equivalent(posterior, 0.0099) == 0


def test_one_fold_knows_nothing():
    posterior = corrected_posterior([0.3], 0.2)
    assert posterior.mean == 0.3
    assert isnan(posterior.p_value)
    assert isnan(posterior.above(0))
    assert isnan(p_equivalent(posterior, 0.5))
    assert posterior.interval() == (-inf, inf)
    assert certifiable_margin(posterior, 0.05) == inf
    assert verdict(posterior, 0.5, 0.05) == "undecided"


@pytest.mark.parametrize("broken", [nan, inf, -inf])
@pytest.mark.parametrize("n_splits", [1, 5])
def test_scores_that_are_not_finite(broken, n_splits):
    posterior = corrected_posterior([broken] + [0.1] * (n_splits - 1), 0.2)
    found = [
        posterior.mean,
        posterior.scale,
        posterior.p_value,
        posterior.above(0),
        *posterior.interval(),
        p_equivalent(posterior, 0.1),
        certifiable_margin(posterior, 0.05),
    ]
    assert all(map(isnan, found))
    assert verdict(posterior, 0.1, 0.05) == "undecided"


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, nan])
def test_impossible_share(share):
    with pytest.raises(ValueError, match=r"test_share must lie between 0 and 1.* Write "):
        corrected_posterior([0.1, 0.2], share)


@pytest.mark.parametrize("differences", [[], [[0.1, 0.2]], 0.1])
def test_impossible_differences(differences):
    with pytest.raises(ValueError, match=r"one number for each fold.* Got shape .* Write "):
        corrected_posterior(differences, 0.2)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], []),
        (["worse"], ["worse"]),
        (["not worse"] * 3, ["not worse"] * 3),
        (
            ["not worse", "undecided", "not worse", "worse"],
            ["not worse", "undecided", "not tested", "not tested"],
        ),
        (["failed", "not worse"], ["failed", "not tested"]),
        (("worse", "not worse"), ["worse", "not tested"]),
    ],
)
def test_a_chain_stops_at_its_first_failure(verdicts, expected):
    assert fixed_sequence(verdicts) == expected
