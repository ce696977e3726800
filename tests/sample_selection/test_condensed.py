import numpy as np
import pytest
from sklearn import datasets
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NeighborhoodComponentsAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    RobustScaler,
    StandardScaler,
)
from sklearn.random_projection import SparseRandomProjection
from sklearn.svm import SVC
from sklearn.utils import get_tags

from sklearn_prune import SampleSubsetClassifier
from sklearn_prune._meta import clone_seeded
from sklearn_prune._space import Space
from sklearn_prune.sample_selection import ChainSelector, HardnessSelector
from sklearn_prune.sample_selection._condensed import CondensedNNSelector, condense_labels


def noisy(n=300):
    return datasets.make_classification(
        n_samples=n, n_features=6, n_informative=4, n_classes=3, flip_y=0.3, random_state=0
    )


def kept(selector):
    return selector.order_[: selector.natural_size_]


def distances(Z):
    return np.round(((Z[:, None] - Z) ** 2).sum(axis=2), 9)


def hart(D, y, visits):
    """Kept rows in order, by looking at all kept rows on each visit."""
    members = []
    for label in dict.fromkeys(y[visits]):
        members.append(next(i for i in visits if y[i] == label))
    before = 0
    while before < len(members):
        before = len(members)
        for i in visits:
            own = min(D[i, j] for j in members if y[j] == y[i])
            other = min([D[i, j] for j in members if y[j] != y[i]], default=np.inf)
            if i not in members and other <= own and own > 0:
                members.append(i)
    return members


def condensed_regression(D, y, limits, visits):
    members, before = [visits[0]], 0
    while before < len(members):
        before = len(members)
        for i in visits:
            nearest = min(members, key=lambda j: (D[i, j], members.index(j)))
            far = abs(y[i] - y[nearest]) > limits[i]
            if i not in members and D[i, nearest] > 0 and far:
                members.append(i)
    return members


@pytest.mark.parametrize(
    "load", [datasets.load_iris, datasets.load_wine, datasets.load_breast_cancer, noisy]
)
@pytest.mark.parametrize("random_state", [None, 0, 1])
def test_one_neighbor_reproduces_all_labels(load, random_state):
    X, y = load() if load is noisy else load(return_X_y=True)
    selector = CondensedNNSelector(random_state=random_state).fit(X, y)
    assert len(np.unique(y)) <= selector.natural_size_ < 0.75 * len(y)
    Z = StandardScaler().fit_transform(X)
    rows = kept(selector)
    for algorithm in ("brute", "kd_tree"):
        model = KNeighborsClassifier(1, algorithm=algorithm).fit(Z[rows], y[rows])
        assert model.score(Z, y) == 1.0


@pytest.mark.parametrize("n_samples", [60, 300])
def test_equals_a_plain_loop(n_samples):
    rng = np.random.default_rng(0)
    grid = rng.integers(0, 4, size=(n_samples, 2)).astype(float)
    for X, y in (noisy(n_samples), (grid, rng.integers(0, 3, n_samples))):
        D = distances(StandardScaler().fit_transform(X))
        selector = CondensedNNSelector().fit(X, y)
        expected = hart(D, y, np.arange(n_samples))
        assert kept(selector).tolist() == expected
        others = np.setdiff1d(np.arange(n_samples), expected)
        near = np.array([min(D[i, j] for j in expected if y[j] == y[i]) for i in others])
        np.testing.assert_allclose(selector.scores_[others], near / (1 + near), atol=1e-8)
        np.testing.assert_array_equal(
            selector.scores_[expected], np.arange(len(expected), 0, -1)
        )


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_regression_equals_a_plain_loop(alpha):
    X, y = datasets.load_diabetes(return_X_y=True)
    X, y = X[:200], y[:200]
    D = distances(StandardScaler().fit_transform(X))
    lists = np.argsort(D + np.diag(np.full(200, np.inf)), axis=1, kind="stable")[:, :9]
    deviations = y[lists].std(axis=1)
    limits = alpha * np.maximum(deviations, 0.1 * deviations.mean())
    selector = CondensedNNSelector(alpha=alpha, task="regression").fit(X, y)
    expected = condensed_regression(D, y, limits, np.arange(200))
    assert kept(selector).tolist() == expected
    nearest = np.array(expected)[np.argmin(D[:, expected], axis=1)]
    assert (np.abs(y - y[nearest]) <= limits).all()


def test_duplicates_with_two_labels_keep_one_of_each():
    X, y = np.zeros((10, 2)), np.tile([0, 1], 5)
    assert kept(CondensedNNSelector().fit(X, y)).tolist() == [0, 1]
    X = np.repeat([[0.0], [1.0], [2.0]], [4, 4, 4], axis=0)
    y = np.array([0, 0, 0, 0, 1, 2, 1, 2, 0, 0, 0, 0])
    assert sorted(kept(CondensedNNSelector().fit(X, y))) == [0, 4, 5, 8]
    same = CondensedNNSelector(task="regression").fit(np.zeros((10, 2)), np.arange(10.0))
    assert same.natural_size_ == 1


