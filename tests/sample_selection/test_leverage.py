import numpy as np
import pytest
from scipy.sparse import csr_array

from sklearn_prune._seeds import row_keys
from sklearn_prune.sample_selection import _leverage
from sklearn_prune.sample_selection._leverage import LeverageSelector


def hat_diagonal(X, weights=None):
    """Diagonal of the hat matrix of weighted least squares with an intercept."""
    weights = np.ones(len(X)) if weights is None else weights
    mean, deviation = np.average(X, axis=0, weights=weights), X.std(axis=0)
    Z = (X - mean) / np.where(deviation > 0, deviation, 1)
    A = np.sqrt(weights)[:, None] * np.column_stack([np.ones(len(X)), Z])
    return np.diag(A @ np.linalg.pinv(A, rcond=1e-12))


def rows(n, d, rank=None):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)) * rng.uniform(0.01, 100, d) + 10
    if rank is not None:
        X = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, d)) + 3
    X[0] *= 5
    return X


SHAPES = [(200, 7), (50, 49), (50, 50), (40, 130), (200, 30, 12), (60, 200, 25), (1, 3)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("wrap", [np.asarray, csr_array])
def test_scores_are_the_diagonal_of_the_hat_matrix(shape, weighted, wrap):
    X = rows(*shape)
    weights = np.random.default_rng(1).uniform(0.1, 3, len(X)) if weighted else None
    if weighted:
        weights[1::5] = 0
    selector = LeverageSelector(random_state=0).fit(wrap(X), sample_weight=weights)
    assert np.abs(selector.scores_ - hat_diagonal(X, weights)).max() < 1e-10


def test_blocks_change_nothing(monkeypatch):
    tall, wide = rows(300, 6), rows(40, 90, 20)
    expected = [LeverageSelector().fit(X).scores_ for X in (tall, wide)]
    monkeypatch.setattr("sklearn_prune.sample_selection._design._BLOCK_BYTES", 8 * 60)
    monkeypatch.setattr(_leverage, "_BLOCK_BYTES", 8 * 40 * 7)
    for X, scores in zip((tall, wide), expected, strict=True):
        assert np.abs(LeverageSelector().fit(X).scores_ - scores).max() < 1e-12


def test_columns_may_be_constant_repeated_and_of_any_scale():
    X = rows(100, 4)
    more = np.column_stack([X, X[:, 0] * 1e6 - 3, np.full(100, 1e7), X[:, 1] + X[:, 2]])
    expected = hat_diagonal(X)
    assert np.abs(LeverageSelector().fit(more).scores_ - expected).max() < 1e-10
    constant = LeverageSelector().fit(np.full((20, 2), 0.1)).scores_
    assert np.allclose(constant, 1 / 20, rtol=1e-12)


def test_weights_are_copies():
    X = rows(60, 4)
    copies = np.random.default_rng(0).integers(0, 4, 60)
    weighted = LeverageSelector().fit(X, sample_weight=copies).scores_
    repeated = LeverageSelector().fit(np.repeat(X, copies, axis=0)).scores_
    of_row = np.bincount(np.repeat(np.arange(60), copies), repeated, minlength=60)
    assert np.abs(weighted - of_row).max() < 1e-12


def test_sketch_of_low_rank_rows_is_exact(monkeypatch):
    X = rows(120, 110, 8)
    expected = hat_diagonal(X)
    monkeypatch.setattr(_leverage, "EXACT_UP_TO", 100)
    monkeypatch.setattr(_leverage, "SKETCH_SIZE", 60)
    monkeypatch.setattr("sklearn_prune.sample_selection._design._BLOCK_BYTES", 8 * 110 * 9)
    for wrap in (np.asarray, csr_array):
        selector = LeverageSelector(random_state=0).fit(wrap(X))
        assert np.abs(selector.scores_ - expected).max() < 1e-9


def test_order_is_a_draw_by_leverage():
    X = rows(200, 5)
    selector = LeverageSelector(random_state=3).fit(X)
    draws = row_keys(3, 200) / hat_diagonal(X)
    assert np.array_equal(selector.order_, np.argsort(draws))
    assert np.allclose(selector.draws_, draws, rtol=1e-9)
    assert selector.ranking.importances is not None
    again = LeverageSelector(random_state=3).fit(X)
    assert np.array_equal(again.order_, selector.order_)
    other = LeverageSelector(random_state=4).fit(X)
    assert not np.array_equal(other.order_, selector.order_)


def test_a_row_of_high_leverage_is_the_first_as_often_as_it_should():
    X = np.array([[-1.0], [-1], [-1], [-1], [4]])
    leverages = LeverageSelector().fit(X).scores_
    assert np.allclose(leverages, [0.25, 0.25, 0.25, 0.25, 1])
    first = [_leverage.draw(leverages, seed).order[0] for seed in range(3000)]
    # The chance that its uniform number u is below four others times 4.
    expected = np.mean((1 - np.linspace(0, 1, 10_001) / 4) ** 4)
    assert np.mean(np.array(first) == 4) == pytest.approx(expected, abs=0.02)


def test_rows_of_weight_0_come_last_and_count_for_nothing():
    X = rows(80, 5)
    weights = np.ones(80)
    weights[::4] = 0
    X[::4] *= 1000
    selector = LeverageSelector(random_state=0).fit(X, sample_weight=weights)
    assert set(selector.order_[60:]) == set(range(0, 80, 4))
    assert not selector.scores_[::4].any()
    kept = np.flatnonzero(weights)
    assert np.abs(selector.scores_[kept] - hat_diagonal(X[kept])).max() < 1e-10


def test_a_missing_value_counts_as_the_mean():
    X = rows(50, 3)
    X[4, 1] = np.nan
    filled = np.where(np.isnan(X), np.nanmean(X, axis=0), X)
    scores = LeverageSelector().fit(X).scores_
    assert np.abs(scores - hat_diagonal(filled)).max() < 1e-10


def test_targets_of_any_kind_are_not_read():
    X = rows(50, 3)
    order = LeverageSelector(random_state=0).fit(X).order_
    for y in (np.arange(100.0).reshape(50, 2), np.array(["a", "b"] * 25)):
        assert np.array_equal(LeverageSelector(random_state=0).fit(X, y).order_, order)
