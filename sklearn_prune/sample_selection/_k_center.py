"""Rank rows by their distance to those before."""

from numbers import Integral, Real

import numpy as np

from sklearn_prune._coverage import (
    COVERING,
    covering_order,
    isolated,
    k_center_order,
    points_and_classes,
)
from sklearn_prune._docs import fill
from sklearn_prune._ranking import Ranking
from sklearn_prune._sklearn_compat import Interval
from sklearn_prune._space import standardized_rows
from sklearn_prune.sample_selection._base import SELECTOR, TASK_OPTIONS, SampleSelector


@fill(SELECTOR, COVERING)
class KCenterSelector(SampleSelector):
    """Keep rows such that no row is far from a kept one.

    Farthest-first traversal [1]_: the first row is the one nearest to the mean, the next
    always the one farthest from those taken. The most isolated rows are put last, since
    outliers would come first: the k-center problem with outliers [2]_.

    Parameters
    ----------
    guard : float, default=0.05
        Share of each class to put last: the rows with the largest distance to their fifth
        neighbour in the class, in ascending order. 0 puts none last.
    {task, n_jobs}

    Attributes
    ----------
    {order_}

    See Also
    --------
    FacilityLocationSelector : Minimises a mean in place of the largest distance.
    HerdingSelector : Keeps the distribution of the rows.

    Notes
    -----
    On standardised columns. O(n m d) for the first m = min(n, 5000) rows of a class of
    n; the rest follows by descending distance to them. The guard is O(n^2 d).

    A bad idea for training sets: border rows and noise come first. It loses to random rows
    on most data, below 10 % by far. Use it where there is no noise and rare cases matter.

    References
    ----------
    .. [1] Gonzalez (1985). Clustering to minimize the maximum intercluster distance.
       Theoretical Computer Science 38.
    .. [2] Charikar, Khuller, Mount, Narasimhan (2001). Algorithms for facility location
       problems with outliers. SODA.

    Examples
    --------
    >>> from sklearn_prune.sample_selection import KCenterSelector
    >>> X = [[0.0], [1.0], [2.0], [3.0], [4.0]]
    >>> KCenterSelector().fit(X).order_
    array([2, 0, 4, 1, 3])
    """

    takes_several_targets = True

    _parameter_constraints = {
        "guard": [Interval(Real, 0, 1, closed="left")],
        "task": [TASK_OPTIONS],
        "n_jobs": [Integral, None],
    }

    def __init__(self, *, guard=0.05, task="auto", n_jobs=None):
        self.guard = guard
        self.task = task
        self.n_jobs = n_jobs

    def _rank(self, X, y, context):
        points = standardized_rows(X, owner=type(self).__name__)
        points, codes = points_and_classes(points, y, context.task)

        def traverse(rows):
            last = isolated(points[rows], self.guard, n_jobs=self.n_jobs)
            trusted = np.delete(rows, last)
            return np.concatenate([trusted[k_center_order(points[trusted])], rows[last]])

        return Ranking(
            covering_order(points, codes, traverse, sample_weight=context.sample_weight)
        )
