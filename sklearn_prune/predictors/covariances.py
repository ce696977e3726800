"""Kernels of Gaussian processes and of kernel machines, by numpy."""

from copy import deepcopy

import numpy as np

from .quantized import Stored, is_sparse


def squared_distances(X, points):
    """Squared Euclidean distances of rows and points, added column by column."""
    total = np.zeros((len(X), len(points)), dtype=np.result_type(X, points))
    for column, other in zip(X.T, points.T, strict=True):
        part = column[:, None] - other
        part *= part
        total += part
    return total


def absolute_distances(X, points):
    """Sums of absolute differences of rows and points, added column by column."""
    total = np.zeros((len(X), len(points)), dtype=np.result_type(X, points))
    for column, other in zip(X.T, points.T, strict=True):
        part = column[:, None] - other
        total += np.abs(part, out=part)
    return total


def laplacian(X, points, gamma):
    """exp(-gamma |x - y|), absolute differences."""
    gamma = 1.0 / X.shape[1] if gamma is None else gamma
    return np.exp(-gamma * absolute_distances(X, points))


def additive_chi2(X, points, gamma=None):
    """Minus the sum of (x - y)^2 / (x + y), of values that are not negative."""
    if (X < 0).any() or (points < 0).any():
        raise ValueError(
            "The chi2 kernels take values that are not negative. Got negative values in X. "
            "Scale them with MinMaxScaler, or use another kernel."
        )
    total = np.zeros((len(X), len(points)), dtype=np.result_type(X, points))
    for column, other in zip(X.T, points.T, strict=True):
        sums = column[:, None] + other
        part = (column[:, None] - other) ** 2
        total -= np.divide(part, sums, out=np.zeros_like(sums), where=sums != 0)
    return total


def chi2(X, points, gamma):
    """The exponential of `additive_chi2` times gamma."""
    return np.exp((1.0 if gamma is None else gamma) * additive_chi2(X, points))


def cosine(X, points, gamma=None):
    """Products of rows and points of length 1."""
    lengths = [np.sqrt(np.einsum("ij,ij->i", rows, rows)) for rows in (X, points)]
    X, points = (
        rows / np.where(length == 0, 1, length)[:, None]
        for rows, length in zip((X, points), lengths, strict=True)
    )
    return X @ points.T


PAIRWISE = {
    "additive_chi2": additive_chi2,
    "chi2": chi2,
    "cosine": cosine,
    "laplacian": laplacian,
}


def pairwise(name, X, points, gamma):
    """One of `PAIRWISE`; others are scikit-learn's."""
    if name not in PAIRWISE:
        from sklearn.metrics.pairwise import pairwise_kernels

        return pairwise_kernels(X, points, metric=name)
    X, points = (rows.toarray() if is_sparse(rows) else rows for rows in (X, points))
    return PAIRWISE[name](X, points, gamma)


class ProcessKernel(Stored):
    """A kernel of a Gaussian process, by the name of its class in scikit-learn.

    Parameters
    ----------
    name : str
        "RBF", "Matern", "RationalQuadratic", "ExpSineSquared", "DotProduct",
        "ConstantKernel", "WhiteKernel", "Sum", "Product" or "Exponentiation".
    params : dict
        Its parameters: numbers, arrays, bounds, and kernels of this class.
    """

    def __init__(self, name, params):
        self.name = name
        self.params = params

    @classmethod
    def of(cls, kernel):
        """From a kernel of scikit-learn; another one is given back as it is."""
        name = type(kernel).__name__
        if name not in _VALUES or not type(kernel).__module__.startswith("sklearn."):
            return kernel
        params = deepcopy(kernel.get_params(deep=False))
        for part in ("k1", "k2", "kernel"):
            if part in params:
                params[part] = cls.of(params[part])
                if not isinstance(params[part], cls):
                    return kernel
        return cls(name, params)

    def to_sklearn(self):
        """The kernel of scikit-learn."""
        from sklearn.gaussian_process import kernels

        params = {
            name: value.to_sklearn()
            if isinstance(value, ProcessKernel)
            else deepcopy(value)
            for name, value in self.params.items()
        }
        return getattr(kernels, self.name)(**params)

    def __call__(self, X, points):
        """The matrix of rows and points."""
        return _VALUES[self.name](self.params, X, points)

    def within(self, X):
        """The matrix of rows and themselves: white noise is on its diagonal."""
        return self._combined(lambda part: part.within(X), self._own_within, X)

    def diag(self, X):
        """The diagonal of `within`."""
        return self._combined(lambda part: part.diag(X), self._own_diagonal, X)

    def _combined(self, ask, own, X):
        params = self.params
        if self.name == "Sum":
            return ask(params["k1"]) + ask(params["k2"])
        if self.name == "Product":
            return ask(params["k1"]) * ask(params["k2"])
        if self.name == "Exponentiation":
            return ask(params["kernel"]) ** params["exponent"]
        return own(X)

    def _own_within(self, X):
        if self.name == "WhiteKernel":
            return self.params["noise_level"] * np.eye(len(X))
        return self(X, X)

    def _own_diagonal(self, X):
        params = self.params
        if self.name == "DotProduct":
            return np.einsum("ij,ij->i", X, X) + params["sigma_0"] ** 2
        values = {"ConstantKernel": "constant_value", "WhiteKernel": "noise_level"}
        value = params[values[self.name]] if self.name in values else 1.0
        return np.full(len(X), value, dtype=np.float64)


def _gaussian(params, X, points):
    scale = params["length_scale"]
    return np.exp(-0.5 * squared_distances(X / scale, points / scale))


def _matern(params, X, points):
    scale, nu = params["length_scale"], params["nu"]
    distances = np.sqrt(squared_distances(X / scale, points / scale))
    if nu == 0.5:
        return np.exp(-distances)
    if nu == 1.5:
        distances *= np.sqrt(3)
        return (1.0 + distances) * np.exp(-distances)
    if nu == 2.5:
        distances *= np.sqrt(5)
        return (1.0 + distances + distances**2 / 3.0) * np.exp(-distances)
    if nu == np.inf:
        return np.exp(-(distances**2) / 2.0)
    from scipy.special import gamma, kv  # Bessel functions

    distances[distances == 0.0] += np.finfo(float).eps
    turned = np.sqrt(2 * nu) * distances
    return (2 ** (1.0 - nu) / gamma(nu)) * turned**nu * kv(nu, turned)


def _rational_quadratic(params, X, points):
    alpha, scale = params["alpha"], params["length_scale"]
    return (1 + squared_distances(X, points) / (2 * alpha * scale**2)) ** -alpha


def _periodic(params, X, points):
    distances = np.sqrt(squared_distances(X, points))
    turned = np.sin(np.pi / params["periodicity"] * distances)
    return np.exp(-2 * (turned / params["length_scale"]) ** 2)


_VALUES = {
    "RBF": _gaussian,
    "Matern": _matern,
    "RationalQuadratic": _rational_quadratic,
    "ExpSineSquared": _periodic,
    "DotProduct": lambda params, X, points: X @ points.T + params["sigma_0"] ** 2,
    "ConstantKernel": lambda params, X, points: np.full(
        (len(X), len(points)), params["constant_value"], dtype=np.float64
    ),
    "WhiteKernel": lambda params, X, points: np.zeros((len(X), len(points))),
    "Sum": lambda params, X, points: params["k1"](X, points) + params["k2"](X, points),
    "Product": lambda params, X, points: params["k1"](X, points) * params["k2"](X, points),
    "Exponentiation": lambda params, X, points: (
        params["kernel"](X, points) ** params["exponent"]
    ),
}
