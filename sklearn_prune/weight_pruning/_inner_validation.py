"""Inner scores of pruned models, and the smallest size that is not worse."""

from numbers import Integral

import numpy as np
from joblib import Parallel, delayed
from sklearn.metrics import get_scorer
from sklearn.utils import get_tags

from sklearn_prune._folds import given_folds, shuffled_folds
from sklearn_prune._meta import has_tags, innermost
from sklearn_prune._sklearn_compat import count_rows, with_checked_metric
from sklearn_prune._validation import (
    check_groups,
    check_predictions,
    check_score,
    check_scored_classes,
    class_codes,
    explained,
)


def inner_scores(family, work, shares, requests, context):
    """Score by cross-validation inside the rows: the default `Family.inner_validation`.

    In each fold the model is fitted on the other rows (a frozen one is taken as it is),
    ranked, cut and refitted there, and scored on the rows held out.
    """
    folds = inner_folds(context)
    parts = Parallel(n_jobs=context.n_jobs)(
        delayed(_fold_scores)(family, shares, requests, context, train, test)
        for train, test in folds
    )
    baseline = np.concatenate([part[0] for part in parts])
    return baseline, np.concatenate([part[1] for part in parts], axis=2)


def inner_folds(context):
    """The folds of `cv` over the rows of the context: groups together, classes in each."""
    model = context.estimator
    if has_tags(model) and get_tags(model).input_tags.pairwise:
        raise ValueError(
            "X must hold features to prune by. Got a precomputed matrix, whose columns are "
            "the training rows. Write SampleSubsetClassifier or SampleSubsetRegressor "
            "around the model to drop rows, or keep=1.0."
        )
    n = count_rows(context.X)
    if n < 2:
        raise ValueError(
            "Inner folds need at least 2 rows. Got n_samples = 1. Pass more rows, or write "
            "keep=1.0."
        )
    y = np.zeros(n)
    if context.is_classification and context.target.ndim == 1:
        y = class_codes(context.target)[0]
    weights = context.sample_weight
    counted = np.ones(n, dtype=bool) if weights is None else weights > 0
    groups = None if context.groups is None else check_groups(context.groups, n)
    if context.cv is None or isinstance(context.cv, Integral):
        seed = context.role_seed("inner-folds")
        return shuffled_folds(context.cv or 5, y, groups, counted, seed)
    return given_folds(context.cv, y, groups, counted)


def _fold_scores(family, shares, requests, context, train, test):
    inside, outside = context.on(train), context.on(test)
    work = family.start(inside.fit_first(), inside)
    baseline = row_scores(family.compact(work), outside)
    scores = [
        [row_scores(family.compact(smaller), outside) for smaller in of_request]
        for of_request in family.reduce_each(work, shares, requests, inside)
    ]
    return baseline, np.array(scores)


def row_scores(predictor, context):
    """Scores of a predictor on the rows of a context, larger is better.

    Where the score is the estimator's own, a mean over rows, each row gives one: right
    or wrong, or 1 minus its squared error over the variance. Weights multiply it. Any
    other score gives a single number.
    """
    name = type(innermost(context.estimator)).__name__
    classifies = context.is_classification
    if context.scoring is not None:
        score = get_scorer(context.scoring)  # a callable is returned as it is
        if context.is_classification and context.target.ndim == 1:
            check_scored_classes(
                score,
                predictor.classes_,
                context.target,
                name=context.scoring,
                where="in an inner fold",
            )
        own = with_checked_metric(score, lambda value: check_score(value, context.scoring))
        rows = (predictor, context.X, context.target)
        with explained(*rows, name, classifies=classifies):
            value = own(predictor, context.X, context.y)
        return np.array([check_score(value, context.scoring)])
    y, weights = context.target, context.sample_weight
    with context.asked("predict rows that it was not fitted on"):
        predicted = predictor.predict(context.X)
    predicted = check_predictions(predicted, y, name, classifies=classifies)
    if classifies:
        right = predicted == y
        values = (right if right.ndim == 1 else right.all(axis=1)).astype(np.float64)
    else:
        spread = np.average(
            (y - np.average(y, axis=0, weights=weights)) ** 2, axis=0, weights=weights
        )
        losses = (y - predicted) ** 2 / np.where(spread > 0, spread, 1.0)
        values = 1 - (losses if losses.ndim == 1 else losses.mean(axis=1))
    return values if weights is None else values * weights / weights.mean()


def not_worse(baseline, scores, tolerance):
    """Which sizes are not worse by more than the tolerance, by one paired standard error.

    `baseline` has the scores of the full model, `scores` those of the pruned ones, of shape
    (n_shares, n_scores). Returns for each size whether the mean loss plus its standard
    error is at most the tolerance, the mean loss, and its standard error.
    """
    differences = baseline - scores
    losses = differences.mean(axis=1)
    n = differences.shape[1]
    errors = (
        differences.std(axis=1, ddof=1) / np.sqrt(n) if n > 1 else np.zeros(len(losses))
    )
    return losses + errors <= tolerance, losses, errors
