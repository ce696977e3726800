"""Units of forests, and the orders in which criteria put them."""

from dataclasses import dataclass

import numpy as np

from sklearn_prune._ranking import Ranking
from sklearn_prune._seeds import row_keys
from sklearn_prune.models.trees.arrays import (
    collapse,
    impurity_decreases,
    leaves_of_rows,
    max_below,
)
from sklearn_prune.predictors import pick_trees

MAX_SCORING_ROWS = 4000  # rows that rank trees
MAX_CHECKED = 5  # trees that are asked whether they know the rows


@dataclass(frozen=True)
class UnitNumbers:
    """Which unit each node is, in the forest as it was fitted.

    Parameters
    ----------
    split : ndarray of shape (n_nodes,), int64
        Number of each node among the splits, -1 for leaves.
    leaf : ndarray of shape (n_nodes,), int64
        Number of the leaf that stands for each node: itself, or the one among those below
        that was reached by the most rows.
    n_splits, n_leaves : int
        How many there are.
    """

    split: np.ndarray
    leaf: np.ndarray
    n_splits: int
    n_leaves: int

    @classmethod
    def of(cls, arrays):
        """Those of a whole forest."""
        from sklearn_prune.models.trees.kernels import heaviest_below

        is_leaf = arrays.is_leaf
        split = np.where(is_leaf, -1, np.cumsum(~is_leaf) - 1)
        number = np.where(is_leaf, np.cumsum(is_leaf) - 1, -1)
        heaviest = heaviest_below(arrays.left, arrays.right, arrays.weight)
        return cls(split, number[heaviest], int(split.max() + 1), int(number.max() + 1))


def closed_order(arrays, ranking):
    """An order of the splits in which each comes after those above it.

    A split counts as good as the best below it, so the others keep their order.
    """
    inner = np.flatnonzero(~arrays.is_leaf)
    scores = np.full(len(arrays.left), -np.inf)
    scores[inner[ranking.order]] = -np.arange(len(inner), dtype=np.float64)
    best = max_below(arrays, scores)[inner]
    own = None if ranking.scores is None else ranking.scores
    return Ranking(np.argsort(-best, kind="stable"), own)


def leaf_order(arrays, splits, numbers):
    """The order of leaves that an order of splits means.

    Without a split, the lighter of the two leaves that stand for its sides is gone. The
    leaf that stands for a whole tree comes with the first split of the tree, so that no
    prefix holds more than one tree without a split.
    """
    inner, leaves = np.flatnonzero(~arrays.is_leaf), np.flatnonzero(arrays.is_leaf)
    standing = numbers.leaf[arrays.node]
    position = np.full(numbers.n_leaves, -1)
    position[standing[leaves]] = np.arange(len(leaves))
    parents = inner[splits.order]
    left, right = standing[arrays.left[parents]], standing[arrays.right[parents]]
    loser = np.where(left == standing[parents], right, left)
    roots = standing[arrays.start[:-1]]
    tree, first = np.unique(arrays.tree_of_nodes()[parents], return_index=True)
    begins = np.full(arrays.n_trees, len(loser))  # trees without a split come last
    begins[tree] = first
    place = np.concatenate([2 * begins, 2 * np.arange(len(loser)) + 1])
    order = np.argsort(place, kind="stable")
    return Ranking(position[np.concatenate([roots, loser])[order]])


def without_leaves(arrays, kept, numbers):
    """The trees with the leaves at the positions `kept` only; siblings are merged."""
    from sklearn_prune.models.trees.kernels import subtree_sum

    leaves = np.flatnonzero(arrays.is_leaf)
    counts = np.zeros(len(arrays.left))
    counts[leaves[kept]] = 1
    counts = subtree_sum(arrays.left, arrays.right, counts)
    smaller, _ = collapse(arrays, counts >= 2)
    has_any = np.flatnonzero(counts[arrays.start[:-1]] > 0)
    return pick_trees(smaller, has_any) if len(has_any) < smaller.n_trees else smaller


def merge_order(work, context, strength, *, penalised=False, l1=False):
    """How late each split is merged when the leaves are refitted in between.

    0 stands for the split that goes first. The penalty of `strength` pulls the scores of
    leaves to the votes of the trees, or to zero if `penalised`; under `l1` it is on
    absolute values.
    """
    nodes, fitted = work.nodes, work.fitted
    inner = np.flatnonzero(~nodes.is_leaf)
    if fitted.loss is None:
        return impurity_decreases(nodes)[inner]
    leaves = leaves_of_rows(nodes, fitted.rows(context))
    votes = {"votes": None} if penalised else {}
    refit = fitted.joint_refit(nodes, leaves, context, strength, l1=l1, **votes)
    order = refit.sweep(6).merge_to(0).merged
    late = np.zeros(len(nodes.left))
    late[order] = np.arange(len(order))
    return late[inner]


