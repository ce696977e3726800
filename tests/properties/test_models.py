"""What holds for every meta-estimator, on data that hypothesis draws."""

import pickle
from contextlib import suppress
from inspect import signature

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from sklearn_prune._meta import clone_seeded
from sklearn_prune._ranking import budget_size
from sklearn_prune._seeds import fill_random_states
from sklearn_prune.persistence.export import tied
from sklearn_prune.sample_selection import SampleSelector
from sklearn_prune.weight_pruning.criteria import RandomCriterion
from tests.properties import state
from tests.properties.models import FAILING, PRUNED, SUBSETS, Failing, inner_models, subsets
from tests.properties.problems import problems
from tests.properties.record import counted
from tests.properties.selectors import CLASSES, fit_or_refuse, seeded, selectors

pytestmark = [pytest.mark.filterwarnings("ignore")]
ANSWERS = ("predict", "predict_proba", "decision_function", "transform")
#: BLAS rounds by where arrays lie in memory: a KernelRidge of scikit-learn alone predicts
#: other last bits after unpickling in almost half of all small problems.
ROUNDING = 1e-12


def taken(estimator, problem):
    """The fit parameters that the inner model takes, if there is one."""
    params = problem.fit_params
    inner = getattr(estimator, "estimator", None)
    if not isinstance(estimator, SampleSelector) and inner is not None:
        inner_fit = signature(inner.fit).parameters
        if "sample_weight" not in inner_fit:
            params.pop("sample_weight", None)
    if hasattr(estimator, "transformer"):
        params.pop("sample_weight", None)
    return params


def both(estimator):
    """The estimator and its selector, for the record."""
    return estimator, estimator.selector


@counted
@given(st.data())
def test_never_more_rows_than_keep_and_the_floor_of_classes(data):
    problem = data.draw(problems(min_rows=3))
    model = data.draw(subsets(problem))
    fit_or_refuse(model, problem, taken(model, problem))
    kept, keep, n = model.sample_indices_, model.keep, len(problem)
    assert np.all(np.diff(kept) > 0)
    assert 0 <= kept[0] <= kept[-1] < n
    is_class = problem.task == "classification"
    if is_class:
        assert set(problem.y[kept]) == set(problem.y)
    if model.by_group and keep != 1.0:
        dropped = np.setdiff1d(np.arange(n), kept)
        assert set(problem.groups[kept]).isdisjoint(problem.groups[dropped])
    elif keep == "auto":
        assert len(kept) <= max(1, model.selector_.natural_size_ + problem.n_classes)
    elif getattr(model.selector, "scheme", None) != "bernoulli":
        assert len(kept) == max(budget_size(keep, n), problem.n_classes)
    return both(model)


@counted
@given(st.data())
def test_all_rows_are_the_bare_model_to_the_bit(data):
    problem = data.draw(problems(min_rows=3))
    model = data.draw(subsets(problem, keep=1.0))
    if not hasattr(model, "_fit"):
        kept = model.fit_resample(problem.X, problem.y, **problem.fit_params)
        assert (kept[0] != problem.X).sum() == 0
        np.testing.assert_array_equal(kept[1], problem.y)
        return both(model)
    name = model._inner
    params = {}
    if "sample_weight" in problem.fit_params and name == "estimator":
        inner = getattr(model, name)
        if hasattr(inner, "steps") or type(inner).__name__.startswith("KNeighbors"):
            reject()
        params["sample_weight"] = problem.sample_weight
    if model.by_group:
        params["groups"] = problem.groups
    model.fit(problem.X, problem.y, **params)
    params.pop("groups", None)
    bare = clone_seeded(getattr(model, name), model.random_state, name)
    bare.fit(problem.X, problem.y, **params)
    for method in ANSWERS:
        assert hasattr(model, method) == hasattr(bare, method)
        if hasattr(bare, method):
            state.assert_same_answers(
                *(getattr(m, method)(problem.X) for m in (model, bare))
            )
    return both(model)


