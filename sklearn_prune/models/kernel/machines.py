"""Refit of kernel machines on the points that are left."""

from dataclasses import replace

import numpy as np

from sklearn_prune.models.kernel.moving import (
    INNER_STEPS,
    N_STEPS,
    origin_of,
    shifted,
    with_moved_points,
)
from sklearn_prune.models.kernel.refit import (
    WIDTH,
    KernelRows,
    between_points,
    fit_expansion,
    fit_ridge,
    hinge,
    sigmoid,
    tube,
)
from sklearn_prune.models.kernel.scores import refit_scores, shares_basis
from sklearn_prune.models.kernel.spread import spread_of
from sklearn_prune.models.kernel.squares import squares_of, used_rows

_SHRINKAGE = 0.001  # of the mean diagonal of the kernel matrix
_TUBE_WIDTH = 0.05  # over which the corner of the tube is rounded, in spreads of the target


def refit_machine(work, context):
    """The working form with coefficients estimated again on all rows, and points moved.

    O(n_rows * n_basis**2) time, O(block * n_basis + n_basis**2) memory; for classes by
    pairs, of the rows and points of each pair. Where points move, O(n_rows * n_basis)
    memory.
    """
    squares = squares_of(work, context)
    origin = origin_of(work)
    squares = replace(squares, X=shifted(squares.X, origin))
    if shares_basis(work):
        return replace(refit_scores(work, squares, context, origin), refitted=True)
    n_steps = N_STEPS if context.n_whole is None else INNER_STEPS
    work, points = with_moved_points(work, squares, origin, n_steps)
    X, (_, y, weights, _) = squares.X, used_rows(context)
    traits, offsets = {}, work.offsets
    if work.kind == "svc":
        codes = np.searchsorted(work.traits["classes"], y)
        found, offsets, traits = _refit_pairs(work, X, points, codes, weights)
    else:
        basis = between_points(work.kernel, points)
        rows = KernelRows(work.kernel, X, points)
        if work.kind == "svr":
            targets = np.asarray(y, dtype=np.float64).ravel()
            found, offsets = _refit_tube(work, rows, basis, targets, weights)
        else:
            scale = work.traits.get("scale", 1.0)
            found = scale * fit_ridge(
                rows, basis, squares.targets, squares.costs, squares.penalty
            )
        if work.kind == "process" and context.n_whole is None:
            traits = {"spread": spread_of(work.kernel, squares, rows, basis)}
    return replace(
        work,
        coefficients=found,
        offsets=offsets,
        traits=work.traits | traits,
        refitted=True,
    )


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
    return found[:, None], np.array([offset + centre])


def _shrunk(matrix):
    """The penalty with a little on the coefficients themselves, so that none is huge."""
    matrix[np.diag_indices_from(matrix)] += _SHRINKAGE * np.trace(matrix) / len(matrix)
    return matrix