def tree_order(work, context, measure):
    """An order of the trees by what they contribute to the votes."""
    votes, truth, weight, counted = _votes_of_trees(work, context)
    classes = work.fitted.classifies and work.fitted.n_outputs == 1
    return greedy_order(votes, truth, weight, counted, measure, classes=classes)


def tree_strengths(work, context, *, l1):
    """How large the weight of each tree is in a penalised sum of their votes.

    Under L1 the weights are not negative, and a tree is the stronger the larger the
    penalty is at which it comes in. Each pair of trees is compared on the rows that
    neither was fitted on, where that is known.
    """
    votes, truth, weight, counted = _votes_of_trees(work, context)
    n_trees = len(votes)
    flat = (votes * (counted * np.sqrt(weight))[:, :, None]).reshape(n_trees, -1)
    both = np.maximum((counted * weight) @ counted.T, 1e-300)
    gram = flat @ flat.T / both
    rows = (counted * weight).sum(axis=1)
    target = (votes * (counted * weight)[:, :, None] * truth).sum(axis=(1, 2))
    target /= np.maximum(rows, 1e-300)
    gram[np.diag_indices(n_trees)] += 1e-3 * max(np.trace(gram) / n_trees, 1e-300)
    if not l1:
        ridge = 0.1 * np.trace(gram) / n_trees * np.eye(n_trees)
        return np.linalg.solve(gram + ridge, target)
    weights, entered = np.zeros(n_trees), np.zeros(n_trees)
    for strength in target.max(initial=0.0) * np.geomspace(1.0, 1e-4, 60):
        for _ in range(20):
            for t in range(n_trees):
                pull = target[t] - gram[t] @ weights + gram[t, t] * weights[t]
                weights[t] = max(0.0, pull - strength) / gram[t, t]
        entered = np.where((weights > 0) & (entered == 0), strength, entered)
    return entered + 1e-9 * target


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


def greedy_order(predictions, truth, weight, counted, measure, *, classes):
    """Order the members of an ensemble, each next one the best beside those chosen.

    Parameters
    ----------
    predictions : ndarray of shape (n_members, n_samples, width)
        Class shares, or predicted targets.
    truth : ndarray of shape (n_samples, width)
        One column for each class with ones at the right ones, or the targets.
    counted : ndarray of shape (n_members, n_samples), bool
        The rows that a member is scored on.
    measure : {"reduced_error", "complementarity", "margin"}
        See `ContributionCriterion`.

    Notes
    -----
    Cost: O(n_members**2 * n_samples * width).
    """
    n_members = len(predictions)
    counted = counted.astype(np.float64)
    usable = predictions * counted[:, :, None]
    total, count = np.zeros(truth.shape), np.zeros(len(truth))
    left, order = list(range(n_members)), []
    right = None
    if classes and measure == "complementarity":
        own = (predictions.argmax(axis=2) == truth.argmax(axis=1)) * counted
        right = own - (counted - own)
    while left:
        if right is not None and order:
            wrong = total.argmax(axis=1) != truth.argmax(axis=1)
            gains = right[left] @ (weight * wrong)
        else:
            gains = np.array(
                [
                    _gain(
                        total + usable[m],
                        count + counted[m],
                        truth,
                        weight,
                        measure,
                        classes,
                    )
                    for m in left
                ]
            )
        best = left.pop(int(np.argmax(np.round(gains, 12))))
        order.append(best)
        total += usable[best]
        count += counted[best]
    return Ranking(np.array(order))


def _gain(total, count, truth, weight, measure, classes):
    """Score of the mean of some members, on the rows that any of them is scored on."""
    scored = count > 0
    mean = total[scored] / count[scored, None]
    target, weight = truth[scored], weight[scored]
    if not weight.any():  # no rows, or none that count
        return -np.inf
    if not classes:
        return -np.average(((mean - target) ** 2).sum(axis=1), weights=weight)
    if measure != "margin":
        hits = mean.argmax(axis=1) == target.argmax(axis=1)
        # of equal accuracies the larger share of the right class decides
        return np.average(hits + 1e-3 * (mean * target).sum(axis=1), weights=weight)
    right = (mean * target).sum(axis=1)
    margins = right - np.where(target > 0, -1.0, mean).max(axis=1)
    return -np.average((np.minimum(margins, 0.075) - 0.075) ** 2, weights=weight)


def _votes_of_trees(work, context):
    """Votes of the trees, the targets, weights, and the rows that score each tree."""
    nodes, fitted = work.nodes, work.fitted
    n = len(context.target)
    rows = np.arange(n)
    if n > MAX_SCORING_ROWS:
        keys = row_keys(context.role_seed("judges-of-trees"), n)
        rows = np.sort(np.argsort(keys, kind="stable")[:MAX_SCORING_ROWS])
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
