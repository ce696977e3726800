"""Losses of boosting, and the refit of the leaves under them."""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit
from sklearn.utils.extmath import softmax

from sklearn_prune.models.trees import collapse
from sklearn_prune.predictors import flat_order, levels, pick_trees

MERGED_AT_ONCE = 0.3  # share of the sibling pairs that a round may merge
FLOOR = 0.1  # of the mean second derivative, which a row counts at least
PULL = 50.0  # to the model's own leaves, in rows of mean second derivative
PULL_OF_ITERATIONS = 10.0  # likewise, where whole iterations are gone
N_SWEEPS = 2  # over all trees, after each cut
PULL_OF_PENALTY = 10.0  # to zero, where the penalty is a criterion
PENALISED_SWEEPS = 4  # times the above


@dataclass(frozen=True)
class TrainingRows:
    """What a refit reads of the rows.

    Parameters
    ----------
    leaves : ndarray of shape (n_trees, n_samples), int32
        Node in which each row ends.
    target : ndarray of shape (n_outputs, n_samples), float64
        Raw scores of the whole model.
    weights : ndarray of shape (n_outputs, n_samples), float64
        Second derivatives of the loss there, times the weights of the rows.
    y : ndarray of shape (n_samples,), float64
        Targets or class codes.
    row_weights : ndarray of shape (n_samples,), float64
        Weights of the rows.
    """

    leaves: np.ndarray
    target: np.ndarray
    weights: np.ndarray
    y: np.ndarray
    row_weights: np.ndarray

    def on(self, chosen):
        """Some of the rows."""
        return TrainingRows(
            self.leaves[:, chosen],
            self.target[:, chosen],
            self.weights[:, chosen],
            self.y[chosen],
            self.row_weights[chosen],
        )


def training_rows(model, leaves, y, row_weights, whole=None, shift=0.0):
    """What a refit reads of the rows of a model, or of a part of one.

    `leaves` has the node of `model` in which each row ends, by (tree, row). `whole` has the
    raw scores of the whole model, by (output, row), where `model` is a part of it. `shift`
    is what is added to raw scores before they mean anything.
    """
    raw = raw_scores(model, leaves) if whole is None else whole
    _, hessian = derivatives(model.loss, raw + shift, y)
    hessian *= row_weights
    weights = np.maximum(hessian, FLOOR * hessian.mean() * (row_weights > 0))
    return TrainingRows(leaves, raw, weights, y, row_weights)


def derivatives(loss, raw, y):
    """First and second derivatives of the loss of each row, by (output, row).

    `raw` has the raw scores, by (output, row); `y` targets or class codes. Without a loss
    they are zeros and ones.
    """
    if loss is None:
        return np.zeros_like(raw), np.ones_like(raw)
    if loss == "squared":
        return raw - y, np.ones_like(raw)
    if loss == "softmax":
        share = softmax(raw.T).T
        return share - (y == np.arange(len(raw))[:, None]), share * (1 - share)
    if loss == "logistic":
        share = expit(raw)
        return share - y, share * (1 - share)
    if loss == "exponential":
        size = np.exp(np.where(y > 0, -raw, raw))
        return np.where(y > 0, -size, size), size
    if loss == "poisson":
        mean = np.exp(raw)
        return mean - y, mean
    ratio = y * np.exp(-raw)
    return 1 - ratio, ratio


def raw_scores(model, leaves, home=None, value=None):
    """Raw scores, by (output, row), of rows that end in these nodes."""
    from sklearn_prune.models.boosting import kernels

    trees = model.trees
    home = np.arange(trees.n_nodes, dtype=np.int32) if home is None else home
    raw = np.repeat(model.start.astype(np.float64)[:, None], leaves.shape[1], axis=1)
    value = trees.value if value is None else value
    kernels.add_leaves(leaves, home, trees.output, value, raw)
    return raw


def rescaled(model, rows):
    """The model with all leaves times one factor, which brings it closest to the target.

    With fewer iterations each has to add more.
    """
    start = model.start.astype(np.float64)[:, None]
    added, wanted = raw_scores(model, rows.leaves) - start, rows.target - start
    size = (rows.weights * added**2).sum()
    factor = (rows.weights * added * wanted).sum() / size if size > 0 else 1.0
    return replace(model, trees=replace(model.trees, value=model.trees.value * factor))


