"""Which loss each kernel machine is refitted by, over the rows of the context."""

import numpy as np
from scipy.sparse import issparse

from sklearn_prune.weight_pruning.families._kernel_refit import (
    WIDTH,
    KernelRows,
    fit_expansion,
    fit_ridge,
    hinge,
    tube,
)

_SHRINKAGE = 0.001  # of the mean diagonal of the kernel matrix
_TUBE_WIDTH = 0.05  # over which the corner of the tube is rounded, in spreads of the target


def refit_machine(work, context):
    """Coefficients, offsets and changed traits of the working form on all rows.

    O(n_rows * n_basis**2) time, O(block * n_basis + n_basis**2) memory; for classes, of
    the rows and points of each pair.
    """
    weights = context.row_weights()
    X, y = context.array, context.target
    used = np.ones(X.shape[0], dtype=bool) if weights is None else weights > 0
    weights = np.ones(X.shape[0]) if weights is None else weights
    X, y, weights = X[used], y[used], weights[used]
    origin = _origin(work)
    X, points = _shifted(X, origin), _shifted(work.points, origin)
    if work.kind == "svc":
        codes = np.searchsorted(work.traits["classes"], y)
        return _refit_pairs(work, X, points, codes, weights)
    targets = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
    basis = between_points(work.kernel, points)
    rows = KernelRows(work.kernel, X, points)
    if work.kind == "svr":
        return _refit_tube(work, rows, basis, targets.ravel(), weights)
    if work.kind == "ridge":
        found = fit_ridge(rows, basis, targets, weights, work.traits["alpha"])
        return found, work.offsets, {}
    return _refit_process(work, rows, basis, targets, points, used)


def between_points(kernel, points):
    """Kernel matrix of the points in float64, without the noise of a white kernel.

    The sigmoid kernel is no inner product: the negative part of its matrix is dropped.
    """
    if not issparse(points):
        points = np.asarray(points, dtype=np.float64)
    matrix = kernel(points, points.copy())
    if kernel.name == "sigmoid":
        values, vectors = np.linalg.eigh(matrix)
        matrix = (vectors * np.maximum(values, 0)) @ vectors.T
    return matrix


def _origin(work):
    """What is subtracted from rows and points where that changes no kernel value."""
    if not work.kernel.centres or issparse(work.points):
        return None
    return work.points.mean(axis=0)


def _shifted(X, origin):
    if origin is None:
        return X
    return (X.toarray() if issparse(X) else X) - origin


def _refit_pairs(work, X, points, codes, weights):
    n_classes = len(work.traits["classes"])
    cost = work.traits["cost"] * weights
    rows_of = [np.flatnonzero(codes == code) for code in range(n_classes)]
    counts = np.bincount(work.codes, minlength=n_classes)
    ends = np.concatenate([[0], np.cumsum(counts)])
    coefficients = np.zeros((len(work.codes), n_classes - 1))
    offsets, platt = [], []
    for low in range(n_classes):
        for high in range(low + 1, n_classes):
            rows = np.concatenate([rows_of[low], rows_of[high]])
            own = np.r_[ends[low] : ends[low + 1], ends[high] : ends[high + 1]]
            signs = np.repeat([1.0, -1.0], [len(rows_of[low]), len(rows_of[high])])
            if not len(rows_of[low]) or not len(rows_of[high]):
                offsets.append(float(signs.sum() > 0) - float(signs.sum() < 0))
                platt.append((-1.0, 0.0))
                continue
            basis = points[own]
            matrix = KernelRows(work.kernel, X[rows], basis)
            found, offset = fit_expansion(
                matrix,
                _shrunk(between_points(work.kernel, basis)),
                signs,
                cost[rows],
                hinge(WIDTH),
                WIDTH,
            )
            column = 0 if n_classes == 2 else high - 1
            coefficients[ends[low] : ends[low + 1], column] = found[: counts[low]]
            coefficients[ends[high] : ends[high + 1], low] = found[counts[low] :]
            offsets.append(offset)
            if work.traits["probability"] is not None:
                values = matrix.times(found) + offset
                platt.append(sigmoid(values, signs > 0, weights[rows]))
    wanted = work.traits["probability"] is not None
    traits = {"probability": np.array(platt).T} if wanted else {}
    return coefficients, np.array(offsets), traits


def _shrunk(matrix):
    """The penalty with a little on the coefficients themselves, so that none is huge."""
    matrix[np.diag_indices_from(matrix)] += _SHRINKAGE * np.trace(matrix) / len(matrix)
    return matrix


def sigmoid(values, first, weights):
    """Platt's slope and shift, such that 1 / (1 + exp(slope * value + shift)) is first."""
    from scipy.optimize import minimize

    n_first, n_second = weights[first].sum(), weights[~first].sum()
    wanted = np.where(first, (n_first + 1) / (n_first + 2), 1 / (n_second + 2))

    def loss(pair):
        z = pair[0] * values + pair[1]
        slope = weights * (wanted - 1 / (1 + np.exp(np.clip(z, -500, 500))))
        value = weights @ (wanted * z + np.logaddexp(0, -z))
        return value, np.array([slope @ values, slope.sum()])

    start = np.array([0.0, np.log((n_second + 1) / (n_first + 1))])
    return minimize(loss, start, jac=True, method="BFGS").x


def _refit_tube(work, rows, basis, targets, weights):
    """The loss of SVR; for NuSVR the tube that leaves a share `nu` of the rows outside."""
    centre = np.median(targets)
    cost = work.traits["cost"] * weights

    def fit(epsilon):
        width = max(epsilon, _TUBE_WIDTH * targets.std(), 1e-12)
        loss = tube(epsilon, width)
        return fit_expansion(
            rows, basis, targets - centre, cost, loss, width, n_steps=25, tol=1e-4
        )

    if "nu" in work.traits:
        found, offset = fit(0.0)
        residuals = np.abs(rows.times(found) + offset + centre - targets)
        found, offset = fit(np.quantile(residuals, 1 - work.traits["nu"]))
    else:
        found, offset = fit(work.traits["epsilon"])
    return found[:, None], np.array([offset + centre]), {}


def _refit_process(work, rows, basis, targets, points, used):
    """The mean for the kernel as it was fitted; each row has its own noise."""
    kernel, scale = work.kernel.kernel, work.traits["scale"]
    noise = np.asarray(work.traits["alpha"], dtype=np.float64)
    noise = (
        noise[used] if noise.shape == used.shape else np.full(len(targets), noise.mean())
    )
    some = points[:1]
    white = float(kernel(some)[0, 0] - kernel(some, some.copy())[0, 0])
    costs = 1.0 / np.maximum(noise + white, 1e-10)
    normal = (targets - work.offsets) / scale
    found = fit_ridge(rows, basis, normal, costs, 1.0)
    return found * scale, work.offsets, {}
