from itertools import product

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline

from sklearn_prune import SampleSubsetClassifier, SampleSubsetRegressor
from sklearn_prune.sample_selection._outlier import OutlierSelector
from tests.estimators import sk

DETECTORS = [
    sk.IsolationForest(n_estimators=50),
    sk.LocalOutlierFactor(),
    sk.LocalOutlierFactor(novelty=True),
    sk.OneClassSVM(nu=0.1),
    sk.EllipticEnvelope(),
    make_pipeline(sk.StandardScaler(), sk.IsolationForest(n_estimators=50)),
    make_pipeline(sk.StandardScaler(), sk.LocalOutlierFactor()),
]
FAST = sk.IsolationForest(n_estimators=10)


def cloud(n=120):
    X = np.random.default_rng(0).normal(size=(n, 3))
    X[:6] += 8 * np.array(list(product([-1, 1], repeat=3)))[:6]
    return X


class Seen(sk.OneClassSVM):
    """Gives 1 to rows that it was fitted on and -1 to others."""

    def fit(self, X, y=None, sample_weight=None):
        self.rows_ = {tuple(row) for row in X}
        return self

    def decision_function(self, X):
        return np.array([1.0 if tuple(row) in self.rows_ else -1.0 for row in X])

    def predict(self, X):
        return self.decision_function(X).astype(int)


class Recording(sk.OneClassSVM):
    """Scores a row by the sum of weights that it was fitted with."""

    def fit(self, X, y=None, sample_weight=None):
        self.total_ = len(X) if sample_weight is None else np.sum(sample_weight)
        return self

    def decision_function(self, X):
        return np.full(len(X), float(self.total_))

    def predict(self, X):
        return np.ones(len(X), dtype=int)


@pytest.mark.parametrize("detector", DETECTORS, ids=repr)
def test_outliers_come_last(detector):
    X = cloud()
    selector = OutlierSelector(detector, random_state=0).fit(X)
    assert set(selector.order_[-6:]) == set(range(6))
    assert (selector.scores_[:6] < 0).all()
    assert selector.natural_size_ <= len(X) - 6


def test_no_detector_has_seen_the_row():
    X = np.arange(40.0)[:, None]
    assert (OutlierSelector(Seen(), random_state=0).fit(X).scores_ == -1).all()
    groups = np.arange(40) // 4
    together = (groups[:, None]).astype(float)
    selector = OutlierSelector(Seen(), random_state=0)
    assert (selector.fit(together, groups=groups).scores_ == -1).all()
    assert (selector.fit(together).scores_ == 1).any()
    seen = sk.FrozenEstimator(Seen().fit(X))
    assert (OutlierSelector(seen).fit(X).scores_ == 1).all()


@pytest.mark.parametrize("novelty", [False, True])
@pytest.mark.parametrize("n_neighbors", [5, 500])
def test_local_outlier_factor_is_that_of_scikit_learn(novelty, n_neighbors):
    X = cloud(60)
    peer = sk.LocalOutlierFactor(n_neighbors=min(n_neighbors, 59))
    labels = peer.fit_predict(X)
    detector = sk.LocalOutlierFactor(n_neighbors=n_neighbors, novelty=novelty)
    selector = OutlierSelector(detector).fit(X)
    expected = peer.negative_outlier_factor_ - peer.offset_
    np.testing.assert_allclose(selector.scores_, expected)
    kept = selector.order_[: selector.natural_size_]
    assert set(kept) == set(np.flatnonzero(labels == 1))


def test_by_class_is_one_detector_for_each_class():
    X, y = load_iris(return_X_y=True)
    y = np.array(["a", "b", "c"])[y]
    whole = OutlierSelector(sk.LocalOutlierFactor(), by_class=True).fit(X, y)
    for label in "abc":
        part = OutlierSelector(sk.LocalOutlierFactor()).fit(X[y == label])
        np.testing.assert_allclose(whole.scores_[y == label], part.scores_)


def test_by_class_finds_wrong_labels():
    X, y = load_iris(return_X_y=True)
    y[[3, 7, 12]] = 1
    selector = OutlierSelector(FAST, by_class=True, random_state=0).fit(X, y)
    assert {3, 7, 12} <= set(selector.order_[selector.natural_size_ :])
    blind = OutlierSelector(FAST, random_state=0).fit(X, y)
    assert (blind.scores_[[3, 7, 12]] > 0).any()


