"""Losses of linear models: gradients, curvatures, and the loss of removing a unit."""

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import issparse
from scipy.special import expit, softmax
from sklearn.base import is_classifier
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.extmath import safe_sparse_dot

from sklearn_prune.models.readers import base_loss

_LEAST_CURVATURE = 1e-6
MOST_ENTRIES = 2000  # of a Hessian that is inverted
MOST_STEPS = 1000  # with an update of the inverse after each
_BLOCK = 4096  # rows that are made dense at a time


def loss_of(model):
    """Name of the loss of a fitted linear model, as SGDClassifier and others call it."""
    name = type(model).__name__
    if base_loss(model) is not None:
        return "generalized"
    if name.startswith("LogisticRegression"):
        return "log_loss" if model.coef_.shape[0] == 1 else "multinomial"
    if name == "HuberRegressor":
        return "huber"
    if name == "QuantileRegressor":
        return "quantile"
    return getattr(model, "loss", "squared_error")


def scores_of(work, context):
    """Linear scores of the rows, of shape (n_samples, n_outputs)."""
    products = safe_sparse_dot(context.array, work.coefficients.T, dense_output=True)
    return np.asarray(products + work.intercepts, dtype=np.float64)


def targets_of(work, context):
    """What the scores are held against: -1 and 1 for classes, else the targets."""
    y = context.target
    if not is_classifier(work.model):
        return y.reshape(len(y), -1).astype(np.float64)
    classes = work.model.classes_
    if y.ndim == 1:
        y = y[:, None] == (classes[-1:] if len(work.mask) == 1 else classes)
    return np.where(y, 1.0, -1.0)


def weights_of_classes(context, classes):
    """What each class weighs in the fit, of shape (n_classes,), or None.

    LogisticRegression and LinearSVC balance the sums of the sample weights, the others
    the numbers of rows.
    """
    class_weight = getattr(context.template, "class_weight", None)
    if class_weight is None:
        return None
    by_weight = type(context.template).__name__.startswith(("Logistic", "LinearSVC"))
    return compute_class_weight(
        class_weight,
        classes=classes,
        y=context.target,
        sample_weight=context.sample_weight if by_weight else None,
    )


def row_weights(work, context):
    """Weights of the rows, of shape (n_samples,): the sample's times its class's."""
    weights = context.sample_weight
    weights = np.ones(len(context.target)) if weights is None else weights
    if is_classifier(work.model) and context.target.ndim == 1:
        by_class = weights_of_classes(context, work.model.classes_)
        if by_class is not None:
            codes = np.searchsorted(work.model.classes_, context.target)
            weights = weights * by_class[codes]
    return weights


def output_spreads(work, context):
    """Standard deviation of each output of a regression with several, 1 otherwise.

    Losses count relative to it, so that no output is pruned for its unit.
    """
    if is_classifier(work.model) or len(work.mask) == 1:
        return np.ones(len(work.mask))
    spread = context.target.std(axis=0)
    return np.where(spread > 0, spread, 1.0)


def derivatives(model, scores, targets, loss=None):
    """First and second derivatives of the loss of each row by its scores, without weights.

    All arrays are of shape (n_samples, n_outputs). Where the second is zero nearly
    everywhere, it is that of the logistic loss (hinge, perceptron) or of the squared one
    (epsilon-insensitive, quantile). `loss` names another loss than that of the model.
    """
    loss = loss_of(model) if loss is None else loss
    if loss == "multinomial":
        shares = softmax(scores, axis=1)
        return shares - (targets > 0), shares * (1 - shares)
    if loss == "generalized":
        gradients, curvatures = base_loss(model).gradient_hessian(
            y_true=np.ascontiguousarray(targets[:, 0]),
            raw_prediction=np.ascontiguousarray(scores[:, 0]),
        )
        return gradients[:, None], curvatures[:, None]
    if loss in _OF_MARGINS:
        gradients, curvatures = _OF_MARGINS[loss](targets * scores)
        return targets * gradients, curvatures
    residuals = scores - targets
    if loss == "quantile":
        quantile = model.quantile
        return np.where(residuals < 0, -quantile, 1 - quantile), np.ones_like(scores)
    return _OF_RESIDUALS[loss](residuals, width_of(model))


