"""Kernel machines of several classes with one basis, and a score for each class."""

from dataclasses import replace

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import minimize, minimize_scalar

from sklearn_prune.models.kernel.moving import INNER_STEPS, N_STEPS, with_moved_points
from sklearn_prune.models.kernel.refit import KernelRows, between_points, root_of, solved

_RIDGES = (1.0, 0.3, 0.1)  # times that of the squares under which points move
_SHRINKAGE = 0.001  # added to the kernel matrix of the points in the penalty
_N_STEPS = 100  # of L-BFGS for the margins
_HELD_OUT = 4  # one row of so many of each class chooses how the coefficients are fitted
_LARGEST_SCALE = 1e3  # of the scores in the softmax


def shares_basis(work):
    """Whether all classes share one basis after the refit."""
    if work.kind == "scores":
        return True
    several = work.kind == "svc" and len(work.traits["classes"]) > 2
    return several and work.kernel.name != "linear"


def refit_scores(work, squares, context, origin):
    """The working form with a score for each class: ``k(x, points) @ coefficients``.

    Points move on squared errors of the indicators of the classes. Coefficients then
    minimise these, under one of three penalties, or squared margins [1]_, whichever has the
    fewest errors on a quarter of the rows, which neither points nor coefficients have seen.
    All rows decide where the points end, and the coefficients.

    References
    ----------
    .. [1] Weston, Watkins (1999). Support vector machines for multi-class pattern
       recognition. ESANN.
    """
    codes = squares.targets.argmax(axis=1)
    outside = _held_out(codes, context.role_seed("held-out"))
    inside = ~outside
    part = replace(
        squares,
        X=squares.X[inside],
        targets=squares.targets[inside],
        costs=squares.costs[inside],
    )
    n_steps = N_STEPS if context.n_whole is None else INNER_STEPS
    work, points = with_moved_points(work, part, origin, n_steps)
    cost = work.traits["cost"]
    fits = [Fit(squares.penalty * ridge) for ridge in _RIDGES] + [Fit(None, cost)]
    best, scale = fits[0], None
    if outside.any():
        rows = KernelRows(work.kernel, part.X, points, single=True)
        basis = between_points(work.kernel, points)
        kernel = KernelRows(work.kernel, squares.X[outside], points, single=True)
        weights, tested = squares.costs[outside], codes[outside]
        wrong, scores = [], []
        for fit in fits:
            found, offsets = fit(rows, basis, part, codes[inside])
            scores.append(kernel.times(found) + offsets)
            wrong.append(weights @ (scores[-1].argmax(axis=1) != tested))
        chosen = int(np.argmin(np.round(wrong, 9)))
        best = fits[chosen]
        if work.traits["probability"] is not None:
            scale = _scale_of_softmax(scores[chosen], tested, weights)
        work, points = with_moved_points(work, squares, origin, n_steps // 2)
    rows = KernelRows(work.kernel, squares.X, points, single=True)
    basis = between_points(work.kernel, points)
    found, offsets = best(rows, basis, squares, codes)
    if work.traits["probability"] is not None and scale is None:
        scale = _scale_of_softmax(rows.times(found) + offsets, codes, squares.costs)
    return replace(
        work,
        kind="scores",
        coefficients=found,
        offsets=offsets,
        traits=work.traits | {"probability": scale},
    )


class Fit:
    """How the coefficients are fitted: squares with a penalty, or margins with a cost."""

    def __init__(self, penalty, cost=None):
        self.penalty, self.cost = penalty, cost

    def __call__(self, rows, basis, squares, codes):
        """Coefficients of shape (n_basis, n_classes), and offsets."""
        gram, products = rows.normal_equations(squares.targets, squares.costs)
        penalty = squares.penalty if self.penalty is None else self.penalty
        jitter = 1e-8 * np.trace(gram) / len(gram)
        found = solved(gram + penalty * basis, products, jitter)
        if self.penalty is not None:
            return found, np.zeros(found.shape[1])
        return fit_margins(rows, basis, codes, self.cost * squares.costs, found)


def fit_margins(rows, basis, codes, costs, start, *, n_steps=_N_STEPS):
    """Minimise half the squared norms of the scores plus the squared margins.

    A row has the sum over the other classes c of ``max(0, 1 - (s_own - s_c)) ** 2``, times
    its cost. By L-BFGS on coefficients in which the norm is a plain one.
    """
    m, n_classes = start.shape
    matrix = basis + _SHRINKAGE * np.trace(basis) / m * np.eye(m)
    root = root_of(matrix)

    def loss(flat):
        turned = flat[:-n_classes].reshape(m, n_classes)
        offsets = flat[-n_classes:]
        found = solve_triangular(root, turned, lower=True, trans="T")
        value = 0.5 * (turned**2).sum() + 5e-5 * (offsets**2).sum()
        slope, of_offsets = np.zeros((m, n_classes)), 1e-4 * offsets
        narrow = found.astype(rows.dtype)
        for part, kernel in rows.blocks():
            scores = kernel @ narrow + offsets.astype(rows.dtype)
            own = np.arange(len(scores)), codes[part]
            scores += 1 - scores[own][:, None]
            np.maximum(scores, 0, out=scores)
            scores[own] = 0
            weighted = scores * costs[part][:, None].astype(rows.dtype)
            value += float((weighted * scores).sum(dtype=np.float64))
            weighted *= 2
            weighted[own] = -weighted.sum(axis=1)
            slope += kernel.T @ weighted
            of_offsets = of_offsets + weighted.sum(axis=0)
        slope = solve_triangular(root, slope, lower=True) + turned
        return value, np.concatenate([slope.ravel(), of_offsets])

    first = np.concatenate([(root.T @ start).ravel(), np.zeros(n_classes)])
    scale = max(loss(first)[0], 1e-300)

    def scaled(flat):
        value, slope = loss(flat)
        return value / scale, slope / scale

    options = {"maxiter": n_steps, "maxfun": n_steps + 10, "ftol": 1e-7, "gtol": 0.0}
    flat = minimize(scaled, first, jac=True, method="L-BFGS-B", options=options).x
    turned = flat[:-n_classes].reshape(m, n_classes)
    return solve_triangular(root, turned, lower=True, trans="T"), flat[-n_classes:]


def _held_out(codes, seed):
    """A mask of one row of four of each class; a class of fewer keeps its rows."""
    rng = np.random.default_rng(seed)
    outside = np.zeros(len(codes), dtype=bool)
    for code in np.unique(codes):
        own = rng.permutation(np.flatnonzero(codes == code))
        outside[own[: len(own) // _HELD_OUT]] = True
    return outside


def _scale_of_softmax(scores, codes, weights):
    """What scores are multiplied by in the softmax: the best by the log loss [1]_.

    References
    ----------
    .. [1] Guo, Pleiss, Sun, Weinberger (2017). On calibration of modern neural networks.
       ICML.
    """
    own = scores - scores.max(axis=1, keepdims=True)
    rows = np.arange(len(codes))

    def loss(logarithm):
        turned = own * np.exp(logarithm)
        totals = np.log(np.exp(turned).sum(axis=1))
        return weights @ (totals - turned[rows, codes])

    limit = np.log(_LARGEST_SCALE)
    return float(np.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded").x))
