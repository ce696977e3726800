"""What a comparison is made of, checked before anything is fitted."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from math import isfinite
from numbers import Integral, Real

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, is_classifier, is_regressor
from sklearn.metrics import check_scoring, get_scorer
from sklearn.model_selection import (
    GroupKFold,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    check_cv,
)
from sklearn.utils import get_tags
from sklearn.utils.multiclass import type_of_target

from sklearn_prune._folds import check_has_groups, rows_of_split
from sklearn_prune._meta import has_tags, in_one_line, last_step
from sklearn_prune._ranking import check_keep
from sklearn_prune._seeds import derive_seed
from sklearn_prune._sklearn_compat import (
    InvalidParameterError,
    count_rows,
    is_own_score,
    methods_of_scorer,
    metric_of_scorer,
)
from sklearn_prune._validation import check_kind_of_target, check_rows, check_scored_classes
from sklearn_prune.comparison.run.costs import prunes_nothing, requested_keeps

CONTROL_NAMES = ("random", "small")
COST_NAMES = (
    "nbytes",
    "n_params",
    "n_nonzero",
    "n_samples",
    "fit_time",
    "predict_latency",
    "predict_latency_1000",
    "seed_churn",
)
_USUAL_SCORE = {
    "classifier": ("accuracy", ClassifierMixin.score),
    "regressor": ("r2", RegressorMixin.score),
}
_DEFAULT_MARGIN = 0.01
_BOUNDED = (
    "accuracy",
    "adjusted_rand",
    "average_precision",
    "balanced_accuracy",
    "brier_score",
    "cohen_kappa",
    "d2_",
    "explained_variance",
    "f1_",
    "fbeta",
    "hamming",
    "jaccard",
    "matthews",
    "ndcg",
    "precision",
    "r2_",
    "recall",
    "roc_auc",
    "top_k",
    "zero_one",
)


@dataclass(frozen=True)
class Split:
    """One fold: positions of its rows in the splitter's order, and where it stands."""

    train: np.ndarray
    test: np.ndarray
    repeat: int
    fold: int  # number in its repetition
    seed: int  # of the fits on it


def check_estimators(estimators):
    """The variants by name, and "classifier", "regressor" or None."""
    rule = "estimators must map at least two names to estimators"
    try:
        variants = dict(estimators)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{rule}. Got {in_one_line(estimators)[:200]}. Write "
            '{"forest": model, "pruned": PrunedClassifier(model)}.'
        ) from error
    if len(variants) < 2:
        raise ValueError(f"{rule}. Got {list(variants)}. Add the model to compare with.")
    kinds = {}
    for name, estimator in variants.items():
        if not isinstance(name, str):
            raise TypeError(
                f"names of estimators must be strings. Got {name!r}. Write {str(name)!r}."
            )
        methods = ("fit", "predict", "get_params")
        missing = [method for method in methods if not hasattr(estimator, method)]
        if isinstance(estimator, type) or missing:
            lacks = f", which has no {' and no '.join(missing)}" if missing else ""
            raise TypeError(
                "estimators must have fit, predict and get_params. Got "
                f"{in_one_line(estimator)[:200]} for {name!r}{lacks}. Pass an unfitted "
                "classifier or regressor."
            )
        for keep in requested_keeps(estimator).values():
            try:
                check_keep(keep)
            except InvalidParameterError as error:
                raise ValueError(f"{error} It is that of {name!r}.") from error
        if not has_tags(estimator):
            continue  # a foreign model is known by its predict
        kind = get_tags(estimator).estimator_type
        if kind not in ("classifier", "regressor", None):
            raise TypeError(
                "estimators must be classifiers or regressors. Got the "
                f"{kind.replace('_', ' ')} {type(estimator).__name__} for {name!r}. Leave "
                "it out."
            )
        if is_classifier(estimator):
            kinds.setdefault("classifier", name)
        elif is_regressor(estimator):
            kinds.setdefault("regressor", name)
    if len(kinds) > 1:
        raise ValueError(
            "estimators must be all classifiers or all regressors. Got the classifier "
            f"{kinds['classifier']!r} and the regressor {kinds['regressor']!r}. Compare "
            "them in two calls."
        )
    return variants, next(iter(kinds), None)


def check_baseline(variants, baseline):
    """The name of the baseline: the one asked for, or the only one that prunes nothing."""
    if baseline is not None:
        if baseline not in variants:
            raise ValueError(
                f"baseline must be among the estimators. Got {baseline!r}. Write one of "
                f"{', '.join(map(repr, variants))}."
            )
        return baseline
    whole = [name for name, estimator in variants.items() if prunes_nothing(estimator)]
    if len(whole) != 1:
        what = f"{', '.join(map(repr, whole))} prune nothing" if whole else "each prunes"
        raise ValueError(
            "baseline=None takes the only estimator that prunes nothing, as keep=1.0 "
            f"does. Got {len(whole)} of them: {what}. Write baseline= one of "
            f"{', '.join(map(repr, whole or variants))}."
        )
    return whole[0]


