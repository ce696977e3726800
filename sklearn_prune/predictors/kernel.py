"""Predictors of kernel machines."""

import math
import sys
from copy import copy
from functools import lru_cache, partial
from itertools import combinations
from itertools import pairwise as neighbouring
from numbers import Integral
from operator import matmul

import numpy as np

from .base import Compact, available_if, kernels
from .covariances import ProcessKernel, pairwise, squared_distances
from .frames import CSR, as_scipy
from .quantized import QuantizedArray, Stored, dense, is_array, is_count, is_sparse, need

_BLOCK = 2**17  # entries of a kernel matrix that are made at a time
_FAR = 1e5  # gamma * |x|^2 from which inner products lose too many digits
_RIDGE = 1e-3  # of the mean diagonal of the kernel matrix
_LARGEST = 2000  # of a group; a larger one is rounded in parts


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
        The kernel object of scikit-learn. What is kept of it is `process`.
    """

    def __init__(self, name, gamma=None, degree=3, coef0=0.0, kernel=None):
        self.name = {"polynomial": "poly"}.get(name, name)
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.process = None if kernel is None else ProcessKernel.of(kernel)

    def __setstate__(self, state):
        kernel = state.pop("kernel", None)
        vars(self).update({"process": ProcessKernel.of(kernel), **state})

    @property
    def kernel(self):
        """The kernel object of scikit-learn, or None."""
        known = isinstance(self.process, ProcessKernel)
        return self.process.to_sklearn() if known else self.process

    @property
    def centres(self):
        """Whether adding one vector to all rows and points changes nothing."""
        return self.name == "rbf"

    def __call__(self, X, points, *, compiled=True):
        """The matrix of shape (n_rows, n_points) in the dtype of X."""
        if self.name == "object":
            return self.process(X, points)
        if self.name == "rbf":
            return self._gaussian(X, points, compiled)
        if self.name not in ("linear", "poly", "sigmoid"):
            return pairwise(self.name, X, points, self.gamma)
        products = _products(X, points)
        if self.name == "linear":
            return products
        products *= products.dtype.type(self.gamma)
        products += products.dtype.type(self.coef0)
        if self.name == "sigmoid":
            return np.tanh(products, out=products)
        return _power(products, self.degree)

    def _gaussian(self, X, points, compiled):
        gamma = self.gamma
        columns = -gamma * squared_norms(points)
        if X.dtype == np.float64 and columns.min(initial=0) < -_FAR:
            X, points = (x.toarray() if is_sparse(x) else x for x in (X, points))
            return np.exp(-gamma * squared_distances(X, points))
        rows = -gamma * squared_norms(X)
        products = _products(X * X.dtype.type(2 * gamma), points)
        own = kernels("kernel_kernels") if compiled else None
        if own is not None:
            products = np.ascontiguousarray(products)
            if products.dtype == np.float32:
                own.gaussian32(
                    products, rows.astype(np.float32), columns.astype(np.float32)
                )
            else:
                own.gaussian64(products, rows, columns)
            return products
        products += rows[:, None].astype(products.dtype, copy=False)
        products += columns.astype(products.dtype, copy=False)
        np.minimum(products, 0, out=products)
        return np.exp(products, out=products)

    def within(self, X):
        """The matrix of rows and themselves, of a process."""
        process = self.process
        return process.within(X) if isinstance(process, ProcessKernel) else process(X)

    def diag(self, X):
        """The diagonal of that matrix."""
        return self.process.diag(X)


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
    _made_here = ("_compiled", "_floats", "_factor")

    def _sums(self, X, combine):
        """The blocks `combine(kernel matrix or rows, coefficients)`, in one array."""
        X = self._check(X)
        if self.center_ is not None:
            X = X - self.center_ if not is_sparse(X) else X.toarray() - self.center_
        X = X.astype(self.precision_, copy=False)
        points, coefficients = self._read_arrays()
        if points is None:
            return combine(X, coefficients)
        if isinstance(points, CSR):
            points = as_scipy(points)
        kernel = partial(self.kernel_, compiled=self._compiled)
        blocks = blocks_of(X.shape[0], points.shape[0])
        found = [combine(kernel(X[rows], points), coefficients) for rows in blocks]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _read_arrays(self):
        """Points and coefficients as they are multiplied, kept for the next call."""
        kept = self.__dict__.get("_floats")
        if kept is None:
            points = dense(self.points_)
            if points is not None:
                points = points.astype(self.precision_, copy=False)
            coefficients = dense(self.coefficients_).astype(self.precision_, copy=False)
            kept = self._floats = points, coefficients
        return kept

    def _compile(self):
        if self.points_ is not None:
            rows = np.zeros((1, self.n_features_in_), dtype=self.precision_)
            self._sums(rows, lambda kernel, coefficients: kernel)

    def quantized(self, quantizer):
        """A copy with rounded points and coefficients; sparse points stay as they are."""
        small = copy(self)
        if self.points_ is None or is_sparse(self.points_):
            small.coefficients_ = quantizer.quantize(self.coefficients_)
            return small

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


def _has_probability(compact):
    if compact.probability_ is None:
        raise AttributeError("predict_proba is not available when probability=False")
    return True


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
            values[close] = self._of_libsvm(self._check(X)[close])
        return values

    def _of_libsvm(self, X):
        """The values to the bit: dot products, exponentials and sums as in libsvm."""
        if "sklearn.svm" in sys.modules:
            exact = as_libsvm(self)._decision_function(X)
            return -exact[:, None] if len(self.classes_) == 2 else exact
        X = X.toarray() if is_sparse(X) else X
        points, coefficients = points_and_coefficients(self)
        gamma, coef0 = self.kernel_.gamma, self.kernel_.coef0
        n_classes, ends = len(self.classes_), self._groups().tolist()
        values = np.empty((len(X), len(self.offsets_)))
        for row, x in enumerate(X):
            if self.kernel_.name == "rbf":
                apart = points - x
                kernel = [math.exp(-gamma * float(np.dot(d, d))) for d in apart]
            else:
                kernel = [math.tanh(gamma * float(np.dot(p, x)) + coef0) for p in points]
            kernel = np.array(kernel)
            if n_classes == 2:
                values[row] = np.cumsum(coefficients[:, 0] * kernel)[-1]
                continue
            for pair, (a, b) in enumerate(combinations(range(n_classes), 2)):
                first, second = slice(*ends[a : a + 2]), slice(*ends[b : b + 2])
                added = (
                    coefficients[first, b - 1] * kernel[first],
                    coefficients[second, a] * kernel[second],
                )
                values[row, pair] = np.cumsum(np.concatenate(added))[-1]
        return values + self.offsets_

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

    `logits` are minus the log-odds of the first class of each pair, of shape (n_samples,
    n_pairs). The iteration ends at 0.005 / n_classes, as in libsvm.

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


def round_expansion(kernel, points, coefficients, ends, quantizer):
    """Rounded points and the rounded coefficients that fit them.

    The function is projected on the rounded points in the space of the kernel; then one
    coefficient after another is rounded, and those that follow make up for its error, as
    the optimal brain surgeon would for its removal [1]_. O(n_points**3) for each group, of
    which at most 2,000 points are taken at a time. Under a kernel that is not positive
    definite, such as the sigmoid, each coefficient is rounded for itself. `ends` says where
    the groups of points start that belong to one sum.

    References
    ----------
    .. [1] Frantar, Alistarh (2022). Optimal brain compression: a framework for accurate
       post-training quantization and pruning. NeurIPS.
    """
    from scipy.linalg import LinAlgError, cholesky, solve

    groups = [
        slice(first, min(first + _LARGEST, end))
        for start, end in neighbouring(ends)
        for first in range(start, end, _LARGEST)
    ]
    small = quantizer.quantize(points)
    rounded = small.dense().astype(np.float64)
    points = np.asarray(points, dtype=np.float64)
    fitted = np.array(coefficients, dtype=np.float64)
    inverses = []
    for own in groups:
        matrix = kernel(rounded[own], rounded[own].copy())
        matrix[np.diag_indices_from(matrix)] += _RIDGE * np.trace(matrix) / len(matrix)
        try:
            cholesky(matrix)
        except LinAlgError:  # the kernel is no inner product: nothing to project in
            inverses.append(np.eye(len(matrix)))
            continue
        inverses.append(solve(matrix, np.eye(len(matrix)), assume_a="sym"))
        fitted[own] = inverses[-1] @ (
            kernel(rounded[own], points[own]) @ fitted[own] + _RIDGE * fitted[own]
        )
    coarse = quantizer.quantize(fitted)
    if coarse.codes.dtype != np.int8 or coarse.scale is None:
        return small, coarse
    codes = np.empty(fitted.shape, dtype=np.int8)
    offset = 0.0 if coarse.offset is None else coarse.offset.astype(np.float64)
    scale = coarse.scale.astype(np.float64)
    for own, inverse in zip(groups, inverses, strict=True):
        upper = cholesky((inverse + inverse.T) / 2)
        values = fitted[own]
        for i in range(len(values)):
            code = np.clip(np.rint((values[i] - offset) / scale), -127, 127)
            codes[own.start + i] = code
            error = (values[i] - (code * scale + offset)) / upper[i, i]
            values[i + 1 :] -= np.outer(upper[i, i + 1 :], error)
    return small, QuantizedArray(codes, coarse.scale, coarse.offset)


def as_libsvm(compact, template=None):
    """An SVC, or a model of the class of `template`, that holds the predictor."""
    from sklearn.svm import SVC

    model = SVC() if template is None else copy(template)
    kernel = compact.kernel_
    if template is None:
        model.kernel, model.degree, model.coef0 = kernel.name, kernel.degree, kernel.coef0
        model.decision_function_shape = "ovo"
    points, coefficients = points_and_coefficients(compact)
    sizes = np.asarray(compact.n_support_)
    n_classes = len(compact.classes_)
    if compact.points_ is None:  # the normal of each pair is a vector of its first class
        low, high = np.triu_indices(n_classes, 1)
        coefficients = np.zeros((len(low), n_classes - 1))
        coefficients[np.arange(len(low)), high - 1] = 1.0
        sizes = np.bincount(low, minlength=n_classes)
    hold(model, points, coefficients, compact)
    model._n_support = sizes.astype(np.int32)
    if n_classes == 2:
        model.dual_coef_, model.intercept_ = -model._dual_coef_, -model._intercept_
    if compact.probability_ is not None:
        model._probA, model._probB = (np.array(part) for part in compact.probability_)
        model._effective_probability = True
    model.classes_ = compact.classes_
    model.class_weight_ = np.ones(n_classes)
    model.n_features_in_ = compact.n_features_in_
    return model


def hold(model, points, coefficients, compact):
    """Set what libsvm's prediction reads."""
    model._gamma = 0.0 if compact.kernel_.gamma is None else compact.kernel_.gamma
    model._sparse = compact.sparse_
    model.support_ = np.arange(len(points), dtype=np.int32)
    coefficients = np.ascontiguousarray(coefficients.T)
    if compact.sparse_:  # libsvm reads the coefficients as if all of them were stored
        from scipy.sparse import csr_matrix

        rows, columns = coefficients.shape
        points = csr_matrix(points)
        places = np.tile(np.arange(columns), rows)
        ends = np.arange(rows + 1) * columns
        coefficients = csr_matrix((coefficients.ravel(), places, ends), coefficients.shape)
    model.support_vectors_ = points
    model.dual_coef_ = model._dual_coef_ = coefficients
    model._intercept_ = np.array(compact.offsets_, dtype=np.float64)
    model.intercept_ = model._intercept_.copy()
    model._probA = model._probB = np.empty(0)
    model._effective_probability = False
    model.fit_status_ = 0
    model.shape_fit_ = points.shape


