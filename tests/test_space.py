import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.preprocessing import StandardScaler

from sklearn_prune import _space
from sklearn_prune._space import MixedRows, Space, standardized_rows


def test_standardized_rows_are_those_of_the_scaler():
    X = np.random.default_rng(0).normal(3, [1, 50, 1e-3], (40, 3))
    np.testing.assert_allclose(standardized_rows(X), StandardScaler().fit_transform(X))


@pytest.mark.parametrize("value", [0.0, 0.1, 1e8, -3.3])
def test_a_constant_column_counts_for_nothing(value):
    X = np.column_stack([np.full(7, value), np.arange(7.0)])
    for dtype in (np.float64, np.float32):
        assert not standardized_rows(X.astype(dtype))[:, 0].any()


def test_a_missing_value_counts_as_the_mean():
    X = np.array([[1.0, 2.0], [np.nan, 4.0], [3.0, 6.0]])
    points = standardized_rows(X)
    assert points[1, 0] == 0
    assert np.isnan(X[1, 0])  # the rows are left alone


def test_sparse_rows_have_the_distances_of_dense_ones(monkeypatch):
    X = np.random.default_rng(0).poisson(0.4, (30, 12)).astype(float)
    monkeypatch.setattr(_space, "DENSE_LIMIT", 0)
    for metric in ("euclidean", "cosine"):
        sparse = Space.of(csr_array(X), metric, sparse=True).points.toarray()
        dense = Space.of(X, metric).points
        gap = dense[:, None] - dense[None] - (sparse[:, None] - sparse[None])
        assert np.abs(gap).max() < 1e-12


def test_what_is_too_large_to_be_dense_says_what_to_type():
    X = csr_array((100_000, 10_000))
    with pytest.raises(ValueError, match=r"take 7 GiB.*TruncatedSVD\(100\), Herd\(\)"):
        Space.of(X, owner="Herd")


FRAME = {
    "size": [1.0, None, 3.0],
    "colour": ["red", None, "blue"],
    "flag": [True, False, True],
}


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_numbers_and_categories(library):
    rows = MixedRows.of(pytest.importorskip(library).DataFrame(FRAME))
    assert rows.nominal.tolist() == [False, True, True]
    np.testing.assert_array_equal(np.isnan(rows.values[1]), [True, True, False])
    assert rows.values[0, 1] != rows.values[2, 1]


def test_kinds_of_columns():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "category of numbers": pd.Categorical([3, 1, 3]),
            "nullable": pd.array([1, None, 2], dtype="Int64"),
            "decimal-like objects": np.array([1, 2.5, None], dtype=object),
            "mixed": np.array([1, "1", 1], dtype=object),
        }
    )
    rows = MixedRows.of(frame)
    assert rows.nominal.tolist() == [True, False, False, True]
    assert rows.values[0, 3] != rows.values[1, 3]  # the number 1 is not the text "1"
    assert np.isnan(rows.values[1, 1])
    assert np.isnan(rows.values[2, 2])
