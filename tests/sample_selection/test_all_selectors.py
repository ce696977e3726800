"""What every selector promises, whichever it is."""

import tracemalloc

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_prune import (
    SampleSubsetClassifier,
    SampleSubsetRegressor,
    SampleSubsetSampler,
)
from sklearn_prune import sample_selection as ss
from sklearn_prune._space import is_thin
from tests.properties.selectors import CLASSES

pytestmark = pytest.mark.sampled(2)

QUICK = {
    ss.DataOOBSelector: {"n_estimators": 10},
    ss.ForgettingSelector: {"estimator": LogisticRegression(), "n_repeats": 3},
    ss.OutlierSelector: {"n_folds": 2},
}
SELECTORS = [cls(**QUICK.get(cls, {})) for cls in CLASSES]
# Their default settings draw nothing on so few rows.
NO_DRAW = {"AutoSelector", "HerdingSelector"}
NO_REGRESSION = {"TomekLinksSelector", "ICFSelector", "ConfidentLearningSelector"}
every = pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: type(s).__name__)


def seeded(selector, seed=0):
    """A clone with a seed, where it takes one."""
    selector = clone(selector)
    if "random_state" in selector.get_params(deep=False):
        selector.set_params(random_state=seed)
    return selector


def assert_orders(selector, n):
    assert sorted(selector.order_.tolist()) == list(range(n))
    scores = getattr(selector, "scores_", None)
    if scores is not None:
        assert scores.shape == (n,)
        assert np.isfinite(scores).all()
    assert 0 <= getattr(selector, "natural_size_", 0) <= n
    assert hasattr(selector, "natural_size_") == selector.has_natural_size


@every
def test_the_same_seed_gives_the_same_order_and_leaves_the_rows_alone(selector, X, y):
    X_before, y_before = X.copy(), y.copy()
    one, two = (seeded(selector).fit(X, y) for _ in range(2))
    assert_orders(one, len(y))
    np.testing.assert_array_equal(one.order_, two.order_)
    if "random_state" in selector.get_params() and type(selector).__name__ not in NO_DRAW:
        assert not np.array_equal(seeded(selector, 1).fit(X, y).order_, one.order_)
    np.testing.assert_array_equal(X, X_before)
    np.testing.assert_array_equal(y, y_before)
    stored = [v for v in vars(one).values() if isinstance(v, np.ndarray)]
    assert not any(np.shares_memory(v, X) for v in stored)


@every
def test_the_order_does_not_depend_on_threads(selector, classes):
    if "n_jobs" not in selector.get_params(deep=False):
        pytest.skip("it has no n_jobs")
    one, two = (seeded(selector).set_params(n_jobs=jobs).fit(*classes) for jobs in (1, 2))
    np.testing.assert_array_equal(one.order_, two.order_)


@every
def test_rows_in_another_order_are_ranked_alike(selector, X, y):
    if selector.order_dependent:
        pytest.skip("places of rows decide")
    shuffled = np.random.default_rng(0).permutation(len(y))
    one, two = seeded(selector).fit(X, y), seeded(selector).fit(X[shuffled], y[shuffled])
    if hasattr(one, "scores_"):
        np.testing.assert_allclose(one.scores_[shuffled], two.scores_, atol=1e-8)
    if selector.has_natural_size:
        kept = [s.order_[: s.natural_size_] for s in (one, two)]
        np.testing.assert_array_equal(np.sort(kept[0]), np.sort(shuffled[kept[1]]))


@every
def test_sparse_rows_are_ranked_like_dense_ones(selector, classes):
    X, y = np.maximum(classes[0], 0), classes[1]
    dense, sparse = (seeded(selector).fit(x, y) for x in (X, csr_array(X)))
    assert_orders(sparse, len(y))
    # The default model of the others does not centre sparse rows.
    same_model = getattr(selector, "estimator", 0) is not None
    if hasattr(dense, "scores_") and same_model and not hasattr(dense, "selector_"):
        gap = np.abs(dense.scores_ - sparse.scores_)
        assert np.mean(gap < 1e-6 * (1 + np.abs(dense.scores_))) > 0.9


@every
@pytest.mark.parametrize("keep", [2, 0.1, 0.5, 239, "auto"])
@pytest.mark.filterwarnings("ignore:keep=.auto. (dropped|left):UserWarning")
def test_any_budget_works_in_a_classifier(selector, X, y, keep):
    if keep == "auto" and not selector.has_natural_size:
        pytest.skip("it has no size of its own")
    model = SampleSubsetClassifier(GaussianNB(), selector, keep=keep, random_state=0)
    kept = model.fit(X, y).sample_indices_
    assert set(y[kept]) == set(y)
    if keep != "auto":
        wanted = keep if isinstance(keep, int) else int(keep * len(y))
        assert len(kept) == max(wanted, 3)


