"""Inner scores of pruned forests, for which not all of the trees are fitted again."""

from numbers import Integral

import numpy as np
from joblib import Parallel, delayed
from sklearn.frozen import FrozenEstimator

from sklearn_prune._meta import clone_seeded
from sklearn_prune._sklearn_compat import count_rows
from sklearn_prune.weight_pruning._judge import inner_folds, row_scores
from sklearn_prune.weight_pruning.compact._tree_arrays import pick_trees
from sklearn_prune.weight_pruning.families._forest_arrays import leaves_of_rows
from sklearn_prune.weight_pruning.families._forest_criteria import out_of_bag
from sklearn_prune.weight_pruning.families._forest_plan import ForestPath
from sklearn_prune.weight_pruning.families._forest_work import voted


def forest_scores(family, work, shares, requests, context):
    """Score by inner folds; see `Family.inner_validation`.

    A frozen forest is refitted on the other rows of a fold and asked about those held
    out, each of its trees about rows that it has not seen, where it is known which.

    In each fold only as many trees are fitted as the options can use. The score of the
    whole forest there is that of these trees plus what the others would add: the loss of
    a mean of k trees falls as 1 / k [1]_, and how fast is seen from both halves of them.
    Options that are nowhere best in the first fold are not tried in the others; of those
    left only the best at a size has scores, from folds that did not choose it. Among many
    sizes one is small and good by chance, so each is judged by the mean of its own score
    and that of the next smaller one. A whole forest gains more from more rows than a small
    one does, so in a fold, which has fewer, a share is judged at less, in proportion to
    the rows.

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
    tried = _still_tried(first[1])
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

    Parameters
    ----------
    parts : list of ndarray of shape (n_options, n_shares, n_scores)
        Scores in each fold.

    Returns
    -------
    best : ndarray of shape (n_shares,), int
        By all folds.
    scores : ndarray of shape (n_shares, n_all_scores)
        In each fold those of the option that is best in the other folds, since the best
        of several in the same fold is so partly by chance.
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


def _still_tried(scores):
    """The options that are best at some size."""
    means = np.round(scores.mean(axis=2), 12)
    return np.unique(means.argmax(axis=0))


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
