"""Read `cv_results_` of a search: scores, costs, the baseline, sequences of candidates."""

from difflib import get_close_matches
from numbers import Integral, Real

import numpy as np
from sklearn.model_selection import (
    BaseShuffleSplit,
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    PredefinedSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)

from sklearn_prune._meta import in_one_line
from sklearn_prune._ranking import keeps_all
from sklearn_prune.comparison.run import COSTS
from sklearn_prune.comparison.verdicts import looks_forward, share_of_test

_TIMES = ("fit_time", "score_time")

_OF_K_FOLDS = (KFold, StratifiedKFold, GroupKFold, StratifiedGroupKFold)


def refuse_halving(results):
    """Raise if candidates were not all scored on the same rows."""
    if "n_resources" in results:
        raise ValueError(
            "Candidates must be compared on the same rows. Got the results of a halving "
            "search, whose candidates see different numbers of them. Write GridSearchCV."
        )


def _keys(results):
    prefix = "mean_test_"
    return [key.removeprefix(prefix) for key in results if key.startswith(prefix)]


def _score_key(results, score, cost):
    keys = _keys(results)
    if score is not None:
        if score in keys:
            return score
        raise ValueError(
            f"score must be a key of the search's scoring. Got {score!r}. Write one of "
            f"{', '.join(map(repr, keys))}{_meant(score, keys)}."
        )
    quality = [key for key in keys if key != cost and key not in COSTS]
    if len(quality) == 1:
        return quality[0]
    raise ValueError(
        "score must say which key of the search's scoring is the quality, unless there is "
        f"one. Got {', '.join(map(repr, quality)) or 'costs only'}. Write "
        f"score={quality[0] if quality else 'accuracy'!r}."
    )


def find_scores(results, score, cost):
    """Scores of shape (n_candidates, n_splits)."""
    key = _score_key(results, score, cost)
    columns = []
    while f"split{len(columns)}_test_{key}" in results:
        columns.append(results[f"split{len(columns)}_test_{key}"])
    return np.column_stack(columns).astype(np.float64)


def find_costs(results, cost):
    """Cost of each candidate; smaller is better."""
    if cost in _keys(results):
        values = -np.asarray(results[f"mean_test_{cost}"], dtype=np.float64)
        if np.any(values < 0):
            raise ValueError(
                "A cost among the scores must be negative, since larger scores are better. "
                f"Got {cost!r} with a mean of {-np.nanmin(values):g}. Write scoring="
                f"{{{cost!r}: cost_scorer({cost!r})}}, or a scorer that returns minus it."
            )
        return values
    if cost in _TIMES:
        return np.asarray(results[f"mean_{cost}"], dtype=np.float64)
    parameters = [key for key in results if key.startswith("param_")]
    if cost in parameters:
        try:
            return np.ma.filled(results[cost].astype(np.float64), np.nan)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"A parameter that is a cost must be a number. Got {cost!r}, which is not. "
                'Write cost="fit_time".'
            ) from error
    known = [*_keys(results), *_TIMES, *parameters]
    name = cost if cost in COSTS else "nbytes"
    raise ValueError(
        f"cost must be one that the search recorded: {', '.join(map(repr, known))}. Got "
        f"{cost!r}{_meant(cost, known)}. Write "
        f"scoring={{..., {name!r}: cost_scorer({name!r})}}."
    )


