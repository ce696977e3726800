"""Order the iterations of a boosting model by what they bring."""

import numpy as np
from sklearn.linear_model import lars_path_gram

from sklearn_prune.models.boosting.refit import PULL_OF_ITERATIONS, derivatives

MOST_NUMBERS = 20_000_000
MOST_STEPS = 60_000_000  # of greedy search: trials, times rows and outputs
MOST_CANDIDATES = 100  # iterations tried at a time
FEWEST_ROWS = 1000  # that iterations are scored on
MODERATE = 0.3  # L1 penalty, as a share of the smallest one that leaves nothing
CLEAR = 0.25  # of the typical size: margins beyond it count as clear


def quadratic_parts(model, rows):
    """What each iteration adds to each row, and the quadratic form of the loss.

    Returns additions of shape (n_iterations, n_samples * n_outputs), and of shape
    (n_samples * n_outputs,) the best scores without the start and the second derivatives.
    The best scores are one Newton step from the model's own, where the loss has one.
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


class _Candidates:
    """Iterations that have not been chosen, and the scores of those that have.

    Parameters
    ----------
    model : BoostedModel
        All iterations.
    rows : TrainingRows
        Some rows.

    Notes
    -----
    What an iteration would add is not what it added while it was fitted: its leaves are
    fitted to what the chosen ones still lack of the scores of the whole model, as the
    refit after the cut does.
    """

    def __init__(self, model, rows):
        trees = model.trees
        ids, of_tree = np.unique(trees.iteration, return_inverse=True)
        self.members = [np.flatnonzero(of_tree == number) for number in range(len(ids))]
        self.rows, self.output = rows, trees.output
        self.leaves = [np.unique(t, return_inverse=True)[1] for t in rows.leaves]
        self.pull = PULL_OF_ITERATIONS * rows.weights.mean()
        self.curvature = [
            np.bincount(leaves, rows.weights[k]) + self.pull
            for leaves, k in zip(self.leaves, self.output, strict=True)
        ]
        self.values = [np.zeros(len(c)) for c in self.curvature]
        self.scores = np.repeat(model.start.astype(float)[:, None], len(rows.y), axis=1)

    def added(self, iteration):
        """What the iteration would add to the scores of the chosen ones."""
        added = np.zeros_like(self.scores)
        for t in self.members[iteration]:
            added[self.output[t]] += self._move(t)[self.leaves[t]]
        return added

    def add(self, iteration, chosen):
        """Add an iteration, and fit the leaves of all that are chosen once more."""
        for number in (iteration, *chosen):
            for t in self.members[number]:
                move = self._move(t)
                self.values[t] += move
                self.scores[self.output[t]] += move[self.leaves[t]]

    def _move(self, t):
        k = self.output[t]
        lacking = self.rows.weights[k] * (self.rows.target[k] - self.scores[k])
        slope = np.bincount(self.leaves[t], lacking) - self.pull * self.values[t]
        return slope / self.curvature[t]


def greedy_order(model, rows, measure):
    """Order the iterations, each next one the best beside those chosen.

    `measure` is that of `ContributionCriterion`. Cost: O(n_iterations**2 * n_samples *
    n_outputs), for as many rows as fit in `MOST_STEPS`. Of many iterations only some,
    evenly spaced, are tried at a time, and only the last ones fitted once more.
    """
    n_iterations = len(np.unique(model.trees.iteration))
    n_trials = n_iterations * min(n_iterations, MOST_CANDIDATES)
    most = max(FEWEST_ROWS, MOST_STEPS // (n_trials * model.n_outputs))
    if len(rows.y) > most:
        rows = rows.on(np.linspace(0, len(rows.y) - 1, most).astype(np.int64))
    candidates = _Candidates(model, rows)
    gain = _gain_of_classes if model.classes is not None else _gain_of_numbers
    scale = _typical_size(model, rows)
    left, chosen = list(range(n_iterations)), []
    while left:
        gains = {
            m: gain(candidates.scores, candidates.added(m), rows, measure, scale)
            for m in left[:: -(-len(left) // MOST_CANDIDATES)]
        }
        best = max(gains, key=gains.get)
        left.remove(best)
        candidates.add(best, chosen[-MOST_CANDIDATES:])
        chosen.append(best)
    return np.array(chosen)


def _typical_size(model, rows):
    """Root mean square of what all iterations add, or mean margin of their scores."""
    if model.classes is not None:
        return np.abs(margins_of(rows.target, rows.y)).mean()
    return np.sqrt(((rows.target - model.start[:, None]) ** 2).mean())


def margins_of(scores, y):
    """How far the score of the right class is above the best other; y are codes."""
    if len(scores) == 1:
        return np.where(y > 0, scores[0], -scores[0])
    codes, every = y.astype(np.int64), np.arange(len(y))
    others = scores.copy()
    others[codes, every] = -np.inf
    return scores[codes, every] - others.max(axis=0)


def _gain_of_classes(scores, added, rows, measure, scale):
    """How good the scores become; of equal ones those nearest to the whole model's."""
    trial = scores + added
    closeness = -(rows.weights * (rows.target - trial) ** 2).sum()
    margins = margins_of(trial, rows.y)
    if measure == "margin":
        short = np.minimum(margins - CLEAR * scale, 0.0)
        return -round(float(rows.row_weights @ short**2), 9), closeness
    if measure == "complementarity":
        unclear = margins_of(scores, rows.y) <= CLEAR * scale
        helped = unclear & (margins > CLEAR * scale)
        return round(float(rows.row_weights @ helped), 9), closeness
    right = margins > 0
    return round(float(rows.row_weights @ right), 9), closeness


def _gain_of_numbers(scores, added, rows, measure, scale):
    """How small the distance to the scores of the whole model becomes."""
    lacking = rows.target - scores
    weights = rows.weights
    if measure == "complementarity":
        size = np.sqrt((weights * added**2).sum())
        same_side = weights * (np.sign(added) == np.sign(lacking)) * np.abs(lacking)
        return (same_side.sum() if size > 0 else 0.0), -((lacking - added) ** 2).sum()
    left = np.abs(lacking - added)
    if measure == "margin":
        left = np.maximum(left - CLEAR * scale, 0.0)
    return (-(weights * left**2).sum(),)


def lasso_strengths(parts, target, weights):
    """Size of each iteration's part under an L1 penalty."""
    gram, covariance = _normal_form(parts, target, weights)
    scale = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    alphas, _, path = lars_path_gram(
        covariance / scale,
        gram / np.outer(scale, scale),
        n_samples=1,
        method="lasso",
    )
    inside = path != 0
    entered = np.where(inside.any(axis=1), alphas[np.argmax(inside, axis=1)], 0.0)
    moderate = np.abs(path[:, np.argmin(np.abs(alphas - MODERATE * alphas[0]))])
    # Those that are zero come after the others, in the order in which they enter.
    return moderate + 1e-9 * entered * moderate.max() / max(alphas[0], 1e-300)


def ridge_strengths(parts, target, weights):
    """Size of each iteration's part under an L2 penalty."""
    gram, covariance = _normal_form(parts, target, weights)
    ridge = 0.1 * np.trace(gram) / len(gram)
    ridge = max(ridge, 1e-300)  # trees without a split add nothing
    coefficients = np.linalg.solve(gram + ridge * np.eye(len(gram)), covariance)
    return np.abs(coefficients) * np.sqrt(np.diag(gram))
