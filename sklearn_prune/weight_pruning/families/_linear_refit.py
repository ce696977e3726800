"""Fit the coefficients that are left, under the model's own loss and penalty."""

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone, is_classifier

from sklearn_prune._meta import weight_params
from sklearn_prune.weight_pruning.compact._columns import take_columns
from sklearn_prune.weight_pruning.families._linear_curvature import (
    column_means,
    has_intercept,
)
from sklearn_prune.weight_pruning.families._linear_loss import (
    loss_of,
    row_weights,
    targets_of,
    weights_of_classes,
)
from sklearn_prune.weight_pruning.families._linear_multinomial import fit_multinomial
from sklearn_prune.weight_pruning.families._linear_proximal import (
    LinearProblem,
    minimise,
)


def fit_masked(work, context):
    """Coefficients and intercepts fitted anew, zero where the mask is False.

    Where every output keeps the same columns, the model itself is fitted on those. Where
    outputs do not depend on each other, each is fitted on its own columns. The losses
    that couple them are minimised over the entries that are left.

    Parameters
    ----------
    work : LinearWork
        Start values and mask.
    context : PruningContext
        The rows, and the template with the settings of the refit.

    Returns
    -------
    coefficients : ndarray of shape (n_outputs, n_features)
        Zero outside the mask.
    intercepts : ndarray of shape (n_outputs,)
        One for each output.
    """
    mask = work.mask
    if (mask == mask[0]).all():
        return fit_columns(work, context)
    if loss_of(work.model) == "multinomial":
        return fit_multinomial(work, context)
    if type(work.model).__name__.startswith("MultiTask"):
        return fit_tasks(work, context)
    return fit_outputs(work, context)


def fit_columns(work, context):
    """Fit the model itself on the columns that are left."""
    columns = np.flatnonzero(work.mask[0])
    model = _with_fewer_columns(context.template, work.model, len(columns))
    params = context.fit_params | _start_params(work, context, slice(None), columns)
    X = _columns_or_zeros(context.X, columns)
    try:
        model = context.fit(model, X=X, params=params)
    except ValueError as error:  # some models need two columns
        if len(columns) == work.mask.shape[1]:
            raise
        raise ValueError(
            f"{type(model).__name__} cannot be fitted on {len(columns)} of "
            f"{work.mask.shape[1]} features: {' '.join(str(error).split())} Write a larger "
            "keep, or refit=False."
        ) from error
    found = model.coef_.toarray() if issparse(model.coef_) else model.coef_
    coefficients = np.zeros(work.mask.shape, dtype=found.dtype)
    coefficients[:, columns] = np.atleast_2d(found)[:, : len(columns)]
    return coefficients, np.broadcast_to(np.ravel(model.intercept_), len(work.mask))


def fit_outputs(work, context):
    """Fit a clone for each output on its own columns."""
    template, weights = context.template, context.sample_weight
    classifies = is_classifier(work.model)
    targets = targets_of(work, context)
    if classifies:
        targets = (targets > 0).astype(int)
    by_class = None
    if classifies and context.target.ndim == 1:
        by_class = weights_of_classes(context, work.model.classes_)
    if by_class is not None and type(template).__name__.startswith("Ridge"):
        weights, by_class = (
            row_weights(work, context),
            None,
        )  # each row by its own class
        template = clone(template).set_params(class_weight=None)
    coefficients = np.zeros(work.mask.shape, dtype=work.coefficients.dtype)
    intercepts = np.zeros(len(work.mask), dtype=work.coefficients.dtype)
    for output, mask in enumerate(work.mask):
        columns = np.flatnonzero(mask)
        model = clone(_with_fewer_columns(template, work.model, len(columns)))
        if by_class is not None:  # the others weigh 1, as in one against the rest
            model.set_params(class_weight={1: float(by_class[output]), 0: 1.0})
        if not classifies and np.ndim(getattr(model, "alpha", 0.0)) == 1:
            model.set_params(alpha=model.alpha[output])
        X = _columns_or_zeros(context.array, columns)
        params = weight_params(model, weights)
        params |= _start_params(work, context, [output], columns)
        model.fit(X, targets[:, output], **params)
        coefficients[output, columns] = np.ravel(model.coef_)[: len(columns)]
        intercepts[output] = np.ravel(model.intercept_)[0]
    return coefficients, intercepts


def fit_tasks(work, context):
    """Minimise the squared loss of several tasks whose columns are penalised by norm."""
    model, template = work.model, context.template
    X, targets = context.array, targets_of(work, context)
    alpha = float(getattr(model, "alpha_", getattr(template, "alpha", None)))
    l1_ratio = float(getattr(model, "l1_ratio_", getattr(template, "l1_ratio", 1.0)))
    share = 1 / len(targets)
    with_intercept = has_intercept(template)
    centres = column_means(X) if with_intercept else np.zeros(X.shape[1])
    problem = LinearProblem(
        X,
        centres,
        np.ones(X.shape[1]),
        lambda scores: (scores - targets) * share,
        np.full(len(targets), share),
        work.mask,
        with_intercept,
    )
    intercepts = targets.mean(axis=0) * with_intercept
    coefficients, intercepts = minimise(
        problem,
        (work.coefficients.astype(np.float64), intercepts),
        alpha * l1_ratio,
        alpha * (1 - l1_ratio),
        grouped=True,
        steepness=problem.steepness(),
        n_rounds=20 * template.max_iter,
        tol=1e-2 * template.tol,
    )
    return coefficients, intercepts - coefficients @ centres


def _start_params(work, context, outputs, columns):
    """What the user lets the fit start from, for some outputs and columns."""
    params = {}
    given = context.fit_params.get("coef_init")
    if given is not None:
        given = np.reshape(given, work.mask.shape)[outputs][:, columns]
        given = given if len(columns) else np.zeros((len(given), 1))
        params["coef_init"] = given if is_classifier(work.model) else given[0]
    given = context.fit_params.get("intercept_init")
    if given is not None:
        params["intercept_init"] = np.reshape(given, len(work.mask))[outputs]
    return params


def _columns_or_zeros(X, columns):
    """The columns, or one of zeros where there are none, which leaves the intercept."""
    return take_columns(X, columns) if len(columns) else np.zeros((X.shape[0], 1))


def _with_fewer_columns(template, model, n_columns):
    """The template, a fixed number of coefficients that it asks for within the columns."""
    wanted = getattr(model, "n_nonzero_coefs_", None)
    if wanted is None or not hasattr(template, "n_nonzero_coefs"):
        return template
    if template.tol is not None:
        return template
    return clone(template).set_params(n_nonzero_coefs=max(1, min(wanted, n_columns)))