def _meant(word, known):
    close = get_close_matches(word, known, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def find_keep(params, keep):
    """The parameter that is gated, and all those named keep."""
    names = list(dict.fromkeys(name for each in params for name in each))
    keeps = [name for name in names if name.rpartition("__")[2] == "keep"]
    if keep is not None:
        if keep in names:
            return keep, list(dict.fromkeys([keep, *keeps]))
        raise ValueError(
            f"keep must be a parameter that the search goes over. Got {keep!r}. Write one "
            f"of {', '.join(map(repr, names))}{_meant(keep, names)}."
        )
    if len(keeps) == 1:
        return keeps[0], keeps
    found = ", ".join(map(repr, keeps or names))
    raise ValueError(
        "keep must say which parameter is the one, unless a single one is named keep. Got "
        f"{found}. Write keep={(keeps or names)[0]!r}."
    )


def find_baseline(params, scores, keeps, asked):
    """Number of the baseline: what was asked for, or the best that keeps all."""
    complete = np.isfinite(scores).all(axis=1)
    if asked is not None:
        number = _named_candidate(params, asked)
        if not complete[number]:
            raise ValueError(
                f"The baseline must have a score on each fold. Got candidate {number}, "
                f"{in_one_line(params[number])}, which failed on one. Read the warnings of "
                "the search."
            )
        return number
    whole = [
        number
        for number, each in enumerate(params)
        if keeps[0] in each and all(keeps_all(each.get(key, 1.0)) for key in keeps)
    ]
    if not whole:
        found = [in_one_line({key: each.get(key) for key in keeps}) for each in params]
        raise ValueError(
            f"One candidate must have {' and '.join(f'{key}=1.0' for key in keeps)}: it is "
            f"the baseline. Got {', '.join(dict.fromkeys(found))}. Write 1.0 among the "
            "values, or baseline=."
        )
    finite = [number for number in whole if complete[number]]
    if not finite:
        raise ValueError(
            f"A candidate with {keeps[0]}=1.0 must have a score on each fold. Got "
            f"{len(whole)} that failed on one. Read the warnings of the search."
        )
    return max(finite, key=lambda number: scores[number].mean())


def _named_candidate(params, baseline):
    n_candidates = len(params)
    if isinstance(baseline, Integral) and not isinstance(baseline, bool):
        if 0 <= baseline < n_candidates:
            return int(baseline)
        raise ValueError(
            f"baseline must be the number of a candidate. Got {baseline} of {n_candidates} "
            "candidates. Write the row of cv_results_, or its parameters."
        )
    if not isinstance(baseline, dict):
        raise ValueError(
            "baseline must be the number of a candidate, or a dict of parameters. Got "
            f"{in_one_line(baseline)}. Write baseline={{'keep': 1.0}}."
        )
    found = [
        number
        for number, each in enumerate(params)
        if all(key in each and _same(each[key], baseline[key]) for key in baseline)
    ]
    if len(found) == 1:
        return found[0]
    raise ValueError(
        "baseline must hold parameters that a single candidate has. Got "
        f"{in_one_line(baseline)}, which {len(found)} have. Write all of its parameters."
    )


def find_chains(params, base, name):
    """Numbers of candidates in the order in which they are tested, for each sequence."""

    def rest(number):
        return {key: value for key, value in params[number].items() if key != name}

    lines = []
    for number, each in enumerate(params):
        if number == base or name not in each:
            continue
        if name in params[base] and not _harder(each[name], params[base][name]):
            continue
        if name in params[base] and not _same_params(rest(number), rest(base)):
            continue
        kind = _kind(each[name])
        for line_kind, line in lines:
            if line_kind == kind and _same_params(rest(number), rest(line[0])):
                line.append(number)
                break
        else:
            lines.append((kind, [number]))
    for kind, line in lines:
        if kind in ("share", "number"):
            line.sort(key=lambda number: -params[number][name])
    return [line for _, line in lines]


def _kind(keep):
    if isinstance(keep, Integral):
        return "number"
    return "share" if isinstance(keep, Real) else repr(keep)


def _harder(keep, than):
    """Whether it keeps less; what has no common order may do so."""
    if _kind(keep) == _kind(than):
        return isinstance(keep, Real) and keep < than
    return not keeps_all(keep)


def _same_params(first, second):
    return first.keys() == second.keys() and all(
        _same(first[key], second[key]) for key in first
    )


def _same(first, second):
    """Whether two values of a parameter are equal; estimators by their parameters."""
    if first is second:
        return True
    if hasattr(first, "get_params") and hasattr(second, "get_params"):
        if type(first) is not type(second) or isinstance(first, type):
            return False
        return _same_params(first.get_params(deep=False), second.get_params(deep=False))
    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        return np.array_equal(first, second)
    try:
        return bool(first == second)
    except (TypeError, ValueError):  # no truth value, as of a frame
        return False


def share_of(test_share):
    """The share of the rows in a test fold, of a number, a splitter or index pairs."""
    rule = "test_share must be a float in (0, 1), or what the search got as cv"
    if isinstance(test_share, Real) and not isinstance(test_share, bool | np.bool_):
        if isinstance(test_share, Integral) and test_share >= 2:
            return 1 / int(test_share)
        if not isinstance(test_share, Integral) and 0 < test_share < 1:
            return float(test_share)
        raise ValueError(f"{rule}. Got {test_share!r}. Write 5 or 0.2 for five folds.")
    if _is_list_of_pairs(test_share):
        _refuse_forward(test_share, looks_forward(test_share))
        return share_of_test(test_share)
    _refuse_forward(test_share, isinstance(test_share, TimeSeriesSplit))
    if hasattr(test_share, "n_repeats") and hasattr(test_share, "get_n_splits"):
        return test_share.n_repeats / test_share.get_n_splits()
    if isinstance(test_share, _OF_K_FOLDS):
        return 1 / test_share.n_splits
    if isinstance(test_share, PredefinedSplit):
        return share_of_test(test_share.split())
    if isinstance(test_share, BaseShuffleSplit):
        found = _share_of_shuffle(test_share)
        if found is not None:
            return found
    remedy = "Write 5 or 0.2 for five folds."
    if hasattr(test_share, "split"):
        remedy = "Write the share as a number: len(test) / len(X) of a fold."
    raise ValueError(
        f"{rule}, of a kind that says it without the rows. Got "
        f"{in_one_line(test_share)}. {remedy}"
    )


def _is_list_of_pairs(thing):
    return bool(thing) and isinstance(thing, list) and all(len(pair) == 2 for pair in thing)


def _share_of_shuffle(splitter):
    test, train = splitter.test_size, splitter.train_size
    if test is None and train is None:
        return 0.2 if isinstance(splitter, GroupShuffleSplit) else 0.1
    if test is not None and train is not None:
        same = isinstance(test, Integral) == isinstance(train, Integral)
        return test / (test + train) if same else None
    given = train if test is None else test
    if isinstance(given, Integral):
        return None
    return 1 - given if test is None else given


def _refuse_forward(test_share, forward):
    if forward:
        raise ValueError(
            "Folds that train on what comes before have no test of a difference, for their "
            f"scores have no known correlation. Got {in_one_line(test_share)}. Pick from "
            "cv_results_ by hand, or write KFold."
        )


def check_number_of_splits(test_share, n_splits):
    """Raise if a splitter cannot have made this number of splits."""
    expected = test_share if isinstance(test_share, Integral) else _n_splits(test_share)
    if expected is None or n_splits % expected == 0:
        return
    raise ValueError(
        f"test_share must be what the search got as cv. Got {in_one_line(test_share)}, "
        f"which makes {expected} splits, for {n_splits} splits in the results. Write the "
        "same in both."
    )


def _n_splits(splitter):
    if isinstance(splitter, list):
        return len(splitter)
    try:
        return splitter.get_n_splits()
    except (AttributeError, TypeError, ValueError):  # it needs the rows, or is a number
        return None
