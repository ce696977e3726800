"""Rows in any container, against scikit-learn's own reading of them."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data

from sklearn_prune.predictors import frames
from sklearn_prune.predictors.frames import CSR, FLOATS

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

NUMBERS = {
    "array": np.array([[1.0, 2.0], [3.0, np.nan]]),
    "single": np.array([[1, 2], [3, 4]], dtype=np.float32),
    "integers": np.array([[1, 2], [3, 4]]),
    "objects": np.array([[1, 2.5], [None, 4]], dtype=object),
    "lists": [[1, 2.5], [None, 4]],
    "pandas": pd.DataFrame({"a": [1.0, 2.0], "b": [1, 2]}),
    "pandas single": pd.DataFrame({"a": np.float32([1, 2]), "b": np.float32([1, 2])}),
    "pandas bool": pd.DataFrame({"a": np.float32([1, 2]), "b": [True, False]}),
    "pandas Int64": pd.DataFrame(
        {"a": pd.array([1, None], dtype="Int64"), "b": [1.0, 2.0]}
    ),
    "pandas boolean": pd.DataFrame({"a": pd.array([True, None], dtype="boolean"), "b": 1}),
    "pandas Float32": pd.DataFrame({"a": pd.array([1, 2], dtype="Float32")}),
    "pandas category": pd.DataFrame({"a": pd.Categorical([1, 2]), "b": np.float32([1, 2])}),
    "polars": pl.DataFrame({"a": [1, None], "b": np.float32([1, 2])}),
    "polars single": pl.DataFrame({"a": np.float32([1, 2]), "b": np.float32([1, 2])}),
}


def same(found, expected):
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    for one, other in zip(found.flat, expected.flat, strict=True):
        assert one == other or (frames.is_missing(one) and frames.is_missing(other))


@pytest.mark.parametrize("dtype", [FLOATS, np.float64, np.float32, None])
@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_are_read_as_scikit_learn_reads_them(kind, dtype):
    listed = list(dtype) if isinstance(dtype, tuple) else dtype
    expected = check_array(NUMBERS[kind], dtype=listed, ensure_all_finite="allow-nan")
    same(frames.table(NUMBERS[kind], dtype), expected)


@pytest.mark.parametrize("library", [pd, pl])
def test_texts_stay(library):
    X = library.DataFrame({"a": ["x", None], "b": [1.0, 2.0]})
    same(frames.table(X), check_array(X, dtype=None, ensure_all_finite=False))
    assert frames.column(X, 0)[0] == frames.column(X, "a")[0] == "x"


def records():
    rows = [{"a": 1, "b": "x", "c": 2.5}, {"c": None, "b": None, "a": 2}]
    columns = {name: [row[name] for row in rows] for name in "cab"}
    fields = np.zeros(2, dtype=[("c", float), ("a", int), ("b", object)])
    for at, row in enumerate(rows):
        fields[at] = row["c"], row["a"], row["b"]
    return {"dicts": rows, "columns": columns, "structured": fields}


@pytest.mark.parametrize("kind", records())
def test_rows_by_name_come_in_the_order_of_the_names(kind):
    X = records()[kind]
    assert frames.n_rows(X) == 2
    same(frames.table(X, FLOATS, ["c", "a"]), np.array([[2.5, 1], [np.nan, 2]]))
    same(frames.column(X, "b"), np.array(["x", None], dtype=object))


class Owner(BaseEstimator):
    n_features_in_ = 2

    def __init__(self, names=None):
        if names is not None:
            self.feature_names_in_ = np.array(list(names), dtype=object)


REFUSED = [
    np.zeros(3),
    np.zeros((0, 2)),
    np.zeros((2, 3)),
    np.array([[1.0, np.inf]]),
    np.array([[1.0, np.nan]]),
    np.array([["a", "b"]], dtype=object),
    np.array([[1j, 2]]),
    [[1.0, 2.0, 3.0]],
    sparse.csr_matrix(np.eye(2)),
    pd.DataFrame({"a": [1.0], "c": [2.0]}),
    pd.DataFrame({"b": [1.0], "a": [2.0]}),
    pd.DataFrame({"a": [1.0], "b": [2.0], "c": [2.0]}),
    pd.DataFrame([[1.0, 2.0]], columns=["a", 1]),
    [{"a": 1.0}],
]


@pytest.mark.parametrize("at", range(len(REFUSED)))
def test_what_scikit_learn_refuses_is_refused(at):
    X, owner = REFUSED[at], Owner("ab" if hasattr(REFUSED[at], "columns") else None)
    if at == len(REFUSED) - 1:
        with pytest.raises(ValueError, match="now missing:\n- b"):
            frames.checked(Owner("ab"), X)
        return
    with pytest.raises((ValueError, TypeError)) as expected:
        validate_data(owner, X, reset=False, dtype=list(FLOATS))
    with pytest.raises(expected.type) as found:
        frames.checked(owner, X)
    if hasattr(X, "columns") and "string names" not in str(expected.value):
        assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("names", [None, "ab"])
def test_names_are_warned_of_as_scikit_learn_does(names):
    X = np.eye(2) if names else pd.DataFrame({"a": [1.0], "b": [2.0]})
    with pytest.warns(UserWarning, match="feature names") as expected:
        validate_data(Owner(names), X, reset=False)
    with pytest.warns(UserWarning, match="feature names") as found:
        frames.checked(Owner(names), X)
    assert str(found[0].message) == str(expected[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frames.checked(Owner(None if names else "ab"), X)


def test_sparse_rows_are_those_of_scipy():
    theirs = sparse.random(9, 5, density=0.4, format="csr", random_state=0)
    ours = CSR(theirs.data, theirs.indices, theirs.indptr, theirs.shape)
    same(ours.toarray(), theirs.toarray())
    for rows in (slice(2, 7, 2), [3, 1, 1], np.arange(9) % 2 == 0):
        same(ours[rows].toarray(), theirs[rows].toarray())
        for columns in ([4, 0], slice(1, 4), [2, 2]):
            same(ours[rows, columns].toarray(), theirs.toarray()[rows][:, columns])
    beside = frames.side_by_side([ours, frames.as_csr(np.eye(9)), ours])
    expected = sparse.hstack([theirs, sparse.identity(9), theirs], format="csr")
    same(beside.toarray(), expected.toarray())
    same(frames.as_scipy(beside).toarray(), expected.toarray())
    for right in (np.arange(5) / 7, np.arange(10.0).reshape(5, 2) / 3):
        same(ours @ right, theirs @ right)
    assert frames.is_sparse(ours)
    assert frames.is_sparse(theirs.tocsc())
    assert not any(map(frames.is_sparse, (np.eye(2), [[1]], pd.DataFrame({"a": [1]}))))
