"""Kernel machines and Gaussian processes as ONNX operators."""

from itertools import pairwise

import numpy as np
from numpy.polynomial import chebyshev
from scipy.linalg import cholesky, solve_triangular
from scipy.special import erfcx

from sklearn_prune.persistence.export.onnx.graph import Value
from sklearn_prune.persistence.export.onnx.linear import two_columns
from sklearn_prune.persistence.export.onnx.rows import squared_distances, squared_norms
from sklearn_prune.persistence.export.onnx.writer import Writer
from sklearn_prune.predictors import RATES, SHARES, dense, is_sparse, pairs_of


def couple(graph, logits, n_classes):
    """Class probabilities from those of pairs; see `compact._kernel.couple`."""
    odds = (-logits.abs()).exp()
    one = graph.value(1.0, like=logits)
    first = graph.where(logits >= 0.0, odds, one) / (odds + 1.0)
    first = first.clip(1e-7, 1 - 1e-7)
    low, high = np.triu_indices(n_classes, 1)
    n_pairs, size = len(low), n_classes * n_classes
    place, other = np.zeros((n_pairs, size)), np.zeros((n_pairs, size))
    place[np.arange(n_pairs), low * n_classes + high] = 1.0
    other[np.arange(n_pairs), high * n_classes + low] = 1.0
    pairs = (first @ place + (1.0 - first) @ other).reshape(-1, n_classes, n_classes)
    squares = (pairs * pairs).sum(1)
    matrix = -(pairs.transpose(0, 2, 1) * pairs)
    matrix = matrix + squares.reshape(0, 1, -1) * np.eye(n_classes)
    start = first.take(np.array([0]), axis=1) * 0.0 + np.full(n_classes, 1.0 / n_classes)
    return _loop(graph, matrix, start, n_classes)


def _loop(graph, matrix, start, n_classes):
    """Repeat the step for the rows that still move."""
    from onnx import helper

    most = graph.constant(np.int64(max(100, n_classes)))
    yes = graph.constant(np.bool_(True))
    float_type = graph.tensor_type(start.dtype)
    names = [graph.fresh(stem) for stem in ("iteration", "goes_on", "estimates", "moving")]
    estimates = Value(graph, names[2], start.dtype)
    with graph.inside() as nodes:
        stepped, moving = _step(graph, matrix, estimates, n_classes)
        moved = graph.where(moving, stepped, estimates)
        on = moving.cast(np.int64).reduce("Max", [0, 1]) > np.int64(0)
    counter, flag = (graph.tensor_type(np.dtype(kind)) for kind in (np.int64, bool))
    body = helper.make_graph(
        nodes,
        graph.fresh("coupling"),
        [
            helper.make_tensor_value_info(names[0], counter, []),
            helper.make_tensor_value_info(names[1], flag, []),
            helper.make_tensor_value_info(names[2], float_type, [None, n_classes]),
        ],
        [
            helper.make_tensor_value_info(on.name, flag, []),
            helper.make_tensor_value_info(moved.name, float_type, [None, n_classes]),
        ],
    )
    return graph.node("Loop", [most, yes, start], dtype=start.dtype, ndim=2, body=body)


def _step(graph, Q, p, n_classes):
    """One round over the classes, and which rows had not converged before it."""
    Qp = (Q @ p.reshape(0, -1, 1)).reshape(0, -1)
    pQp = (p * Qp).sum(1, keepdims=True)
    furthest = (Qp - pQp).abs().max(1, keepdims=True)
    moving = furthest >= 0.005 / n_classes
    diagonal = np.arange(n_classes) * (n_classes + 1)
    own = Q.reshape(-1, n_classes * n_classes).take(diagonal, axis=1)
    for code in range(n_classes):
        at = np.array([code])
        step = (pQp - Qp.take(at, axis=1)) / own.take(at, axis=1)
        p = p + step * np.eye(n_classes)[code]
        more = step + 1.0
        pQp = pQp + step * (step * own.take(at, axis=1) + Qp.take(at, axis=1) * 2.0)
        pQp = pQp / (more * more)
        Qp = (Qp + step * Q.column(code)) / more
        p = p / more
    return p, moving


_FAR = 1e5  # gamma * |x|^2 from which inner products lose too many digits


def kernel_matrix(graph, function, X, points, arrays):
    """Kernel values of rows with stored points, of shape (n_samples, n_points).

    `arrays` are the points as numbers.
    """
    name = function.name
    if name == "object":
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
        arrays = arrays.toarray() if is_sparse(arrays) else arrays
        points = self.rounded(arrays, X.dtype)
        arrays = np.asarray(dense(arrays)).astype(np.float64)
        return kernel_matrix(self.graph, compact.kernel_, X, points, arrays)


