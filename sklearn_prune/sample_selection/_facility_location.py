"""Rank rows by how much better than those before they represent all rows."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from sklearn.utils import gen_batches

from sklearn_prune._coverage import COVERING, covering_order, joint_space
from sklearn_prune._docs import fill
from sklearn_prune._graph import in_threads
from sklearn_prune._ranking import Ranking
from sklearn_prune.sample_selection._base import SELECTOR, TASK_OPTIONS
from sklearn_prune.sample_selection._neighbor_base import METRIC_OPTIONS, NeighborSelector

MOST_PAIRS = 5_000_000  # pairs of rows whose similarities are held at once, about
SCALE_ROWS = 1000  # rows that the width of the kernel is read from
NOISE = 1e-6  # relative rounding errors of similarities in float32


@fill(SELECTOR, COVERING)
class FacilityLocationSelector(NeighborSelector):
    """Keep the rows that represent all others best.

    The next row is the one that adds most to the facility location function: the sum over
    all rows of the similarity to the most similar row taken. The greedy order is found
    lazily [1]_; each prefix is worth at least 1 - 1/e of the best set of its size [2]_. The
    similarity is exp(-d**2 / b), with b four times the median squared distance from a row
    to the nearest different row. A distance that is not Euclidean takes the place of d**2.

    Parameters
    ----------
    {metric, task, n_jobs}

    Attributes
    ----------
    {order_}
    {metric_}

    See Also
    --------
    HerdingSelector : Keeps the distribution of the rows instead; faster.
    MedoidSelector : Keeps the medoids of k-means clusters.

    Notes
    -----
    O(n^2 (d + log n)) for a class of n rows, and memory for some five million similarities.
    The first rows of large classes are chosen from sums in float32; otherwise, and up to
    2,236 rows, the order is that of the exact algorithm.

    Among the best methods between 1 and 10 % of the rows, above all for nearest neighbours.
    Sparse regions are over-represented: from 20 % on, herding suits linear models better.
    Wrong labels look like sparse regions, so clean first.

    References
    ----------
    .. [1] Minoux (1978). Accelerated greedy algorithms for maximizing submodular set
       functions. Optimization Techniques, Springer.
    .. [2] Nemhauser, Wolsey, Fisher (1978). An analysis of approximations for maximizing
       submodular set functions. Mathematical Programming 14.

    Examples
    --------
    >>> from sklearn_prune.sample_selection import FacilityLocationSelector
    >>> X = [[0.0], [0.1], [0.2], [5.0], [5.1]]
    >>> FacilityLocationSelector().fit(X).order_[:2]
    array([1, 3])
    """

    takes_several_targets = True

    _parameter_constraints = {
        "metric": [METRIC_OPTIONS],
        "task": [TASK_OPTIONS],
        "n_jobs": [Integral, None],
    }

    def __init__(self, *, metric="auto", task="auto", n_jobs=None):
        self.metric = metric
        self.task = task
        self.n_jobs = n_jobs

    def _rank(self, X, y, context):
        space, codes = _with_target(self._space(X), y, context.task)
        n = len(space.points)
        weights = np.ones(n) if context.sample_weight is None else context.sample_weight

        def order_of(rows):
            part = space.part(rows)
            return rows[facility_location_order(part, weights[rows], self.n_jobs)]

        return Ranking(
            covering_order(
                space.points, codes, order_of, sample_weight=context.sample_weight
            )
        )


def _with_target(space, y, task):
    """The space to cover, and class codes, which are None where all rows are one class."""
    if y is None or task is None or y.ndim > 1:
        return space, None
    return (joint_space(space, y), None) if task == "regression" else (space, y)


def facility_location_order(space, weights, n_jobs=None):
    """Order the dense points of a space by greedy facility location, ties by position.

    Positive weights are those of the points as ones to be represented.
    """
    from sklearn_prune.sample_selection._facility_location_kernels import cover, lazy_greedy

    similarity = _Similarity.of(space)
    taken = _take_first(similarity, weights, n_jobs)
    covered = cover(*similarity.where, taken, similarity.bandwidth)
    pairs = _better_pairs(similarity, covered, n_jobs)
    return lazy_greedy(*pairs, weights, covered, taken)


@dataclass(frozen=True, eq=False)
class _Similarity:
    """Similarities of points, approximately in blocks and exactly for single pairs.

    The similarity is exp(-distance / bandwidth). `where` holds the points, how they are
    compared, and which columns are nominal. Rows of `left` and `right` multiply to
    the logarithms of similarities, in float32. The sum of the `slack` of two points bounds
    the rounding error of the logarithm.
    """

    where: tuple
    bandwidth: float
    left: np.ndarray | None
    right: np.ndarray | None
    slack: np.ndarray

    @classmethod
    def of(cls, space):
        from sklearn_prune.sample_selection._facility_location_kernels import nearest_apart

        points, n = space.points, len(space.points)
        where = (points, space.kind, space.nominal)
        some = np.unique(np.linspace(0, n - 1, min(n, SCALE_ROWS)).astype(np.int64))
        nearest = nearest_apart(*where, some)
        nearest = nearest[np.isfinite(nearest)]
        bandwidth = 4 * np.median(nearest) if len(nearest) else 1.0
        if space.kind:
            return cls(where, bandwidth, None, None, np.full(n, np.float32(1e-4)))
        scaled = points - points.mean(axis=0, dtype=np.float64)
        scaled /= np.sqrt(bandwidth)
        norms = np.einsum("ij,ij->i", scaled, scaled)
        ones = np.ones(n)
        left = np.column_stack([2 * scaled, -norms, -ones]).astype(np.float32)
        right = np.column_stack([scaled, ones, norms]).astype(np.float32)
        return cls(where, bandwidth, left, right, np.float32(1e-4 + 4e-6 * norms))

    def exponents(self, candidates, rows):
        """Logarithms of the similarities, float32, one row for each candidate."""
        if self.left is None:
            from sklearn_prune.sample_selection._facility_location_kernels import (
                exact_exponents,
            )

            return exact_exponents(*self.where, candidates, rows, self.bandwidth)
        found = self.left[candidates] @ self.right[rows].T
        return np.minimum(found, 0, out=found)

    def exact(self, candidates, rows):
        """Similarities of pairs, float64."""
        from sklearn_prune.sample_selection._facility_location_kernels import similarities

        return similarities(*self.where, candidates, rows, self.bandwidth)


def _take_first(similarity, weights, n_jobs):
    """Take points greedily until few pairs are more similar than what is taken."""
    n = len(weights)
    everywhere = np.arange(n)
    taken = []
    if n * n <= MOST_PAIRS:
        return np.array(taken, dtype=np.int64)
    covered = np.zeros(n, dtype=np.float32)
    gains = _gains_between(similarity, weights, everywhere, covered, covered + 1, n_jobs)
    rounding = NOISE * gains.max()
    while n * n > MOST_PAIRS * len(taken) and gains.max() > rounding:
        best = np.flatnonzero(gains >= gains.max() - rounding)[0]
        taken.append(best)
        reached = np.exp(similarity.exponents(np.array([best]), everywhere)[0])
        rows = np.flatnonzero(reached > covered)
        gains -= _gains_between(
            similarity, weights, rows, covered[rows], reached[rows], n_jobs
        )
        covered[rows] = reached[rows]
        gains[best] = -np.inf
    return np.array(taken, dtype=np.int64)


def _gains_between(similarity, weights, rows, low, high, n_jobs):
    """What each candidate adds to rows covered by `low`, if only up to `high`."""
    gains = np.zeros(len(weights))

    def add(batch):
        candidates = np.arange(len(gains))[batch]
        for part in gen_batches(len(rows), 2048):
            reached = similarity.exponents(candidates, rows[part])
            np.exp(reached, out=reached)
            np.clip(reached, low[part], high[part], out=reached)
            reached -= low[part]
            gains[candidates] += reached @ weights[rows[part]].astype(np.float32)

    in_threads(add, len(weights), n_jobs, batch_size=256)
    return gains


def _better_pairs(similarity, covered, n_jobs):
    """For each candidate the points that it represents better, in one list."""
    n = len(covered)
    everywhere = np.arange(n)
    with np.errstate(divide="ignore"):
        wanted = np.float32(np.log(covered)) - similarity.slack

    def find(batch):
        candidates = everywhere[batch]
        reached = similarity.exponents(candidates, everywhere)
        reached += similarity.slack[candidates, None]
        which, rows = np.nonzero(reached > wanted)
        found = similarity.exact(candidates[which], rows)
        better = found > covered[rows]
        counts = np.bincount(which[better], minlength=len(candidates))
        return counts, rows[better].astype(np.int32), found[better]

    counts, served, found = zip(*in_threads(find, n, n_jobs, batch_size=256), strict=True)
    bounds = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    return bounds, np.concatenate(served), np.concatenate(found)
