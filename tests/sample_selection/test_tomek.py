import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris, load_wine, make_classification
from sklearn.preprocessing import StandardScaler

from sklearn_prune._graph import NeighborGraph, neighbor_graph
from sklearn_prune.sample_selection import _tomek
from sklearn_prune.sample_selection._tomek import TomekLinksSelector, possible_links


def noisy(seed=0):
    return make_classification(
        n_samples=300, n_features=6, n_informative=4, flip_y=0.3, random_state=seed
    )


def kept(selector):
    return np.sort(selector.order_[: selector.natural_size_])


def links(Z, y):
    """Rows in a link, by Tomek's definition, from all distances."""
    D = np.round(np.linalg.norm(Z[:, None] - Z, axis=2), 9)
    np.fill_diagonal(D, np.inf)
    nearest = D.min(axis=1)
    pairs = (np.minimum.outer(nearest, nearest) >= D) & (y[:, None] != y)
    return pairs.any(axis=1)


def test_equals_imbalanced_learn():
    under_sampling = pytest.importorskip("imblearn.under_sampling")
    for X, y in (load_wine(return_X_y=True), load_breast_cancer(return_X_y=True), noisy()):
        peer = under_sampling.TomekLinks(sampling_strategy="all")
        peer.fit_resample(StandardScaler().fit_transform(X), y)
        ours = TomekLinksSelector().fit(X, y)
        assert np.array_equal(kept(ours), np.sort(peer.sample_indices_))
    assert 0 < ours.natural_size_ < 290


def test_equals_the_definition_under_ties():
    rng = np.random.default_rng(0)
    iris = load_iris(return_X_y=True)
    grid = rng.integers(0, 3, size=(150, 3)).astype(float), rng.integers(0, 3, 150)
    sparse_grid = rng.integers(0, 2, size=(60, 7)).astype(float), rng.integers(0, 2, 60)
    for X, y in (iris, grid, sparse_grid):
        expected = links(StandardScaler().fit_transform(X), y)
        assert expected.any()
        ours = TomekLinksSelector().fit(X, y)
        assert np.array_equal(kept(ours), np.flatnonzero(~expected))


@pytest.mark.parametrize("enemy", [0, 50, 99])
def test_more_equally_near_rows_than_a_list_holds(enemy):
    y = np.zeros(100, dtype=int)
    y[enemy] = 1
    same = TomekLinksSelector().fit(np.ones((100, 2)), y)
    assert same.natural_size_ == 0
    # Corners of a simplex, all equally far from each other.
    corners = TomekLinksSelector().fit(np.eye(100), y)
    assert corners.natural_size_ == 0
    alone = TomekLinksSelector().fit(np.ones((100, 2)), np.zeros(100, dtype=int))
    assert alone.natural_size_ == 100


def test_scores_are_margins():
    X = np.array([[0.0], [1.0], [3.0], [3.5], [6.0], [7.5]])
    y = np.array([0, 0, 0, 1, 1, 1])
    margins = [2.5 / 4.5, 1.5 / 3.5, -1.5 / 2.5 - 2, -2 / 3 - 2, 1.5 / 4.5, 3 / 6]
    np.testing.assert_allclose(TomekLinksSelector().fit(X, y).scores_, margins)


def test_links_come_last():
    selector = TomekLinksSelector().fit(*noisy())
    assert (np.diff(selector.scores_[selector.order_]) <= 1e-11).all()
    assert selector.scores_[selector.order_[selector.natural_size_ - 1]] >= -1


def test_gower_reads_categories_and_missing_values():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {"a": [0.0, 0.1, np.nan, np.nan, 0.9], "b": ["x", "x", None, None, "y"]}
    )
    selector = TomekLinksSelector(metric="gower").fit(frame, [0, 0, 0, 1, 1])
    assert np.array_equal(kept(selector), [0, 1, 4])


def test_few_rows_and_one_class():
    assert TomekLinksSelector().fit([[0.0]], ["a"]).natural_size_ == 1
    assert TomekLinksSelector().fit([[0.0], [1.0]], ["a", "b"]).natural_size_ == 0
    assert TomekLinksSelector().fit([[0.0], [1.0]], ["a", "a"]).natural_size_ == 2


def test_rows_of_zero_weight_make_no_link():
    X = np.array([[0.0], [1.0], [1.5], [4.0]])
    y = np.array([0, 0, 1, 1])
    assert np.array_equal(kept(TomekLinksSelector().fit(X, y)), [0, 3])
    without = TomekLinksSelector().fit(X, y, sample_weight=[1, 1, 0, 1])
    assert np.array_equal(kept(without), [0, 1, 2, 3])
    without = TomekLinksSelector().fit(X, y, sample_weight=[0, 0, 1, 1])
    assert np.array_equal(kept(without), [0, 1, 2, 3])


def test_regression_names_what_to_use():
    X, y = np.zeros((30, 1)), np.linspace(0, 1, 30)
    with pytest.raises(ValueError, match=r"Use ENNSelector\(\) or HardnessSelector\(\)"):
        TomekLinksSelector().fit(X, y)


@pytest.mark.rest  # pynndescent compiles
def test_an_approximate_graph_is_looked_at_again(monkeypatch):
    X, y = noisy()
    exact = neighbor_graph(X, 32)
    wrong = NeighborGraph(exact.indices[:, 1:], exact.distances[:, 1:], exact=False)
    nearest = wrong.indices[:, 0]
    is_candidate = y[nearest] != y
    monkeypatch.setattr(_tomek, "SECOND_LOOK", 1.0)
    assert np.array_equal(possible_links(wrong, y), np.flatnonzero(is_candidate))
    monkeypatch.setattr(_tomek, "SECOND_LOOK", 0.02)
    rows = possible_links(wrong, y)
    assert len(rows) == 6
    assert is_candidate[rows].all()
    assert (wrong.indices[nearest[rows], 0] == rows).all()
