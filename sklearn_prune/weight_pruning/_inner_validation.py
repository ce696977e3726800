"""Inner validation of pruned models: the folds, and the scores of each held-out row."""

import warnings
from dataclasses import dataclass, replace
from functools import cached_property, partial
from numbers import Integral

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import clone
from sklearn.metrics import get_scorer
from sklearn.utils import get_tags

from sklearn_prune._folds import given_folds, shuffled_folds
from sklearn_prune._meta import Progress, has_tags, innermost, is_frozen
from sklearn_prune._seeds import derive_seed
from sklearn_prune._sklearn_compat import (
    InvalidParameterError,
    count_rows,
    with_checked_metric,
)
from sklearn_prune._validation import (
    check_groups,
    check_predictions,
    check_score,
    check_scored_classes,
    class_codes,
    explained,
)
from sklearn_prune.weight_pruning._size_choice import (
    N_QUANTITIES,
    Curve,
    best_and_largest,
    sizes_within,
    worth_trying,
)

HALF_WIDTH = 0.15  # of the ramp of the soft label score, in probability
LOWEST_PROBABILITY = 1e-3  # lower ones count as this in the log loss
STARTS = ("init_score", "base_margin")  # where the raw scores of rows start
NOT_FINITE = -1e6  # score of a prediction that is NaN or infinite


@dataclass(frozen=True)
class Outputs:
    """What a predictor says of held-out rows.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Predicted labels, or targets.
    classes : ndarray of shape (n_classes,) or None
        The classes of the columns of `proba` or `decision`.
    proba : ndarray of shape (n_samples, n_classes) or None
        Class probabilities.
    decision : ndarray of shape (n_samples,) or (n_samples, n_classes), or None
        Decision values of a classifier without probabilities.
    score : float or None
        The score by a user's `scoring`.
    """

    labels: np.ndarray
    classes: np.ndarray | None = None
    proba: np.ndarray | None = None
    decision: np.ndarray | None = None
    score: float | None = None

    @classmethod
    def of(cls, predictor, context):
        """What a predictor says of the rows of a context."""
        X, score = context.X, user_score(predictor, context)
        with context.asked("predict rows that it was not fitted on"):
            labels = np.asarray(predictor.predict(X))
        classes = getattr(predictor, "classes_", None)
        known = isinstance(classes, np.ndarray) and len(classes) > 1
        if not context.is_classification or not known:
            return cls(labels, score=score)
        proba = decision = None
        with context.asked("predict rows that it was not fitted on"):
            if hasattr(predictor, "predict_proba"):
                proba = np.asarray(predictor.predict_proba(X))
            elif hasattr(predictor, "decision_function"):
                decision = np.asarray(predictor.decision_function(X))
        return cls(labels, classes, proba, decision, score)


class Fold:
    """One fold of the inner validation.

    Parameters
    ----------
    context : PruningContext
        All rows.
    train, test : ndarray of int
        Positions of the rows to fit on, and of those held out.
    """

    def __init__(self, context, train, test):
        self.context, self.train, self.test = context, train, test

    @cached_property
    def inside(self):
        """The context of the rows to fit on."""
        return self.context.on(self.train)

    @cached_property
    def outside(self):
        """The context of the rows held out."""
        return self.context.on(self.test)


