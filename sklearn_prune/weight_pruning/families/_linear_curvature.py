"""What a linear model loses without a unit, to first and second order."""

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import issparse
from sklearn.utils.extmath import safe_sparse_dot

from sklearn_prune.weight_pruning.families._linear_loss import (
    output_spreads,
    row_weights,
    squared_penalty,
    weighted_derivatives,
)

MOST_ENTRIES = 2000  # of a Hessian that is inverted
MOST_STEPS = 1000  # with an update of the inverse after each
_BLOCK = 4096  # rows that are made dense at a time


def effects_of_units(work, unit, context):
    """Root mean square over the rows of gradient times weight, for each unit.

    The intercept makes up for the mean of a column, which therefore does not count.
    """
    gradients, _ = weighted_derivatives(work, context)
    gradients = gradients / output_spreads(work, context) ** 2
    X = context.array
    centres = column_means(X) if has_intercept(work.model) else np.zeros(X.shape[1])
    shape = (X.shape[1],) if unit == "feature" else work.mask.shape
    sums = np.zeros(shape)
    for start in range(0, X.shape[0], _BLOCK):
        block = X[start : start + _BLOCK]
        block = (block.toarray() if issparse(block) else block) - centres
        gradient = gradients[start : start + _BLOCK]
        if unit == "feature":
            sums += ((gradient @ work.coefficients * block) ** 2).sum(axis=0)
        else:
            sums += (gradient**2).T @ block**2
    effects = np.sqrt(sums / X.shape[0])
    return (
        effects if unit == "feature" else (effects * np.abs(work.coefficients))[work.mask]
    )


def column_means(X):
    """Mean of each column."""
    return np.asarray(X.mean(axis=0), dtype=np.float64).ravel()


def has_intercept(model):
    """Whether the model has an intercept that is free."""
    return bool(getattr(model, "fit_intercept", True))


def losses_of_removal(work, unit, context):
    """Rise of the penalised loss without a unit, to second order, for each unit.

    Units are removed one by one, the cheapest first; what is left of an output makes up
    for it as far as it can, by the inverse of its Hessian. The loss of a unit is that of
    its step, or of a dearer one before. Beyond 1,000 columns, each is removed from the
    whole; beyond 2,000, without anything that makes up for it. Exact for squared losses
    with an L2 penalty.
    """
    _, curvatures = weighted_derivatives(work, context)
    penalty = squared_penalty(work.model, row_weights(work, context).sum())
    penalty = np.broadcast_to(penalty, work.mask.shape).astype(np.float64)
    values = work.coefficients / output_spreads(work, context)[:, None]
    if work.mask.sum(axis=1).max() > MOST_ENTRIES:
        diagonal = _diagonal(context.array, curvatures, work.model) + penalty
        rises = values**2 / 2 * diagonal
        kept = work.mask.any(axis=0)
        return rises.sum(axis=0)[kept] if unit == "feature" else rises[work.mask]
    inverses = [
        _inverse_of_output(context, curvatures[:, output], mask, penalty[output])
        for output, mask in enumerate(work.mask)
    ]
    if unit == "feature":
        kept = work.mask.any(axis=0)
        return _rises(values[:, kept], np.array(inverses)[:, kept][:, :, kept])
    rises = np.zeros(work.mask.shape)
    for output, mask in enumerate(work.mask):
        inverse = inverses[output][np.ix_(mask, mask)]
        rises[output, mask] = _rises(values[output, mask][None], inverse[None])
    return rises[work.mask]


def _rises(values, inverses):
    """Rise of the loss at the step that removes each column, the cheapest first.

    Parameters
    ----------
    values : ndarray of shape (n_outputs, n_columns)
        The coefficients; all of a column go together.
    inverses : ndarray of shape (n_outputs, n_columns, n_columns)
        Inverse Hessian of each output.
    """
    n_columns = values.shape[1]
    diagonals = np.einsum("kjj->kj", inverses)
    if n_columns > MOST_STEPS:
        return (values**2 / 2 / diagonals).sum(axis=0)
    values, inverses = values.copy(), inverses.copy()
    diagonals = np.einsum("kjj->kj", inverses)  # a view
    rises, dearest = np.zeros(n_columns), 0.0
    left = np.ones(n_columns, dtype=bool)
    for step in range(n_columns):
        losses = np.where(left, (values**2 / 2 / diagonals).sum(axis=0), np.inf)
        column = int(np.argmin(losses))
        dearest = max(dearest, losses[column])
        rises[column] = dearest * (1 + 1e-9 * step)  # of equals, the later ranks higher
        shares = inverses[:, :, column] / diagonals[:, column, None]
        values -= shares * values[:, column, None]
        inverses -= shares[:, :, None] * inverses[:, None, column]
        inverses[:, column] = inverses[:, :, column] = 0.0
        diagonals[:, column], left[column] = 1.0, False
    return rises


def _inverse_of_output(context, curvatures, mask, penalty):
    """Inverse Hessian over all columns, that of the identity where the mask is False."""
    columns = np.flatnonzero(mask)
    inverse = np.eye(len(mask))
    if len(columns):
        with_intercept = has_intercept(context.template)
        hessian = _hessian(context.array[:, columns], curvatures, with_intercept)
        hessian[np.arange(len(columns)), np.arange(len(columns))] += penalty[columns]
        found = _inverse(hessian)[: len(columns), : len(columns)]
        inverse[np.ix_(columns, columns)] = found
    return inverse


def _hessian(X, curvatures, with_intercept):
    """Curvature by pairs of columns and, last, by the intercept."""
    n_columns = X.shape[1]
    if issparse(X):
        products = (X.T @ X.multiply(curvatures[:, None])).toarray()
    else:
        products = X.T @ (X * curvatures[:, None])
    if not with_intercept:
        return np.asarray(products, dtype=np.float64)
    hessian = np.empty((n_columns + 1, n_columns + 1))
    hessian[:-1, :-1] = products
    hessian[-1, :-1] = hessian[:-1, -1] = safe_sparse_dot(curvatures, X, dense_output=True)
    hessian[-1, -1] = curvatures.sum()
    return hessian


def _diagonal(X, curvatures, model):
    """Curvature of each output by each column, the intercept making up for its mean."""
    squares = X.multiply(X).tocsr() if issparse(X) else X**2
    diagonal = safe_sparse_dot(curvatures.T, squares, dense_output=True)
    if has_intercept(model):
        sums = safe_sparse_dot(curvatures.T, X, dense_output=True)
        diagonal = diagonal - sums**2 / curvatures.sum(axis=0)[:, None]
    return np.maximum(diagonal, 0)


def _inverse(hessian):
    """Inverse of a Hessian, which may lack some rank."""
    diagonal = np.diag(hessian)
    if not np.isfinite(hessian).all():
        raise ValueError(
            "X must hold numbers whose squares do not overflow. Got NaN or infinity among "
            "its products. Scale its columns."
        )
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    scaled = hessian / np.outer(scale, scale)
    identity = np.eye(len(hessian))
    factor = cho_factor(scaled + 1e-10 * identity)
    return cho_solve(factor, identity) / np.outer(scale, scale)
