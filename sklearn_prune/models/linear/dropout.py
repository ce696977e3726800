"""Refit linear models with features dropped at random: in the mean, or on copies."""

from dataclasses import replace

import numpy as np
from scipy.linalg import solve_triangular
from scipy.sparse import csr_array, issparse, vstack
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.extmath import safe_sparse_dot

from sklearn_prune._meta import weight_parameter
from sklearn_prune._sklearn_compat import take_rows, take_rows_of_params
from sklearn_prune.models.kernel import root_of
from sklearn_prune.models.linear.losses import (
    has_intercept,
    logistic_penalty,
    row_weights,
    targets_of,
)
from sklearn_prune.models.linear.refit import fit_masked

MOST_COPIES = 10
_ENTRIES = 2**25  # of all copies together
_LARGEST_GRAM = 4000  # columns
_RIDGES = ("LinearRegression", "Ridge", "BayesianRidge", "ARDRegression")
_BY_GRAM = ("Lasso", "ElasticNet", "MultiTask", "Lars", "OrthogonalMatchingPursuit")


def fit_with_dropout(work, context):
    """Coefficients and intercepts fitted with each kept feature dropped at random.

    An entry of X is 0 with the probability p of the dropout, else divided by 1 - p. Under
    a squared loss the mean over all masks is a fit of its own: its normal equations have
    p / (1 - p) times the sum of squares of each column more on their diagonal [1]_. Other
    losses are fitted on copies of the rows, each with masks of its own. The penalties and
    the numbers of coefficients are those that the first fit found, where it searched.

    References
    ----------
    .. [1] Wager, Wang, Liang (2013). Dropout training as adaptive regularization. NeurIPS.
    """
    name = type(context.template).__name__
    if name.startswith(_RIDGES):
        return _fit_ridge(work, context)
    if name.startswith(_BY_GRAM) and _has_gram_form(work, context.template):
        return _fit_gram(work, context)
    return fit_masked(work, _with_copies(work, context))


def _has_gram_form(work, template):
    """Whether products of columns are all that the fit of the masked model reads."""
    name = type(template).__name__
    if name.startswith("Orthogonal") and getattr(template, "tol", None) is not None:
        return False  # it stops at a size of the residuals
    if name.startswith("MultiTask") and not (work.mask == work.mask[0]).all():
        return False
    return work.mask.shape[1] <= _LARGEST_GRAM


def column_moments(X, weights):
    """Weighted sum of squares of each column, about zero and not the mean."""
    squares = X.multiply(X).tocsr() if issparse(X) else X**2
    return np.asarray(safe_sparse_dot(weights, squares, dense_output=True)).ravel()


def _fit_ridge(work, context):
    """Ridge regression of penalty 1 on columns divided by the roots of their penalties."""
    X, template = context.array.astype(np.float64), context.template
    weights = _weights_of(work, context)
    targets = targets_of(work, context)
    extra = context.dropout / (1 - context.dropout) * column_moments(X, weights)
    penalties = np.broadcast_to(_squared_penalty(work, template), work.mask.shape) + extra
    scales = 1 / np.sqrt(np.where(penalties > 0, penalties, 1.0))
    model = Ridge(
        alpha=1.0,
        fit_intercept=has_intercept(template),
        positive=getattr(template, "positive", False),
        tol=1e-8,
    )
    coefficients = np.zeros(work.mask.shape)
    intercepts = np.zeros(len(work.mask))
    for outputs in _alike(np.hstack([work.mask, penalties])):
        mask, scale = work.mask[outputs[0]], scales[outputs[0]]
        columns = np.flatnonzero(mask)
        if len(columns):
            chosen = X[:, columns]
            scaled = (
                chosen @ _diagonal(scale[columns])
                if issparse(X)
                else (chosen * scale[columns])
            )
            found = clone(model).fit(scaled, targets[:, outputs], sample_weight=weights)
            own = found.coef_.reshape(len(outputs), -1) * scale[columns]
            coefficients[np.ix_(outputs, columns)] = own
            intercepts[outputs] = found.intercept_
        elif has_intercept(template):
            intercepts[outputs] = np.average(targets[:, outputs], axis=0, weights=weights)
    dtype = work.coefficients.dtype
    return coefficients.astype(dtype), intercepts.astype(dtype)


def _squared_penalty(work, template):
    """Factor of the squared coefficients: what the first fit found, or the parameter."""
    model, name = work.model, type(template).__name__
    if name.startswith(("BayesianRidge", "ARDRegression")):
        return np.reshape(model.lambda_ / model.alpha_, (1, -1))
    if name == "LinearRegression":
        return 0.0
    alpha = getattr(model, "alpha_", getattr(template, "alpha", 0.0))
    return np.reshape(alpha, (-1, 1))


def _alike(rows):
    """Positions of equal rows, together."""
    _, codes = np.unique(rows, axis=0, return_inverse=True)
    codes = codes.ravel()
    return [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]


def _diagonal(values):
    n = len(values)
    return csr_array((values, np.arange(n), np.arange(n + 1)), shape=(n, n))


def _weights_of(work, context):
    """Weights of the rows in the fit of a squared loss."""
    if context.sample_weight is not None and weight_parameter(context.template) is None:
        return np.ones(len(context.target))
    return row_weights(work, context)