@every
def test_subsets_are_nested_unless_the_budget_decides(selector, X, y):
    if selector.budget_dependent:
        pytest.skip("its ranking depends on the budget")
    kept = [
        set(
            SampleSubsetClassifier(GaussianNB(), selector, keep=keep, random_state=0)
            .fit(X, y)
            .sample_indices_
        )
        for keep in (0.1, 0.3, 0.6)
    ]
    assert kept[0] < kept[1] < kept[2]


@every
def test_continuous_targets_are_ranked_or_refused(selector, X):
    y = X[:, 0] + np.sin(X[:, 1])
    model = SampleSubsetRegressor(DecisionTreeRegressor(), selector, keep=0.3)
    model.set_params(random_state=0)
    if isinstance(selector, ss.ForgettingSelector):
        model.set_params(selector__estimator=None)
    if type(selector).__name__ in NO_REGRESSION:
        with pytest.raises(ValueError, match="Selector"):
            model.fit(X, y)
    else:
        assert len(model.fit(X, y).sample_indices_) == 72


@every
def test_weights_and_groups_are_taken(selector, X, y):
    weights = np.random.default_rng(0).integers(0, 3, len(y)) * 1.0
    groups = np.random.default_rng(1).integers(0, 40, len(y))
    fitted = seeded(selector).fit(X, y, sample_weight=weights, groups=groups)
    assert_orders(fitted, len(y))
    model = SampleSubsetClassifier(
        DecisionTreeClassifier(), selector, keep=0.4, by_group=True, random_state=0
    ).fit(X, y, groups=groups)
    kept = model.sample_mask_
    assert set(groups[kept]).isdisjoint(groups[~kept])


RNG = np.random.default_rng(0)
AWKWARD = {
    "constant features": (np.ones((40, 3)), [0, 1] * 20),
    "duplicates": (np.repeat(RNG.normal(size=(5, 3)), 8, axis=0), [0, 1, 0, 1] * 10),
    "ties everywhere": (RNG.integers(0, 2, (60, 3)) * 1.0, RNG.integers(0, 3, 60)),
    "a class of one": (RNG.normal(size=(30, 3)), [0] * 15 + [1] * 14 + [2]),
    "one class": (RNG.normal(size=(20, 3)), [1] * 20),
    "fewer rows than neighbours": (RNG.normal(size=(4, 2)), [0, 1, 0, 1]),
    "two rows": (np.eye(2), [0, 1]),
    "one feature": (np.arange(30.0)[:, None], [0, 1, 1] * 10),
    "more features than rows": (RNG.normal(size=(12, 40)), [0, 1, 2] * 4),
    "single precision": (RNG.normal(size=(30, 3)).astype(np.float32), [0, 1, 2] * 10),
    "far from zero": (RNG.normal(1e8, 1, (30, 3)), [0, 1, 2] * 10),
}


@pytest.mark.filterwarnings("ignore:.*cannot score:UserWarning")
@every
@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_awkward_rows_are_ranked_or_refused_in_one_line(selector, name):
    X, y = AWKWARD[name]
    for task in ("classification", "regression"):
        fitted = seeded(selector)
        if "task" in fitted.get_params(deep=False):
            fitted.set_params(task=task)
        elif task == "regression":
            continue
        if task == "regression" and isinstance(selector, ss.ForgettingSelector):
            fitted.set_params(estimator=None)
        if task == "regression" and type(selector).__name__ in NO_REGRESSION:
            continue
        message = None
        try:
            fitted.fit(X, y)
        except ValueError as error:
            message = str(error)
        if message is None:
            assert_orders(fitted, len(X))
        else:
            assert "\n" not in message
            assert "Got" in message
            assert len(X) < 5, message  # nothing but too few rows is a reason


@every
def test_infinity_is_refused(selector, classes):
    if type(selector).__name__ == "RandomSelector":
        pytest.skip("it does not read X")
    X, y = classes[0].copy(), classes[1]
    X[3, 2] = np.inf
    with pytest.raises(ValueError, match=r"infinity|too large"):
        seeded(selector).fit(X, y)


@pytest.mark.slow
@every
def test_no_array_of_all_pairs(selector):
    n = 9_000
    X = np.random.default_rng(0).normal(size=(n, 4))
    y = (X[:, 0] + X[:, 1] > 0).astype(int)
    seeded(selector).fit(X[:200], y[:200])  # compiles
    tracemalloc.start()
    seeded(selector).fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * n * n / 2  # half of what pairs take in single precision