def make_splits(splitter, X, y, groups, seed, asked):
    """The folds of a splitter: at least two, none of which tests rows it trains on."""
    n = count_rows(X)
    rows = np.arange(n, dtype=np.int32 if n < 2**31 else np.int64)
    check_has_groups(splitter, groups)
    found = [rows_of_split(rows, split) for split in splitter.split(X, y, groups)]
    if len(found) < 2:
        raise ValueError(
            f"cv must give at least two splits. Got {len(found)}, from "
            f"{_cv_text(asked)}. Write cv=5."
        )
    splits, repeat, fold, seen = [], 0, 0, np.zeros(len(rows), dtype=bool)
    for number, (train, test) in enumerate(found):
        if not len(train) or not len(test) or np.isin(test, train).any():
            raise ValueError(
                "cv must hold out rows that are not trained on, and leave some. Got "
                f"{len(train)} rows to train on and {len(test)} to test on in split "
                f"{number}, from {_cv_text(asked)}. Write cv=5."
            )
        if seen[test].any():
            repeat, fold, seen[:] = repeat + 1, 0, False
        seen[test] = True
        splits.append(Split(train, test, repeat, fold, derive_seed(seed, f"fold {number}")))
        fold += 1
    return splits


def keeps_together(splits, groups):
    """Whether no group has rows on both sides of a split."""
    return not any(np.isin(groups[test], groups[train]).any() for train, test in splits)


def _cv_text(cv):
    known = hasattr(cv, "split") or isinstance(cv, Integral)
    return in_one_line(cv)[:200] if known else f"the {type(cv).__name__} of splits given"


def choose_splitter(cv, y, groups, kind, seed):
    """The splitter for `cv`; a seed that it leaves open is filled in a copy of it."""
    if cv is None and groups is not None:
        return GroupKFold(5)
    if cv is None:
        stratified = kind == "classifier" and type_of_target(y) in ("binary", "multiclass")
        chosen = RepeatedStratifiedKFold if stratified else RepeatedKFold
        return chosen(n_splits=5, n_repeats=4, random_state=derive_seed(seed, "cv"))
    if isinstance(cv, Integral) and cv < 2:
        raise ValueError(f"cv must give at least two splits. Got {cv}. Write cv=5.")
    splitter = check_cv(cv, y, classifier=kind == "classifier")
    open_seed = getattr(splitter, "random_state", 0) is None
    if open_seed and getattr(splitter, "shuffle", True):
        splitter = deepcopy(splitter)
        splitter.random_state = derive_seed(seed, "cv")
    return splitter


def make_scorers(scoring, variants, kind):
    """Scorers by name, each of which every variant has the method for."""
    if scoring is None:
        name, usual = _USUAL_SCORE.get(kind, (None, None))
        if name is not None and all(
            getattr(type(last_step(estimator)), "score", None) is usual
            for estimator in variants.values()
        ):
            return {name: get_scorer(name)}
        for name, estimator in variants.items():
            if not hasattr(estimator, "score"):
                raise ValueError(
                    "scoring=None takes the score method of the estimators. Got "
                    f"{name!r}, a {type(estimator).__name__}, which has none. Name a "
                    "scorer."
                )
        own = [check_scoring(estimator) for estimator in variants.values()]
        return {"score": own[0]}
    if isinstance(scoring, str):
        scorers = {scoring: get_scorer(scoring)}
    elif callable(scoring):
        scorers = {"score": check_scoring(scoring=scoring)}
    elif isinstance(scoring, dict) and scoring:
        scorers = {
            str(name): check_scoring(scoring=scorer) for name, scorer in scoring.items()
        }
    elif isinstance(scoring, list | tuple | set | frozenset) and scoring:
        names = scoring if isinstance(scoring, list | tuple) else sorted(scoring)
        scorers = {name: get_scorer(name) for name in names}
    else:
        raise ValueError(
            "scoring must be None, the name of a scorer, a scorer, a list of names or a "
            f"dict of scorers. Got {in_one_line(scoring)[:200]}. Write "
            'scoring="accuracy".'
        )
    for name, scorer in scorers.items():
        methods = methods_of_scorer(scorer)
        for variant, estimator in variants.items():
            if methods and not any(hasattr(estimator, method) for method in methods):
                raise ValueError(
                    f"scoring={name!r} needs {' or '.join(methods)} of every estimator. "
                    f"Got {variant!r}, which has none. Name another scorer, or a model "
                    "that has it."
                )
    return scorers


def check_classes(y, splits, scorers):
    """Raise if there is one class only, or a split whose classes a scorer mistakes."""
    labels = np.unique(y)
    if len(labels) == 1:
        raise ValueError(
            f"y must hold at least two classes to compare classifiers. Got {labels[0]!r} "
            "in each row. Pass rows of another class too."
        )
    for number, split in enumerate(splits):
        sides = np.asarray(y)[split.train], np.asarray(y)[split.test]
        for name, scorer in scorers.items():
            check_scored_classes(scorer, *sides, name=name, where=f"in split {number}")


