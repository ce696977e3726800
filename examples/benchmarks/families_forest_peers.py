"""Smaller forests by other means, at most as large as a given number of bytes.

All are measured as their own lossless compact forms, pickled.
"""

from copy import copy
from functools import cache

import numpy as np
from families_measure import pickled, pruned
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

LEAVES = (None, 512, 256, 128, 64, 32, 16, 8)  # of each tree of a small forest
SOME_TREES = (1, 3, 10, 30, 100)


def first_trees(forest, n_trees):
    """The first trees of a fitted forest: what a fit with fewer of them gives."""
    few = copy(forest)
    few.estimators_ = forest.estimators_[:n_trees]
    return few.set_params(n_estimators=len(few.estimators_))


def bytes_of(forest, part, seed):
    """Length of the pickle of the lossless compact form."""
    return pickled(pruned(FrozenEstimator(forest), part, seed, keep=1.0).compact_)


def trees_within(forest, budget, part, seed):
    """The largest number of first trees in the budget; one at least."""

    @cache
    def size(n_trees):
        return bytes_of(first_trees(forest, n_trees), part, seed)

    n_trees = len(forest.estimators_)
    while n_trees > 1 and size(n_trees) > budget:
        n_trees = min(n_trees - 1, max(1, int(n_trees * budget / size(n_trees))))
    while n_trees < len(forest.estimators_) and size(n_trees + 1) <= budget:
        n_trees += 1
    return n_trees


class FreshForests:
    """Small forests grown from scratch; their shape is chosen inside the training rows.

    For each number of leaves, as many trees are taken as the budget holds; that shape
    wins which scores best on a quarter of the training rows after a fit on the others.
    """

    def __init__(self, forest, part, seed):
        self.forest, self.part, self.seed = forest, part, seed
        rows, self.held_out = train_test_split(
            np.arange(len(part.y)),
            test_size=0.25,
            stratify=part.y if part.classifies else None,
            random_state=seed,
        )
        self.inner = {shape: self._grown(shape, rows) for shape in LEAVES}
        self.sizes = {
            shape: [bytes_of(first_trees(grown, n), part, seed) for n in SOME_TREES]
            for shape, grown in self.inner.items()
        }
        self.outer = {None: forest}

    def _grown(self, shape, rows):
        model = clone(self.forest).set_params(max_leaf_nodes=shape, n_estimators=100)
        return model.fit(self.part.X[rows], self.part.y[rows])

    def within(self, budget):
        """The best shape of a forest in the budget, grown on all training rows."""
        X, y = self.part.X[self.held_out], self.part.y[self.held_out]
        scores = {}
        for shape, grown in self.inner.items():
            if self.sizes[shape][0] > budget:
                continue  # not even one tree
            n_trees = int(np.interp(budget, self.sizes[shape], SOME_TREES))
            scores[shape] = first_trees(grown, n_trees).score(X, y)
        best = max(scores, key=scores.get) if scores else LEAVES[-1]
        if best not in self.outer:
            self.outer[best] = self._grown(best, np.arange(len(self.part.y)))
        grown = self.outer[best]
        return first_trees(grown, trees_within(grown, budget, self.part, self.seed))


def cut_back(forest, budgets, part, seed):
    """For each budget, the trees cut back by cost and complexity, the largest that fits.

    The subtrees are nested, so that each step starts from the one before.
    """
    scale = 1.0 if part.classifies else np.var(part.y)
    found, pending = {}, sorted(budgets, reverse=True)
    for alpha in scale * np.geomspace(1e-5, 0.1, 33):
        smaller = copy(forest)
        smaller.estimators_ = [copy(tree) for tree in forest.estimators_]
        for tree in smaller.estimators_:
            tree.ccp_alpha = alpha
            tree._prune_tree()
        forest, size = smaller, bytes_of(smaller, part, seed)
        while pending and size <= pending[0]:
            found[pending.pop(0)] = smaller
        if not pending:
            break
    return found