class _Regressor(Expansion):
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
        slopes, shifts = self.compact.probability_
        values = self.ask(self.compact, "_pairs", rows)
        return couple(self.graph, values * slopes + shifts, len(self.compact.classes_))


class _Scores(Expansion):
    def _scores(self, rows):
        return self._sums(rows) + self.compact.offsets_

    def decision_function(self, rows):
        scores = self._scores(rows)
        if self.compact.shape_ == "ovr":
            return scores
        return scores @ np.ascontiguousarray(pairs_of(len(self.compact.classes_))[2].T)

    def codes(self, rows):
        compact = self.compact
        if compact.break_ties_ and compact.shape_ == "ovo":
            self.refuse(
                "break_ties=True with votes of pairs, which predicts nothing",
                "Write break_ties=False.",
            )
        return self._scores(rows).argmax()

    def predict_proba(self, rows):
        return (self._scores(rows) * self.compact.scale_).softmax()


_DEGREE = 30  # of the polynomial for the error function: 1e-15


def process_kernel(graph, kernel, X, points, arrays):
    """Values of a kernel object between rows and points."""
    name = type(kernel).__name__
    if name not in _KERNELS:
        raise TypeError(
            "to_onnx writes the kernel objects of scikit-learn. Got "
            f"{type(kernel).__name__}. Use save() and load() instead."
        )
    return _KERNELS[name](graph, kernel, X, points, arrays)


def _sum(graph, kernel, *rest):
    return process_kernel(graph, kernel.k1, *rest) + process_kernel(graph, kernel.k2, *rest)


def _product(graph, kernel, *rest):
    return process_kernel(graph, kernel.k1, *rest) * process_kernel(graph, kernel.k2, *rest)


def _power(graph, kernel, *rest):
    return process_kernel(graph, kernel.kernel, *rest) ** float(kernel.exponent)


def _constant(graph, kernel, X, points, arrays):
    zeros = X.take(np.array([0]), axis=1) * 0.0
    return zeros + np.full(len(arrays), float(kernel.constant_value))


def _white(graph, kernel, X, points, arrays):
    return X.take(np.array([0]), axis=1) * 0.0 + np.zeros(len(arrays))


def _scaled_squares(graph, kernel, X, points, arrays):
    scale = np.atleast_1d(np.asarray(kernel.length_scale, dtype=np.float64))
    return squared_distances(graph, X / scale, points / scale, arrays.shape[1])


def _gaussian(graph, kernel, *rest):
    return (_scaled_squares(graph, kernel, *rest) * -0.5).exp()


def _matern(graph, kernel, *rest):
    nu = kernel.nu
    if nu == np.inf:
        return _gaussian(graph, kernel, *rest)
    distance = _scaled_squares(graph, kernel, *rest).sqrt()
    if nu == 0.5:
        return (-distance).exp()
    if nu == 1.5:
        scaled = distance * np.sqrt(3.0)
        return (scaled + 1.0) * (-scaled).exp()
    if nu == 2.5:
        scaled = distance * np.sqrt(5.0)
        return (scaled + 1.0 + scaled * scaled / 3.0) * (-scaled).exp()
    raise TypeError(
        "to_onnx writes Matern kernels of nu 0.5, 1.5, 2.5 or infinity. Got "
        f"nu={nu}. Use save() and load() instead."
    )


def _rational(graph, kernel, X, points, arrays):
    squares = squared_distances(graph, X, points, arrays.shape[1])
    alpha = float(kernel.alpha)
    base = squares / (2 * alpha * float(kernel.length_scale) ** 2) + 1.0
    return base**-alpha


def _periodic(graph, kernel, X, points, arrays):
    distance = squared_distances(graph, X, points, arrays.shape[1]).sqrt()
    # The sine in double precision is no operator of every runtime, its argument is.
    sine = (distance * float(np.pi / kernel.periodicity)).unary("Sin")
    scaled = sine / float(kernel.length_scale)
    return (scaled * scaled * -2.0).exp()


def _dot(graph, kernel, X, points, arrays):
    return X @ points.transpose(1, 0) + float(kernel.sigma_0) ** 2


_KERNELS = {
    "Sum": _sum,
    "Product": _product,
    "Exponentiation": _power,
    "ConstantKernel": _constant,
    "WhiteKernel": _white,
    "RBF": _gaussian,
    "Matern": _matern,
    "RationalQuadratic": _rational,
    "ExpSineSquared": _periodic,
    "DotProduct": _dot,
}


