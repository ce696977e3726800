"""Rank rows by how far they are from rows with another label."""

from functools import partial
from numbers import Integral

import numpy as np

from sklearn_prune._docs import fill
from sklearn_prune._ranking import Ranking
from sklearn_prune.sample_selection._base import SELECTOR
from sklearn_prune.sample_selection._edited import DEPTH
from sklearn_prune.sample_selection._editing import SECOND_LOOK, rows_that_count
from sklearn_prune.sample_selection._neighbor_base import METRIC_OPTIONS, NeighborSelector


@fill(SELECTOR)
class TomekLinksSelector(NeighborSelector):
    """Drop the pairs of rows that are nearest to each other and differ in label.

    Two rows of different classes are a Tomek link [1]_ if no row is nearer to either of
    them than the other one. Both are dropped: one of them is noise, or both lie at the
    border. All pairs of equally near rows are tested, so row order does not matter.

    Parameters
    ----------
    {metric, n_jobs}

    Attributes
    ----------
    {order_}
    scores_ : ndarray of shape (n_samples,), float
        The margin ``(b - a) / (b + a)``: a and b are the distances to the nearest row of
        the same and of another class, among the 32 nearest rows. A distance beyond these
        counts as the largest of them. Rows in a link have 2 less.
    natural_size_ : int
        Number of rows in no link.
    {metric_}

    See Also
    --------
    ENNSelector : Drops the rows that their neighbours contradict.
    CondensedNNSelector : Keeps the rows that the nearest-neighbour rule needs.

    Notes
    -----
    O(n) after the neighbour graph. The graph is approximate above 20,000 rows; up to 2 %
    of the rows, those nearest to another class, are then searched exactly. Rows of zero
    weight are no neighbours and in no link; other weights are not read. imbalanced-learn's
    ``TomekLinks(sampling_strategy="all")`` drops the same rows if all distances differ.

    A bad idea where a tenth of the labels or more are wrong: it drops one right row for
    each wrong one that it finds, and finds only isolated ones.

    References
    ----------
    .. [1] Tomek (1976). Two modifications of CNN. IEEE Transactions on Systems, Man, and
       Cybernetics 6.

    Examples
    --------
    >>> from sklearn_prune.sample_selection import TomekLinksSelector
    >>> X, y = [[0.0], [1.0], [3.0], [3.5], [6.0], [7.5]], [0, 0, 0, 1, 1, 1]
    >>> selector = TomekLinksSelector().fit(X, y)
    >>> selector.order_[: selector.natural_size_]
    array([0, 5, 1, 4])
    """

    requires_y = True
    has_natural_size = True

    _parameter_constraints = {
        "metric": [METRIC_OPTIONS],
        "n_jobs": [Integral, None],
    }

    def __init__(self, *, metric="auto", n_jobs=None):
        self.metric = metric
        self.n_jobs = n_jobs

    def _rank(self, X, y, context):
        if context.task == "regression":
            raise ValueError(
                "TomekLinksSelector reads classes: a link is a pair of two classes. Got a "
                "regression target. Use ENNSelector() or HardnessSelector()."
            )
        counts = rows_that_count(len(y), context.sample_weight)
        graph = self._neighbors(X, DEPTH, context)
        if not graph.exact:
            graph = self._look_again(X, graph, possible_links(graph, y))
        linked, margins = find_links(graph, y, counts, partial(self._space, X))
        return Ranking.from_scores(margins - 2.0 * linked, first=~linked)


def find_links(graph, y, counts, get_space):
    """Mark the rows in Tomek links, and give the margins of all rows."""
    from sklearn_prune.sample_selection._edited_kernels import (
        enemy_margins,
        mark_links,
        mark_links_among,
    )

    n, width = graph.indices.shape
    nearest, margins, linked = np.empty(n), np.empty(n), np.zeros(n, dtype=bool)
    enemy_margins(graph.indices, graph.distances, y, counts, nearest, margins)
    mark_links(graph.indices, graph.distances, y, counts, nearest, linked)
    if graph.exact and 0 < width < n - 1:
        all_tied = counts & ~linked & (graph.distances[:, -1] == nearest)
        rows = np.flatnonzero(all_tied)
        if len(rows):
            space = get_space()
            mark_links_among(
                space.points,
                space.kind,
                space.nominal,
                rows,
                graph.indices,
                y,
                counts,
                nearest,
                linked,
            )
    return linked, margins


def possible_links(graph, y):
    """Rows nearest to a row of another class, first those that are near to it as well."""
    nearest = graph.indices[:, 0]
    rows = np.flatnonzero(y[nearest] != y)
    is_back = graph.indices[nearest[rows]] == rows[:, None]
    place = np.where(is_back.any(axis=1), is_back.argmax(axis=1), is_back.shape[1])
    limit = int(SECOND_LOOK * len(y))
    return np.sort(rows[np.argsort(place, kind="stable")[:limit]])
