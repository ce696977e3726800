"""Kernel machines as stored points and coefficients, which predict by matrix products."""

from copy import copy
from functools import lru_cache
from operator import matmul

import numpy as np

from sklearn_prune.weight_pruning.compact._base import Compact, available_if
from sklearn_prune.weight_pruning.compact._kernel_function import blocks_of
from sklearn_prune.weight_pruning.compact._quantized import dense
from sklearn_prune.weight_pruning.compact._rows import is_sparse


class KernelExpansion(Compact):
    """Sums of kernels with stored points, or what they are with a linear kernel.

    Attributes
    ----------
    kernel_ : KernelFunction
        The kernel.
    points_ : ndarray or CSR matrix of shape (n_points, n_features), or None
        The points, less `center_`; None where the kernel is linear and the sum is one
        product with `coefficients_`.
    coefficients_ : ndarray of shape (n_points or n_features, n_columns)
        What each kernel value is multiplied by.
    offsets_ : ndarray of shape (n_outputs,)
        Added to the sums.
    center_ : ndarray of shape (n_features,) or None
        Subtracted from each row before anything else.
    precision_ : dtype
        What the products are computed in.
    """

    _parameters = ("points_", "coefficients_", "offsets_")
    _quantizable = ("points_", "coefficients_")

    def _sums(self, X, combine):
        """The blocks `combine(kernel matrix or rows, coefficients)`, in one array."""
        X = self._check(X)
        if self.center_ is not None:
            X = X - self.center_ if not is_sparse(X) else X.toarray() - self.center_
        X = X.astype(self.precision_, copy=False)
        coefficients = dense(self.coefficients_).astype(self.precision_, copy=False)
        if self.points_ is None:
            return combine(X, coefficients)
        points = dense(self.points_).astype(self.precision_, copy=False)
        blocks = blocks_of(X.shape[0], points.shape[0])
        found = [combine(self.kernel_(X[rows], points), coefficients) for rows in blocks]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def quantized(self, quantizer):
        """A copy with rounded points and coefficients; sparse points stay as they are."""
        small = copy(self)
        if self.points_ is None or is_sparse(self.points_):
            small.coefficients_ = quantizer.quantize(self.coefficients_)
            return small
        from sklearn_prune.weight_pruning.compact._kernel_round import round_expansion

        small.points_, small.coefficients_ = round_expansion(
            self.kernel_, self.points_, self.coefficients_, self._groups(), quantizer
        )
        return small

    def _groups(self):
        """Where the points start that belong to one sum, and their number."""
        return np.array([0, len(self.points_)])

    def _stored(self):
        for values in (self.points_, self.coefficients_, self.offsets_):
            if values is not None:
                yield values.data if is_sparse(values) else np.asarray(dense(values))


class CompactSVR(KernelExpansion):
    """Regression by a sum of kernels; `flat_` says whether one output is one column."""

    def predict(self, X):
        """Predict targets, of shape (n_samples,) or (n_samples, n_outputs)."""
        sums = self._sums(X, matmul).astype(np.float64, copy=False) + self.offsets_
        return sums.ravel() if self.flat_ else sums

    @property
    def coef_(self):
        """Coefficients of the features, for a linear kernel."""
        return linear_coefficients(self).T

    @property
    def intercept_(self):
        """What is added to the sums."""
        return self.offsets_


def _has_probability(compact):
    if compact.probability_ is None:
        raise AttributeError("predict_proba is not available when probability=False")
    return True


