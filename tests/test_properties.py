"""What holds for every selector and meta-estimator, on data that hypothesis draws."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from sklearn.base import clone

from sklearn_prune import SampleSubsetSampler
from sklearn_prune._ranking import keep_groups, keep_prefix, round_significant
from sklearn_prune._validation import check_groups, class_codes
from sklearn_prune.sample_selection import FacilityLocationSelector, KCenterSelector
from sklearn_prune.sample_selection._choice import is_unseeded
from tests.properties.problems import problems
from tests.properties.record import counted
from tests.properties.selectors import fit_or_refuse, seeded, selectors

pytestmark = [
    pytest.mark.filterwarnings("ignore:.* cannot score .* rows of class"),
    pytest.mark.filterwarnings("ignore:keep=.auto. (dropped|left):UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


@counted
@given(st.data())
def test_the_order_is_a_permutation_of_all_rows(data):
    problem = data.draw(problems())
    selector = data.draw(selectors(problem))
    fit_or_refuse(selector, problem)
    n = len(problem)
    assert sorted(selector.order_.tolist()) == list(range(n))
    assert selector.order_.dtype.kind == "i"
    assert hasattr(selector, "natural_size_") == selector.has_natural_size
    assert 0 <= getattr(selector, "natural_size_", 0) <= n
    if hasattr(selector, "scores_"):
        assert selector.scores_.shape == (n,)
        assert np.isfinite(selector.scores_).all()
    return selector


@counted
@given(st.data())
def test_subsets_are_nested_over_all_budgets(data):
    problem = data.draw(problems(min_rows=3))
    selector = data.draw(selectors(problem))
    n, stratify = len(problem), data.draw(st.sampled_from(["auto", None]))
    is_class = problem.task == "classification"
    codes = class_codes(problem.y)[0] if is_class else None
    by_group = problem.groups is not None and data.draw(st.booleans())
    keep = data.draw(st.integers(2, n) | st.floats(0.01, 0.99))
    sampler = SampleSubsetSampler(
        selector,
        keep=keep,
        stratify=stratify,
        task=problem.task,
        by_group=by_group,
        random_state=3,
    )
    fit_or_refuse(sampler, problem)
    ranking = sampler.selector_.ranking
    if by_group:
        prefix = partial(
            keep_groups,
            groups=check_groups(problem.groups, n),
            classes=codes,
            drawn=selector.draws_rows,
        )
    else:
        strata = None if stratify is None else codes
        prefix = partial(keep_prefix, classes=codes, strata=strata)
    np.testing.assert_array_equal(prefix(ranking, keep), sampler.sample_indices_)
    alone = seeded(selector, 3)
    if not selector.budget_dependent and not is_unseeded(alone, None):
        if "task" in alone.get_params(deep=False):
            alone.set_params(task=problem.task)
        fit_or_refuse(alone, problem)
        np.testing.assert_array_equal(alone.order_, ranking.order)
    before = set()
    for size in range(2, n + 1):
        kept = set(prefix(ranking, size).tolist())
        assert before <= kept
        before = kept
        share = set(prefix(ranking, size / n).tolist())
        assert share == kept or ranking.keys is not None
    assert len(before) == n or ranking.keys is not None
    return selector


@counted
@given(st.data())
def test_rows_in_another_order_are_chosen_alike(data):
    problem = data.draw(
        problems(
            min_rows=4,
            max_rows=30,
            min_columns=2,
            ties=False,
            sparse=False,
            dtypes=["float64"],
        )
    )
    selector = data.draw(selectors(problem))
    if selector.order_dependent or isinstance(selector, FacilityLocationSelector):
        reject()  # two rows that are nearest to each other gain as much: a tie in any data
    if isinstance(selector, KCenterSelector):
        selector.set_params(guard=0.0)  # they also may be as isolated
    shuffled = np.random.default_rng(data.draw(st.integers(0, 99))).permutation(
        len(problem)
    )
    fit_or_refuse(selector, problem)
    if any(has_ties(stage) for stage in getattr(selector, "selectors_", [])):
        reject()
    if selector.has_natural_size and problem.n_classes:
        kept = problem.y[selector.order_[: selector.natural_size_]]
        if len(np.unique(kept)) < problem.n_classes:
            reject()  # without enemies all rows are as far from the nearest
    other = fit_or_refuse(clone(selector), problem.take(shuffled))
    assert_ranked_alike(selector, other, shuffled, problem)
    return selector


def has_ties(selector):
    """Whether rows have equal scores, so that their places decide."""
    scores = getattr(selector, "scores_", np.arange(2))
    return len(np.unique(round_significant(scores, 9))) < len(scores)


def assert_ranked_alike(selector, other, shuffled, problem):
    """Two rankings of the same rows are the same, but for ties of the ranking itself."""
    n = len(problem)
    strata = class_codes(problem.y)[0] if problem.n_classes else np.zeros(n, dtype=int)
    order, moved = selector.order_, shuffled[other.order_]
    counts = np.ones(n) if problem.sample_weight is None else problem.sample_weight
    if selector.has_natural_size:
        size = selector.natural_size_
        assert size == other.natural_size_
        assert set(order[:size]) == set(moved[:size])
    if not hasattr(selector, "scores_"):
        # Two rows alone are at one distance from each other and from their mean.
        for code in np.flatnonzero(np.bincount(strata, counts > 0) > 2):
            ours, theirs = (
                rows[(strata[rows] == code) & (counts[rows] > 0)] for rows in (order, moved)
            )
            np.testing.assert_array_equal(ours, theirs)
        return
    scores = np.empty(n)
    scores[shuffled] = other.scores_
    scale = np.abs(selector.scores_).max()
    np.testing.assert_allclose(scores, selector.scores_, rtol=1e-6, atol=1e-9 * scale)
    for ours, theirs in zip(order, moved, strict=True):
        np.testing.assert_allclose(
            selector.scores_[ours], selector.scores_[theirs], rtol=1e-6, atol=1e-9 * scale
        )
