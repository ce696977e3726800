"""Kernel values of rows and points with their gradients by the points."""

from functools import partial

import numpy as np

from sklearn_prune.predictors import ProcessKernel


def has_gradient(kernel):
    """Whether points may be moved under this `KernelFunction`.

    It has to be positive semi-definite and smooth almost everywhere.
    """
    if kernel.name == "object":
        known = isinstance(kernel.process, ProcessKernel)
        return known and _is_smooth(kernel.process)
    if kernel.name == "poly":
        return kernel.degree >= 1 and float(kernel.degree).is_integer() and _grows(kernel)
    return kernel.name in ("rbf", "laplacian")


def _grows(kernel):
    return kernel.coef0 >= 0 and kernel.gamma > 0


def with_gradient(kernel, X, points):
    """The kernel matrix of rows and points, and a function for its gradient.

    The function takes weights W of shape (n_rows, n_points) and gives the gradient of
    ``(W * matrix).sum()`` by the points, of shape (n_points, n_features).
    """
    if kernel.name == "object":
        return _of_process(kernel.process, X, points)
    values = kernel(X, points)
    if kernel.name == "rbf":
        return values, lambda W: 2 * kernel.gamma * _differences(W * values, X, points)
    if kernel.name == "laplacian":
        gamma = 1.0 / X.shape[1] if kernel.gamma is None else kernel.gamma
        return values, lambda W: gamma * _signs(W * values, X, points)

    def gradient(W):
        slope = kernel.gamma * (X @ points.T) + kernel.coef0
        slope = kernel.degree * kernel.gamma * slope ** (kernel.degree - 1)
        return (W * slope).T @ X

    return values, gradient


def _differences(W, X, points):
    """Sum over the rows of W times x - z, for each point z."""
    return W.T @ X - W.sum(axis=0)[:, None] * points


def _signs(W, X, points):
    columns = zip(X.T, points.T, strict=True)
    sums = [(W * np.sign(x[:, None] - z)).sum(axis=0) for x, z in columns]
    return np.stack(sums, axis=1)


def _is_smooth(process):
    params = process.params
    if process.name in ("Sum", "Product"):
        return _is_smooth(params["k1"]) and _is_smooth(params["k2"])
    if process.name == "Matern":
        return params["nu"] in (1.5, 2.5, np.inf)
    return process.name in (
        *("RBF", "RationalQuadratic", "DotProduct", "ConstantKernel", "WhiteKernel"),
    )


def _of_process(process, X, points):
    name, params = process.name, process.params
    if name in ("Sum", "Product"):
        parts = [_of_process(params[part], X, points) for part in ("k1", "k2")]
        (first, of_first), (second, of_second) = parts
        if name == "Sum":
            return first + second, lambda W: of_first(W) + of_second(W)
        return first * second, lambda W: of_first(W * second) + of_second(W * first)
    values = process(X, points)
    if name in ("ConstantKernel", "WhiteKernel"):
        return values, lambda W: np.zeros(points.shape)
    if name == "DotProduct":
        return values, lambda W: W.T @ X
    return values, partial(_radial, process, values, X, points)


def _radial(process, values, X, points, W):
    """The gradient of a function of the distance: slope times x - z over squared scales."""
    params, scale = process.params, process.params["length_scale"]
    if process.name == "RBF" or params.get("nu") == np.inf:
        slope = values
    elif process.name == "RationalQuadratic":
        alpha = params["alpha"]
        slope = values ** ((alpha + 1) / alpha)
    else:
        X_, Z_ = X / scale, points / scale
        squares = (X_**2).sum(axis=1)[:, None] + (Z_**2).sum(axis=1) - 2 * X_ @ Z_.T
        root = np.sqrt(2 * params["nu"] * np.maximum(squares, 0))
        slope = 3 * np.exp(-root)
        if params["nu"] == 2.5:
            slope = 5 / 3 * (1 + root) * np.exp(-root)
    return _differences(W * slope, X, points) / np.square(scale)