@pytest.mark.parametrize("detector", [FAST, sk.LocalOutlierFactor()], ids=repr)
def test_row_without_comparison_is_an_inlier_of_score_zero(detector):
    X = cloud(31)
    y = np.r_[np.zeros(30), 1].astype(int)
    selector = OutlierSelector(detector, by_class=True, random_state=0).fit(X, y)
    assert selector.scores_[30] == 0
    assert 30 in selector.order_[: selector.natural_size_]
    one = OutlierSelector(detector).fit(X[:1])
    assert (one.order_.tolist(), one.natural_size_) == ([0], 1)
    together = OutlierSelector(FAST).fit(X, groups=np.zeros(31))
    assert together.natural_size_ == 31


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("detector", [FAST, sk.LocalOutlierFactor()], ids=repr)
def test_few_or_equal_rows(detector, n):
    selector = OutlierSelector(detector, random_state=0).fit(np.ones((n, 2)))
    assert selector.order_.tolist() == list(range(n))
    assert selector.natural_size_ == n


@pytest.mark.parametrize(
    "detector", [sk.OneClassSVM(nu=0.1), FAST, sk.LocalOutlierFactor()], ids=repr
)
def test_rows_of_weight_zero_do_not_count(detector):
    X = cloud()
    weights = np.random.default_rng(0).choice([0.0, 1.0], len(X))
    counted = weights > 0
    whole = OutlierSelector(detector, random_state=0).fit(X, sample_weight=weights)
    part = OutlierSelector(detector, random_state=0)
    part.fit(X[counted], sample_weight=weights[counted])
    np.testing.assert_allclose(whole.scores_[counted], part.scores_)
    assert (whole.scores_[:6] < 0).all()


def test_weights_reach_the_detectors():
    X = np.arange(10.0)[:, None]
    scores = OutlierSelector(Recording(), n_folds=2).fit(X, sample_weight=X[:, 0]).scores_
    assert len(set(scores)) == 3  # of two folds, and row 0 is held out of both
    assert sum(set(scores[1:])) == 45


def test_default_is_an_isolation_forest_in_any_container(container):
    X = cloud()
    options = {"n_folds": 2, "random_state": 0}
    expected = OutlierSelector(sk.IsolationForest(), **options).fit(X).scores_
    found = OutlierSelector(**options).fit(container(X)).scores_
    if container is not np.asarray:  # sparse and float32 trees may draw other thresholds
        assert np.corrcoef(found, expected)[0, 1] > 0.95
    else:
        np.testing.assert_array_equal(found, expected)


def test_missing_values_are_read_where_the_detector_reads_them():
    X = cloud()
    X[50, 0] = np.nan
    assert len(OutlierSelector(FAST).fit(X).order_) == len(X)
    with pytest.raises(ValueError, match="contains NaN"):
        OutlierSelector(sk.LocalOutlierFactor()).fit(X)
    X[50, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        OutlierSelector().fit(X)


def test_texts():
    texts = ["good film", "fine film", "good fine film"] * 8 + ["xyz qrs"]
    detector = make_pipeline(sk.TfidfVectorizer(), sk.LocalOutlierFactor(n_neighbors=9))
    assert OutlierSelector(detector).fit(texts).order_[-1] == 24


def test_in_meta_estimators():
    X, y = load_iris(return_X_y=True)
    options = {"keep": "auto", "random_state": 0}
    fitted = SampleSubsetClassifier(
        sk.LogisticRegression(max_iter=500), OutlierSelector(FAST, by_class=True), **options
    ).fit(X, y)
    assert len(fitted.sample_indices_) == fitted.selector_.natural_size_ < 150
    regressor = SampleSubsetRegressor(sk.Ridge(), OutlierSelector(FAST), **options)
    assert len(regressor.fit(X, X[:, 0]).sample_indices_) < 150
    with pytest.raises(ValueError, match="by_class=True compares rows within their class"):
        SampleSubsetRegressor(sk.Ridge(), OutlierSelector(by_class=True)).fit(X, X[:, 0])


def test_arguments_are_checked():
    X = load_iris().data
    for detector in (sk.LogisticRegression(), sk.IsolationForest, "isolation"):
        with pytest.raises(TypeError, match="needs an outlier detector of scikit-learn"):
            OutlierSelector(detector).fit(X)
    with pytest.raises(ValueError, match="requires y to be passed"):
        OutlierSelector(by_class=True).fit(X)
    with pytest.raises(ValueError, match="continuous"):
        OutlierSelector(by_class=True).fit(X, X[:, 0])
