"""Train linear models under an L1 or L2 penalty, to see which units last."""

import numpy as np

from sklearn_prune.models.features import spreads
from sklearn_prune.models.linear.losses import (
    column_means,
    derivatives,
    has_intercept,
    loss_of,
    output_spreads,
    row_weights,
    scores_of,
    targets_of,
)
from sklearn_prune.models.linear.refit import LinearProblem, minimise

N_PENALTIES = 20
WEAKEST = 1e-3  # of the penalty that leaves nothing
N_ROUNDS = 12  # of gradients under each penalty
STRONG = 0.1  # L2 penalty against the curvature of a column
# Upper bounds of second derivatives, and what stands in for losses without one.
_BOUNDS = {
    "log_loss": 0.25,
    "multinomial": 0.5,
    "squared_error": 1.0,
    "huber": 1.0,
    "squared_hinge": 2.0,
    "modified_huber": 2.0,
    "squared_epsilon_insensitive": 2.0,
}
_SMOOTH = {"hinge": "squared_hinge", "perceptron": "squared_hinge"}


def l1_strengths(work, unit, context):
    """The largest L1 penalty under which each unit is there, against the largest of all.

    The model is trained on columns of unit spread under falling penalties, each fit
    starting from the one before; the coefficients of a feature are penalised by their
    norm. Units that enter together rank by their size then, units that never do by their
    size in the model.
    """
    problem = standardised(work, context)
    grouped = unit == "feature"
    coefficients = np.zeros(work.mask.shape)
    intercepts = np.zeros(len(work.mask))
    for _ in range(50 * problem.with_intercept):
        pull = problem.gradient(coefficients, intercepts)[1]
        intercepts = intercepts - pull / problem.bounds.sum()
    pulls = _sizes(problem.gradient(coefficients, intercepts)[0], grouped)
    largest = pulls.max()
    steepness = problem.steepness()
    ratio = WEAKEST ** (1 / N_PENALTIES)
    strengths = np.zeros(pulls.shape)
    for step in range(1, N_PENALTIES + 1) if largest > 0 else ():
        coefficients, intercepts = minimise(
            problem,
            (coefficients, intercepts),
            largest * ratio**step,
            0.0,
            grouped=grouped,
            steepness=steepness,
            n_rounds=N_ROUNDS,
            tol=1e-4,
        )
        size = _sizes(coefficients, grouped)
        entered = (size > 0) & (strengths == 0)
        if entered.any():
            share = size[entered] / size[entered].max()
            strengths[entered] = ratio**step * (1 + (1 / ratio - 1) * 0.99 * share)
    own = work.coefficients * spreads(context.array)
    own = _sizes(own / output_spreads(work, context)[:, None], grouped)
    never = strengths == 0
    strengths[never] = 0.99 * ratio**N_PENALTIES * own[never] / max(own.max(), 1e-300)
    return strengths if grouped else strengths[work.mask]


def l2_coefficients(work, context):
    """Coefficients on columns of unit spread under a strong L2 penalty."""
    problem = standardised(work, context)
    coefficients, _ = minimise(
        problem,
        (np.zeros(work.mask.shape), np.zeros(len(work.mask))),
        0.0,
        STRONG * problem.bounds.sum(),
        grouped=False,
        steepness=problem.steepness(),
        n_rounds=300,
        tol=1e-5,
    )
    return coefficients


def _sizes(coefficients, grouped):
    """Absolute values, or the norm of each column."""
    return np.linalg.norm(coefficients, axis=0) if grouped else np.abs(coefficients)


def standardised(work, context):
    """The model's own loss on columns of unit spread, as a problem for `minimise`.

    Losses without second derivatives are rounded off: the hinge becomes its square, and
    absolute residuals count in full up to their median. The losses of generalized linear
    models, whose curvature has no bound, are replaced by their parabolas at the fit.
    """
    X = context.array
    targets = targets_of(work, context) / output_spreads(work, context)
    weights = row_weights(work, context)
    spread = spreads(X)
    spread = np.where(spread > 0, spread, 1.0)
    loss = loss_of(work.model)
    loss = _SMOOTH.get(loss, loss)
    bounds = weights * _BOUNDS.get(loss, 1.0)
    if loss == "generalized":
        fitted = scores_of(work, context)
        slopes, curvatures = derivatives(work.model, fitted, targets)
        curvatures = np.maximum(curvatures, 1e-6)
        curvatures = np.minimum(curvatures, 20 * np.median(curvatures))
        bounds = weights * curvatures[:, 0]

        def gradients(scores):
            return (slopes + curvatures * (scores - fitted)) * weights[:, None]

    elif loss in ("quantile", "epsilon_insensitive"):
        width = max(np.median(np.abs(scores_of(work, context) - targets)), 1e-12)

        def gradients(scores):
            return np.clip(scores - targets, -width, width) * weights[:, None]

    else:

        def gradients(scores):
            return derivatives(work.model, scores, targets, loss)[0] * weights[:, None]

    with_intercept = has_intercept(work.model)
    centres = column_means(X) if with_intercept else np.zeros(X.shape[1])
    return LinearProblem(X, centres, spread, gradients, bounds, work.mask, with_intercept)