def points_and_coefficients(compact):
    """Dense float64 points in their own place, and coefficients."""
    coefficients = np.array(dense(compact.coefficients_), dtype=np.float64, order="C")
    if compact.points_ is None:
        return np.ascontiguousarray(coefficients.T), np.eye(coefficients.shape[1])
    points = compact.points_
    points = points.toarray() if is_sparse(points) else dense(points)
    points = np.array(points, dtype=np.float64, order="C")
    if compact.center_ is not None:
        points += compact.center_
    return points, coefficients


def blocks_of(n_rows, n_points):
    """Slices of rows whose kernel matrix stays in the processor's cache."""
    size = max(16, _BLOCK // max(n_points, 1))
    return [slice(start, start + size) for start in range(0, n_rows, size)]


def squared_norms(X):
    """Squared length of each row."""
    if not is_sparse(X):
        return np.einsum("ij,ij->i", X, X)
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    return np.bincount(rows, X.data * X.data, X.shape[0]).astype(X.dtype)


def _products(X, points):
    """Inner products of rows and points, as an array."""
    if isinstance(points, CSR):
        return (points @ (X.toarray() if is_sparse(X) else X).T).T
    found = X @ points.T
    return found.toarray() if is_sparse(found) else found


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


def _check_votes(model):
    """What libsvm is handed for rows that are too close to call."""
    n_classes = len(model.classes_)
    n_pairs = n_classes * (n_classes - 1) // 2
    need(is_array(model.offsets_, "f", 1) and len(model.offsets_) == n_pairs, "offsets_")
    points, coefficients = model.points_, model.coefficients_
    if model.probability_ is not None:
        need(np.shape(model.probability_) == (2, n_pairs), "probability_")
    handed = points is not None and model.kernel_.name in ("rbf", "sigmoid")
    need(model.exact_ is None or handed, "exact_")
    if points is None:
        return
    need(len(points.shape) == 2 == len(coefficients.shape), "support vectors")
    need(points.shape[1] == model.n_features_in_, "support vectors")
    columns = 1 if n_classes == 2 else n_classes - 1
    need(tuple(coefficients.shape) == (points.shape[0], columns), "coefficients")
    n_support = model.n_support_
    need(is_array(n_support, "iu", 1) and len(n_support) == n_classes, "n_support_")
    need(n_support.min() >= 0 and n_support.sum() == points.shape[0], "n_support_")


def _check_csr(matrix):
    """scipy follows the positions."""
    data, indices, indptr = matrix.data, matrix.indices, matrix.indptr
    shape = matrix.shape
    need(
        isinstance(shape, tuple) and len(shape) == 2 and all(map(is_count, shape)), "shape"
    )
    need(is_array(data, "f", 1) and is_array(indices, "iu", 1), "a sparse matrix")
    need(is_array(indptr, "iu", 1) and len(indptr) == shape[0] + 1, "a sparse matrix")
    starts = indptr.astype(np.int64)
    need(starts[0] == 0 and (np.diff(starts) >= 0).all(), "where rows begin")
    need(starts[-1] == len(data) == len(indices), "where rows end")
    inside = not len(indices) or (indices.min() >= 0 and indices.max() < shape[1])
    need(inside, "a column of a sparse matrix")


CHECKS = {CSR: _check_csr, CompactSVC: _check_votes}
