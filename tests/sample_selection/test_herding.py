import numpy as np

from sklearn_prune._coverage import herding_order
from sklearn_prune._space import standardized_rows
from sklearn_prune.sample_selection._herding import HerdingSelector


def naive_order(points):
    squared = ((points[:, None] - points) ** 2).sum(axis=-1)
    some = squared[:: max(1, len(points) // 200)]
    h = np.median(some[some > 0])
    kernel = sum(np.exp(-squared * scale / h) for scale in (1, 5, 20)) / 3
    order, total = [], np.zeros(len(points))
    for t in range(len(points)):
        values = kernel.mean(axis=0) * (t + 1) - total
        values[order] = -np.inf
        order.append(np.argmax(values))
        total += kernel[order[-1]]
    return np.array(order)


def test_one_block_is_the_naive_greedy_order():
    X = np.random.default_rng(5).normal(size=(300, 6)) * [1, 2, 3, 4, 5, 6]
    order = HerdingSelector().fit(X).order_
    assert np.array_equal(order[:150], naive_order(X / X.std(axis=0))[:150])


def test_classes_are_herded_apart(X, y):
    order = HerdingSelector().fit(X, y).order_
    points = standardized_rows(X)
    for label in range(3):
        rows = np.flatnonzero(y == label)
        expected = rows[herding_order(points[rows], seed=0)]
        assert np.array_equal(order[y[order] == label], expected)
    counts = np.bincount(y[order[:60]], minlength=3)
    assert np.abs(counts - np.bincount(y) / 4).max() <= 1


def test_regression_covers_the_target():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 4)), rng.exponential(size=200)
    chosen = y[HerdingSelector(task="regression").fit(X, y).order_[:20]]
    blind = y[HerdingSelector().fit(X).order_[:20]]
    quantiles = np.linspace(0.1, 0.9, 9)
    miss = [
        np.abs(np.quantile(part, quantiles) - np.quantile(y, quantiles)).mean()
        for part in (chosen, blind)
    ]
    assert miss[0] < miss[1]
    assert miss[0] < 0.15


def test_seed_and_threads(X, y):
    first = HerdingSelector(block_size=30, random_state=1).fit(X, y).order_
    again = HerdingSelector(block_size=30, random_state=1, n_jobs=2).fit(X, y).order_
    other = HerdingSelector(block_size=30, random_state=2).fit(X, y).order_
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_rows_of_no_weight_come_last(X, y):
    weights = np.ones(len(y))
    weights[y == 2] = 0
    weights[:50] = 0
    order = HerdingSelector().fit(X, y, sample_weight=weights).order_
    assert np.array_equal(order[weights.sum().astype(int) :], np.flatnonzero(weights == 0))
    counted = np.flatnonzero(weights)
    alone = HerdingSelector().fit(X[counted], y[counted])
    assert len(alone.order_) == weights.sum()
