"""Rows of any container: arrays, sparse matrices, frames and lists of rows."""

import sys

import numpy as np


def is_sparse(X):
    """Whether X is a sparse matrix or array of scipy."""
    sparse = sys.modules.get("scipy.sparse")  # nothing is sparse before it is imported
    return sparse is not None and sparse.issparse(X)


def count_rows(X):
    """Number of rows."""
    return X.shape[0] if hasattr(X, "shape") else len(X)


def take_columns(X, columns):
    """Some columns of an array, sparse matrix, frame or list of rows."""
    X = X if hasattr(X, "shape") else np.asarray(X)
    columns = columns.astype(np.intp)
    if hasattr(X, "iloc"):
        return X.take(columns, axis=1)
    if hasattr(X, "column_names"):  # pyarrow
        return X.select(columns.tolist())
    return X[:, columns.tolist() if hasattr(X, "get_columns") else columns]