@counted
@given(st.data())
def test_all_parameters_are_the_bare_model(data):
    problem = data.draw(problems(min_rows=6, weights=False, groups=False))
    inner = data.draw(inner_models(problem))
    model = PRUNED[problem.task](inner, keep=1.0, random_state=data.draw(st.integers(0, 9)))
    model.set_params(
        refit=data.draw(st.booleans()),
        tolerance=data.draw(st.floats(0, 1)),
        criterion=data.draw(st.sampled_from([None, RandomCriterion()])),
    )
    fit_or_refuse(model, problem)
    bare = clone_seeded(inner, model.random_state, "estimator").fit(problem.X, problem.y)
    exact = type(inner).__name__.startswith(("DecisionTree", "RandomForest", "Gradient"))
    rtol = 0 if exact else 1e-10 if problem.X.dtype == np.float64 else 1e-5
    dense = problem.X.toarray() if issparse(problem.X) else problem.X
    X = problem.X[~tied(model.compact_, dense)]  # equally far neighbours have no order
    if X.shape[0] == 0:
        reject()
    for method in ANSWERS[:3]:
        assert hasattr(model, method) == hasattr(bare, method)
        if not hasattr(bare, method):
            continue
        ours, theirs = (getattr(m, method)(X) for m in (model, bare))
        if method == "predict" and problem.n_classes:
            np.testing.assert_array_equal(ours, theirs)
        else:
            atol = rtol * np.abs(theirs).max()
            if X.dtype == np.float32 and not exact:  # what its own products lose
                precise = getattr(bare, method)(X.astype(np.float64))
                atol += 2 * np.abs(theirs - precise).max()
            np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)
    return model, inner


@counted
@given(st.data())
def test_whole_weights_are_repetitions(data):
    problem = data.draw(problems(min_rows=4, weights=False, groups=False, sparse=False))
    weights = np.random.default_rng(data.draw(st.integers(0, 99))).integers(
        0, 4, len(problem)
    )
    weights[np.unique(problem.y, return_index=True)[1]] = 1
    rows = np.repeat(np.arange(len(problem)), weights)
    claiming = [cls for cls in CLASSES if cls.weights_repeat is True]
    if data.draw(st.booleans()):
        selector = data.draw(selectors(problem, classes=claiming))
        single = seeded(selector, 0).fit(problem.X, problem.y, sample_weight=weights)
        copied = seeded(selector, 0).fit(problem.X[rows], problem.y[rows])
        sums = np.bincount(rows, copied.scores_, len(problem))
        present = weights > 0
        tiny = 1e-7 if problem.X.dtype == np.float64 else 1e-3
        np.testing.assert_allclose(
            single.scores_[present], sums[present], rtol=tiny, atol=tiny
        )
        return selector
    # The variance that GaussianNB adds, and trees between equal rows, count rows.
    problem = data.draw(problems(min_rows=4, ties=False, weights=False, sparse=False))
    weights = np.resize(weights, len(problem))
    weights[np.unique(problem.y, return_index=True)[1]] = 1
    rows = np.repeat(np.arange(len(problem)), weights)
    models = [Ridge(solver="cholesky")]
    if problem.n_classes:
        models = [GaussianNB(), DecisionTreeClassifier(), LogisticRegression(tol=1e-10)]
    inner = data.draw(st.sampled_from(models))
    model = SUBSETS[problem.task](inner, keep=1.0, random_state=0)
    single = clone(model).fit(problem.X, problem.y, sample_weight=weights)
    copied = clone(model).fit(problem.X[rows], problem.y[rows])
    ask = "predict_proba" if problem.n_classes else "predict"
    ours, theirs = (getattr(m, ask)(problem.X[weights > 0]) for m in (single, copied))
    scale = np.abs(theirs).max()
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3 * scale)
    return model, inner


@st.composite
def any_estimators(draw, problem):
    """Draw a selector, a SampleSubset* or a Pruned*."""
    kind = draw(st.sampled_from(["selector", "subset", "pruned"]))
    if kind == "selector":
        return fill_random_states(draw(selectors(problem)), 5, "selector")
    if kind == "subset":
        return draw(subsets(problem))
    keep = draw(st.floats(0.3, 1.0))
    inner = draw(inner_models(problem))
    return PRUNED[problem.task](inner, keep=keep, random_state=1)


def named(estimator):
    """The estimator and its parts, for the record."""
    params = estimator.get_params(deep=False)
    parts = (params.get("selector"), params.get("estimator"))
    return (estimator, *(part for part in parts if part is not None))


@counted
@given(st.data())
def test_a_fit_leaves_all_around_it_as_it_was(data):
    problem = data.draw(problems(min_rows=6))
    estimator = data.draw(any_estimators(problem))
    before = state.surroundings(estimator, problem)
    refused = False
    try:
        estimator.fit(problem.X, problem.y, **taken(estimator, problem))
    except ValueError:
        refused = True
    state.assert_unchanged(before, state.surroundings(estimator, problem))
    if refused:
        reject()
    return named(estimator)


