"""Rows without which their neighbours are classified no worse are dropped: DROP3."""

from numbers import Integral

import numpy as np

from sklearn_prune._graph import EXACT_UP_TO, in_threads
from sklearn_prune._ranking import Ranking
from sklearn_prune._sklearn_compat import Interval
from sklearn_prune.sample_selection._neighbor_base import (
    METRIC_OPTIONS,
    TASK_OPTIONS,
    NeighborSelector,
)


class DROP3Selector(NeighborSelector):
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
        from sklearn_prune.sample_selection._drop_kernels import drop

        n, k = len(y), min(self.n_neighbors, len(y))
        graph = self._neighbors(X, 2 * (k + 1), context)
        space = self._space(X)
        exact = graph.exact and n <= EXACT_UP_TO
        near = graph.indices
        neighbors = near[:, :k]
        if context.task == "classification":
            agreement = share_of_own_class(y, neighbors)
            alive = majority(y, neighbors) == y
            codes, targets, gap, slack = y, y.astype(np.float64), 0.5, 0.0
            n_classes = int(y.max()) + 1
        else:
            targets = y - y.mean()
            slack = 1e-10 * np.abs(targets).max()
            agreement, alive = 
