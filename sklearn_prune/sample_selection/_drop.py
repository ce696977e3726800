"""Drop rows without which their neighbours are predicted no worse: DROP3."""

import numpy as np

from sklearn_prune._docs import fill
from sklearn_prune._graph import EXACT_UP_TO, in_threads
from sklearn_prune._ranking import Ranking
from sklearn_prune.sample_selection._base import SELECTOR
from sklearn_prune.sample_selection._neighbor_base import NeighborSelector

TOLERATED = 5.0  # standard deviations of the neighbours that are no noise yet
DEVIATES_AMONG = 9  # neighbours at least; a deviation of fewer says little
ENEMY = 0.5  # standard deviations of all targets that make an enemy
WIDTH = 32  # neighbours in a list
TURNS = 32  # in which lists that run out are renewed together
SPARE = 10  # survivors that are enough for a list until the next turn


@fill(SELECTOR)
class DROP3Selector(NeighborSelector):
    """Drop the rows without which their neighbours are predicted no worse.

    DROP3, a decremental reduction for nearest neighbours [1]_. First all rows T are
    filtered: a row is dropped if its k nearest neighbours in T vote for another class.
    The rest S is visited once, by descending distance to the nearest enemy, which is the
    nearest row of S of another class. The associates of a row are the rows of T that have
    it among their k + 1 nearest neighbours in S. A row is removed from S if at least as
    many of its associates are classified correctly without it. Border rows stay.

    Parameters
    ----------
    n_neighbors : int, default=3
        The k above; the row itself is left out.
    {metric, task}
    n_jobs : int or None, default=None
        Number of threads of all but the visits, which are made one after the other.

    Attributes
    ----------
    order_ : ndarray of shape (n_samples,), int
        Positions of the rows by descending score, ties by position: kept, removed (the
        last one first), filtered.
    scores_ : ndarray of shape (n_samples,), float
        Kept rows: 2 or more, by the number of associates that are right only with the row,
        or by the error that it saves them. Removed rows: between 1 and 2. Filtered rows:
        the share of agreeing neighbours, below 1.
    natural_size_ : int
        Number of kept rows; 0 if the filter takes all.
    {metric_}

    See Also
    --------
    ICFSelector : Drops the inside of classes too, many rows at once.
    ENNSelector : The filter alone.

    Notes
    -----
    Where the paper is not definite: ties of votes go to the first class in sorted order.
    Rows at equal distance from their enemies are visited by class or target, then from the
    last position. Without neighbours a row counts as wrong. The last row of S stays, so one
    class alone keeps two rows, and a class of one row is filtered.

    Regression follows DROP3-RE [2]_: a sum of absolute errors replaces the number of wrong
    associates. Predictions are means of the k nearest neighbours in S, or of all targets
    where there are none. The filter drops a row whose target is more than 5 standard
    deviations of the targets of its max(k, 9) nearest neighbours from their mean. An enemy
    is a row whose target differs by more than half a standard deviation of the targets
    of S. Differences below 1e-9 standard deviations of y are ignored.

    sample_weight is not read.

    Up to 20,000 rows the result is exact: O(n^2 d) time and O(n k) memory. Above, it uses
    an approximate neighbour graph: 60,000 x 50 rows take some 3 seconds on one core after
    the graph. On 20,000 rows of MNIST, 93 % of the kept rows were the exact ones.

    Made for nearest neighbours. A bad idea for smooth models (support vector machines,
    forests) on clean labels, where random rows do as well, and where classes overlap.

    References
    ----------
    .. [1] Wilson, Martinez (2000). Reduction techniques for instance-based learning
       algorithms. Machine Learning 38.
    .. [2] Arnaiz-Gonzalez, Diez-Pastor, Rodriguez, Garcia-Osorio (2016). Instance
       selection for regression: adapting DROP. Neurocomputing 201.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_prune.sample_selection import DROP3Selector
    >>> X, y = load_iris(return_X_y=True)
    >>> selector = DROP3Selector().fit(X, y)
    >>> selector.natural_size_
    20
    """

    requires_y = True
    has_natural_size = True

    def __init__(self, n_neighbors=3, *, metric="auto", task="auto", n_jobs=None):
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.task = task
        self.n_jobs = n_jobs

    def _rank(self, X, y, context):
        n = len(y)
        if n == 1:
            return Ranking.from_scores(np.ones(1), first=np.ones(1, dtype=bool))
        k = min(self.n_neighbors, n - 1)
        graph = self._neighbors(X, max(WIDTH, 2 * (k + 1)), context)
        near, exact = graph.indices, graph.exact and n <= EXACT_UP_TO
        if context.task == "classification":
            codes, targets, gap, slack = y, y.astype(np.float64), 0.5, 0.0
            agreement, alive = agreement_of_labels(y, near[:, :k])
            counts = np.zeros(y.max() + 1, dtype=np.int64)
        else:
            codes, targets, slack = np.zeros(n, dtype=np.int64), _standardized(y), 1e-9
            wide = near[:, : max(k, DEVIATES_AMONG)]
            agreement, alive = _agreement_of_numbers(targets, wide, slack)
            gap = ENEMY * targets[alive].std() + slack if alive.any() else 0.0
            counts = np.zeros(0, dtype=np.int64)
        scanner = Scanner(self._space(X), exact, self.n_jobs)
        _, distances = nearest_enemies(scanner, near, targets, gap, alive)
        order = np.flatnonzero(alive)
        # Nearest enemies of each other are equally far, so their targets decide. Of equal
        # rows the last goes first: lists begin with the first, and so last longer.
        order = order[np.lexsort((-order, targets[order], -distances[order]))]
        judge = (codes, targets, counts, slack)
        removed, worth = _drop(scanner, near, judge, alive, order, k)
        scores = agreement
        scores[removed > 0] = 1 + removed[removed > 0] / n
        scores[alive] = 2 + worth[alive] - min(worth.min(), 0.0)
        return Ranking.from_scores(scores, first=alive)


