"""Drop the rows that reach more rows than reach them: iterative case filtering."""

from numbers import Integral

import numpy as np

from sklearn_prune._graph import EXACT_UP_TO
from sklearn_prune._ranking import Ranking
from sklearn_prune._sklearn_compat import Interval
from sklearn_prune.sample_selection._drop import (
    Scanner,
    agreement_of_labels,
    nearest_enemies,
)
from sklearn_prune.sample_selection._neighbor_base import (
    METRIC_OPTIONS,
    TASK_OPTIONS,
    NeighborSelector,
)

DEPTH = 32  # neighbours that are counted where there are too many pairs
PAIRS = 10**9  # of rows of one class, that are all looked at


class ICFSelector(NeighborSelector):
    """DOC"""

    requires_y = True
    has_natural_size = True

    _parameter_constraints = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "metric": [METRIC_OPTIONS],
        "task": [TASK_OPTIONS],
        "n_jobs": [Integral, None],
    }

    def __init__(self, n_neighbors=3, *, metric="euclidean", task="auto", n_jobs=None):
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.task = task
        self.n_jobs = n_jobs

    def _rank(self, X, y, context):
        if context.task == "regression":
            raise ValueError(
                "ICFSelector is for classes, whose rows have enemies. Got a regression "
                "target. Write DROP3Selector() or ENNSelector(), which read numbers too."
            )
        n = len(y)
        if n == 1:
            return Ranking.from_scores(np.ones(1), first=np.ones(1, dtype=bool))
        graph = self._neighbors(X, max(DEPTH, self.n_neighbors), context)
        near = graph.indices
        scores, alive = agreement_of_labels(y, near[:, : self.n_neighbors])
        scanner = Scanner(self._space(X), graph.exact and n <= EXACT_UP_TO, self.n_jobs)
        targets, found, turn = y.astype(np.float64), None, 0
        while alive.any():
            turn += 1
            found = nearest_enemies(scanner, near, targets, 0.5, alive, found)
            reached, covering = count_reached(scanner, near, y, alive, found[1])
            share = (1 + covering) / (2 + covering + reached)
            scores[alive] = turn + share[alive]
            deleted = alive & (reached > covering)
            if not deleted.any():
                break
            alive = alive & ~deleted
        return Ranking.from_scores(scores, first=alive)


def count_reached(scanner, near, codes, alive, enemy_distances):
    """Count the rows alive that each reaches, and those that reach it, without itself."""
    from sklearn_prune.sample_selection import _icf_kernels as kernels

    reached, covering = np.zeros((2, len(codes)), dtype=np.int64)
    counts = (enemy_distances, reached, covering)
    rows = np.flatnonzero(alive)
    rows = rows[np.argsort(codes[rows], kind="stable")]
    sizes = np.bincount(codes[rows])
    if np.sum(sizes.astype(np.float64) ** 2) > PAIRS:
        kernels.count_in_lists(scanner.place, near, alive, *counts)
        return reached, covering
    for members in np.split(rows, np.cumsum(sizes)[:-1]):
        scanner.scan(kernels.count_all, members, members, *counts)
    return reached, covering
