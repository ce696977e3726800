"""Mixes of trees, nodes and leaves for unit="auto", and their inner validation."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from joblib import Parallel, delayed
from sklearn.frozen import FrozenEstimator

from sklearn_prune._meta import clone_seeded
from sklearn_prune._ranking import Ranking, budget_size
from sklearn_prune._sklearn_compat import count_rows
from sklearn_prune.models.trees.arrays import (
    collapse,
    impurity_decreases,
    leaves_of_rows,
    shared_thresholds,
)
from sklearn_prune.models.trees.dropout import dropout_of
from sklearn_prune.models.trees.units import closed_order, out_of_bag
from sklearn_prune.models.trees.work import splits_within, voted
from sklearn_prune.predictors import pick_trees
from sklearn_prune.weight_pruning import inner_folds, row_scores

FIRST_SWEEPS = 8
SWEEPS_AT_SIZE = 1


@dataclass(frozen=True)
class Option:
    """One of the ways to make a forest smaller.

    Parameters
    ----------
    trees : float
        At most this share of the trees is used, the first ones.
    min_rows : int
        Nodes that fewer rows have reached become leaves.
    strength : float or None
        Of the ridge penalty of the joint refit; None keeps the trees' own votes.
    """

    trees: float = 1.0
    min_rows: int = 1
    strength: float | None = None


class ForestPath:
    """Ever smaller forests from one fitted one.

    Parameters
    ----------
    work : ForestWork
        The whole forest.
    shares : list of float
        Descending, of the parameters.
    context : PruningContext
        Rows to estimate on.
    n_trees : int
        Number of trees that the shares mean; more than there are where only the first
        were fitted.
    watched : ndarray or None
        Rows to predict.
    counted : ndarray of shape (n_trees, n_watched), bool, or None
        Which trees predict each of them.
    """

    def __init__(self, work, shares, context, *, n_trees=None, watched=None, counted=None):
        self.work, self.context, self.fitted = work, context, work.fitted
        self.n_trees = self.fitted.n_trees if n_trees is None else n_trees
        total = round(self.fitted.n_parameters * self.n_trees / self.fitted.n_trees)
        self.budgets = [budget_size(share, total, units="parameters") for share in shares]
        self.width = (
            int(self.fitted.n_classes.sum())
            if self.fitted.classifies
            else (self.fitted.n_outputs)
        )
        self._leaves, self._watched_leaves = None, None
        self.watched, self.counted = watched, counted

    def _start(self, option):
        """First trees without their small nodes, and the leaves of the rows in them."""
        n_trees = min(self.fitted.n_trees, max(1, round(option.trees * self.n_trees)))
        arrays = self.work.nodes
        first = (
            pick_trees(arrays, np.arange(n_trees)) if n_trees < arrays.n_trees else arrays
        )
        smaller, position = collapse(first, first.rows >= option.min_rows)
        watched = None
        if self.watched is not None:
            if self._watched_leaves is None:
                self._watched_leaves = leaves_of_rows(arrays, self.watched)
            watched = position[self._watched_leaves[:n_trees]]
        return smaller, position, watched

    def _refit(self, option):
        if self._leaves is None:
            X = self.fitted.rows(self.context)
            self._leaves = leaves_of_rows(self.work.nodes, X)
        smaller, position, watched = self._start(option)
        leaves = position[self._leaves[: smaller.n_trees]]
        refit = self.fitted.joint_refit(
            smaller,
            leaves,
            self.context,
            option.strength,
            watched=watched,
            **dropout_of(self.context),
        )
        return refit.sweep(FIRST_SWEEPS)

    def works(self, option):
        """The smaller working forms."""
        if option.strength is None:
            arrays, _, _ = self._start(option)
            return [
                self.work.cut(self._within(arrays, budget)[0]) for budget in self.budgets
            ]
        return [self._finished(refit) for refit in self._merged(option)]

    def predictions(self, option):
        """What the smaller forests predict for the watched rows."""
        if option.strength is None:
            arrays, _, watched = self._start(option)
            found = []
            for budget in self.budgets:
                smaller, position = self._within(arrays, budget)
                leaves = watched[: smaller.n_trees]
                leaves = leaves if position is None else position[leaves]
                found.append(voted(self.fitted, smaller, leaves, self._counted(smaller)))
            return found
        return [
            self.fitted.labels(refit.watched_scores(self._counted(refit.arrays)))
            for refit in self._merged(option)
        ]

    def _counted(self, arrays):
        return None if self.counted is None else self.counted[arrays.tree]

    def _merged(self, option):
        """The same refit, at one size after the other."""
        refit = self._refit(option)
        for budget in self.budgets:
            n_splits = splits_within(budget, self.width, refit.arrays.n_trees)
            refit.merge_to(n_splits)
            yield refit.sweep(SWEEPS_AT_SIZE)

    def _finished(self, refit):
        X = self.fitted.rows(self.context)
        scored = refit.finished(
            lambda arrays: leaves_of_rows(arrays, X), share_thresholds=shared_thresholds
        )
        arrays, _ = collapse(refit.arrays, refit.alive & ~refit.leaf)
        return type(self.work)(self.fitted, arrays, scored)

    def _within(self, arrays, budget):
        """The first trees that fit, or as much of the first one as does."""
        n_nodes, n_leaves = (
            np.diff(arrays.start),
            np.add.reduceat(arrays.is_leaf.astype(np.int64), arrays.start[:-1]),
        )
        sizes = 2 * (n_nodes - n_leaves) + self.width * n_leaves
        fitting = int(np.searchsorted(np.cumsum(sizes), budget, side="right"))
        if fitting > 0:
            return pick_trees(arrays, np.arange(fitting)), None
        return within_splits(arrays, budget, self.width)


def within_splits(arrays, budget, width):
    """The first tree with the splits that lower the impurity most."""
    first = pick_trees(arrays, np.arange(1))
    n_splits = max(0, int((budget - width) // (2 + width)))
    inner = np.flatnonzero(~first.is_leaf)
    order = closed_order(first, Ranking.from_scores(impurity_decreases(first)[inner])).order
    stays = np.zeros(len(first.left), dtype=bool)
    stays[inner[order[:n_splits]]] = True
    smaller, position = collapse(first, stays)
    whole = np.arange(len(arrays.left), dtype=np.int32)
    whole[: len(position)] = position
    return smaller, whole


def forest_scores(family, work, shares, requests, context):
    """Score by inner folds; see `Family.inner_validation`.

    A frozen forest is refitted on the other rows of a fold and asked about those held
    out, each of its trees about rows that it has not seen, where it is known which.

    In each fold only as many trees are fitted as the options can use. The score of the
    whole forest there is that of these trees plus what the others would add: the loss of
    a mean of k trees falls as 1 / k [1]_, and how fast is seen from both halves of them.
    Options that are nowhere best in the first fold are not tried in the others; of those
    left only the best at a size has scores, from folds that did not choose it. Among many
    sizes one is small and good by chance, so the score of each is the mean of its own
    and that of the next smaller one. A whole forest gains more from more rows than a small
    one does. A fold has fewer rows, so each share is made smaller there, in proportion.

    References
    ----------
    .. [1] Breiman (2001). Random forests. Machine Learning 45.
    """
    folds = inner_folds(context)
    n_total = work.fitted.n_trees
    needed = n_total
    counted = out_of_bag(work, context) if context.is_frozen else None
    planned = all(request.option is not None for request in requests)
    if counted is None and planned and requests[0].unit == "auto":
        needed = max(round(request.option.trees * n_total) for request in requests)
    first = _fold_scores(
        family, work, shares, requests, context, *folds[0], needed, counted
    )
    means = np.round(first[1].mean(axis=2), 12)
    tried = np.unique(means.argmax(axis=0))
    others = [requests[number] for number in tried]
    rest = Parallel(n_jobs=context.n_jobs)(
        delayed(_fold_scores)(
            family, work, shares, others, context, train, test, needed, counted
        )
        for train, test in folds[1:]
    )
    baseline = np.concatenate([first[0], *(part[0] for part in rest)])
    best, honest = _cross_chosen([first[1][tried], *(part[1] for part in rest)])
    honest[:-1] = (honest[:-1] + honest[1:]) / 2
    scores = np.full((len(requests), len(shares), len(baseline)), -np.inf)
    scores[tried[best], np.arange(len(shares))] = honest
    return baseline, scores


def _cross_chosen(parts):
    """The best option at each size, and scores as if it had been chosen elsewhere.

    `parts` has the scores of each fold, of shape (n_options, n_shares, n_scores). The
    result has in each fold the scores of the option that is best in the other folds, since
    the best of several in the same fold is so partly by chance.
    """
    sums = np.array([part.sum(axis=2) for part in parts])
    sizes = np.array([part.shape[2] for part in parts])
    total = sums.sum(axis=0)
    best = np.round(total / sizes.sum(), 12).argmax(axis=0)
    found = []
    for part, own, size in zip(parts, sums, sizes, strict=True):
        chosen = best
        if len(parts) > 1:
            others = (total - own) / (sizes.sum() - size)
            chosen = np.round(others, 12).argmax(axis=0)
        found.append(part[chosen, np.arange(part.shape[1])])
    return best, np.concatenate(found, axis=1)


def _fold_scores(family, work, shares, requests, context, train, test, n_trees, counted):
    inside, outside = context.on(train), context.on(test)
    n_total = work.fitted.n_trees
    model = work.fitted.model
    if not context.is_frozen:
        model = inside.fit_first(_with_trees(context.estimator, n_trees, inside))
    own = family.start(model, inside)
    X = own.fitted.rows(outside)
    if counted is not None:
        counted = counted[:, test]
        if context.scoring is None:
            baseline = row_scores(Predicted(own.predict(X, counted)), outside)
        else:
            baseline = row_scores(family.compact(own), outside)
    else:
        baseline = _whole_score(own, X, outside, n_trees, n_total)
    fewer = len(train) / len(context.target) if len(shares) > 1 else 1.0
    path = ForestPath(
        own,
        [share * fewer for share in shares if not isinstance(share, Integral)],
        inside,
        n_trees=n_total,
        watched=X,
        counted=counted,
    )
    scores = []
    for request in requests:
        planned = request.unit == "auto" and request.option is not None
        if planned and context.scoring is None:
            found = [Predicted(labels) for labels in path.predictions(request.option)]
        else:
            smaller = (
                path.works(request.option)
                if planned
                else family.reduce(own, _possible(shares, own, request), request, inside)
            )
            if context.scoring is None:
                found = [Predicted(each.predict(X, counted)) for each in smaller]
            else:
                found = [family.compact(each) for each in smaller]
        scores.append([row_scores(each, outside) for each in found])
    return baseline, np.array(scores)


def _possible(shares, work, request):
    """Counts up to the number of units that this forest has."""
    sizes = work.fitted.sizes.sum(axis=0)
    most = {
        "tree": work.fitted.n_trees,
        "leaf": sizes[1],
        "node": sizes[0] - sizes[1],
    }.get(request.unit, 1)
    return [
        min(share, max(2, int(most))) if isinstance(share, Integral) else share
        for share in shares
    ]


def _with_trees(estimator, n_trees, inside):
    """The inner model, unfitted, with fewer trees."""
    if isinstance(estimator, FrozenEstimator):
        estimator = estimator.estimator
    model = clone_seeded(estimator, inside.seed, "estimator")
    params = model.get_params(deep=False)
    if "n_estimators" in params:
        model.set_params(n_estimators=n_trees)
    if params.get("oob_score"):
        model.set_params(oob_score=False)
    most = params.get("max_samples")
    if isinstance(most, Integral) and not isinstance(most, bool):
        model.set_params(max_samples=min(most, count_rows(inside.X)))
    return model


def _whole_score(work, X, outside, n_trees, n_total):
    """Pieces of the score of all `n_total` trees, of which the first were fitted."""
    arrays = work.nodes
    leaves = leaves_of_rows(arrays, X)

    def score(trees):
        if outside.scoring is None:
            part = pick_trees(arrays, trees)
            renumbered = leaves[trees] - (arrays.start[trees] - part.start[:-1])[:, None]
            return row_scores(Predicted(voted(work.fitted, part, renumbered)), outside)
        part = work if len(trees) == n_trees else work.cut(pick_trees(arrays, trees))
        return row_scores(part.compact(), outside)

    whole = score(np.arange(n_trees))
    missing = 1 - n_trees / n_total
    if missing <= 0 or n_trees < 4:
        return whole
    halves = np.array_split(np.arange(n_trees), 2)
    return whole + missing * (whole - (score(halves[0]) + score(halves[1])) / 2)


class Predicted:
    """Predictions that were made, as the predictor that a score wants."""

    def __init__(self, labels):
        self.labels = labels

    def predict(self, X):
        """What was predicted."""
        return self.labels
