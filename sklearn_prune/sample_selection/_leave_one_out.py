"""Scores of penalised linear models that have not seen the row they score."""

import numpy as np
from scipy.linalg import cholesky, lapack, solve_triangular
from scipy.sparse import issparse
from scipy.special import expit

from sklearn_prune._space import pivoted_factor
from sklearn_prune.sample_selection._design import Moments

# The largest matrix that is factorised has this many rows: 200 MB of float64.
MAX_SIDE = 5_000


def ridge_leave_one_out(design, targets, weights, alpha, loss):
    """Leave-one-out scores, of shape (n, k), of models under an L2 penalty.

    There is one model for each column of the targets. Squared loss is exact; logistic loss
    takes one Newton step.
    """
    if min(design.shape) > MAX_SIDE:
        return out_of_fold(design, targets, weights, alpha, loss)
    if loss == "squared" and issparse(design.X) and design.shape[1] > design.shape[0]:
        return dual_leave_one_out(design.inner_products, targets, weights, alpha)
    if loss == "squared":
        return squared_leave_one_out(design.narrow, targets, weights, alpha)
    return logistic_leave_one_out(design.narrow, targets, weights, alpha)


def lasso_leave_one_out(design, targets, weights, alpha):
    """Leave-one-out scores of lassos that use the same features without the row.

    Parameters and result are those of `ridge_leave_one_out`; alpha may be "auto".
    """
    coefs = lasso_coefs(design, targets, weights, alpha)
    scores = np.empty_like(targets)
    for column, coef in enumerate(coefs.T):
        active = np.flatnonzero(coef)
        scores[:, [column]] = squared_leave_one_out(
            design.columns(active),
            targets[:, [column]],
            weights,
            coef=coef[active, None],
        )
    return scores


def leave_out(fitted, gradient, curvature, spread, fallback, least_slack=1e-12):
    """Scores without the own row, from one Newton step; exact for squared loss.

    `gradient` and `curvature` are the first and second derivative of each row's loss in its
    score `fitted`, and `spread` is x_i^T H^-1 x_i, intercept included, with the Hessian H
    of the fit. `fallback` is the score of a row whose own score depends on it entirely:
    where the others have less than `least_slack` as their share of it, one step does not
    tell.
    """
    slack = 1 - curvature * spread
    known = slack > least_slack
    step = np.divide(gradient * spread, slack, out=np.zeros_like(fitted), where=known)
    return np.where(known, fitted + step, fallback)


def squared_leave_one_out(design, targets, weights, ridge=None, coef=None):
    """Leave-one-out scores, of shape (n, k), under squared loss with an L2 penalty `ridge`.

    Without `ridge` the fit is `coef`, and a row's absence is felt through the unpenalised
    fit on the same columns.
    """
    moments = Moments(design, weights, targets)
    gram = moments.gram
    # Without a penalty, a row with a column of its own is fitted whatever it says.
    least_slack = 1e-6 if ridge is None else 1e-12
    if ridge is None:
        ridge = 1e-10 * max(np.trace(gram), 1e-300)  # collinear columns stay solvable
    ridge = max(ridge, 1e-14 * np.trace(gram))
    gram.flat[:: len(gram) + 1] += ridge
    factor = cholesky(gram, lower=True, overwrite_a=True)
    if coef is None:
        coef = solve_triangular(factor, moments.cross, lower=True)
        coef = solve_triangular(factor, coef, lower=True, trans=1)
    fitted, spread = np.empty_like(targets), np.empty((len(targets), 1))
    for rows, block in design.blocks():
        block -= moments.mean
        fitted[rows] = block @ coef + moments.target_mean
        spread[rows] = row_spread(factor, block, moments.total)
    gradient = weights[:, None] * (fitted - targets)
    rest = moments.total - weights[:, None]
    mean_of_others = np.divide(
        moments.total * moments.target_mean - weights[:, None] * targets,
        rest,
        out=np.zeros_like(targets),
        where=rest > 1e-12 * moments.total,
    )
    return leave_out(
        fitted, gradient, weights[:, None], spread, mean_of_others, least_slack
    )


def dual_leave_one_out(inner, targets, weights, ridge):
    """The scores of `squared_leave_one_out` from inner products of the rows, O(n^3).

    With C = inner + ridge / weights and an intercept, the fit on n rows of positive weight
    is ``C @ a + b = targets`` with ``sum(a) = 0``. What a row's target lacks to its score
    without it is a / the diagonal of the inverse of this system.
    """
    rows, idle = np.flatnonzero(weights), np.flatnonzero(weights == 0)
    own, known = weights[rows], targets[rows]
    system = inner[np.ix_(rows, rows)]
    total = own.sum()
    trace = own @ system.diagonal() - own @ system @ own / total
    ridge = max(ridge, 1e-14 * trace)
    system.flat[:: len(rows) + 1] += ridge / own
    factor = cholesky(system, lower=True, overwrite_a=True, check_finite=False)
    inverse = lapack.dtrtri(factor, lower=1)[0]  # of the factor
    sides = np.column_stack([np.ones(len(rows)), known])
    solved = inverse.T @ (inverse @ sides)
    ones, solved = solved[:, :1], solved[:, 1:]
    intercepts = known.T @ ones[:, 0] / ones.sum()
    solved -= ones * intercepts
    diagonal = np.einsum("ij,ij->j", inverse, inverse)[:, None] - ones**2 / ones.sum()
    rest = (total - own)[:, None]
    mean_of_others = np.divide(
        own @ known - own[:, None] * known,
        rest,
        out=np.zeros_like(known),
        where=rest > 1e-12 * total,
    )
    decided = ridge * diagonal > 1e-12 * own[:, None]
    step = np.divide(solved, diagonal, out=np.zeros_like(known), where=decided)
    scores = np.empty_like(targets)
    scores[rows] = np.where(decided, known - step, mean_of_others)
    scores[idle] = inner[np.ix_(idle, rows)] @ solved + intercepts
    return scores