def _drop(scanner, near, judge, alive, order, k):
    """Drop rows; return when each was, from 1, and what the others are worth."""
    from sklearn_prune.sample_selection import _drop_kernels as kernels

    lists = kernels.nearest_lists(near.copy(), alive, order, k)
    removed = np.zeros(len(near), dtype=np.int64)
    place, scan = scanner.place, (scanner.exact, scanner.sizes)
    for turn, rows in enumerate(np.array_split(order, TURNS if scanner.exact else 1)):
        if scanner.exact:
            short = np.flatnonzero(kernels.short_lists(lists, SPARE))
            among = lists.survivors[: lists.left[0]]
            scanner.scan(kernels.renew_from_all, short, among, lists)
        if turn == 0:
            kernels.fill_lists(place, lists, *scan)
        kernels.drop(place, lists, *judge, rows, *scan, removed)
    return removed, kernels.contributions(lists, *judge[:3])


def agreement_of_labels(codes, neighbors):
    """Share of neighbours of the own class, and whether they vote for it."""
    from sklearn_prune.sample_selection._drop_kernels import agreeing_majority

    share = (codes[neighbors] == codes[:, None]).mean(axis=1)
    return share, agreeing_majority(codes, neighbors, codes.max() + 1)


def _standardized(y):
    deviation = y.std()
    constant = deviation <= 1e-14 * np.abs(y).max()
    return np.zeros(len(y)) if constant else (y - y.mean()) / deviation


def _agreement_of_numbers(targets, neighbors, slack):
    """Closeness to the mean of the neighbours, in (0, 1], and whether it is tolerated."""
    if neighbors.shape[1] < 2:
        return np.ones(len(targets)), np.ones(len(targets), dtype=bool)
    near = targets[neighbors]
    error = np.abs(targets - near.mean(axis=1))
    tolerated = TOLERATED * near.std(axis=1) + slack
    share = np.divide(
        tolerated, tolerated + error, out=np.ones(len(error)), where=error > 0
    )
    return share, error <= tolerated