def inner_curve(
    family, work, shares, requests, context, *, chooses_size=False, max_churn=None
):
    """Inner scores of the full model, and of each request at each share, as a `Curve`.

    In each fold the model is fitted on the other rows (a frozen one is taken as it is),
    ranked, cut and refitted there, and scored on the rows held out. Only the requests that
    are the best in the first fold are tried in the others. A curve that chooses the
    size needs folds whose models know the classes. With `max_churn="seed"` the full model
    is fitted once more in each fold, to see how many labels another seed changes.

    Callbacks follow each size in each fold, or the folds where these run in parallel.
    """
    progress, context = context.progress, replace(context, progress=Progress())
    family, work, context = family.validated_part(work, context)
    starts = [name for name in context.fit_params if name.endswith(STARTS)]
    if starts and not (family.reads_starts and set(starts) <= set(STARTS)):
        raise InvalidParameterError(
            f"{starts[0]} of held-out rows does not reach the model inside "
            f"{type(context.estimator).__name__}, so inner validation cannot score it. "
            "Prune the boosting model itself, or write a float keep and one option."
        )
    rows = inner_folds(context)
    if context.cv is None or isinstance(context.cv, Integral):
        n_scored = np.cumsum([len(test) for _, test in rows])
        rows = rows[: 1 + np.searchsorted(n_scored, family.enough_rows)]
    if chooses_size:
        _check_classes(rows, context)
    folds = [Fold(context, *split) for split in rows]
    weights = class_and_sample_weights(context)
    limits = family.limits_log_loss
    seed_churn = None
    if max_churn == "seed":
        max_churn = seed_churn = _churn_by_seed(folds, context, progress)
    if family.smallest_first and len(requests) == 1 and len(shares) > 1:
        curve = _curve_from_smallest(
            family, work, shares, requests, folds, weights, context, max_churn, progress
        )
        return replace(curve, seed_churn=seed_churn)
    tried, parts = np.arange(len(requests)), []
    if len(requests) > 1 and len(folds) > 1:
        score = partial(_fold_scores, family, work, shares, requests)
        n_steps = len(requests) * len(shares)
        (first,) = _by_fold(score, folds[:1], 1, progress, "compare-options", n_steps)
        curve = _curve([first], folds[:1], weights, tried, limits)
        criteria = curve.criteria(context.tolerance)
        if len(shares) == 1:
            tried = np.unique(best_and_largest(curve, criteria, shares[0]))
        else:  # where no option is near its limits, none is chosen
            tried = worth_trying(np.maximum(curve.reserve(criteria), -2.0))
        parts = [(first[0], first[1][tried], first[2], first[3][tried], first[4][tried])]
    others = [requests[number] for number in tried]
    rest, score = folds[len(parts) :], partial(_fold_scores, family, work, shares, others)
    n_steps = len(others) * len(shares)
    parts += _by_fold(score, rest, context.n_jobs, progress, "inner-validation", n_steps)
    curve = _curve(parts, folds, weights, tried, limits)
    curve = replace(curve, shares=tuple(shares), seed_churn=seed_churn)
    with_best = family.compares_with_best and requests[0].unit == "auto"
    return curve.against_best() if with_best else curve


def _curve_from_smallest(
    family, work, shares, requests, folds, weights, context, max_churn, progress
):
    """The curve of the sizes from the smallest to the first that passes.

    Each size is made in all folds, one after the other, before the next one is.
    """
    tried, limits, parts = np.arange(1), family.limits_log_loss, []
    upwards = sorted(shares)
    scored = [_scores_by_size(family, work, upwards, requests, fold) for fold in folds]
    with progress.stage("inner-validation", len(shares) * len(folds)) as task:
        for number, share in enumerate(upwards):
            of_size = []
            for scores in scored:
                of_size.append(next(scores))
                task.step(f"keep={share}")
            parts.append(of_size)
            joined = [_side_by_side(own[::-1]) for own in zip(*parts, strict=True)]
            curve = replace(
                _curve(joined, folds, weights, tried, limits),
                shares=tuple(upwards[number::-1]),
                smooths=False,
            )
            criteria = curve.criteria(context.tolerance)
            elsewhere = np.zeros((len(folds), number + 1), dtype=np.int64)
            if sizes_within(curve, criteria, elsewhere, max_churn)[0]:
                break
    return curve


def _side_by_side(parts):
    """Scores of several sizes in one fold as those of one call of `_fold_scores`."""
    whole, pruned, whole_score, score, used = zip(*parts, strict=True)
    pruned, score, used = (np.concatenate(each, axis=1) for each in (pruned, score, used))
    return whole[0], pruned, whole_score[0], score, used