def diagonal(graph, kernel, X):
    """Values of a kernel object of each row with itself, as a column."""
    name = type(kernel).__name__
    if name == "Sum":
        return diagonal(graph, kernel.k1, X) + diagonal(graph, kernel.k2, X)
    if name == "Product":
        return diagonal(graph, kernel.k1, X) * diagonal(graph, kernel.k2, X)
    if name == "Exponentiation":
        return diagonal(graph, kernel.kernel, X) ** float(kernel.exponent)
    if name == "DotProduct":
        return (X * X).sum(1, keepdims=True) + float(kernel.sigma_0) ** 2
    value = kernel.diag(np.zeros((1, 1)))[0]
    return X.take(np.array([0]), axis=1) * 0.0 + float(value)


def erf(graph, x):
    """The error function in double precision, which not every runtime has.

    ``erfc(z) = t exp(P(t) - z**2)`` with ``t = 2 / (2 + z)`` for z >= 0, where P is a
    Chebyshev polynomial.
    """

    def logarithm(u):
        t = np.maximum((u + 1) / 2, 1e-12)
        return np.log(erfcx(2 / t - 2) / t)

    coefficients = chebyshev.chebinterpolate(logarithm, _DEGREE)
    z = x.abs()
    t = 2.0 / (z + 2.0)
    u = t * 2.0 - 1.0
    twice = u * 2.0
    later, last = u * 0.0, u * 0.0 + float(coefficients[-1])
    for coefficient in coefficients[-2:0:-1]:
        later, last = last, twice * last - later + float(coefficient)
    polynomial = u * last - later + float(coefficients[0])
    beyond = t * (polynomial - z * z).exp()
    return x.unary("Sign") * (1.0 - beyond)


class _Latent(Expansion):
    def mean(self, rows):
        return self._sums(rows).ravel()

    def probability(self, rows):
        compact = self.compact
        if self.graph.float != np.float64:
            self.refuse(
                "probabilities of Gaussian processes in single precision",
                'Write precision="double".',
            )
        kernel = compact.kernel_.kernel
        points = np.asarray(dense(compact.points_), dtype=np.float64)
        size = np.abs(np.asarray(dense(compact.coefficients_), dtype=np.float64)).ravel()
        root = np.sqrt(np.clip(size * (1 - size), 0, None))
        matrix = root[:, None] * kernel(points) * root
        matrix[np.diag_indices_from(matrix)] += 1.0
        factor = cholesky(matrix, lower=True, check_finite=False)
        inverse = solve_triangular(factor, np.diag(root), lower=True, check_finite=False)
        X = self._rows(rows)
        cross = self._kernel(rows)
        mean = self.ask(compact, "mean", rows).as_column()
        part = cross @ np.ascontiguousarray(inverse.T)
        variance = diagonal(self.graph, kernel, X) - (part * part).sum(1, keepdims=True)
        rates, shares = RATES.ravel(), SHARES.ravel()
        rate = 1.0 / (variance * 2.0)
        inner = mean * rates * (rate / (rate + rates**2)).sqrt()
        parts = (np.pi / rate).sqrt() * erf(self.graph, inner)
        parts = parts / ((variance * (2 * np.pi)).sqrt() * 2.0)
        return (parts * shares).sum(1) + 0.5 * float(shares.sum())


class _ProcessClassifier(Writer):
    def gives(self, method):
        """Pairs of classes give no probabilities."""
        return super().gives(method) and not (
            method == "predict_proba" and self.compact.pairwise_
        )

    def _each(self, method, rows):
        found = [self.ask(member, method, rows) for member in self.compact.members_]
        return self.graph.stack(found)

    def codes(self, rows):
        compact = self.compact
        n_classes = len(compact.classes_)
        if n_classes == 2:
            return self.ask(compact.members_[0], "mean", rows) > 0.0
        if not compact.pairwise_:
            return self._each("probability", rows).argmax()
        labels = self._each("mean", rows) > 0.0
        sure = self._each("probability", rows)
        signs = pairs_of(n_classes)[2]
        half = self.graph.value(0.5, like=sure)
        sums = -(sure @ signs)
        votes = self.graph.where(labels, -half, half) @ signs + (n_classes - 1) / 2
        return (votes + sums / ((sums.abs() + 1.0) * 3.0)).argmax()

    def predict_proba(self, rows):
        found = self._each("probability", rows)
        if len(self.compact.classes_) == 2:
            return two_columns(self.graph, found.ravel())
        return found / found.sum(1, keepdims=True)


WRITERS = {
    "CompactSVR": _Regressor,
    "CompactSVC": _SVC,
    "CompactKernelClassifier": _Scores,
    "CompactProcess": _Regressor,
    "LatentProcess": _Latent,
    "CompactProcessClassifier": _ProcessClassifier,
}
