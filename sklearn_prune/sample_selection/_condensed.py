"""Condensed nearest neighbours: keep the rows that a 1-nearest-neighbour model needs."""

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

N_NEIGHBORS = 9  # for regression: neighbours whose deviation of targets sets the limit


@fill(SELECTOR)
class CondensedNNSelector(NeighborSelector):
    """Keep the rows that a nearest-neighbour model needs to reproduce all labels.

    Hart's condensed nearest neighbours [1]_, repeated until a pass adds no row. Each pass
    visits the rows in turn; a row is kept if its nearest kept row has another label. A
    nearest-neighbour classifier on the kept rows then predicts the label of every row,
    except where identical rows have different labels.

    For regression, a row is kept if its target and that of its nearest kept row differ by
    more than `alpha` times the standard deviation of the targets of its neighbours [2]_.

    Parameters
    ----------
    alpha : float, default=1.0
        For regression: the allowed difference, in standard deviations of the targets of
        the 9 nearest neighbours. Larger keeps fewer rows.
    {metric, task}
    random_state : int, RandomState instance or None, default=None
        Seeds the order in which rows are visited. None takes the seed of the
        meta-estimator; without one, rows are visited by position.
    n_jobs : int or None, default=None
        For regression: number of threads of the search for the 9 neighbours.

    Attributes
    ----------
    order_ : ndarray of shape (n_samples,), int
        Positions of the rows: the kept ones in the order in which they were added, then
        the others, those farthest from a kept row first. Rows of zero weight are never
        kept and come last. Ties are ordered by position.
    scores_ : ndarray of shape (n_samples,), float
        For kept rows the number of kept rows down to 1, in the order of adding. For the
        others ``d / (1 + d)``, where d is the distance to the nearest kept row (of its
        class), squared if it is Euclidean. -1 for rows of zero weight.
    natural_size_ : int
        Number of kept rows.
    {metric_}

    See Also
    --------
    DROP3Selector : Smaller and less sensitive to noise.
    ENNSelector : Drops noise; apply it first if labels are noisy.

    Notes
    -----
    O(n m d) for m kept rows. The selection starts from the first visited row of each class
    (regression: the first visited row). A row as near to a kept row of another class as to
    one of its own is kept too. The promise holds for distances by `metric_` on the columns
    as they are placed with all rows: a Pipeline that is fitted on the kept rows alone may
    scale them otherwise. The kept rows depend on the order of the visits.

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
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn_prune import SampleSubsetClassifier
    >>> from sklearn_prune.sample_selection import CondensedNNSelector
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = KNeighborsClassifier(1)
    >>> model = SampleSubsetClassifier(model, CondensedNNSelector(), keep="auto")
    >>> len(model.fit(X, y).sample_indices_), model.score(X, y)
    (88, 1.0)
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
        metric="auto",
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
            kept, distances = condense_labels(self._space(X), y, visits)
        else:
            limits = self._limits(X, y, counts, context)
            kept, distances = condense_targets(self._space(X), y, limits, visits)
        scores = np.full(len(y), -1.0)
        scores[visits] = distances[visits] / (1 + distances[visits])
        scores[kept] = np.arange(len(kept), 0, -1)
        return Ranking.from_scores(scores, first=scores >= 1)

    def _visits(self, counts, context):
        """Positions of the rows of positive weight, in the order of the visits."""
        seed = context.seed if self.random_state is None else draw_seed(self.random_state)
        if seed is None:
            return np.flatnonzero(counts)
        order = np.argsort(row_keys(derive_seed(seed, "visits"), len(counts)))
        return order[counts[order]]

    def _limits(self, X, y, counts, context):
        """Largest allowed difference of each target from that of the nearest kept row."""
        graph = self._neighbors(X, N_NEIGHBORS, context)
        find = CountedNeighbors(graph, partial(self._space, X), self.n_jobs)
        found = find(N_NEIGHBORS, counts, counts)
        deviations = target_residuals(y, found, counts)[0]
        return self.alpha * floored_deviations(deviations, y, counts)


def condense_labels(space, y, visits):
    """Keep rows until the nearest kept row of each row has its label.

    `visits` are positions in the order in which rows are visited. Returns the positions of
    the kept rows in the order in which they were added, and for each row the distance to
    the nearest kept row of its class: squared Euclidean, or Gower's.
    """
    from sklearn_prune.sample_selection._condensed_kernels import visit_labels

    starts = visits[np.sort(np.unique(y[visits], return_index=True)[1])]
    own, other = np.full(len(y), np.inf), np.full(len(y), np.inf)
    own[starts] = 0.0
    return _condense(space, visits, starts, visit_labels, y, own, other), own


def condense_targets(space, y, limits, visits):
    """Keep rows until each target is within its limit of that of its nearest kept row.

    As `condense_labels`, but the distances are to the nearest kept row of any target.
    """
    from sklearn_prune.sample_selection._condensed_kernels import visit_targets

    near, nearest = np.full(len(y), np.inf), np.arange(len(y))
    near[visits[0]] = 0.0
    return _condense(
        space, visits, visits[:1], visit_targets, y, limits, near, nearest
    ), near


def _condense(space, visits, starts, visit, *state):
    """Visit the rows until a pass adds none; return the kept rows in the order of adding.

    `visit` is a compiled pass over one block of rows; it updates the arrays in `state`. The
    matrix product of a block with the kept rows that are new to it only serves to skip
    rows that are surely farther than the nearest one. Other distances are exact.
    """
    points, kind = space.points, space.kind
    n, n_features = points.shape
    norms = np.zeros(n)
    if not kind:
        norms = np.einsum("ij,ij->i", points, points, dtype=np.float64)
    # Relative error of a product, plus that of the distances.
    slack = (n_features + 4) * np.finfo(points.dtype).eps + 1e-9
    blocks = [visits[batch] for batch in gen_batches(len(visits), 256)]
    n_seen = [0] * len(blocks)  # kept rows that each block was compared with
    kept, n_kept, n_before = np.empty(n, dtype=np.int64), len(starts), -1
    kept[:n_kept] = starts
    while n_kept > n_before:
        n_before = n_kept
        for block, rows in enumerate(blocks):
            new = kept[n_seen[block] : n_kept]
            if kind:
                dots = np.full((len(rows), len(new)), np.inf)
            else:
                dots = points[rows] @ points[new].T
            n_seen[block] = n_kept
            n_kept = visit(
                points,
                kind,
                space.nominal,
                norms,
                slack,
                rows,
                new,
                dots,
                kept,
                n_kept,
                *state,
            )
    return kept[:n_kept]
