import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_diabetes, make_classification
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

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


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_order_of_rows_is_no_matter(task):
    X, y, _ = noisy()
    shuffled = np.random.default_rng(0).permutation(300)
    a = HardnessSelector(task=task).fit(X, y)
    b = HardnessSelector(task=task).fit(X[shuffled], y[shuffled])
    np.testing.assert_allclose(b.scores_, a.scores_[shuffled], rtol=1e-12)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_containers_and_threads(container, task):
    X, y, _ = noisy()
    X = X.astype(np.float32).astype(float)
    plain = HardnessSelector(task=task).fit(X, y)
    other = HardnessSelector(task=task, n_jobs=2).fit(container(X), y)
    assert np.array_equal(plain.order_, other.order_)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "gower"])
def test_csr_equals_dense(metric):
    X, y, _ = noisy()
    X = np.where(np.abs(X) < 0.7, 0.0, X)
    dense = HardnessSelector(metric=metric).fit(X, y)
    assert np.array_equal(
        dense.order_, HardnessSelector(metric=metric).fit(csr_array(X), y).order_
    )


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


def test_inputs_do_not_change():
    X, y, _ = noisy()
    X.setflags(write=False)
    y.setflags(write=False)
    selector = HardnessSelector().fit(X, y)
    assert not any(np.shape(value) == X.shape for value in vars(selector).values())