def _churn_by_seed(folds, context, progress):
    """The share of the labels that a second seed of the full model changes."""
    changes = _by_fold(_changed_by_seed, folds, context.n_jobs, progress, "second-seed", 1)
    if not any(differs for _, differs in changes):
        raise InvalidParameterError(
            'max_churn="seed" needs a model that depends on its seed. Got '
            f"{type(context.estimator).__name__}, which answers the same with a second "
            "seed on inner folds. Write a number, such as max_churn=0.02."
        )
    return float(np.concatenate([labels for labels, _ in changes]).mean())


def _by_fold(score, folds, n_jobs, progress, name, n_steps):
    """What `score` gives for each fold, as a list; each of them has so many steps."""
    if effective_n_jobs(n_jobs) == 1:
        with progress.stage(name, n_steps * len(folds)) as task:
            return [score(fold, task) for fold in folds]
    calls = [delayed(score)(fold, Progress()) for fold in folds]
    found = []
    with progress.stage(name, len(folds)) as task:
        try:
            parallel = Parallel(n_jobs=n_jobs, return_as="generator")
        except ValueError:  # multiprocessing returns lists only
            parallel = Parallel(n_jobs=n_jobs)
        for part in parallel(calls):
            found.append(part)
            task.step("fold")
    return found


def _curve(parts, folds, weights, tried, limits_log_loss):
    """The curve of the scores of some folds."""
    whole, pruned, whole_score, score, used = zip(*parts, strict=True)
    test = np.concatenate([fold.test for fold in folds])
    has_scores = not np.isnan(whole_score).any()
    return Curve(
        whole=np.concatenate(whole, axis=1),
        pruned=np.concatenate(pruned, axis=3),
        folds=np.repeat(np.arange(len(folds)), [len(fold.test) for fold in folds]),
        weights=tuple(part[test] for part in weights),
        target=folds[0].context.target[test],
        scores=(np.array(whole_score), np.stack(score, axis=2)) if has_scores else None,
        used=np.mean(used, axis=0),
        options=tried,
        limits_log_loss=limits_log_loss,
        is_regression=not folds[0].context.is_classification,
        groups=None if folds[0].context.groups is None else folds[0].context.groups[test],
    )


def random_states(model):
    """Names of the parameters of a model that seed its randomness."""
    params = model.get_params() if hasattr(model, "get_params") else {}
    return [name for name in params if name.rpartition("__")[2] == "random_state"]


def _changed_by_seed(fold, progress):
    """Which held-out labels differ between two seeds, and whether any answer does."""
    said, outside = [], replace(fold.outside, scoring=None)
    for role in ("first-seed", "second-seed"):
        seed, own = fold.context.role_seed(role), clone(fold.context.estimator)
        own.set_params(**{name: derive_seed(seed, name) for name in random_states(own)})
        fitted = replace(fold.inside, seed=seed).fit_first(own)
        said.append(Outputs.of(fitted, outside))
    progress.step("fold")
    first, second = said
    differs = not all(
        np.array_equal(getattr(first, name), getattr(second, name))
        for name in ("labels", "proba", "decision")
    )
    changed = first.labels != second.labels
    return changed if changed.ndim == 1 else changed.any(axis=1), differs


def _fold_scores(family, work, shares, requests, fold, progress):
    """Quantities of the held-out rows of a fold, user's scores, and shares stored.

    Returns arrays of shapes (n_quantities, n_rows), (n_requests, n_shares, n_quantities,
    n_rows), (), (n_requests, n_shares) and (n_requests, n_shares).
    """
    shape = len(requests), len(shares)
    score, used = np.full(shape, np.nan), np.zeros(shape)
    pruned = np.zeros((*shape, N_QUANTITIES, len(fold.test)))
    own = family.fold_work(work, fold)
    total = max(1, family.count(own)[0])
    said = family.whole_outputs(own, fold)
    whole = quantities(said, said, fold.outside)
    found = family.fold_outputs(own, shares, requests, fold)
    for number, of_request in enumerate(found):
        for place, (outputs, n_parameters) in enumerate(of_request):
            pruned[number, place] = quantities(outputs, said, fold.outside)
            used[number, place] = n_parameters / total
            if outputs.score is not None:
                score[number, place] = outputs.score
            progress.step(f"keep={shares[place]}")
    whole_score = np.nan if said.score is None else said.score
    return whole, pruned, whole_score, score, used


