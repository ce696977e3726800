"""Points of a kernel expansion, moved to where they fit squared errors best."""

from dataclasses import replace

import numpy as np
from scipy.linalg import LinAlgError
from scipy.optimize import minimize
from scipy.sparse import issparse

from sklearn_prune.models.kernel.gradients import has_gradient, with_gradient
from sklearn_prune.models.kernel.refit import solved

N_STEPS = 40
INNER_STEPS = 25  # on inner folds, whose losses are then too high rather than too low
_N_PAIRS = 10  # of gradients that L-BFGS remembers
_JITTER = 1e-8  # of the mean diagonal, while points move
_LARGEST_SHARE = 1 / 6  # of the rows: with more points, moving them takes too long
_LARGEST_OF_PROCESS = 1 / 3  # whose fit takes longer
_DOUBLE = 2**18  # entries of a kernel matrix of classes up to which it is in float64
_ROUNDING = 1e-6  # of the spread of the rows: points are rounded to float32 within it


def can_move(work, X):
    """Whether the refit may move the points of a working form on these rows."""
    share = _LARGEST_OF_PROCESS if work.kind == "process" else _LARGEST_SHARE
    return (
        not work.stays
        and has_gradient(work.kernel)
        and not issparse(X)
        and not issparse(work.points)
        and len(work.ids) <= max(2, share * X.shape[0])
    )


def origin_of(work):
    """What is subtracted from rows and points where that changes no kernel value."""
    if not work.kernel.centres or issparse(work.points):
        return None
    return work.points.mean(axis=0)


def shifted(X, origin):
    if origin is None:
        return X
    return (X.toarray() if issparse(X) else X) - origin


@np.errstate(over="ignore", invalid="ignore")  # then points stay where they are
def with_moved_points(work, squares, origin, n_steps):
    """The working form with its points moved, if they may be, and the shifted points."""
    points = shifted(work.points, origin)
    if not can_move(work, squares.X):
        return work, points
    points = moved(
        work.kernel,
        *(squares.X, points, squares.targets, squares.costs, squares.penalty),
        n_steps=n_steps,
        single=work.kind in ("svc", "scores")
        and work.kernel.name == "rbf"
        and len(points) * squares.X.shape[0] > _DOUBLE,
    )
    exact = points if origin is None else points + origin
    rounded = exact.astype(np.float32).astype(np.float64)
    if np.abs(rounded - exact).max() <= _ROUNDING * squares.X.std():
        exact = rounded
    return replace(work, points=exact), shifted(exact, origin)


def moved(kernel, X, points, targets, costs, penalty, *, n_steps=N_STEPS, single=False):
    """Points at which a refitted expansion fits best, from where they are now.

    They minimise ``costs @ (targets - f(X)) ** 2 + penalty * |f|**2``, summed over the
    outputs, for the best coefficients at these points: variable projection [1]_, by L-BFGS.
    No expansion is better than the one on all rows, so that points fit no noise that the
    full model does not fit. O(n_rows * n_points * (n_points + n_features)) a step.

    Parameters
    ----------
    kernel : KernelFunction
        One that `has_gradient`.
    X : ndarray of shape (n_rows, n_features)
        Rows.
    points : ndarray of shape (n_points, n_features)
        Where the points start.
    targets : ndarray of shape (n_rows, n_outputs)
        Targets.
    costs : ndarray of shape (n_rows,)
        Weights of the rows.
    penalty : float or ndarray of shape (n_outputs,)
        Weight of the squared norm.
    n_steps : int, default=40
        Steps of L-BFGS.
    single : bool, default=False
        Whether what has a row for each row is computed in float32, which takes large
        penalties.

    Returns
    -------
    ndarray of shape (n_points, n_features)
        The points, rounded to float32. They are those of the start if no step was better.

    References
    ----------
    .. [1] Golub, Pereyra (1973). The differentiation of pseudo-inverses and nonlinear least
       squares problems whose variables separate. SIAM Journal on Numerical Analysis 10.
    """
    shape, dtype = points.shape, np.float32 if single else np.float64
    root = np.sqrt(costs)[:, None].astype(dtype)
    weighted = (targets * root).astype(dtype)
    penalties = np.broadcast_to(np.asarray(penalty, dtype=np.float64), targets.shape[1])
    scale = np.sqrt(X.var(axis=0).mean()) or 1.0
    X = X.astype(dtype)
    jitter, first = None, None

    def loss(flat):
        nonlocal jitter, first
        Z = flat.reshape(shape) * scale
        matrix, gradient = with_gradient(kernel, X, Z.astype(dtype))
        own, own_gradient = with_gradient(kernel, Z, Z.copy())
        part = matrix * root
        gram = (part.T @ part).astype(np.float64)
        products = (part.T @ weighted).astype(np.float64)
        if jitter is None:
            total = np.trace(gram) + penalties.mean() * np.trace(own)
            jitter = _JITTER * total / len(own)
        found = np.empty((shape[0], targets.shape[1]))
        for value in np.unique(penalties):
            same = penalties == value
            found[:, same] = solved(gram + value * own, products[:, same], jitter)
        narrow = found.astype(dtype)
        residuals = weighted - part @ narrow
        shrunk = found * penalties
        now = (residuals**2).sum(dtype=np.float64) + (shrunk * (own @ found)).sum()
        now += jitter * (found**2).sum()
        slope = 2 * own_gradient(shrunk @ found.T)
        slope -= 2 * gradient((root * residuals) @ narrow.T)
        if first is None:
            first = now if now > 0 else 1.0
        return now / first, slope.ravel() * (scale / first)

    start = points.ravel() / scale
    try:
        result = minimize(
            loss,
            start,
            jac=True,
            method="L-BFGS-B",
            options={
                "maxiter": n_steps,
                "maxfun": n_steps + 15,
                "maxcor": _N_PAIRS,
                "ftol": 1e-7,
                "gtol": 0.0,
            },
        )
    except (LinAlgError, ValueError):  # kernel values that are not finite
        return points
    found = (result.x.reshape(shape) * scale).astype(np.float32).astype(np.float64)
    return found if result.fun < 1 and np.isfinite(found).all() else points
