"""Gaussian processes as ONNX operators: means, and probabilities of classes."""

import numpy as np
from numpy.polynomial import chebyshev
from scipy.linalg import cholesky, solve_triangular
from scipy.special import erfcx

from sklearn_prune.persistence._onnx_distances import squared_distances
from sklearn_prune.persistence._onnx_kernel import Expansion
from sklearn_prune.persistence._onnx_linear import two_columns
from sklearn_prune.persistence._onnx_writer import Writer
from sklearn_prune.weight_pruning.compact._kernel import pairs_of
from sklearn_prune.weight_pruning.compact._process import RATES, SHARES
from sklearn_prune.weight_pruning.compact._quantized import dense

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
    sine = _sine(graph, distance * float(np.pi / kernel.periodicity))
    scaled = sine / float(kernel.length_scale)
    return (scaled * scaled * -2.0).exp()


def _sine(graph, angle):
    return angle.unary("Sin")


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


class _Mean(Expansion):
    def predict(self, rows):
        sums = self._sums(rows) + self.compact.offsets_
        return sums.ravel() if self.compact.flat_ else sums


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
    "CompactSVR": _SVR,
    "CompactSVC": _SVC,
    "CompactProcess": _Mean,
    "LatentProcess": _Latent,
    "CompactProcessClassifier": _ProcessClassifier,
}
