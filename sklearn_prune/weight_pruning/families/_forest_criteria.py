"""What criteria ask of a forest: gaps between the sides of splits, votes of trees."""

import numpy as np
from sklearn.linear_model import Ridge, lasso_path

from sklearn_prune._seeds import row_keys
from sklearn_prune.weight_pruning.families._forest_arrays import leaves_of_rows
from sklearn_prune.weight_pruning.families._forest_units import greedy_order

MAX_JUDGES = 4000  # rows that rank trees
MAX_CHECKED = 5  # trees that are asked whether they know the rows


def split_gaps(work, context, strength, *, penalised=False, l1=False):
    """How far apart the two sides of each split are, and the curvature of that.

    Parameters
    ----------
    work : ForestWork
        The forest.
    context : PruningContext
        The rows.
    strength : float
        Of the penalty on the scores of leaves.
    penalised : bool, default=False
        Whether the penalty pulls scores to zero, not to the votes of the trees.
    l1 : bool, default=False
        Whether it is on absolute values.

    Returns
    -------
    gaps : ndarray of shape (n_splits, width)
        Mean score of the left side minus that of the right side.
    curvature : ndarray of shape (n_splits,)
        h_l h_r / (h_l + h_r), of the loss along the gap.
    """
    from sklearn_prune.weight_pruning.families._forest_refit_kernels import subtree_sum

    nodes, fitted = work.nodes, work.fitted
    if fitted.loss is None:
        table, H = nodes.value, nodes.weight
    else:
        leaves = leaves_of_rows(nodes, fitted.rows(context))
        votes = {"votes": None} if penalised else {}
        refit = fitted.joint_refit(nodes, leaves, context, strength, l1=l1, **votes)
        table, H = refit.sweep(6).by_node()
    H = np.where(nodes.is_leaf, H + 1e-3, 0.0)
    total = subtree_sum(nodes.left, nodes.right, H)
    means = np.stack(
        [subtree_sum(nodes.left, nodes.right, H * column) / total for column in table.T],
        axis=1,
    )
    inner = np.flatnonzero(~nodes.is_leaf)
    left, right = nodes.left[inner], nodes.right[inner]
    curvature = total[left] * total[right] / (total[left] + total[right])
    return means[left] - means[right], curvature


def tree_order(work, context, measure):
    """An order of the trees by what they contribute to the votes."""
    votes, truth, weight, counted = _ballots(work, context)
    classes = work.fitted.classifies and work.fitted.n_outputs == 1
    return greedy_order(votes, truth, weight, counted, measure, classes=classes)


def tree_strengths(work, context, *, l1):
    """How large the weight of each tree is in a penalised sum of their votes.

    Under L1 the weights are not negative, and a tree is the stronger the larger the
    penalty is at which it comes in. Where a row must not judge a tree, the mean vote of
    the trees that it may judge stands in.
    """
    votes, truth, weight, counted = _ballots(work, context)
    n_trees, _, width = votes.shape
    counts = counted.sum(axis=0)
    means = (votes * counted[:, :, None]).sum(axis=0) / np.maximum(counts, 1)[:, None]
    filled = np.where(counted[:, :, None], votes, means)[:, counts > 0]
    scale = np.sqrt(np.repeat(weight[counts > 0], width))
    design = filled.reshape(n_trees, -1).T * scale[:, None]
    target = truth[counts > 0].ravel() * scale
    if not len(target):
        return np.zeros(n_trees)
    if not l1:
        strength = 0.1 * np.mean(design**2) * len(target)
        return np.abs(Ridge(strength, fit_intercept=False).fit(design, target).coef_)
    alphas, weights, _ = lasso_path(design, target, alphas=40, eps=1e-3, positive=True)
    used = weights > 0
    entered = np.where(used.any(axis=1), alphas[used.argmax(axis=1)], 0.0)
    return entered + 1e-6 * alphas[0] * weights[:, -1] / max(weights[:, -1].max(), 1e-300)


def _ballots(work, context):
    """Votes of the trees, what is right, weights, and which rows may judge which tree."""
    nodes, fitted = work.nodes, work.fitted
    n = len(context.target)
    rows = np.arange(n)
    if n > MAX_JUDGES:
        keys = row_keys(context.role_seed("judges-of-trees"), n)
        rows = np.sort(np.argsort(keys, kind="stable")[:MAX_JUDGES])
    leaves = leaves_of_rows(nodes, fitted.rows(context)[rows])
    votes = nodes.value[leaves]
    targets = fitted.targets(context)[rows] if fitted.n_outputs == 1 else None
    if fitted.classifies:
        truth = (
            _one_hot(fitted, context, rows)
            if targets is None
            else (np.eye(int(fitted.n_classes[0]))[targets])
        )
    else:
        truth = fitted.targets(context)[rows]
        centre, spread = truth.mean(axis=0), truth.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        truth, votes = (truth - centre) / spread, (votes - centre) / spread
    weight = context.row_weights()
    weight = np.ones(len(rows)) if weight is None else weight[rows]
    return votes, truth, weight, out_of_bag(work, context)[:, rows]


def _one_hot(fitted, context, rows):
    parts = [
        (context.target[rows, output, None] == classes).astype(np.float64)
        for output, classes in enumerate(fitted.model.classes_)
    ]
    return np.hstack(parts)


def out_of_bag(work, context):
    """Which rows each tree that is left has not been fitted on, where that is known.

    All of them where it is not: the trees of a forest without bootstrap, or of a frozen
    one that was fitted on other rows.
    """
    model, n = work.fitted.model, len(context.target)
    counted = np.ones((work.fitted.n_trees, n), dtype=bool)
    known = getattr(model, "bootstrap", False) and hasattr(model, "estimators_samples_")
    if known and (not context.is_frozen or _drew_from(work, context)):
        for own, rows in zip(counted, model.estimators_samples_, strict=True):
            own[rows] = False
    return counted[work.nodes.tree]


def _drew_from(work, context):
    """Whether the rows that the trees drew, of those here, are what they were fitted on.

    In each leaf there are then as many of them as the tree says.
    """
    fitted = work.fitted
    n, first = len(context.target), fitted.arrays(MAX_CHECKED)
    drawn = fitted.model.estimators_samples_[:MAX_CHECKED]
    if any(rows.max(initial=0) >= n for rows in drawn):
        return False
    leaves = leaves_of_rows(first, fitted.rows(context))
    counts = np.zeros(len(first.left), dtype=np.int64)
    for of_tree, rows in zip(leaves, drawn, strict=True):
        counts += np.bincount(of_tree[np.unique(rows)], minlength=len(counts))
    return np.array_equal(counts[first.is_leaf], first.rows[first.is_leaf])
