"""Drop the rows that reach more rows than reach them: iterative case filtering."""

import numpy as np

from sklearn_prune._graph import EXACT_UP_TO
from sklearn_prune._ranking import Ranking
from sklearn_prune.sample_selection._drop import (
    Scanner,
    agreement_of_labels,
    nearest_enemies,
)
from sklearn_prune.sample_selection._neighbor_base import NeighborSelector

DEPTH = 32  # neighbours that are counted where there are too many pairs
PAIRS = 10**9  # of rows of one class, that are all looked at


class ICFSelector(NeighborSelector):
    """Drop the rows that reach more rows than reach them.

    Iterative case filtering [1]_. First a row is filtered if its k nearest neighbours vote
    for another class. Then, in rounds: a row reaches the rows that are closer to it than
    its nearest enemy, which is the nearest row of another class, and covers the rows that
    reach it. All rows that reach more than they cover are deleted at once, and the next
    round looks at what is left, until nothing is deleted. The inside of each class, which
    others stand for, goes; the rows along its border stay.

    Parameters
    ----------
    n_neighbors : int, default=3
        Number of neighbours that vote in the filter; the row itself is left out.
    metric : {"euclidean", "cosine", "gower"}, default="euclidean"
        Euclidean on standardised columns, cosine, or Gower's for numbers and categories
        with missing values.
    task : {"auto", "classification", "regression"}, default="auto"
        What y is, where no meta-estimator says it. "auto": strings, bools, and at most
        max(20, sqrt(n)) different integral values are classes.
    n_jobs : int or None, default=None
        Number of threads.

    Attributes
    ----------
    order_ : ndarray of shape (n_samples,), int
        Positions of the rows by descending score, ties by position: kept, deleted (those
        of later rounds first), filtered.
    scores_ : ndarray of shape (n_samples,), float
        The round in which the row was deleted, from 1, or the last one for kept rows,
        plus c / (c + r), where r rows are reached and c covered, both with the row
        itself; the share of agreeing neighbours, below 1, for filtered rows.
    natural_size_ : int
        Number of kept rows; 0 if the filter takes all.

    Raises
    ------
    ValueError
        If the target is continuous: there is no established form for numbers.

    See Also
    --------
    DROP3Selector : Drops the inside of classes too, one row at a time; reads numbers.
    ENNSelector : The filter alone.

    Notes
    -----
    A tie of votes goes to the class that comes first in sorted order. Rows at exactly the
    distance of the nearest enemy are not reached. Whether a row reaches itself changes
    nothing but scores. A row without any enemy reaches its whole class, so one class
    alone keeps all its rows. In each class as many rows are reached as are covered, so
    none that survives the filter is deleted whole.

    sample_weight is not read.

    Up to 20,000 rows the result is exact: O(n^2 d / n_classes) time for each of some ten
    rounds, of which the first costs most, and O(n) memory beside the neighbour graph.
    Above, neighbours come from an approximate graph and nearest enemies are looked for
    among those of neighbours; and while there are over 1e9 pairs of rows of one class,
    only those are counted of which one is among the 32 nearest of the other. 60,000 x 50
    rows of two or ten classes take some 5 seconds on one core after the graph. Of 20,000
    rows of MNIST that was nearly the same choice: over 95 % of the kept rows.

    A bad idea beyond nearest neighbours, where classes overlap everywhere, and where they
    lie far apart: rows then reach each other and all are kept.

    References
    ----------
    .. [1] Brighton, Mellish (2002). Advances in instance selection for instance-based
       learning algorithms. Data Mining and Knowledge Discovery 6.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_prune.sample_selection import ICFSelector
    >>> X, y = load_iris(return_X_y=True)
    >>> selector = ICFSelector().fit(X, y)
    >>> selector.natural_size_
    54
    """

    requires_y = True
    has_natural_size = True

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
    from sklearn_prune.sample_selection import _drop_kernels as kernels

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