class Scanner:
    """Points of a space, and exact scans of them that rough distances shorten.

    If `exact`, scans replace what a graph says.
    """

    def __init__(self, space, exact, n_jobs):
        points, kind = space.points, space.kind
        self.place = (points, kind, space.nominal)
        self.exact = exact
        self.n_jobs = n_jobs
        self.rough = points[:, :0] if kind else points
        self.rough = self.rough.astype(np.float32, copy=False)
        self.sizes = np.einsum("ij,ij->i", self.rough, self.rough, dtype=np.float64)
        self.rounding = (points.shape[1] + 8) * 2.0**-23
        if kind:  # products say nothing
            self.sizes, self.rounding = np.ones(len(points)), np.inf

    def scan(self, kernel, rows, among, *arguments):
        """Call a kernel on blocks of rows and their products with all candidates."""
        candidates = self.rough[among].T

        def scan_blocks(batch):
            for block in np.array_split(rows[batch], 1 + len(rows[batch]) // 128):
                products = self.rough[block] @ candidates
                scale = (self.sizes, products, self.rounding)
                kernel(self.place, block, among, *scale, *arguments)

        in_threads(scan_blocks, len(rows), self.n_jobs)


def nearest_enemies(scanner, near, targets, gap, alive, found=None):
    """Find for each row the nearest row of `alive` whose target differs by over a gap.

    Targets are numbers, or codes of classes with a gap below 1. `near` are the neighbours
    of the rows, nearest first. Unless the scanner is exact, enemies are handed on from
    neighbour to neighbour, and only those of rows alive are exact. `found` is what an
    earlier call with more rows alive returned; it is changed in place. Returns positions
    (int32), -1 where there is no enemy, and distances as the kernels measure them, in the
    order of the metric's.
    """
    from sklearn_prune.sample_selection import _drop_kernels as kernels

    n = len(targets)
    if found is None:
        found = np.full(n, -1, dtype=np.int32), np.full(n, np.inf)
    enemies, distances = found
    lost = (enemies < 0) | ~alive[enemies]
    enemies[lost], distances[lost] = -1, np.inf
    among = np.flatnonzero(alive)
    if not len(among):
        return found
    lowest, highest = targets[among].min(), targets[among].max()
    rows = np.flatnonzero(lost & ((highest - targets > gap) | (targets - lowest > gap)))
    settled = np.zeros(len(rows), dtype=bool)

    def look_in_lists(batch):
        settled[batch] = kernels.enemies_in_lists(
            scanner.place, near, targets, gap, alive, rows[batch], found
        )

    in_threads(look_in_lists, len(rows), scanner.n_jobs)
    rows = rows[~settled]
    while len(rows):
        _hand_on(scanner, near, targets, gap, alive, rows, found)
        missing = rows[enemies[rows] < 0]
        if not len(missing):
            break
        few = missing[:: 1 + len(missing) // 64]
        scanner.scan(kernels.enemies_among_all, few, among, targets, gap, found)
    if scanner.exact:
        rows = rows[alive[rows]]
        scanner.scan(kernels.enemies_among_all, rows, among, targets, gap, found)
    return found


def _hand_on(scanner, near, targets, gap, alive, rows, found):
    """Try the enemies of neighbours, and neighbours of enemies, until none is closer."""
    from sklearn_prune.sample_selection._drop_kernels import enemies_of_neighbors

    enemies, distances = found
    changed = enemies >= 0
    while changed.any():
        closer = enemies[rows], distances[rows]

        def step(batch):
            part = closer[0][batch], closer[1][batch]  # noqa: B023
            rest = (alive, rows[batch], found, changed, part)  # noqa: B023
            enemies_of_neighbors(scanner.place, near, targets, gap, *rest)

        in_threads(step, len(rows), scanner.n_jobs)
        changed = np.zeros(len(enemies), dtype=bool)
        changed[rows] = closer[0] != enemies[rows]
        enemies[rows], distances[rows] = closer