class CompactSVC(KernelExpansion):
    """Classification by votes between all pairs of classes.

    Points are grouped by class, `n_support_` of each; column k of `coefficients_` holds
    the coefficients against the k-th other class, as in libsvm. With a linear kernel the
    columns are the pairs. Signs are libsvm's: a positive value votes for the first of the
    two classes.
    """

    def _stored(self):
        yield from super()._stored()
        if self.probability_ is not None:
            yield self.probability_

    def _groups(self):
        if len(self.classes_) == 2:
            return super()._groups()
        return np.concatenate([[0], np.cumsum(self.n_support_)])

    def _pairs(self, X):
        """Decision values of the pairs, in libsvm's order and sign."""
        n_classes = len(self.classes_)
        if n_classes == 2 or self.points_ is None:
            values = self._sums(X, matmul)
        else:
            first, second, _ = pairs_of(n_classes)
            ends = self._groups()

            def combine(kernel, coefficients):
                sums = np.empty((len(kernel), n_classes, n_classes - 1), kernel.dtype)
                for code in range(n_classes):
                    own = slice(ends[code], ends[code + 1])
                    sums[:, code] = kernel[:, own] @ coefficients[own]
                sums = sums.reshape(len(kernel), -1)
                return sums.take(first, axis=1) + sums.take(second, axis=1)

            values = self._sums(X, combine)
        return self._settled(X, values.astype(np.float64, copy=False) + self.offsets_)

    def _settled(self, X, values):
        """The values, those too close to zero for their sign to be sure done exactly."""
        if self.exact_ is None:
            return values
        close = np.flatnonzero((np.abs(values) <= self.exact_).any(axis=1))
        if len(close):
            from sklearn_prune.weight_pruning.compact._libsvm import as_libsvm

            X = self._check(X)
            exact = as_libsvm(self)._decision_function(X[close])
            values[close] = -exact[:, None] if len(self.classes_) == 2 else exact
        return values

    def decision_function(self, X):
        """Scores, of the shape that `decision_function_shape` of the inner model says."""
        values = self._pairs(X)
        if len(self.classes_) == 2:
            return -values.ravel()
        return self._by_class(values) if self.shape_ == "ovr" else values

    def _by_class(self, values):
        """Votes with the sum of the values, squashed below a third, between them."""
        n_classes = len(self.classes_)
        signs = pairs_of(n_classes)[2]
        sums = values @ signs
        votes = np.where(values >= 0, 0.5, -0.5) @ signs + (n_classes - 1) / 2
        return votes + sums / (3 * (np.abs(sums) + 1))

    def predict(self, X):
        """Predict class labels; of classes with equal votes the first wins."""
        n_classes = len(self.classes_)
        if self.break_ties_ and self.shape_ == "ovo":
            raise ValueError(
                "break_ties must be False when decision_function_shape is 'ovo'"
            )
        values = self._pairs(X)
        if n_classes == 2:
            return self.classes_.take((values[:, 0] <= 0).view(np.int8))
        if self.break_ties_:
            return self.classes_.take(self._by_class(values).argmax(axis=1))
        signs = pairs_of(n_classes)[2]
        votes = np.where(values > 0, np.float32(1), np.float32(-1)) @ signs.astype("f4")
        return self.classes_.take(votes.argmax(axis=1))

    @available_if(_has_probability)
    def predict_proba(self, X):
        """Class probabilities: Platt's sigmoids of the pairs, coupled as in libsvm."""
        slopes, shifts = self.probability_
        return couple(self._pairs(X) * slopes + shifts, len(self.classes_))

    @available_if(_has_probability)
    def predict_log_proba(self, X):
        """Logarithms of the class probabilities."""
        return np.log(self.predict_proba(X))

    @property
    def coef_(self):
        """Coefficients of the features, for a linear kernel."""
        coefficients = linear_coefficients(self)
        return -coefficients.T if len(self.classes_) == 2 else coefficients.T

    @property
    def intercept_(self):
        """What is added to the sums, in the sign of `decision_function`."""
        return -self.offsets_ if len(self.classes_) == 2 else self.offsets_


def linear_coefficients(compact):
    """Coefficients of the features, of shape (n_features, n_outputs)."""
    if compact.kernel_.name != "linear" or compact.points_ is not None:
        raise AttributeError("coef_ is only available when using a linear kernel")
    return np.asarray(dense(compact.coefficients_))


@lru_cache(maxsize=64)
def pairs_of(n_classes):
    """Where the two sums of each pair of classes are, and who wins for which sign.

    Returns
    -------
    first, second : ndarray of shape (n_pairs,), int
        Columns of the sums of shape (n_classes, n_classes - 1), flattened.
    signs : ndarray of shape (n_pairs, n_classes)
        1 for the first class of the pair, -1 for the second.
    """
    low, high = np.triu_indices(n_classes, 1)
    signs = np.zeros((len(low), n_classes))
    signs[np.arange(len(low)), low] = 1.0
    signs[np.arange(len(low)), high] = -1.0
    return low * (n_classes - 1) + high - 1, high * (n_classes - 1) + low, signs


def couple(logits, n_classes):
    """Class probabilities from those of pairs, by the iteration of libsvm [1]_.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_pairs)
        Minus the log-odds of the first class of each pair.
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
        Probabilities, as far as libsvm iterates: to 0.005 / n_classes.

    References
    ----------
    .. [1] Wu, Lin, Weng (2004). Probability estimates for multi-class classification by
       pairwise coupling. JMLR 5.
    """
    with np.errstate(over="ignore"):
        odds = np.exp(-np.abs(logits))
    first = np.clip(np.where(logits >= 0, odds, 1.0) / (1.0 + odds), 1e-7, 1 - 1e-7)
    n, low, high = len(logits), *np.triu_indices(n_classes, 1)
    pairs = np.zeros((n, n_classes, n_classes))
    pairs[:, low, high] = first
    pairs[:, high, low] = 1 - first
    matrix = -pairs.transpose(0, 2, 1) * pairs
    diagonal = np.arange(n_classes)
    matrix[:, diagonal, diagonal] = (pairs**2).sum(axis=1)
    estimates = np.full((n, n_classes), 1.0 / n_classes)
    left = np.arange(n)
    for _ in range(max(100, n_classes)):
        p, Q = estimates[left], matrix[left]
        Qp = np.einsum("nij,nj->ni", Q, p)
        pQp = np.einsum("ni,ni->n", p, Qp)
        moving = np.abs(Qp - pQp[:, None]).max(axis=1) >= 0.005 / n_classes
        left, p, Q, Qp, pQp = left[moving], p[moving], Q[moving], Qp[moving], pQp[moving]
        if not len(left):
            break
        for code in range(n_classes):
            own = Q[:, code, code]
            step = (pQp - Qp[:, code]) / own
            p[:, code] += step
            pQp = (pQp + step * (step * own + 2 * Qp[:, code])) / (1 + step) ** 2
            Qp = (Qp + step[:, None] * Q[:, code]) / (1 + step)[:, None]
            p /= (1 + step)[:, None]
        estimates[left] = p
    return estimates