def width_of(model):
    """Where the loss of a residual changes its shape."""
    return getattr(model, "epsilon", 0.0) * getattr(model, "scale_", 1.0)


def _logistic(margins):
    shares = expit(-margins)
    return -shares, shares * (1 - shares)


def _hinge(margins, edge=1.0):
    return np.where(margins < edge, -1.0, 0.0), _logistic(margins)[1]


def _squared_hinge(margins):
    return -2 * np.maximum(1 - margins, 0), 2.0 * (margins < 1)


def _modified_huber(margins):
    inside = (margins >= -1) & (margins < 1)
    return np.where(margins < -1, -4.0, -2 * np.maximum(1 - margins, 0)), 2.0 * inside


def _huber(residuals, width):
    return np.clip(residuals, -width, width), 1.0 * (np.abs(residuals) <= width)


def _insensitive(residuals, width):
    outside = np.abs(residuals) > width
    return np.sign(residuals) * outside, np.ones_like(residuals)


def _squared_insensitive(residuals, width):
    beyond = np.maximum(np.abs(residuals) - width, 0)
    return 2 * np.sign(residuals) * beyond, 2.0 * (beyond > 0)


_OF_MARGINS = {
    "log_loss": _logistic,
    "hinge": _hinge,
    "perceptron": lambda margins: _hinge(margins, edge=0.0),
    "squared_hinge": _squared_hinge,
    "modified_huber": _modified_huber,
}


_OF_RESIDUALS = {
    "squared_error": lambda residuals, width: (residuals, np.ones_like(residuals)),
    "huber": _huber,
    "epsilon_insensitive": _insensitive,
    "squared_epsilon_insensitive": _squared_insensitive,
}


def weighted_derivatives(work, context):
    """The derivatives at the coefficients of a working form, times the row weights."""
    gradients, curvatures = derivatives(
        work.model, scores_of(work, context), targets_of(work, context)
    )
    curvatures = np.maximum(curvatures, _LEAST_CURVATURE)
    weights = row_weights(work, context)
    return gradients * weights[:, None], curvatures * weights[:, None]


def logistic_penalty(model):
    """C and the share of L1 of a logistic regression; those found where it searched."""
    C = np.ravel(getattr(model, "C_", getattr(model, "C", 1.0)))[0]
    if getattr(model, "penalty", "deprecated") is None:
        C = np.inf
    l1_ratio = getattr(model, "l1_ratio_", getattr(model, "l1_ratio", 0.0))
    l1_ratio = np.ravel([0.0 if l1_ratio is None else l1_ratio])[0]
    if getattr(model, "penalty", None) == "l1":
        l1_ratio = 1.0
    return float(C), float(l1_ratio or 0.0)


def squared_penalty(model, total):
    """Factors of half the squared coefficients, in a loss that is summed over rows.

    `total` is the sum of the weights of the rows. The result broadcasts against the
    coefficients, of shape (n_outputs, n_features).
    """
    name = type(model).__name__
    if name.startswith("LogisticRegression"):
        C, l1_ratio = logistic_penalty(model)
        return (1 - l1_ratio) / C
    if name in ("LinearSVC", "LinearSVR"):
        return 1 / model.C if getattr(model, "penalty", "l2") == "l2" else 0.0
    if name in ("BayesianRidge", "ARDRegression"):
        return model.lambda_ / model.alpha_
    alpha = getattr(model, "alpha_", getattr(model, "alpha", 0.0))
    if name.startswith("Ridge"):
        return np.reshape(alpha, (-1, 1))
    if base_loss(model) is not None:
        return alpha * total
    if name == "HuberRegressor":
        return 2 * alpha
    if "ElasticNet" in name:
        l1_ratio = getattr(model, "l1_ratio_", model.l1_ratio)
        return alpha * (1 - l1_ratio) * total
    penalty = getattr(model, "penalty", None)
    if name.startswith("SGD") or name == "Perceptron":
        share = {"l2": 1.0, "elasticnet": 1 - model.l1_ratio}.get(penalty, 0.0)
        return alpha * share * total
    return 0.0


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

    `values` has the coefficients, of shape (n_outputs, n_columns), and `inverses` the
    inverse Hessian of each output. All coefficients of a column go together.
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
