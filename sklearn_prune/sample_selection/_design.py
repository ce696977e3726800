"""Standardised columns of dense or CSR rows, read in blocks, and their moments."""

from functools import cached_property

import numpy as np
from scipy.sparse import issparse
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches

from sklearn_prune._space import pivoted_factor

_BLOCK_BYTES = 32 * 2**20


class Design:
    """Rows whose columns are centred and scaled, given out in blocks of float64."""

    def __init__(self, X, mean, scale):
        self.X = X
        self.mean = mean
        self.scale = scale
        self.shape = X.shape

    @classmethod
    def standardized(cls, X, sample_weight=None):
        """Centre and scale the columns of X by their weighted mean and deviation.

        Missing values do not count in these and are given out as the mean.
        """
        if issparse(X):
            X = X.astype(np.float64)  # sums of sparse columns are taken in this dtype
        scaler = StandardScaler(with_mean=not issparse(X))
        scaler.fit(X, sample_weight=sample_weight)
        mean = np.nan_to_num(scaler.mean_.astype(np.float64))
        scale = np.nan_to_num(scaler.scale_.astype(np.float64), nan=1.0)
        if issparse(X):
            missing = np.isnan(X.data)
            X.data[missing] = mean[X.indices[missing]]
        return cls(X, mean, scale)

    def blocks(self):
        """Yield slices of rows with their values, float64."""
        n, d = self.shape
        for rows in gen_batches(n, max(1, _BLOCK_BYTES // (8 * d + 1))):
            block = self.X[rows]
            if issparse(block):
                block = block.toarray()
            else:
                block = np.where(np.isnan(block), self.mean, block)
            block = block - self.mean
            block /= self.scale
            yield rows, block

    def array(self, order="C"):
        """All values as one array, in the precision of X."""
        values = np.empty(self.shape, dtype=self.X.dtype, order=order)
        for rows, block in self.blocks():
            values[rows] = block
        return values

    def scaled(self, order="C"):
        """Rows for a model with an intercept: sparse ones are scaled and not centred."""
        if not issparse(self.X):
            return self.array(order)
        rows = self.X.multiply(1 / self.scale).asformat("csc" if order == "F" else "csr")
        if max(rows.nnz, *rows.shape) < np.iinfo(np.int32).max:
            # scikit-learn's linear models read narrow indices only
            rows.indices = rows.indices.astype(np.int32)
            rows.indptr = rows.indptr.astype(np.int32)
        return rows

    def columns(self, chosen):
        """The same rows with some of the columns."""
        return Design(self.X[:, chosen], self.mean[chosen], self.scale[chosen])

    @cached_property
    def narrow(self):
        """Rows of at most n columns with the same inner products.

        A ridge-penalised fit knows its rows by their inner products only, so it is the
        same on the result. O(n^2 d) where d > n, with n^2 memory.
        """
        n, d = self.shape
        if d <= n:
            return self
        rows = pivoted_factor(self.inner_products)[0].T
        return Design(rows, np.zeros(rows.shape[1]), np.ones(rows.shape[1]))

    @cached_property
    def inner_products(self):
        """Inner products of all pairs of rows, of shape (n, n)."""
        n, d = self.shape
        if issparse(self.X):
            rows, shift = self.scaled(), self.mean / self.scale
            inner, cross = (rows @ rows.T).toarray(), rows @ shift
            inner -= cross
            inner -= cross[:, None]
            inner += shift @ shift
            return inner
        inner = np.zeros((n, n))
        for part in gen_batches(d, max(1, _BLOCK_BYTES // (8 * n))):
            block = (self.X[:, part] - self.mean[part]) / self.scale[part]
            block[np.isnan(block)] = 0.0
            inner += block @ block.T
        return inner


class Moments:
    """Weighted moments of the rows of a design about their mean.

    `total` is the sum of the weights, `mean` the weighted mean of the rows, `gram` (d, d)
    the weighted sum of the outer products of the centred rows. With targets of shape (n,
    k), `target_mean` is their weighted mean, and `cross` (d, k) the weighted sum of the
    products of centred rows and targets.
    """

    def __init__(self, design, weights, targets=None):
        n, d = design.shape
        targets = np.zeros((n, 0)) if targets is None else targets
        weighted = weights[:, None] * targets
        total, gram, cross = np.zeros(d), np.zeros((d, d)), np.zeros((d, targets.shape[1]))
        for rows, block in design.blocks():
            total += weights[rows] @ block
            cross += block.T @ weighted[rows]
            block *= np.sqrt(weights[rows, None])
            gram += block.T @ block
        self.total = weights.sum()
        self.mean = total / self.total
        self.target_mean = weights @ targets / self.total
        self.gram = gram - self.total * np.outer(self.mean, self.mean)
        self.cross = cross - self.total * np.outer(self.mean, self.target_mean)
