import numpy as np
import pytest
from sklearn.datasets import load_diabetes, make_classification
from sklearn.metrics import roc_auc_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler

from sklearn_prune import SampleSubsetClassifier
from sklearn_prune.sample_selection import Ranking, SampleSelector
from sklearn_prune.sample_selection._hardness import HardnessSelector


def neighbors(X, k):
    Z = StandardScaler().fit_transform(X)
    return NearestNeighbors(n_neighbors=k).fit(Z).kneighbors(return_distance=False)


def noisy():
    X, y = make_classification(
        n_samples=300, n_features=6, n_informative=4, class_sep=2, random_state=0
    )
    wrong = np.random.default_rng(0).random(300) < 0.1
    return X, np.where(wrong, 1 - y, y), wrong


@pytest.mark.parametrize("k", [1, 10, 40])
def test_scores_are_minus_the_disagreeing_share(k):
    X, y, wrong = noisy()
    expected = -(y[neighbors(X, k)] != y[:, None]).mean(axis=1)
    selector = HardnessSelector(k).fit(X, y)
    np.testing.assert_allclose(selector.scores_, expected, atol=1e-15)
    assert np.array_equal(
        selector.order_, np.argsort(-np.round(expected, 9), kind="stable")
    )
    assert not hasattr(selector, "natural_size_")
    assert roc_auc_score(wrong, -selector.scores_) > (0.7 if k == 1 else 0.9)


def test_regression_is_the_spread_around_the_target():
    X, y = load_diabetes(return_X_y=True)
    spread = np.sqrt(((y[neighbors(X, 10)] - y[:, None]) ** 2).mean(axis=1))
    selector = HardnessSelector(task="regression").fit(X, y)
    np.testing.assert_allclose(selector.scores_, -spread / y.std())
    y[3] += 1000
    assert HardnessSelector(task="regression").fit(X, y).order_[-1] == 3
    constant = HardnessSelector(task="regression").fit(X, np.full(len(y), 0.1))
    assert np.array_equal(constant.order_, np.arange(len(y)))
    assert (constant.scores_ == 0).all()


def test_gower_reads_categories_and_missing_values():
    pd = pytest.importorskip("pandas")
    y = np.tile([0, 1], 20)
    number = np.where(np.arange(40) % 7 == 0, np.nan, y)
    frame = pd.DataFrame({"number": number, "category": np.where(y == 0, "a", "b")})
    y[5] = 0
    assert HardnessSelector(3, metric="gower").fit(frame, y).order_[-1] == 5


def test_few_rows_and_ties():
    assert HardnessSelector().fit([[0.0]], ["a"]).scores_.tolist() == [0.0]
    assert HardnessSelector().fit([[0.0], [1.0]], ["a", "b"]).scores_.tolist() == [-1, -1]
    one = HardnessSelector(task="regression").fit([[0.0]], [3.0])
    assert one.scores_.tolist() == [0.0]
    y = np.repeat([0, 1], [8, 2])
    all_others = HardnessSelector(50).fit(np.ones((10, 2)), y)
    np.testing.assert_allclose(all_others.scores_, -np.repeat([2 / 9, 8 / 9], [8, 2]))


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_rows_of_zero_weight_are_no_neighbors(task):
    X, y, _ = noisy()
    weights = np.ones(300)
    weights[:200] = 0
    # Cosine does not depend on the columns of other rows.
    options = {"metric": "cosine", "task": task}
    whole = HardnessSelector(**options).fit(X, y, sample_weight=weights)
    part = HardnessSelector(**options).fit(X[200:], y[200:])
    np.testing.assert_allclose(whole.scores_[200:], part.scores_)


class FarSelector(SampleSelector):
    """A selector of one's own: rows far from their neighbours last."""

    reads_estimator = True

    def __init__(self, metric="auto"):
        self.metric = metric

    def _rank(self, X, y, context):
        graph = context.neighbor_graph(X, 3, metric=self.metric)
        return Ranking.from_scores(-graph.distances.sum(axis=1))


def test_a_selector_of_ones_own_measures_as_the_model(X, y):
    X = np.exp(X)
    scaled = RobustScaler().fit_transform(X)
    for model, points, options in (
        (KNeighborsClassifier(), X, {}),
        (KNeighborsClassifier(p=1), X, {"p": 1}),
        (make_pipeline(RobustScaler(), KNeighborsClassifier(p=3)), scaled, {"p": 3}),
        (GaussianNB(), StandardScaler().fit_transform(X), {}),
    ):
        fitted = SampleSubsetClassifier(model, FarSelector(), keep=0.5).fit(X, y)
        distances, _ = NearestNeighbors(n_neighbors=3, **options).fit(points).kneighbors()
        np.testing.assert_allclose(fitted.sample_scores_, -distances.sum(axis=1))
