"""Weights of the kept rows: what they stand for, or how likely they were kept."""

import numpy as np
from sklearn.metrics import pairwise_distances_argmin

from sklearn_prune._coverage import joint_space
from sklearn_prune._meta import last_step
from sklearn_prune._sklearn_compat import count_rows
from sklearn_prune.sample_selection._base import lend_context

WEIGHTINGS = ("coverage", "inverse_probability")


def inverse_probability_weights(ranking, kept, *, strata=None):
    """Weights under which sums over the kept rows estimate sums over all, unbiased.

    The ranking is a draw: with importances, or of equal probabilities. The kept rows are
    the first of each stratum. For importances p and draws u / p, the weight is
    ``1 / min(1, p * t)``, t the smallest draw that was not kept in the stratum [1]_; else
    n_s / m_s.

    References
    ----------
    .. [1] Duffield, Lund, Thorup (2007). Priority sampling for estimation of arbitrary
       subset sums. Journal of the ACM 54.
    """
    n = len(ranking.order)
    strata = np.zeros(n, dtype=np.int64) if strata is None else strata
    own = strata[kept]
    if ranking.importances is None:
        return (np.bincount(strata) / np.maximum(np.bincount(own), 1))[own]
    dropped = np.delete(np.arange(n), kept)
    threshold = np.full(strata.max() + 1, np.inf)
    np.minimum.at(threshold, strata[dropped], ranking.draws[dropped])
    return 1.0 / np.minimum(1.0, ranking.importances[kept] * threshold[own])


def coverage_weights(selector, X, y, kept, *, context, task, sample_weight=None):
    """Number of rows that each kept row stands for: those that it is the nearest to.

    The metric is that of the fitted selector (or of the last step of a Pipeline) in its
    context; it reads rows as they were given to it. A row is stood for by its own class
    where that has a kept row. Targets of a regression count like half of the features
    together; several targets are not read. The weights of the rows are added up: the
    result sums to n_samples, or to that of `sample_weight`.
    """
    last = last_step(selector)
    if last is not selector:
        X = selector[:-1].transform(X)
    with lend_context(selector, context):
        space = last._space_of(X, y, context)
    if y is not None and y.ndim > 1:
        y = None
    if y is not None and task == "regression":
        space = joint_space(space, y)
    codes = (
        y if y is not None and task == "classification" else np.zeros(count_rows(X), int)
    )
    nearest = np.empty(len(codes), dtype=np.int64)
    for code in range(codes.max() + 1):
        rows, own = np.flatnonzero(codes == code), np.flatnonzero(codes[kept] == code)
        nearest[rows] = own[_nearest(space, rows, kept[own])]
    nearest[kept] = np.arange(len(kept))
    return np.bincount(nearest, sample_weight, minlength=len(kept)).astype(np.float64)


def _nearest(space, rows, kept):
    if space.kind:
        from sklearn_prune._graph_kernels import nearest_of_some

        return nearest_of_some(space.points, space.kind, space.nominal, rows, kept)
    return pairwise_distances_argmin(space.points[rows], space.points[kept])