def check_alpha(alpha):
    """Raise unless the risk lies between 0 and one half."""
    if isinstance(alpha, bool) or not isinstance(alpha, Real) or not 0 < alpha < 0.5:
        raise ValueError(
            f"alpha must be a number between 0 and 0.5. Got {alpha!r}. Write alpha=0.05."
        )
    return float(alpha)


def check_margin(margin):
    """Raise unless it is None, a margin, or a dict of margins."""
    margins = margin.values() if isinstance(margin, dict) else (margin,)
    for value in margins:
        if value is None:
            continue
        number = value
        if isinstance(value, str):
            digits = value.strip().removesuffix("%")
            try:
                number = float(digits) if value.strip().endswith("%") else None
            except ValueError:
                number = None
        usable = isinstance(number, Real) and not isinstance(number, bool)
        if not usable or not isfinite(number) or number <= 0:
            raise ValueError(
                "margin must be a number > 0 in the units of the score, or a share of the "
                f'baseline\'s score as text. Got {value!r}. Write margin=0.01, or "1%".'
            )


def check_margin_names(margin, scorers):
    """Raise unless a dict of margins names scorers only."""
    if unknown := set(margin) - set(scorers):
        raise ValueError(
            f"margin must name scorers. Got {min(map(str, unknown))!r}. Write one of "
            f"{', '.join(map(repr, scorers))}."
        )


def resolve_margins(margin, scorers, baseline_means):
    """The margin for each scorer in its units, NaN where the baseline has no finite score.

    Names of `baseline_means` that are not among `scorers` come from a scorer that gives
    several scores.
    """
    if isinstance(margin, dict):
        check_margin_names(margin, baseline_means)
    margins = {}
    for name, mean in baseline_means.items():
        value = margin.get(name) if isinstance(margin, dict) else margin
        if value is None:
            value = default_margin(name, scorers, given=margin)
        if isinstance(value, str):
            share = float(value.strip().removesuffix("%")) / 100
            value = abs(mean) * share
            if value == 0:
                raise ValueError(
                    f"a margin in per cent needs a baseline whose {name} is not 0. Got a "
                    f"mean of {mean:g}. Write margin as a number."
                )
        margins[name] = float(value)
    return margins


def margins_of(plan, fits):
    """The margin for each scorer, given the scores of the baseline."""
    scores = [fit.scores for fit in fits[plan.baseline]]
    means = {name: float(np.mean([one[name] for one in scores])) for name in scores[0]}
    return resolve_margins(plan.margin, plan.scorers, means)


def default_margin(name, scorers, *, given=None):
    """0.01 for a scorer that is bounded by 1, else an error."""
    scorer = scorers.get(name)
    metric = getattr(metric_of_scorer(scorer), "__name__", "")
    if metric.startswith(_BOUNDED) or is_own_score(scorer):
        return _DEFAULT_MARGIN
    if isinstance(given, dict):
        raise ValueError(
            "margin must have an entry for each scorer that is not bounded by 1. Got none "
            f'for {name!r}. Add one in its units, or "1%" of the baseline\'s.'
        )
    raise ValueError(
        "margin=None is 0.01, for scorers that are bounded by 1. Got the scorer "
        f"{name!r}. Write margin= the loss that would not matter, in its units, or "
        '"1%" of the baseline\'s.'
    )


def check_names(given, known, argument):
    """The names given as a tuple, if each is known."""
    alone = isinstance(given, str) or not isinstance(given or (), Iterable)
    names = (given,) if alone else tuple(given or ())
    for name in names:
        if name not in known:
            raise ValueError(
                f"{argument} must be among {', '.join(map(repr, known))}. Got {name!r}. "
                f"Write {argument}=({known[0]!r},)."
            )
    return names


def check_params(params, groups):
    """Metadata as a dict, and the groups, which may be among them."""
    if params is None:
        return None, groups
    if not isinstance(params, Mapping):
        raise TypeError(
            f"params must map names to values. Got {type(params).__name__}. Write "
            'params={"sample_weight": weights}.'
        )
    if groups is None and params.get("groups") is not None:
        groups = params["groups"]
    return {name: value for name, value in params.items() if name != "groups"}, groups


def check_n_jobs(n_jobs):
    """Raise unless it is None or a whole number other than 0."""
    whole = isinstance(n_jobs, Integral) and not isinstance(n_jobs, bool)
    if n_jobs is not None and not (whole and n_jobs):
        raise ValueError(
            "n_jobs must be None, an integer > 0, or one < 0 to count from all processors. "
            f"Got {n_jobs!r}. Write n_jobs=2."
        )


def check_data(X, y, kind):
    """The rows and targets, checked as far as every estimator needs it."""
    if y is None:
        raise ValueError(
            "y must hold the targets. Got None. Call compare_pruning(estimators, X, y)."
        )
    if not hasattr(y, "iloc") and hasattr(y, "categories"):
        y = np.asarray(y)  # a bare Categorical has no rows to take
    X, y = check_rows(X, y)
    check_kind_of_target(y, kind)
    return X, y
