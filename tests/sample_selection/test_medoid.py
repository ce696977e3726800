import numpy as np
from sklearn.datasets import make_blobs

from sklearn_prune.sample_selection._medoid import MedoidSelector


def test_first_row_of_a_class_is_nearest_to_its_mean(X, y):
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    order = MedoidSelector(random_state=0).fit(X, y).order_
    for label in range(3):
        rows = np.flatnonzero(y == label)
        gap = ((Z[rows] - Z[rows].mean(axis=0)) ** 2).sum(axis=1)
        assert order[y[order] == label][0] == rows[np.argmin(gap)]


def test_medoids_explain_more_than_random_rows():
    X, _ = make_blobs(400, n_features=4, centers=12, random_state=3)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    squared = ((Z[:, None] - Z) ** 2).sum(axis=-1)
    order = MedoidSelector(random_state=0).fit(X).order_
    assert sorted(order) == list(range(400))
    for k in (12, 24, 40):
        random = [
            squared[np.random.default_rng(s).permutation(400)[:k]].min(axis=0).mean()
            for s in range(20)
        ]
        assert squared[order[:k]].min(axis=0).mean() < min(random)


def test_rows_of_no_weight_come_last(X, y):
    weights = np.ones(len(y))
    weights[:60] = 0
    order = MedoidSelector(random_state=0).fit(X, y, sample_weight=weights).order_
    assert np.array_equal(order[180:], np.arange(60))


def test_duplicates_and_small_classes():
    X = np.repeat([[0.0, 0.0], [1.0, 1.0]], 50, axis=0)
    order = MedoidSelector(random_state=0).fit(X).order_
    assert sorted(order) == list(range(100))
    assert set(order[:2] // 50) == {0, 1}
    y = np.r_[np.zeros(99, dtype=int), 1]
    assert sorted(MedoidSelector(random_state=0).fit(X, y).order_) == list(range(100))