class LeafPath:
    """Trees on their way to fewer leaves.

    Parameters
    ----------
    model : BoostedModel
        Where it starts; it is not changed.
    rows : TrainingRows
        The rows.
    refits : bool
        Whether the leaves that are left are fitted to the raw scores of the whole model.
    keys : ndarray of shape (n_nodes,), or None
        The pair below the node with the smallest key is merged first; None for the pair
        that costs least.
    pull : float, default=50.0
        How strongly leaves stay where they are, in rows of mean second derivative.

    Notes
    -----
    Two sibling leaves with values v, w and second derivatives g, h cost
    ``g h / (g + h) (v - w)**2 / 2`` when they become one, to second order. The refit is
    least squares towards the scores of the whole model, block by block, a tree a block:
    towards the targets it overfits, since the model was stopped early enough and a joint
    refit is not. The second derivatives of the loss are its weights.
    """

    def __init__(self, model, rows, refits, keys=None, pull=PULL):
        self.model, self.rows, self.refits, self.keys = model, rows, refits, keys
        self.ridge, self.lasso = pull * rows.weights.mean(), 0.0
        trees = model.trees
        self.is_leaf = trees.left < 0
        self.home = np.arange(trees.n_nodes, dtype=np.int32)
        self.value = trees.value.copy()
        self.anchor = trees.value.copy()
        self.curvature = np.zeros(trees.n_nodes)
        self.ends = trees.start
        self.n_splits = int(np.count_nonzero(~self.is_leaf))
        self.sweep(moves=False)

    def n_parameters(self):
        """Two for each split, one for each leaf of a tree that has a split."""
        roots = self.model.trees.roots
        return 3 * self.n_splits + int(np.count_nonzero(~self.is_leaf[roots]))

    def scores(self, leaves):
        """Raw scores, by (output, row), of rows that end in these leaves of the start."""
        return raw_scores(self.model, leaves, self.home, self.value)

    def sweep(self, *, moves=True):
        """Refit the leaves of all trees, or only set their second derivatives."""
        from sklearn_prune.models.boosting import kernels

        rows = self.rows
        residual = rows.target - self.scores(rows.leaves)
        for _ in range(N_SWEEPS if moves else 1):
            kernels.refit_leaves(
                rows.leaves,
                self.home,
                self.ends,
                self.model.trees.output,
                rows.weights,
                residual,
                self.value,
                self.anchor,
                self.ridge,
                self.lasso,
                moves,
                self.curvature,
            )

    def advance(self, n_parameters):
        """Merge down to this number of parameters, then refit if anything was merged."""
        before = self.n_splits
        self.shrink(n_parameters)
        if self.refits and self.n_splits < before:
            self.sweep()

    def shrink(self, n_parameters):
        """Merge sibling leaves down to this number of parameters."""
        trees = self.model.trees
        while (excess := self.n_parameters() - n_parameters) > 0 and self.n_splits:
            nodes = np.flatnonzero(~self.is_leaf)
            left, right = trees.left[nodes], trees.right[nodes]
            both = self.is_leaf[left] & self.is_leaf[right]
            nodes, left, right = nodes[both], left[both], right[both]
            g, h = self.curvature[left], self.curvature[right]
            total = g + h
            if self.keys is None:
                difference = self.value[left] - self.value[right]
                cost = np.divide(g * h, total, out=np.zeros(len(g)), where=total > 0)
                cost *= difference**2
            else:
                cost = self.keys[nodes]
            size = min(-(-excess // 3), max(1, int(MERGED_AT_ONCE * len(nodes))))
            chosen = np.argsort(np.round(cost, 300), kind="stable")[:size]
            nodes, left, right = nodes[chosen], left[chosen], right[chosen]
            share = np.divide(
                g[chosen], total[chosen], out=np.full(size, 0.5), where=total[chosen] > 0
            )
            for values in (self.value, self.anchor):
                values[nodes] = share * values[left] + (1 - share) * values[right]
            self.curvature[nodes] = total[chosen]
            self.is_leaf[nodes] = True
            new = np.arange(len(self.home), dtype=np.int32)
            new[left] = new[right] = nodes
            self.home = new[self.home]
            self.n_splits -= size

    def trees_now(self):
        """The model with the trees as they are now.

        A tree without a split is added to where the raw score starts.
        """
        trees = self.model.trees
        single = self.is_leaf[trees.roots]
        start = self.model.start.copy()
        if single.all():
            single = single.copy()
            single[0] = False
        np.add.at(start, trees.output[single], self.value[trees.roots[single]])
        smaller, _ = collapse(replace(trees, value=self.value), ~self.is_leaf)
        if single.any():
            smaller = pick_trees(smaller, np.flatnonzero(~single))
        return replace(self.model, trees=smaller, start=start)

    def copy(self):
        """Another path that starts where this one is."""
        other = copy(self)
        for name in ("is_leaf", "value", "anchor", "curvature"):
            setattr(other, name, getattr(self, name).copy())
        return other


def penalised_path(model, rows, penalty):
    """The trees with leaves refitted under a penalty on their values."""
    path = LeafPath(model, rows, refits=True, pull=PULL_OF_PENALTY)
    typical = np.sqrt(
        np.average(path.value**2, weights=path.curvature) if path.curvature.any() else 0.0
    )
    path.anchor[:] = 0.0
    if penalty == "l1":
        path.ridge, path.lasso = 0.0, path.ridge * typical
    for _ in range(PENALISED_SWEEPS):
        path.sweep()
    return path


def leaf_nodes(trees, flat, X):
    """Node in which each row ends, by (tree, row)."""
    _, _, leaves = flat_order(trees)
    first = flat.leaf_start[:-1].astype(np.int64)
    local = flat.apply_leaves(X)
    found = np.empty((local.shape[1], local.shape[0]), dtype=np.int32)
    for t in range(len(found)):
        found[t] = leaves[first[t] + local[:, t]]
    return found


def collapse_costs(trees, curvature):
    """Sum of squares of the leaves below each split around their mean, by curvature."""
    weight, mean, spread = curvature.copy(), trees.value.copy(), np.zeros(trees.n_nodes)
    for level in reversed(levels(trees)):
        left, right = trees.left[level], trees.right[level]
        g, h = weight[left], weight[right]
        share = np.divide(g, g + h, out=np.full(len(level), 0.5), where=g + h > 0)
        weight[level] = g + h
        mean[level] = share * mean[left] + (1 - share) * mean[right]
        between = share * h * (mean[left] - mean[right]) ** 2
        spread[level] = spread[left] + spread[right] + between
    return spread[trees.left >= 0] / 2
