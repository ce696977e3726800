"""Kernel matrices between rows and stored points, as scikit-learn defines them."""

from numbers import Integral

import numpy as np

from sklearn_prune.weight_pruning.compact._quantized import Stored
from sklearn_prune.weight_pruning.compact._rows import is_sparse

_BLOCK = 2**17  # entries of a kernel matrix that are made at a time
_FAR = 1e5  # gamma * |x|^2 from which inner products lose too many digits


class KernelFunction(Stored):
    """A kernel with its parameters.

    Parameters
    ----------
    name : str
        "rbf", "linear", "poly", "sigmoid", another of scikit-learn's pairwise kernels, or
        "object" for a kernel object of Gaussian processes.
    gamma, degree, coef0 : float
        Of the kernels that have them.
    kernel : object or None
        The kernel object.
    """

    def __init__(self, name, gamma=None, degree=3, coef0=0.0, kernel=None):
        self.name = {"polynomial": "poly"}.get(name, name)
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.kernel = kernel

    @property
    def centres(self):
        """Whether adding one vector to all rows and points changes nothing."""
        return self.name == "rbf"

    def __call__(self, X, points):
        """The matrix of shape (n_rows, n_points) in the dtype of X."""
        if self.name == "object":
            return self.kernel(X, points)
        if self.name == "rbf":
            return self._gaussian(X, points)
        if self.name not in ("linear", "poly", "sigmoid"):
            from sklearn.metrics.pairwise import pairwise_kernels

            given = {"gamma": self.gamma} if self.name in ("laplacian", "chi2") else {}
            return pairwise_kernels(X, points, metric=self.name, **given)
        products = _products(X, points)
        if self.name == "linear":
            return products
        products *= products.dtype.type(self.gamma)
        products += products.dtype.type(self.coef0)
        if self.name == "sigmoid":
            return np.tanh(products, out=products)
        return _power(products, self.degree)

    def _gaussian(self, X, points):
        gamma = self.gamma
        columns = -gamma * squared_norms(points)
        if X.dtype == np.float64 and columns.min(initial=0) < -_FAR:
            from scipy.spatial.distance import cdist

            X, points = (x.toarray() if is_sparse(x) else x for x in (X, points))
            return np.exp(-gamma * cdist(X, points, "sqeuclidean"))
        rows = -gamma * squared_norms(X)
        products = _products(X * X.dtype.type(2 * gamma), points)
        products = np.ascontiguousarray(products)
        from sklearn_prune.weight_pruning.compact._kernel_kernels import (
            gaussian32,
            gaussian64,
        )

        if products.dtype == np.float32:
            gaussian32(products, rows.astype(np.float32), columns.astype(np.float32))
        else:
            gaussian64(products, rows, columns)
        return products


def _products(X, points):
    """Inner products of rows and points, as an array."""
    found = X @ points.T
    return found.toarray() if is_sparse(found) else found


def squared_norms(X):
    """Squared length of each row."""
    if is_sparse(X):
        return np.asarray(X.multiply(X).sum(axis=1), dtype=X.dtype).ravel()
    return np.einsum("ij,ij->i", X, X)


def blocks_of(n_rows, n_points):
    """Slices of rows whose kernel matrix stays in the processor's cache."""
    size = max(16, _BLOCK // max(n_points, 1))
    return [slice(start, start + size) for start in range(0, n_rows, size)]


def _power(base, exponent):
    """The power as libsvm takes it: by repeated squaring."""
    if not isinstance(exponent, Integral):
        return np.power(base, exponent)
    result = None
    while exponent:
        if exponent & 1:
            result = base.copy() if result is None else np.multiply(result, base)
        exponent >>= 1
        if exponent:
            base = base * base
    return np.ones_like(base) if result is None else result
