import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.preprocessing import StandardScaler

from sklearn_prune.sample_selection import _design
from sklearn_prune.sample_selection._design import Design, Moments, pivoted_factor


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(3, 2, (40, 6)) * (rng.random((40, 6)) < 0.6)
    X[:, 5] = 1.5  # constant
    return X


@pytest.mark.parametrize("block_bytes", [1, 500, 2**25])
@pytest.mark.parametrize("wrap", [np.asarray, csr_array])
def test_blocks_are_the_standardised_rows(rows, wrap, block_bytes, monkeypatch):
    monkeypatch.setattr(_design, "_BLOCK_BYTES", block_bytes)
    weights = np.linspace(0.5, 2, 40)
    for sample_weight in (None, weights):
        design = Design.standardized(wrap(rows), sample_weight)
        expected = StandardScaler().fit(rows, sample_weight=sample_weight).transform(rows)
        assert np.allclose(design.array(), expected, atol=1e-14)
        some = design.columns([4, 1]).array(order="F")
        assert np.allclose(some, expected[:, [4, 1]], atol=1e-14)


@pytest.mark.parametrize("wrap", [np.asarray, csr_array])
def test_missing_values_become_the_mean(rows, wrap):
    rows[3, 0] = rows[5, 2] = np.nan
    values = Design.standardized(wrap(rows)).array()
    assert values[3, 0] == pytest.approx(0, abs=1e-14)
    assert values[5, 2] == pytest.approx(0, abs=1e-14)
    known = np.isfinite(rows[:, 0])
    assert values[known, 0].std() == pytest.approx(1)
    assert np.isnan(rows[3, 0])


@pytest.mark.parametrize("n_features", [3, 40, 90])
@pytest.mark.parametrize("wrap", [np.asarray, csr_array])
def test_narrow_rows_have_the_same_inner_products(n_features, wrap):
    X = np.random.default_rng(1).normal(size=(40, n_features))
    X[7] = X[8]
    design = Design.standardized(wrap(X))
    narrow = design.narrow
    assert narrow.shape[1] <= 40
    Z, R = design.array(), narrow.array()
    assert np.allclose(R @ R.T, Z @ Z.T, atol=1e-10)


def test_moments_are_those_of_the_formula(rows):
    weights = np.random.default_rng(2).random(40)
    targets = rows[:, :2] ** 2
    design = Design.standardized(rows)
    moments = Moments(design, weights, targets)
    Z = design.array()
    centred = Z - np.average(Z, axis=0, weights=weights)
    assert np.allclose(moments.gram, (centred.T * weights) @ centred)
    about_mean = targets - np.average(targets, axis=0, weights=weights)
    assert np.allclose(moments.cross, (centred.T * weights) @ about_mean)


@pytest.mark.parametrize("rank", [0, 3, 8])
def test_pivoted_factor_of_any_rank(rank):
    A = np.random.default_rng(3).normal(size=(rank, 8)) if rank else np.zeros((1, 8))
    cross = A.T @ np.ones((len(A), 2))
    R, solved = pivoted_factor(A.T @ A, cross)
    assert len(R) == max(rank, 1)
    assert np.allclose(R.T @ R, A.T @ A)
    assert np.allclose(R.T @ solved, cross)