def _scores_by_size(family, work, shares, requests, fold):
    """What `_fold_scores` gives for each of the sizes, made when it is asked for."""
    own = family.fold_work(work, fold)
    total = max(1, family.count(own)[0])
    said = family.whole_outputs(own, fold)
    whole = quantities(said, said, fold.outside)
    whole_score = np.nan if said.score is None else said.score
    (found,) = family.fold_outputs(own, shares, requests, fold)
    for outputs, n_parameters in found:
        pruned = quantities(outputs, said, fold.outside)
        score = np.nan if outputs.score is None else outputs.score
        one = (1, 1)
        yield (
            whole,
            pruned.reshape(*one, *pruned.shape),
            whole_score,
            np.full(one, score),
            np.full(one, n_parameters / total),
        )


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


def _check_classes(folds, context):
    """Warn of classes of which no row is predicted by a model that was fitted on the class.

    Such rows are wrong at each size. Raise if that is so for all classes of several rows.
    """
    y = context.target
    if not context.is_classification or y.ndim > 1 or is_frozen(context.estimator):
        return
    codes, labels = class_codes(y)
    known, tested = np.zeros((2, len(y)), dtype=bool)
    for train, test in folds:
        tested[test] = True
        known[test] |= np.isin(codes[test], codes[train])
    if context.sample_weight is not None:
        tested &= context.sample_weight > 0
    n_tested, n_known = np.bincount(codes, tested), np.bincount(codes, known & tested)
    lost = np.flatnonzero((n_tested > 1) & (n_known == 0))
    if not len(lost):
        return
    named = ", ".join(repr(label) for label in labels[lost[:5]].tolist())
    more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
    text = (
        'keep="auto" compares sizes on rows whose class the models of inner folds know. '
        f"Got none of class {named}{more}, whose rows are all in one fold. Write cv=5, "
        "use finer groups, or a float keep."
    )
    if not n_known.any():
        raise InvalidParameterError(text)
    warnings.warn(text, UserWarning, stacklevel=8)


def user_score(predictor, context):
    """The score by a user's `scoring` on the rows of a context; None without one."""
    if context.scoring is None:
        return None
    score = get_scorer(context.scoring)  # a callable is returned as it is
    if context.is_classification and context.target.ndim == 1:
        check_scored_classes(
            score,
            predictor.classes_,
            context.target,
            name=context.scoring,
            where="in an inner fold",
        )
    name = type(innermost(context.estimator)).__name__
    own = with_checked_metric(score, lambda value: check_score(value, context.scoring))
    rows = (predictor, context.X, context.target)
    with explained(*rows, name, classifies=context.is_classification):
        value = own(predictor, context.X, context.y)
    return check_score(value, context.scoring)


def mean_score(predictor, context, X=None):
    """The user's score, or accuracy or R2 with the weights of the rows.

    `X` stands for the rows of the context, whose targets and weights it has.
    """
    X = context.X if X is None else X
    if context.scoring is not None:
        return float(user_score(predictor, replace(context, X=X)))
    with context.asked("predict rows that it was not fitted on"):
        outputs = Outputs(np.asarray(predictor.predict(X)))
    scores = quantities(outputs, outputs, context)[0]
    return float(np.average(scores, weights=context.sample_weight))


