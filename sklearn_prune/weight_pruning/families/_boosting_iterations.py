"""Order the iterations of a boosting model by what they bring."""

import numpy as np
from sklearn.linear_model import lars_path_gram

from sklearn_prune.weight_pruning.families._boosting_losses import derivatives

MOST_NUMBERS = 20_000_000


def quadratic_parts(model, rows):
    """What each iteration adds to each row, and the quadratic form of the loss.

    Returns
    -------
    parts : ndarray of shape (n_iterations, n_samples * n_outputs)
        Additions to the raw scores.
    target : ndarray of shape (n_samples * n_outputs,)
        Scores that would be best for each row, one Newton step from the model's own,
        where the loss has one; the model's own elsewhere. Without the start.
    weights : ndarray of shape (n_samples * n_outputs,)
        Second derivatives.
    """
    trees = model.trees
    ids, of_tree = np.unique(trees.iteration, return_inverse=True)
    n_rows = rows.leaves.shape[1]
    step = -(-len(ids) * n_rows * model.n_outputs // MOST_NUMBERS)
    chosen = np.arange(0, n_rows, step)
    parts = np.zeros((len(ids), model.n_outputs, len(chosen)))
    for t, iteration in enumerate(of_tree):
        parts[iteration, trees.output[t]] += trees.value[rows.leaves[t, chosen]]
    sums = parts.sum(axis=0)
    gradient, _ = derivatives(model.loss, sums + model.start[:, None], rows.y[chosen])
    weights = rows.weights[:, chosen]
    target = sums - gradient * rows.row_weights[chosen] / np.where(weights > 0, weights, 1)
    return parts.reshape(len(ids), -1), target.ravel(), weights.ravel()


def _normal_form(parts, target, weights):
    weighted = parts * weights
    return weighted @ parts.T, weighted @ target


def greedy_order(parts, target, weights):
    """Each iteration the one that leaves the smallest squared distance to the target."""
    gram, covariance = _normal_form(parts, target, weights)
    n_iterations = len(gram)
    order = np.empty(n_iterations, dtype=np.int64)
    left = np.ones(n_iterations, dtype=bool)
    cost = np.diag(gram) - 2 * covariance  # of adding each to what is chosen
    for place in range(n_iterations):
        best = np.flatnonzero(left)[np.argmin(cost[left])]
        order[place] = best
        left[best] = False
        cost = cost + 2 * gram[best]
    return order


def lasso_strengths(parts, target, weights):
    """Largest L1 penalty at which each iteration is still in the model."""
    gram, covariance = _normal_form(parts, target, weights)
    scale = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    alphas, _, path = lars_path_gram(
        covariance / scale,
        gram / np.outer(scale, scale),
        n_samples=1,
        method="lasso",
    )
    inside = path != 0
    strengths = np.where(inside.any(axis=1), alphas[np.argmax(inside, axis=1)], 0.0)
    return strengths


def ridge_strengths(parts, target, weights):
    """Size of each iteration's part under an L2 penalty."""
    gram, covariance = _normal_form(parts, target, weights)
    ridge = np.trace(gram) / len(gram)
    coefficients = np.linalg.solve(gram + ridge * np.eye(len(gram)), covariance)
    return np.abs(coefficients) * np.sqrt(np.diag(gram))