def row_spread(factor, centred, total):
    """x^T H^-1 x for centred rows, H given by its Cholesky factor, plus the intercept."""
    if not len(factor):  # older versions of scipy refuse to solve it
        return np.full((len(centred), 1), 1 / total)
    whitened = solve_triangular(
        factor, centred.T, lower=True, overwrite_b=True, check_finite=False
    )
    return 1 / total + np.einsum("ij,ij->j", whitened, whitened)[:, None]


def logistic_leave_one_out(design, targets, weights, alpha):
    """Leave-one-out scores under L2-penalised logistic loss, one Newton step each."""
    from sklearn.linear_model import LogisticRegression

    rows_of = design.scaled()
    model = LogisticRegression(C=1 / alpha, tol=1e-6, max_iter=10_000)
    scores = np.empty_like(targets)
    for column, target in enumerate(targets.T):
        model.fit(rows_of, target, sample_weight=weights)
        fitted = model.decision_function(rows_of)
        gradient = -weights * target * expit(-target * fitted)
        curvature = weights * expit(fitted) * expit(-fitted)
        moments = Moments(design, curvature)
        ridge = max(alpha, 1e-14 * np.trace(moments.gram))
        moments.gram.flat[:: len(moments.gram) + 1] += ridge
        factor = cholesky(moments.gram, lower=True)
        spread = np.vstack(
            [
                row_spread(factor, block - moments.mean, moments.total)
                for _, block in design.blocks()
            ]
        )
        scores[:, [column]] = leave_out(
            fitted[:, None], gradient[:, None], curvature[:, None], spread, fallback=0.0
        )
    return scores


def out_of_fold(design, targets, weights, alpha, loss, n_folds=20):
    """Scores of models that were fitted without the row's fold, by iterative solvers."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import KFold

    rows = design.scaled()
    if loss == "squared":
        model, columns = Ridge(alpha, solver="sparse_cg", copy_X=False), [slice(None)]
    else:
        model = LogisticRegression(C=1 / alpha, max_iter=10_000)
        columns = range(targets.shape[1])
    predict = "predict" if loss == "squared" else "decision_function"
    scores = np.empty_like(targets)
    for train, test in KFold(n_folds, shuffle=True, random_state=0).split(rows):
        for column in columns:
            known = targets[train, column]
            if loss == "logistic" and np.ptp(known) == 0:
                scores[test, column] = known[0]  # a class that the others do not have
                continue
            model.fit(rows[train], known, sample_weight=weights[train])
            found = getattr(model, predict)(rows[test])
            scores[test, column] = found.reshape(scores[test, column].shape)
    return scores


def lasso_coefs(design, targets, weights, alpha):
    """Coefficients of one lasso for each column of targets, shape (d, k).

    Where there are no more features than rows, nor than `MAX_SIDE`, the rows are replaced
    by as many as there are features with the same moments, on which the problem is the
    same.
    """
    from sklearn.linear_model import Lasso

    n, d = design.shape
    weights = weights * (n / weights.sum())
    if d <= min(n, MAX_SIDE):
        moments = Moments(design, weights, targets)
        cross = moments.cross
        rows, solved = pivoted_factor(moments.gram, cross)
        model = Lasso(fit_intercept=False, max_iter=10_000, random_state=0)
        fit_params, scale = {}, n / len(rows)
    else:
        rows, solved = design.scaled(order="F"), targets
        cross = rows.T @ (weights[:, None] * (targets - weights @ targets / n))
        model = Lasso(max_iter=10_000, random_state=0)
        fit_params, scale = {"sample_weight": weights}, 1.0
    coefs = np.empty((d, targets.shape[1]))
    for column in range(targets.shape[1]):
        strength = alpha
        if alpha == "auto":
            strength = 0.05 * np.abs(cross[:, column]).max() / n
        noise = 1e-12 * np.abs(targets[:, column]).max()
        if alpha == "auto" and strength <= noise:  # nothing correlates with the target
            coefs[:, column] = 0.0
            continue
        model.set_params(alpha=scale * strength)
        coefs[:, column] = model.fit(rows, solved[:, column], **fit_params).coef_
    return coefs
