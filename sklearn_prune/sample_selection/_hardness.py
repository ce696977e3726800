"""Rank rows by how many of their neighbours carry another label."""

from functools import partial

import numpy as np

from sklearn_prune._docs import fill
from sklearn_prune._ranking import Ranking
from sklearn_prune.sample_selection._base import SELECTOR
from sklearn_prune.sample_selection._editing import (
    CountedNeighbors,
    judge_labels,
    rows_that_count,
)
from sklearn_prune.sample_selection._neighbor_base import NeighborSelector


@fill(SELECTOR)
class HardnessSelector(NeighborSelector):
    """Keep the rows whose neighbours agree with them.

    The hardness of a row is its share of k nearest neighbours with another label
    (k-disagreeing neighbours, kDN) [1]_. For regression it is the spread of their targets
    around its own.

    Parameters
    ----------
    n_neighbors : int, default=10
        Size of the neighbourhood, the row itself left out.
    {metric, task, n_jobs}

    Attributes
    ----------
    {order_}
    scores_ : ndarray of shape (n_samples,), float
        Minus the hardness. For regression that is the root of the mean squared difference
        between the neighbours' targets and the row's, in standard deviations of y.
    {metric_}

    See Also
    --------
    ENNSelector : Drops the rows that their neighbours contradict.
    KNNShapleySelector : Counts also for whom a row is a neighbour.

    Notes
    -----
    O(n k) after the neighbour graph. Rows of zero weight are no neighbours; other weights
    are not read.

    A bad idea for small budgets: rows whose neighbours all agree are the easy ones, far
    from every border, and many are tied. Use it to drop a few rows with wrong labels.

    References
    ----------
    .. [1] Smith, Martinez, Giraud-Carrier (2014). An instance level analysis of data
       complexity. Machine Learning 95.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_prune.sample_selection import HardnessSelector
    >>> X, y = load_iris(return_X_y=True)
    >>> y[7] = 2  # a wrong label
    >>> selector = HardnessSelector().fit(X, y)
    >>> int(selector.order_[-1])
    7
    """

    requires_y = True

    def __init__(self, n_neighbors=10, *, metric="auto", task="auto", n_jobs=None):
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.task = task
        self.n_jobs = n_jobs

    def _rank(self, X, y, context):
        counts = rows_that_count(len(y), context.sample_weight)
        graph = self._neighbors(X, self.n_neighbors, context)
        find = CountedNeighbors(graph, partial(self._space, X), self.n_jobs)
        everyone = np.ones(len(y), dtype=bool)
        found = find(self.n_neighbors, counts, everyone)
        if context.task == "classification":
            agreement = judge_labels(y, "all", found, counts, everyone)[1]
            return Ranking.from_scores(agreement - 1)
        return Ranking.from_scores(-target_spread(y, found, counts))


def target_spread(y, found, counts):
    """Root mean square difference to the neighbours' targets, in deviations of y."""
    is_found = found >= 0
    squares = np.where(is_found, (y[found] - y[:, None]) ** 2, 0.0).sum(axis=1)
    spread = np.sqrt(squares / np.maximum(is_found.sum(axis=1), 1))
    deviation = y[counts].std()
    return spread / (deviation if deviation > 0 else 1.0)
