"""Kernel machines as ONNX operators."""

from itertools import pairwise

import numpy as np
from scipy.sparse import issparse

from sklearn_prune.persistence._onnx_distances import squared_distances, squared_norms
from sklearn_prune.persistence._onnx_writer import Writer
from sklearn_prune.weight_pruning.compact._kernel import pairs_of
from sklearn_prune.weight_pruning.compact._quantized import dense

_FAR = 1e5  # gamma * |x|^2 from which inner products lose too many digits


def kernel_matrix(graph, function, X, points, arrays):
    """Kernel values of rows with stored points, of shape (n_samples, n_points).

    Parameters
    ----------
    graph : GraphWriter
        The graph.
    function : KernelFunction
        The kernel.
    X : Value
        Rows.
    points : Value
        The points.
    arrays : ndarray
        The same as numbers.
    """
    name = function.name
    if name == "object":
        from sklearn_prune.persistence._onnx_process import (
            process_kernel,
        )

        return process_kernel(graph, function.kernel, X, points, arrays)
    if name == "rbf":
        far = function.gamma * (arrays**2).sum(axis=1).max(initial=0) > _FAR
        squares = squared_distances(graph, X, points, arrays.shape[1], exact=far)
        return (squares * -float(function.gamma)).exp()
    products = X @ points.transpose(1, 0)
    if name == "linear":
        return products
    if name in ("poly", "sigmoid"):
        products = products * float(function.gamma) + float(function.coef0)
        return products.tanh() if name == "sigmoid" else products ** float(function.degree)
    if name == "cosine":
        lengths = squared_norms(X).sqrt()
        lengths = graph.where(lengths.equals(0.0), 1.0, lengths)
        own = np.sqrt((arrays**2).sum(axis=1))
        return products / lengths / np.where(own == 0, 1.0, own)[None, :]
    if name in ("laplacian", "chi2", "additive_chi2"):
        rows = X.reshape(0, 1, -1)
        gamma = function.gamma
        if name == "laplacian":
            gamma = 1.0 / arrays.shape[1] if gamma is None else gamma
            return ((rows - points).abs().sum(2) * -float(gamma)).exp()
        total = rows + points
        nothing = total.equals(0.0)
        shares = (rows - points) ** 2.0 / graph.where(nothing, 1.0, total)
        found = -shares.sum(2)
        gamma = 1.0 if gamma is None else gamma
        return found if name == "additive_chi2" else (found * float(gamma)).exp()
    raise TypeError(
        f"to_onnx writes scikit-learn's kernels. Got kernel={name!r}. Use save() and "
        "load() instead."
    )


class Expansion(Writer):
    """Sums of kernels with stored points."""

    def _sums(self, rows):
        """What the predictor sums, and adds to nothing yet; pairs of classes apart."""
        kernel = self._kernel(rows)
        return kernel @ self.rounded(self.compact.coefficients_, kernel.dtype)

    def _rows(self, rows):
        X = rows.array().cast(self.graph.float)
        return X if self.compact.center_ is None else X - self.compact.center_

    def _kernel(self, rows):
        """Kernel values, or the rows where the sum is a product with them."""
        compact, X = self.compact, self._rows(rows)
        if compact.points_ is None:
            return X
        arrays = compact.points_
        if issparse(arrays):
            arrays = arrays.toarray()
            points = self.rounded(arrays, X.dtype)
        else:
            points = self.rounded(arrays, X.dtype)
            arrays = np.asarray(dense(arrays))
        arrays = arrays.astype(np.float64)
        return kernel_matrix(self.graph, compact.kernel_, X, points, arrays)


class _SVR(Expansion):
    def predict(self, rows):
        sums = self._sums(rows) + self.compact.offsets_
        return sums.ravel() if self.compact.flat_ else sums


class _SVC(Expansion):
    def _pairs(self, rows):
        """Decision values of the pairs, in libsvm's order and sign."""
        compact = self.compact
        n_classes = len(compact.classes_)
        if n_classes == 2 or compact.points_ is None:
            return self._sums(rows) + compact.offsets_
        kernel = self._kernel(rows)
        coefficients = self.rounded(compact.coefficients_, kernel.dtype)
        first, second, _ = pairs_of(n_classes)
        ends = compact._groups()
        sums = [
            kernel.take(np.arange(a, b), axis=1) @ coefficients.take(np.arange(a, b))
            for a, b in pairwise(ends)
        ]
        sums = self.graph.concat(sums)
        return sums.take(first, axis=1) + sums.take(second, axis=1) + compact.offsets_

    def decision_function(self, rows):
        values = self.ask(self.compact, "_pairs", rows)
        if len(self.compact.classes_) == 2:
            return -values.ravel()
        return self._by_class(values) if self.compact.shape_ == "ovr" else values

    def _by_class(self, values):
        n_classes = len(self.compact.classes_)
        signs = pairs_of(n_classes)[2]
        sums = values @ signs
        halves = self.graph.where(values >= 0.0, self._half(values), self._half(values, -1))
        votes = halves @ signs + (n_classes - 1) / 2
        return votes + sums / ((sums.abs() + 1.0) * 3.0)

    def _half(self, values, sign=1):
        return self.graph.value(0.5 * sign, like=values)

    def codes(self, rows):
        compact = self.compact
        n_classes = len(compact.classes_)
        if compact.break_ties_ and compact.shape_ == "ovo":
            self.refuse(
                "break_ties=True with votes of pairs, which predicts nothing",
                "Write break_ties=False.",
            )
        values = self.ask(compact, "_pairs", rows)
        if n_classes == 2:
            return values.ravel() <= 0.0
        if compact.break_ties_:
            return self._by_class(values).argmax()
        halves = self.graph.where(values > 0.0, self._half(values), self._half(values, -1))
        return (halves @ pairs_of(n_classes)[2]).argmax()

    def predict_proba(self, rows):
        from sklearn_prune.persistence._onnx_coupling import couple

        slopes, shifts = self.compact.probability_
        values = self.ask(self.compact, "_pairs", rows)
        return couple(self.graph, values * slopes + shifts, len(self.compact.classes_))
