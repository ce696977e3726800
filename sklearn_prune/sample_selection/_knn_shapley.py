"""Rank rows by their exact Shapley value for a k-nearest-neighbour model."""

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import gen_batches

from sklearn_prune._docs import fill
from sklearn_prune._ranking import Ranking
from sklearn_prune.sample_selection._base import SELECTOR
from sklearn_prune.sample_selection._neighbor_base import NeighborSelector

_BLOCK_BYTES = 16 * 2**20


@fill(SELECTOR)
class KNNShapleySelector(NeighborSelector):
    """Keep the rows that help a nearest-neighbour model to predict the others.

    Each row in turn is the test row of a k-nearest-neighbour model. All others share its
    success by their Shapley value, computed exactly by a recursion over the sorted
    neighbours [1]_. The value of a row is its mean over the test rows. Wrong labels have
    the lowest values.

    For classes the worth of a set of rows is the share of votes, out of `n_neighbors`, of
    its nearest members for the label of the test row. For regression it is minus the
    squared error of the sum of the targets of its nearest members, divided by
    `n_neighbors`. Targets are centred, so a missing neighbour predicts the mean.

    Parameters
    ----------
    n_neighbors : int, default=5
        Number of neighbours that predict; may exceed the number of rows.
    {metric, task, n_jobs}

    Attributes
    ----------
    {order_}
    scores_ : ndarray of shape (n_samples,), float
        The values: for classes in units of accuracy, for regression of the square of y.
    {metric_}

    See Also
    --------
    HardnessSelector : Share of neighbours that disagree; needs only the nearest few.
    ENNSelector : Drops the rows that their neighbours outvote.

    Notes
    -----
    O(n^2 (d + log n)) time, in blocks of test rows that take some 50 MiB for each thread.
    10,000 rows of 50 features take about 3 seconds on one core, 60,000 a minute and a half.
    Weights are those of the test rows: a row of weight 0 is no test row, but has a value.

    There is no natural size: on clean data about a quarter of the values are negative,
    those where classes overlap. The highest values lie inside the classes, so below half
    of the rows random rows cover the data better. Use it to find wrong labels.

    References
    ----------
    .. [1] Jia, Dao, Wang, Hubis, Gurel, Li, Zhang, Spanos, Song (2019). Efficient
       task-specific data valuation for nearest neighbor algorithms. PVLDB 12.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_prune.sample_selection import KNNShapleySelector
    >>> X, y = load_iris(return_X_y=True)
    >>> y[7] = 2  # a wrong label
    >>> selector = KNNShapleySelector().fit(X, y)
    >>> int(selector.order_[-1])
    7
    """

    requires_y = True

    def __init__(self, n_neighbors=5, *, metric="auto", task="auto", n_jobs=None):
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.task = task
        self.n_jobs = n_jobs

    def _rank(self, X, y, context):
        weights = context.sample_weight
        if weights is None:
            weights = np.ones(len(y))
        if context.task == "regression":
            y = y - y.min()  # a constant target becomes 0 whatever its mean rounds to
            y = y - np.average(y, weights=weights)
        totals = shapley_totals(self._space(X), y, self.n_neighbors, weights, self.n_jobs)
        served = weights.sum() - weights
        values = np.divide(totals, served, out=np.zeros(len(y)), where=served > 0)
        return Ranking.from_scores(values)


def shapley_totals(space, y, k, weights, n_jobs=None):
    """Sum over test rows of weight times Shapley value, for each row.

    y holds class codes (int64), or targets from their mean (float64).
    """
    from sklearn_prune._graph_kernels import fill_distances
    from sklearn_prune.sample_selection._knn_shapley_kernels import (
        add_class_values,
        add_target_values,
        settle,
    )

    kind, nominal, n = space.kind, space.nominal, len(y)
    if n == 1:
        return np.zeros(1)
    points = np.ascontiguousarray(space.points, dtype=np.float64)
    norms = np.zeros(n) if kind else np.einsum("ij,ij->i", points, points)
    # The lowest bits of a distance give way to the position of the row, so that sorting
    # integers sorts both. What that and rounding errors leave open is settled after it.
    n_bits = n.bit_length()
    reach, noise = (_largest(space), 0.0) if kind else (4.0 * norms.max(), 1e-9)
    slack = reach * (noise + 2.0 ** (n_bits - 51))
    add_values = add_class_values if y.dtype.kind == "i" else add_target_values

    def value(rows):
        if kind:
            distances = np.empty((len(rows), n))
            fill_distances(points, kind, nominal, rows, distances)
        else:
            distances = (-2.0 * points[rows]) @ points.T
            distances += norms
            distances += norms[rows, None]
            np.maximum(distances, 0.0, out=distances)
        distances[np.arange(len(rows)), rows] = np.inf
        keys = distances.view(np.int64)
        keys &= -1 << n_bits
        keys |= np.arange(n)
        keys.sort(axis=1)
        positions = keys[:, :-1] & ((1 << n_bits) - 1)
        settle(positions, distances, slack, points, kind, nominal, rows)
        totals = np.zeros(n)
        add_values(positions, rows, y, k, weights, totals)
        return totals

    tested = np.flatnonzero(weights)
    blocks = gen_batches(len(tested), max(1, _BLOCK_BYTES // (8 * n)))
    # Sums are added up in the order of the blocks, whichever thread is ready first.
    parts = Parallel(n_jobs, prefer="threads", require="sharedmem", return_as="generator")(
        delayed(value)(tested[block]) for block in blocks
    )
    totals = np.zeros(n)
    for part in parts:
        totals += part
    return totals


def _largest(space):
    """No distance between points of a space of columns or pairs is larger."""
    if space.metric == "gower":
        return 1.0
    return space.points.max() if space.in_pairs else np.ptp(space.points, axis=0).mean()