def test_a_row_between_two_kept_ones_is_kept():
    X, y = np.array([[-1.0], [1.0], [0.0]]), np.array([0, 1, 1])
    assert kept(CondensedNNSelector().fit(X, y)).tolist() == [0, 1, 2]


def test_order_of_rows_is_no_matter_when_visits_follow_it():
    X, y = noisy()
    shuffled = np.random.default_rng(0).permutation(300)
    back = np.argsort(shuffled)
    a, reach = condense_labels(Space.of(X), y, np.arange(300))
    b, reach_of_shuffled = condense_labels(Space.of(X[shuffled]), y[shuffled], back)
    assert np.array_equal(a, shuffled[b])
    np.testing.assert_allclose(reach_of_shuffled, reach[shuffled])


def test_gower_reads_categories_and_missing_values():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    number = np.where(rng.random(40) < 0.2, np.nan, rng.random(40))
    frame = pd.DataFrame({"number": number, "category": np.tile(["a", "b"], 20)})
    y = np.tile([0, 1], 20)
    span = np.nanmax(number) - np.nanmin(number)
    missing = np.isnan(number)
    D = np.abs(number[:, None] - number) / span
    D[missing[:, None] != missing] = 1.0
    D[missing[:, None] & missing] = 0.0
    D = np.round((D + (y[:, None] != y)) / 2, 9)
    selector = CondensedNNSelector(metric="gower").fit(frame, y)
    assert kept(selector).tolist() == hart(D, y, np.arange(40))


def test_few_rows_and_one_class():
    assert CondensedNNSelector().fit([[0.0]], ["a"]).order_.tolist() == [0]
    one = CondensedNNSelector().fit([[0.0], [5.0], [1.0]], ["a"] * 3)
    assert one.natural_size_ == 1
    assert one.order_.tolist() == [0, 1, 2]  # the farthest from the kept one comes next
    assert CondensedNNSelector(task="regression").fit([[0.0]], [1.0]).natural_size_ == 1


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_rows_of_zero_weight_are_never_kept(task):
    X, y = noisy()
    weights = np.ones(300)
    weights[::3] = 0
    counted = np.flatnonzero(weights)
    # Cosine does not depend on the columns of other rows.
    options = {"metric": "cosine", "task": task}
    whole = CondensedNNSelector(**options).fit(X, y, sample_weight=weights)
    part = CondensedNNSelector(**options).fit(X[counted], y[counted])
    assert np.array_equal(kept(whole), counted[kept(part)])
    assert np.array_equal(whole.order_[200:], np.arange(0, 300, 3))


def test_products_do_not_decide():
    # One far row: in float32 the products are off by a tenth of the other distances.
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 2)).astype(np.float32), rng.integers(0, 2, 200)
    X[0] = 1e5
    Z = Space.of(X).points.astype(np.float64)
    expected = hart(((Z[:, None] - Z) ** 2).sum(axis=2), y, np.arange(200))
    assert kept(CondensedNNSelector().fit(X, y)).tolist() == expected


def unscaled():
    X, y = noisy()
    return np.exp(X * [0.1, 0.5, 1, 1.5, 2, 0.2]), y


@pytest.mark.parametrize(
    "options", [{}, {"p": 1}, {"p": 3}, {"metric": "cosine"}, {"metric": "canberra"}]
)
@pytest.mark.parametrize("random_state", [None, 0])
def test_the_wrapped_neighbor_gets_all_rows_right(options, random_state):
    X, y = unscaled()
    model = KNeighborsClassifier(1, **options)
    fitted = SampleSubsetClassifier(
        model, CondensedNNSelector(), keep="auto", random_state=random_state
    ).fit(X, y)
    assert len(fitted.sample_indices_) < 0.8 * len(y)
    assert fitted.score(X, y) == 1.0
    other = CondensedNNSelector(random_state=random_state).fit(X, y)
    assert other.metric_ == "seuclidean"
    rows = kept(other)
    assert model.fit(X[rows], y[rows]).score(X, y) < 1.0


def with_missing():
    X, y = unscaled()
    X[::7, 2] = np.nan
    return X, y


def as_frame():
    pd = pytest.importorskip("pandas")
    X, y = with_missing()
    return pd.DataFrame(
        {"a": X[:, 1], "b": X[:, 2], "c": np.where(X[:, 0] > 1, "u", "v")}
    ), y


def as_texts():
    X, y = noisy()
    return [" ".join(f"word{int(9 * v) % 30}" for v in row) for row in X], y


PIPED = {
    "scaled": (unscaled, [RobustScaler()]),
    "imputed": (with_missing, [SimpleImputer(), StandardScaler()]),
    "supervised": (unscaled, [NeighborhoodComponentsAnalysis(2, max_iter=3)]),
    "random": (unscaled, [SparseRandomProjection(3)]),
    "sparse": (unscaled, [KBinsDiscretizer(30, quantile_method="linear")]),
    "missing": (with_missing, ["passthrough"]),
    "frame": (
        as_frame,
        [make_column_transformer((OneHotEncoder(), ["c"]), (SimpleImputer(), ["a", "b"]))],
    ),
    "texts": (as_texts, [TfidfVectorizer()]),
}