SEVERAL = {
    "labels": np.random.default_rng(0).choice(["a", "b"], (240, 2)),
    "multilabel": np.random.default_rng(0).integers(0, 2, (240, 3)),
    "numbers": np.random.default_rng(0).normal(size=(240, 2)),
}


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize(
    "selector",
    [
        *(ss.HerdingSelector, ss.MedoidSelector, ss.KCenterSelector),
        *(ss.FacilityLocationSelector, ss.LeverageSelector, ss.RandomSelector),
        *(ss.ENNSelector, ss.L2PenaltySelector),
    ],
)
def test_several_targets_are_refused_or_not_read(selector, name, X):
    y, is_class = SEVERAL[name], name != "numbers"
    kind = SampleSubsetClassifier if is_class else SampleSubsetRegressor
    model = DecisionTreeClassifier() if is_class else DecisionTreeRegressor()
    fitted = kind(model, selector(), keep=0.3, random_state=0)
    if selector in (ss.ENNSelector, ss.L2PenaltySelector):
        with pytest.raises(ValueError, match="reads one column"):
            fitted.fit(X, y)
        return
    rows = fitted.fit(X, y).sample_indices_
    without = SampleSubsetSampler(selector(), keep=0.3, random_state=0).fit(X)
    np.testing.assert_array_equal(rows, without.sample_indices_)
    weights = fitted.set_params(weighting="coverage").fit(X, y).sample_weight_
    assert weights.sum() == pytest.approx(240)


def thin_rows(n=150, d=400):
    """Sparse rows of few entries, some of them twice, with both labels."""
    random = np.random.default_rng(0)
    y = random.integers(0, 3, n)
    columns = (d * random.random((n, 12)) ** 2).astype(int)
    columns = np.where(
        random.random(columns.shape) < 0.3, 3 * columns + y[:, None], columns
    )
    cells = (np.repeat(np.arange(n), 12), columns.ravel() % d)
    X = csr_array((1 + random.random(12 * n), cells), shape=(n, d))
    X.sum_duplicates()
    return X[np.r_[:n, :20]], np.r_[y, y[:10], (y[10:20] + 1) % 3]


THIN = [ss.ENNSelector, ss.RENNSelector, ss.AllKNNSelector, ss.TomekLinksSelector]
THIN += [ss.CondensedNNSelector, ss.HardnessSelector, ss.KNNShapleySelector]
THIN += [ss.DROP3Selector, ss.ICFSelector, ss.FacilityLocationSelector, ss.HerdingSelector]
THIN += [ss.L2PenaltySelector, ss.L1PenaltySelector, ss.LeverageSelector]
THIN += [ss.SensitivitySelector, ss.RMHCSelector, ss.KCenterSelector]
THIN += [ss.MedoidSelector, ss.AutoSelector]


@pytest.mark.parametrize("cls", THIN)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_sparse_rows_of_few_entries_keep_the_rows_of_dense_ones(cls, task):
    X, y = thin_rows()
    if task == "regression":
        if cls.__name__ in NO_REGRESSION:
            pytest.skip("it reads classes only")
        y = y + np.asarray(X.sum(axis=1)).ravel()
    assert is_thin(X)
    params, metrics = cls().get_params(), (None,)
    if "metric" in params:
        metrics = ("seuclidean", "euclidean", "cosine")[: 3 if task[0] == "c" else 1]
    weights = np.random.default_rng(0).integers(0, 3, len(y)) * 1.0
    for metric in metrics:
        for sample_weight in (None, weights):
            if sample_weight is not None and (metric == "cosine" or cls is ss.AutoSelector):
                continue
            selector = seeded(cls())
            if "task" in params:
                selector.set_params(task=task)
            if metric is not None:
                selector.set_params(metric=metric)
            sparse = selector.fit(X, y, sample_weight=sample_weight)
            dense = clone(selector).fit(X.toarray(), y, sample_weight=sample_weight)
            if cls is ss.AutoSelector:  # logistic models and forests are not exact
                kept = [set(s.order_[: s.natural_size_]) for s in (sparse, dense)]
                assert len(kept[0] ^ kept[1]) < 0.1 * len(y)
                continue
            some = np.ones(len(y), bool) if sample_weight is None else weights > 0
            ours, theirs = (s.order_[some[s.order_]] for s in (sparse, dense))
            np.testing.assert_array_equal(ours, theirs)
            if sparse.has_natural_size:
                assert sparse.natural_size_ == dense.natural_size_