def _fit_gram(work, context):
    """Fit the model itself on a square root of the expected normal equations.

    As many rows as columns stand in for all rows; penalties relative to the number of rows
    are rescaled.
    """
    X = context.array
    weights, targets = _weights_of(work, context), targets_of(work, context)
    total = weights.sum()
    free = has_intercept(context.template)
    centre = targets.T @ weights / total * free
    means = np.ravel(safe_sparse_dot(weights, X, dense_output=True)) / total * free
    moments = column_moments(X, weights) * context.dropout / (1 - context.dropout)
    coefficients = np.zeros(work.mask.shape)
    for outputs in _problems(work):
        columns = np.flatnonzero(work.mask[outputs[0]])
        if not len(columns):
            continue
        own = X[:, columns]
        gram = safe_sparse_dot(own.T, _times_rows(own, weights), dense_output=True)
        gram = np.asarray(gram, dtype=np.float64)
        gram -= total * np.outer(means[columns], means[columns])
        gram[np.diag_indices_from(gram)] += moments[columns]
        shifted = (targets[:, outputs] - centre[outputs]) * weights[:, None]
        products = safe_sparse_dot(own.T, shifted, dense_output=True)
        products -= np.outer(means[columns], shifted.sum(axis=0))
        root = root_of(gram)
        rows = np.ascontiguousarray(root.T)
        wanted = solve_triangular(root, products, lower=True)
        model = _as_if_of(work, context.template, len(columns), total)
        model.fit(rows, wanted if len(outputs) > 1 else wanted.ravel())
        found = model.coef_.toarray() if issparse(model.coef_) else model.coef_
        coefficients[np.ix_(outputs, columns)] = np.atleast_2d(found)
    intercepts = centre - coefficients @ means
    dtype = work.coefficients.dtype
    return coefficients.astype(dtype), intercepts.astype(dtype)


def _problems(work):
    """Outputs that are fitted together."""
    if type(work.model).__name__.startswith("MultiTask"):
        return [np.arange(len(work.mask))]
    return [np.array([output]) for output in range(len(work.mask))]


def _times_rows(X, weights):
    return X.multiply(weights[:, None]).tocsr() if issparse(X) else X * weights[:, None]


def _as_if_of(work, template, n_columns, total):
    """The model without a search and an intercept, for `n_columns` rows."""
    from sklearn import linear_model

    fitted, name = work.model, type(template).__name__
    plain = name.removesuffix("CV").removesuffix("IC")
    if plain == "Lars" and name.endswith("CV"):
        plain = "LassoLars"  # the same path, up to a penalty
    model = getattr(linear_model, plain)()
    known = model.get_params()
    given = template.get_params(deep=False)
    shared = {key: given[key] for key in known if key in given}
    model.set_params(**shared | {"fit_intercept": False})
    if "precompute" in known:
        model.set_params(precompute=False)
    if "alpha" in known:
        alpha = getattr(fitted, "alpha_", None) if plain != name else template.alpha
        model.set_params(alpha=float(alpha) * total / n_columns)
    if "l1_ratio" in known and hasattr(fitted, "l1_ratio_"):
        model.set_params(l1_ratio=fitted.l1_ratio_)
    if plain == "OrthogonalMatchingPursuit":
        wanted = max(1, min(fitted.n_nonzero_coefs_, n_columns))
        model.set_params(n_nonzero_coefs=wanted)
    return model


def _with_copies(work, context):
    """The context with copies of the rows, of which each has features dropped.

    Each copy weighs its share of a row where the loss is a sum over the rows.
    """
    X = context.array
    n_rows = X.shape[0]
    size = max(1, X.nnz if issparse(X) else X.size)
    n_copies = int(np.clip(_ENTRIES // size, 2, MOST_COPIES))
    rows = np.tile(np.arange(n_rows), n_copies)
    rng = np.random.default_rng(context.role_seed("dropout"))
    copies = [dropped(X, context.dropout, rng) for _ in range(n_copies)]
    params = take_rows_of_params(context.X, context.fit_params, rows)
    template = _without_search(work, context)
    name = weight_parameter(template)
    if name is not None and not _is_mean(work.model):
        weights = context.sample_weight
        weights = np.ones(n_rows) if weights is None else weights
        params = params | {name: weights[rows] / n_copies}
    if "max_iter" in template.get_params() and _is_mean(work.model):
        template.set_params(max_iter=-(-template.max_iter // n_copies))
    return replace(
        context,
        estimator=template,
        X=vstack(copies, format="csr") if issparse(X) else np.concatenate(copies),
        y=take_rows(context.y, rows),
        fit_params=params,
        groups=None,
        refit_params={},
    )


def _is_mean(model):
    """Whether the penalty of a model stands beside the loss of one row, as in SGD."""
    return any(cls.__name__ == "BaseSGD" for cls in type(model).__mro__)


def dropped(X, share, rng):
    """A copy of X with entries at zero, each with the probability `share`."""
    left = 1 - share
    if not issparse(X):
        kept = rng.random(X.shape, dtype=np.float32) >= share
        return np.where(kept, X / X.dtype.type(left), X.dtype.type(0))
    X = X.copy()
    kept = rng.random(X.nnz, dtype=np.float32) >= share
    X.data = np.where(kept, X.data / X.dtype.type(left), X.dtype.type(0))
    X.eliminate_zeros()
    return X


def _without_search(work, context):
    """The template; one that searches, with what it found: copies would be in all folds."""
    template = clone(context.template)
    if type(template).__name__ != "LogisticRegressionCV":
        return template
    C, l1_ratio = logistic_penalty(work.model)
    plain = LogisticRegression()
    given = template.get_params(deep=False)
    shared = {key: given[key] for key in plain.get_params() if key in given}
    shared.pop("penalty", None)
    return plain.set_params(**shared | {"C": C, "l1_ratio": l1_ratio})
