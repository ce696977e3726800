"""Rank rows by whether the nearest-neighbour rule on the rows before needs them."""

from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.utils import gen_batches

from sklearn_prune._docs import fill
from sklearn_prune._ranking import Ranking
from sklearn_prune._seeds import derive_seed, draw_seed, row_keys
from sklearn_prune._sklearn_compat import Interval
from sklearn_prune.sample_selection._base import SELECTOR, TASK_OPTIONS
from sklearn_prune.sample_selection._editing import (
    CountedNeighbors,
    floored_deviations,
    rows_that_count,
    target_residuals,
)
from sklearn_prune.sample_selection._neighbor_base import METRIC_OPTIONS, NeighborSelector

N_NEIGHBORS = 9  # whose targets say how far apart two targets may be


@fill(SELECTOR)
class CondensedNNSelector(NeighborSelector):
    """Keep the rows that a nearest-neighbour model needs to reproduce all labels.

    Hart's condensed nearest neighbours [1]_, run until nothing changes. The rows are
    visited in turn; a row is kept if its nearest kept row has another label. A
    nearest-neighbour classifier on the kept rows then predicts the label of every row,
    except where identical rows have different labels.

    For regression a row is kept if its target is farther from that of the nearest kept
    row than `alpha` times the standard deviation of the targets around it [2]_.

    Parameters
    ----------
    alpha : float, default=1.0
        For regression: the allowed difference, in standard deviations of the targets of
        the 9 nearest neighbours. Larger keeps fewer rows.
    {metric, task}
    random_state : int, RandomState instance or None, default=None
        Seeds the order of visits. None takes the seed of the meta-estimator; without one,
        rows are visited by position.
    n_jobs : int or None, default=None
        For regression: number of threads that look for the 9 neighbours.

    Attributes
    ----------
    order_ : ndarray of shape (n_samples,), int
        Positions of the rows: the kept ones as they were added, then the others by
        descending distance to the kept rows. Rows of zero weight are never kept and come
        last. Ties go by position.
    scores_ : ndarray of shape (n_samples,), float
        For a kept row the number of kept rows from it on. For another one ``d / (1 + d)``,
        where d is its distance to the nearest kept row (of its class): Gower's, else the
        square of the Euclidean one. -1 for rows of zero weight.
    natural_size_ : int
        Number of kept rows.

    See Also
    --------
    DROP3Selector : Smaller and less sensitive to noise.
    ENNSelector : Drops noise; a good thing to do before.

    Notes
    -----
    O(n m d) for m kept rows. The first kept rows are the first visited one of each class;
    for regression the first visited one. A row as near to a kept row of another class as
    to one of its own is kept too. Columns are standardised on all rows, so a model on the
    kept rows must scale them alike. The kept rows depend on the order of visits.

    A bad idea with noise: wrong labels and the rows around them are kept. For models other
    than nearest neighbours, random rows are often a better training set.

    References
    ----------
    .. [1] Hart (1968). The condensed nearest neighbor rule. IEEE Transactions on
       Information Theory 14.
    .. [2] Kordos, Blachnik (2012). Instance selection with neural networks for regression
       problems. ICANN 2012.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_prune.sample_selection import CondensedNNSelector
    >>> X, y = load_iris(return_X_y=True)
    >>> selector = CondensedNNSelector().fit(X, y)
    >>> kept = selector.order_[: selector.natural_size_]
    >>> Z = StandardScaler().fit_transform(X)
    >>> len(kept), KNeighborsClassifier(1).fit(Z[kept], y[kept]).score(Z, y)
    (24, 1.0)
    """

    requires_y = True
    has_natural_size = True
    order_dependent = True

    _parameter_constraints = {
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "metric": [METRIC_OPTIONS],
        "task": [TASK_OPTIONS],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        alpha=1.0,
        metric="euclidean",
        task="auto",
        random_state=None,
        n_jobs=None,
    ):
        self.alpha = alpha
        self.metric = metric
        self.task = task
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _rank(self, X, y, context):
        counts = rows_that_count(len(y), context.sample_weight)
        visits = self._visits(counts, context)
        if context.task == "classification":
            added, reach = condense_labels(self._space(X), y, visits)
        else:
            limits = self._limits(X, y, counts, context)
            added, reach = condense_targets(self._space(X), y, limits, visits)
        scores = np.full(len(y), -1.0)
        scores[visits] = reach[visits] / (1 + reach[visits])
        scores[added] = np.arange(len(added), 0, -1)
        return Ranking.from_scores(scores, first=scores >= 1)

    def _visits(self, counts, context):
        """Positions of the rows that count, in the order in which they are visited."""
        seed = context.seed if self.random_state is None else draw_seed(self.random_state)
        if seed is None:
            return np.flatnonzero(counts)
        order = np.argsort(row_keys(derive_seed(seed, "visits"), len(counts)))
        return order[counts[order]]

    def _limits(self, X, y, counts, context):
        """How far the target of each row may be from that of the nearest kept row."""
        graph = self._neighbors(X, N_NEIGHBORS, context)
        find = CountedNeighbors(graph, partial(self._space, X), self.n_jobs)
        found = find(N_NEIGHBORS, counts, counts)
        deviations = target_residuals(y, found, counts)[0]
        return self.alpha * floored_deviations(deviations, y, counts)


def condense_labels(space, y, visits):
    """Keep rows until each is nearest to a kept row of its class.

    `visits` are positions in the order in which rows are visited. Returns the positions of
    the kept rows in the order in which they were added, and for each row the distance to
    the nearest kept row of its class, as the space orders them.
    """
    from sklearn_prune.sample_selection._condensed_kernels import visit_labels

    starts = visits[np.sort(np.unique(y[visits], return_index=True)[1])]
    own, other = np.full(len(y), np.inf), np.full(len(y), np.inf)
    own[starts] = 0.0
    return _condense(space, visits, starts, visit_labels, y, own, other), own


def condense_targets(space, y, limits, visits):
    """Keep rows until each target is within its limit of the nearest kept row's.

    As `condense_labels`; `reach` is the distance to the nearest kept row.
    """
    from sklearn_prune.sample_selection._condensed_kernels import visit_targets

    near, nearest = np.full(len(y), np.inf), np.arange(len(y))
    near[visits[0]] = 0.0
    return _condense(
        space, visits, visits[:1], visit_targets, y, limits, near, nearest
    ), near


def _condense(space, visits, starts, visit, *state):
    """Visit the rows until a pass adds none.

    The products of a block of rows with the members that it has not met come from one
    matrix product. They only spare distances, which are measured for whatever may count,
    so the result does not depend on them.
    """
    points, is_gower = space.points, space.metric == "gower"
    n, n_features = points.shape
    norms = np.zeros(n)
    if not is_gower:
        norms = np.einsum("ij,ij->i", points, points, dtype=np.float64)
    # What a product may be off, and what distances that order are rounded by.
    slack = (n_features + 4) * np.finfo(points.dtype).eps + 1e-9
    blocks = [visits[batch] for batch in gen_batches(len(visits), 256)]
    met = [0] * len(blocks)
    members, size, before = np.empty(n, dtype=np.int64), len(starts), -1
    members[:size] = starts
    while size > before:
        before = size
        for block, rows in enumerate(blocks):
            new = members[met[block] : size]
            if is_gower:
                dots = np.full((len(rows), len(new)), np.inf)
            else:
                dots = points[rows] @ points[new].T
            met[block] = size
            size = visit(
                points,
                is_gower,
                space.nominal,
                norms,
                slack,
                rows,
                new,
                dots,
                members,
                size,
                *state,
            )
    return members[:size]