@counted
@given(st.data())
def test_a_failing_fit_leaves_all_around_it_as_it_was(data):
    problem = data.draw(problems(min_rows=8, sparse=False))
    error = data.draw(st.sampled_from([KeyboardInterrupt, MemoryError, RuntimeError]))
    inner = FAILING[problem.task](error, data.draw(st.integers(1, 4)))
    kind = data.draw(st.sampled_from(["selector", "subset", "pruned"]))
    if kind == "pruned":
        estimator = PRUNED[problem.task](inner, keep=0.5, random_state=0)
    else:
        reading = [cls for cls in CLASSES if cls.reads_estimator is True]
        selector = seeded(data.draw(selectors(problem, classes=reading)), 5)
        selector.set_params(estimator=inner if kind == "selector" else None)
        estimator = selector
        if kind == "subset":
            estimator = SUBSETS[problem.task](inner, selector, random_state=0)
    before, own = state.surroundings(estimator, problem), dict(vars(estimator))
    Failing.n_fits = 0
    failed = False
    try:
        estimator.fit(problem.X, problem.y, **problem.fit_params)
    except error as caught:
        failed = str(caught) == "on purpose"
    except ValueError:
        reject()
    state.assert_unchanged(before, state.surroundings(estimator, problem))
    if failed:
        assert vars(estimator).keys() == own.keys()
    else:
        assert Failing.n_fits < inner.at
    return named(estimator)


@counted
@given(st.data())
def test_clones_and_parameters_make_the_round_trip(data):
    problem = data.draw(problems(min_rows=6))
    estimator = data.draw(any_estimators(problem))
    params = estimator.get_params(deep=True)
    twin = clone(estimator)
    assert repr(twin) == repr(estimator)
    assert twin.get_params(deep=True).keys() == params.keys()
    shallow = estimator.get_params(deep=False)
    again = type(estimator)(**shallow)
    assert all(again.get_params(deep=False)[k] is v for k, v in shallow.items())
    twin.set_params(**{k: v for k, v in params.items() if not hasattr(v, "get_params")})
    assert repr(twin) == repr(estimator)
    with suppress(ValueError):
        estimator.fit(problem.X, problem.y, **taken(estimator, problem))
    assert repr(clone(estimator)) == repr(twin)
    assert vars(clone(estimator)).keys() == vars(twin).keys()
    return named(estimator)


@counted
@given(st.data())
def test_another_fit_forgets_the_first(data):
    first = data.draw(problems(min_rows=6))
    second = data.draw(problems(min_rows=6, tasks=[first.task], sparse=False))
    estimator = data.draw(any_estimators(first))
    with suppress(ValueError):
        estimator.fit(first.X, first.y, **taken(estimator, first))
    other = data.draw(any_estimators(second))
    if type(other) is type(estimator):
        estimator.set_params(**clone(other).get_params(deep=False))
    fresh = clone(estimator)
    try:
        fresh.fit(second.X, second.y, **taken(fresh, second))
    except ValueError:
        reject()
    estimator.fit(second.X, second.y, **taken(estimator, second))
    ours, theirs = state.fitted_state(estimator), state.fitted_state(fresh)
    assert ours.keys() == theirs.keys()
    state.assert_same_state(dict(sorted(ours.items())), dict(sorted(theirs.items())))
    return named(estimator)


@counted
@given(st.data())
def test_pickling_in_between_changes_nothing(data):
    problem = data.draw(problems(min_rows=6))
    estimator = data.draw(any_estimators(problem))
    twin = pickle.loads(pickle.dumps(estimator))
    try:
        estimator.fit(problem.X, problem.y, **taken(estimator, problem))
    except ValueError:
        reject()
    twin.fit(problem.X, problem.y, **taken(twin, problem))
    back = pickle.loads(pickle.dumps(twin))
    again = pickle.loads(pickle.dumps(estimator))  # what pickles leave out is left out
    state.assert_same_state(state.fitted_state(again), state.fitted_state(back))
    for method in ANSWERS:
        if hasattr(estimator, method) and not isinstance(estimator, SampleSelector):
            answers = (getattr(m, method)(problem.X) for m in (estimator, back))
            state.assert_same_answers(*answers, within=ROUNDING)
    return named(estimator)
