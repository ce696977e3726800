"""The losses and penalties of linear models: what their coefficients minimise."""

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import is_classifier
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.extmath import safe_sparse_dot

from sklearn_prune.weight_pruning.readers.sklearn_models import base_loss

_LEAST_CURVATURE = 1e-6


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
    """First and second derivatives of the loss of each row by its scores.

    Where the second is zero nearly everywhere, it is that of the logistic loss (hinge,
    perceptron) or of the squared one (epsilon-insensitive, quantile).

    Parameters
    ----------
    model : estimator
        Fitted.
    scores, targets : ndarray of shape (n_samples, n_outputs)
        As `scores_of` and `targets_of` give them.
    loss : str or None
        Another loss than that of the model.

    Returns
    -------
    gradients, curvatures : ndarray of shape (n_samples, n_outputs)
        Of the loss without weights.
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

    Parameters
    ----------
    model : estimator
        Fitted.
    total : float
        Sum of the weights of the rows.

    Returns
    -------
    float or ndarray
        Broadcasts against the coefficients, of shape (n_outputs, n_features).
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