@pytest.mark.parametrize("name", PIPED)
def test_the_columns_are_those_that_the_model_sees(name):
    load, steps = PIPED[name]
    X, y = load()
    metric = "nan_euclidean" if name == "missing" else "euclidean"
    model = make_pipeline(*steps, KNeighborsClassifier(1, metric=metric))
    state = np.random.get_state()[1].copy()
    fitted = SampleSubsetClassifier(
        model, CondensedNNSelector(), keep="auto", random_state=0
    ).fit(X, y)
    assert np.array_equal(np.random.get_state()[1], state)
    assert fitted.selector_.metric_ == metric
    front = clone_seeded(model, 0, "estimator")[:-1]
    Z, rows = front.fit_transform(X, y), fitted.sample_indices_
    nearest = KNeighborsClassifier(1, metric=metric).fit(Z[rows], y[rows])
    # Equal rows may have different labels there.
    wrong = nearest.predict(Z) != y
    at = nearest.kneighbors(Z[wrong])[0].ravel() if wrong.any() else np.zeros(0)
    assert not at.any()
    assert wrong.mean() < 0.2
    again = clone(fitted).fit(X, y).sample_indices_
    np.testing.assert_array_equal(again, rows)


def test_distances_that_are_given():
    X, y = unscaled()
    D = pairwise_distances(X, metric="manhattan")
    model = KNeighborsClassifier(1, metric="precomputed")
    chain = ChainSelector([(HardnessSelector(), 0.9), CondensedNNSelector()])
    by_model = SampleSubsetClassifier(KNeighborsClassifier(1, p=1), keep="auto")
    for selector in (CondensedNNSelector(), chain):
        fitted = SampleSubsetClassifier(model, selector, keep="auto").fit(D, y)
        by_model.set_params(selector=selector).fit(X, y)
        np.testing.assert_array_equal(fitted.sample_indices_, by_model.sample_indices_)
    assert fitted.set_params(selector=CondensedNNSelector()).fit(D, y).score(D, y) == 1.0


def test_the_cache_tells_what_is_read_of_the_model(tmp_path, monkeypatch):
    X, y = unscaled()
    calls, rank = [], CondensedNNSelector._rank
    monkeypatch.setattr(
        CondensedNNSelector, "_rank", lambda *args: calls.append(1) or rank(*args)
    )
    subset = SampleSubsetClassifier(
        KNeighborsClassifier(1), CondensedNNSelector(), memory=str(tmp_path), random_state=0
    )

    def rankings(model, **params):
        calls.clear()
        subset.set_params(estimator=model, **params).fit(X, y)
        return len(calls)

    assert rankings(KNeighborsClassifier(1)) == 1
    assert rankings(KNeighborsClassifier(5), keep=0.2) == 0
    assert rankings(KNeighborsClassifier(1, p=1)) == 1
    assert rankings(make_pipeline(StandardScaler(), KNeighborsClassifier(1))) == 1
    assert rankings(make_pipeline(StandardScaler(), KNeighborsClassifier(3))) == 0
    assert rankings(make_pipeline(RobustScaler(), KNeighborsClassifier(1))) == 1
    assert rankings(SVC()) == 1
    assert rankings(SVC(C=3)) == rankings(GaussianNB()) == 0
    assert rankings(SVC(), keep=1.0) == 0
    random = make_pipeline(SparseRandomProjection(3), KNeighborsClassifier(1))
    assert rankings(random, keep=0.5) == 1
    assert rankings(random) == 0
    assert rankings(random, random_state=None) == rankings(random) == 1


def test_behind_transformers_of_its_own_the_selector_sees_their_columns():
    X, y = as_texts()
    model = make_pipeline(TfidfVectorizer(), KNeighborsClassifier(1, metric="cosine"))
    direct = SampleSubsetClassifier(model, CondensedNNSelector(), keep="auto").fit(X, y)
    own = make_pipeline(TfidfVectorizer(), CondensedNNSelector())
    chain = ChainSelector([own])
    search = GridSearchCV(model, {"kneighborsclassifier__n_neighbors": [1]}, cv=2)
    for selector, inner in ((own, model), (chain, model), (own, search)):
        fitted = SampleSubsetClassifier(inner, selector, keep="auto").fit(X, y)
        np.testing.assert_array_equal(fitted.sample_indices_, direct.sample_indices_)


def test_tags_are_those_of_what_the_model_reads():
    reads_nan = KNeighborsClassifier(metric="nan_euclidean")
    for selector in (CondensedNNSelector(), ChainSelector([CondensedNNSelector()])):
        for model, allowed in ((reads_nan, True), (KNeighborsClassifier(), False)):
            tags = get_tags(SampleSubsetClassifier(model, selector))
            assert tags.input_tags.allow_nan is allowed
    X, y = with_missing()
    with pytest.raises(ValueError, match="NaN"):
        SampleSubsetClassifier(SVC(), CondensedNNSelector()).fit(X, y)
