"""The share of the rows in a test fold, as a splitter or a number says it."""

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
from sklearn_prune.comparison._statistics import looks_forward, share_of_test

_OF_K_FOLDS = (KFold, StratifiedKFold, GroupKFold, StratifiedGroupKFold)


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
