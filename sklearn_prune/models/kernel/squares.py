"""The squared errors that a kernel machine minimises, or that stand for its loss."""

from dataclasses import dataclass

import numpy as np

from sklearn_prune._ranking import Ranking
from sklearn_prune.models.kernel.refit import KernelRows, between_points

CANDIDATES = 2000
_LARGEST_PATH = 0.25  # of the candidates that forward selection adds
_FLOOR = 1e-9  # of the squared length of a candidate: it depends on those that were added
_RIDGE = 0.1  # for classes and C=1


@dataclass(frozen=True)
class Squares:
    """``costs @ (targets - f(X)) ** 2 + penalty * |f| ** 2``, summed over the outputs.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_rows, n_features)
        The rows that weigh something.
    targets : ndarray of shape (n_rows, n_outputs)
        For classes, their indicators less the mean of a row.
    costs : ndarray of shape (n_rows,)
        Weights of the rows.
    penalty : float or ndarray of shape (n_outputs,)
        Weight of the squared norm.
    """

    X: object
    targets: np.ndarray
    costs: np.ndarray
    penalty: object


def squares_of(work, context):
    """The `Squares` of a working form on the rows of a context."""
    X, y, weights, used = used_rows(context)
    if work.kind in ("svc", "scores"):
        classes = work.traits["classes"]
        targets = indicators(np.searchsorted(classes, y), len(classes))
        return Squares(X, targets, weights, ridge_of(work))
    targets = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
    if work.kind == "ridge":
        return Squares(X, targets, weights, work.traits["alpha"])
    if work.kind == "svr":
        return Squares(X, targets - work.offsets, weights, 0.5 / work.traits["cost"])
    normal = (targets - work.offsets) / work.traits["scale"]
    return Squares(X, normal, 1.0 / noise_of(work, X, used), 1.0)


def used_rows(context):
    """Rows that weigh something, their targets and weights, and the mask of them."""
    weights = context.row_weights()
    X, y = context.array, context.target
    used = np.ones(X.shape[0], dtype=bool) if weights is None else weights > 0
    weights = np.ones(X.shape[0]) if weights is None else weights
    return X[used], y[used], weights[used], used


def indicators(codes, n_classes):
    """Targets of classes, of shape (n_rows, n_classes); signs where there are two."""
    if n_classes == 2:
        return np.where(codes == 0, 1.0, -1.0)[:, None]
    return np.eye(n_classes)[codes] - 1 / n_classes


def ridge_of(work):
    """The penalty under which squared errors stand for the loss of a classifier."""
    return _RIDGE / np.sqrt(work.traits["cost"])


def noise_of(work, X, used):
    """Variance of the noise of each row of a Gaussian process."""
    kernel = work.kernel.kernel
    noise = np.asarray(work.traits["alpha"], dtype=np.float64)
    noise = noise[used] if noise.shape == used.shape else np.full(len(X), noise.mean())
    some = work.points[:1]
    white = float(kernel(some)[0, 0] - kernel(some, some.copy())[0, 0])
    return np.maximum(noise + white, 1e-10)


@np.errstate(over="ignore", invalid="ignore")  # then coefficients rank the points
def forward_order(work, context):
    """The points ordered by forward selection and backward elimination, as a `Ranking`.

    With ``<f, g>_A = costs @ (f(X) * g(X)) + penalty <f, g>`` the `Squares` of f are those
    of their minimiser plus ``|f - minimiser|_A ** 2``, so that both are projections.
    Several penalties count by their mean.
    """
    squares = squares_of(work, context)
    by_size = np.abs(work.coefficients).sum(axis=1)
    n_points = len(work.ids)
    candidates = np.arange(n_points)
    if n_points > CANDIDATES:
        rng = np.random.default_rng(context.role_seed("candidates"))
        candidates = np.sort(rng.choice(n_points, CANDIDATES, replace=False))
    points = work.points[candidates]
    rows = KernelRows(work.kernel, squares.X, points)
    matrix, products = rows.normal_equations(squares.targets, squares.costs)
    matrix += float(np.mean(squares.penalty)) * between_points(work.kernel, points)
    added = _forward(matrix, products, max(2, round(_LARGEST_PATH * len(candidates))))
    best = candidates[added[_backward(matrix[np.ix_(added, added)], products[added])]]
    rest = np.setdiff1d(np.arange(n_points), best)
    rest = rest[np.argsort(-by_size[rest], kind="stable")]
    return Ranking(np.concatenate([best, rest]))


def _forward(matrix, products, n_steps):
    """Positions in the order of addition, by pivoted Cholesky steps."""
    left, lengths = products.copy(), matrix.diagonal().copy()
    floor = _FLOOR * lengths
    rows = np.zeros((n_steps, len(matrix)))
    added = []
    for step in range(n_steps):
        gains = np.full(len(matrix), -1.0)
        free = lengths > floor
        gains[free] = (left[free] ** 2).sum(axis=1) / lengths[free]
        best = int(gains.argmax())
        if not gains[best] > 0:
            break
        row = matrix[best] - rows[:step, best] @ rows[:step]
        row /= np.sqrt(lengths[best])
        rows[step] = row
        left -= np.outer(row, left[best] / np.sqrt(lengths[best]))
        lengths -= row**2
        lengths[best] = 0.0
        added.append(best)
    return np.array(added, dtype=np.int64)


def _backward(matrix, products):
    """Positions by what their removal costs with the others refitted; the last first."""
    n = len(matrix)
    jittered = matrix + 1e-10 * np.trace(matrix) / max(n, 1) * np.eye(n)
    inverse = np.linalg.inv(jittered)
    found = inverse @ products
    alive = np.arange(n)
    removed = []
    while len(alive):
        costs = (found**2).sum(axis=1) / np.maximum(inverse.diagonal(), 1e-300)
        worst = int(costs.argmin())
        removed.append(alive[worst])
        column = inverse[:, worst] / inverse[worst, worst]
        rest = np.arange(len(alive)) != worst
        inverse = inverse[np.ix_(rest, rest)] - np.outer(column[rest], inverse[worst, rest])
        found = found[rest] - np.outer(column[rest], found[worst])
        alive = alive[rest]
    return np.array(removed[::-1], dtype=np.int64)