def quantities(outputs, whole, context):
    """Scores of each row, larger is better, of shape (n_quantities, n_samples).

    They are: the label score, right or wrong, for regressors 1 minus the squared error over
    the variance; the soft label score, which rises from 0 to 1 where the probability of the
    true class passes the largest other one; the logarithm of that probability, or minus
    the hinge loss of the standardised decision value; and whether the label differs from
    that of the `whole` model, for regressors the squared difference over the variance. NaN
    stands for what a model does not have.
    """
    y = context.target
    found = np.full((N_QUANTITIES, len(y)), np.nan)
    classifies = context.is_classification
    name = type(innermost(context.estimator)).__name__
    labels, lost = outputs.labels, np.zeros(len(y), dtype=bool)
    if outputs is not whole and labels.dtype.kind == "f":
        bad = ~np.isfinite(labels)
        lost = bad.reshape(len(y), -1).any(axis=1)
        labels = np.where(bad, 0.0, labels)
    labels = check_predictions(labels, y, name, classifies=classifies)
    if not classifies:
        weights = context.sample_weight
        centre = np.average(y, axis=0, weights=weights)
        spread = np.average((y - centre) ** 2, axis=0, weights=weights)
        spread = np.where(spread > 0, spread, 1.0)
        losses = (y - labels) ** 2 / spread
        found[0] = found[1] = 1 - (losses if losses.ndim == 1 else losses.mean(axis=1))
        found[:2, lost] = NOT_FINITE
        answers = whole.labels.reshape(y.shape)
        if outputs is not whole and np.isfinite(answers).all():
            changes = (answers - labels) ** 2 / spread
            found[3] = changes if changes.ndim == 1 else changes.mean(axis=1)
        return found
    right, changed = labels == y, labels != whole.labels.reshape(y.shape)
    found[0] = right if right.ndim == 1 else right.all(axis=1)
    found[1] = found[0]
    found[3] = changed if changed.ndim == 1 else changed.any(axis=1)
    table = outputs.decision if outputs.proba is None else outputs.proba
    if table is None or y.ndim > 1:
        return found
    if table.ndim == 1:
        table = np.column_stack([-table, table]) / 2
    if table.shape[1] != len(outputs.classes):  # one against one
        return found
    own, other = _own_and_largest_other(table.astype(np.float64), outputs.classes, y)
    if outputs.proba is not None:
        found[1] = np.clip(0.5 + (own - other) / (2 * HALF_WIDTH), 0.0, 1.0)
        found[2] = log_scores(table, outputs.classes, y)
    else:
        margins = own - other
        finite = np.isfinite(margins)
        size = np.sqrt(np.mean(margins[finite] ** 2)) if finite.any() else 0.0
        found[2] = np.minimum(margins / (size if size > 0 else 1.0), 1.0) - 1.0
    return found


def log_scores(proba, classes, y):
    """Logarithms of the probability of the true class of each row.

    Probabilities below 0.001 are set to 0.001. Those of a row are divided by their sum.
    """
    own, _ = _own_and_largest_other(proba.astype(np.float64), classes, y)
    total = np.clip(proba, LOWEST_PROBABILITY, 1.0).sum(axis=1)
    return np.log(np.clip(own, LOWEST_PROBABILITY, 1.0) / total)


def _own_and_largest_other(table, classes, y):
    """The entries of the true class of each row, and the largest ones of the others.

    A class that the model does not know has probability 0, and a decision value as low as
    the smallest.
    """
    place = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    known = classes[place] == y
    rows = np.arange(len(y))
    own = np.where(known, table[rows, place], np.minimum(table.min(axis=1), 0.0))
    rest = table.copy()
    rest[rows[known], place[known]] = -np.inf
    return own, rest.max(axis=1)


def class_and_sample_weights(context):
    """Weights of the rows by which scores count, each of shape (n_samples,).

    The sample weights; and before them, if the model has class weights, the product of
    both. Each must hold, since weighted scores alone are raised by more predictions of the
    rare class, at the expense of the others.
    """
    plain = context.sample_weight
    plain = np.ones(len(context.target)) if plain is None else plain
    by_class = context.class_weights()
    return (plain,) if by_class is None else (plain * by_class, plain)
