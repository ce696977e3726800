"""Folds of a cross-validation inside fit, and the rows of each."""

import warnings
from contextlib import contextmanager

import numpy as np
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
)
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import get_routing_for_object

from sklearn_prune._meta import has_tags, in_one_line, is_frozen, nested_estimators
from sklearn_prune._sklearn_compat import take_rows


def shuffled_folds(n_folds, y, groups, counted, seed):
    """Folds over the rows that count, stratified by class where y holds integer codes.

    There are fewer folds than asked for where there are fewer rows or groups, or where the
    largest class has fewer rows. Rows that do not count train no model and are held out of
    every fold that has not seen their group. Rows of at least two groups must count.
    """
    rows, idle = np.flatnonzero(counted), np.flatnonzero(~counted)
    units = np.arange(len(y)) if groups is None else groups
    n_folds = min(n_folds, len(np.unique(units[rows])))
    kind = KFold if groups is None else GroupKFold
    largest_class = np.bincount(y[rows]).max() if y.dtype.kind == "i" else 1
    if largest_class > 1:
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        n_folds = min(n_folds, largest_class)
    splitter = kind(n_folds, shuffle=True, random_state=seed)
    together = None if groups is None else groups[rows]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        splits = list(splitter.split(rows, y[rows], together))
    folds = []
    for train, test in splits:
        train, test = rows[train], rows[test]
        if len(idle):
            unseen = ~np.isin(units[idle], units[train])
            test = np.concatenate([test, idle[unseen]])
        if len(test):
            folds.append((train, test))
    return folds


def given_folds(cv, y, groups, counted):
    """Folds of a splitter or an iterable of splits, if each row is held out of one."""
    splitter = check_cv(cv, y, classifier=y.dtype.kind == "i")
    check_has_groups(splitter, groups)
    folds, looks = [], np.zeros(len(y), dtype=np.int64)
    for train, test in splitter.split(np.zeros(len(y)), y, groups):
        train, test = (np.arange(len(y))[part] for part in (train, test))  # masks too
        if np.isin(test, train).any():
            raise ValueError(
                "cv must hold out rows that the model is not fitted on. Got a split whose "
                f"parts overlap, from {in_one_line(cv)}. Write cv=5."
            )
        looks[test] += 1
        folds.append((train[counted[train]], test))
    if not looks.all():
        raise ValueError(
            "cv must hold out each row at least once. Got "
            f"{in_one_line(cv)}, which leaves {np.count_nonzero(looks == 0)} of {len(y)} "
            "rows unjudged. Write cv=5."
        )
    return folds


def splits_by_groups(cv):
    """Whether a splitter divides rows by their groups, as GroupKFold does."""
    if not hasattr(cv, "split") or not hasattr(cv, "get_metadata_routing"):
        return False
    return bool(get_routing_for_object(cv).consumes("split", ["groups"]))


def check_has_groups(splitter, groups):
    """Raise if a splitter divides rows by groups, and there are none."""
    if groups is None and splits_by_groups(splitter):
        raise ValueError(
            f"{type(splitter).__name__} as cv splits rows by their groups. Got no groups. "
            "Pass groups=, one entry for each row, or write cv=5."
        )


@contextmanager
def explained_groups(model, params):
    """Say of a fit that fails without groups which cv inside the model needs them.

    `params` are the parameters of the fit.
    """
    try:
        yield
    except ValueError as error:
        given = (name for name, value in params.items() if value is not None)
        if is_frozen(model) or any(name.rpartition("__")[2] == "groups" for name in given):
            raise
        for part in (model, *nested_estimators(model)):
            cv = getattr(part, "cv", None)
            if splits_by_groups(cv):
                raise ValueError(
                    f"{type(cv).__name__} as cv of {type(part).__name__} splits rows by "
                    "their groups. Its fit got no groups. Call fit(X, y, groups=...); "
                    "where the model takes none, enable metadata routing as well."
                ) from error
        raise


def split_rows(model, X, train, test):
    """Rows to fit on and rows to predict; a kernel matrix is cut on both sides."""
    parts = take_rows(X, train), take_rows(X, test)
    if has_tags(model) and get_tags(model).input_tags.pairwise:
        parts = (take_rows(part, train, axis=1) for part in parts)
    return tuple(parts)


def rows_of_split(rows, split):
    """The rows to train on and to test on that a split takes, by positions or masks.

    Raises ValueError if the split is no pair, or a position is not that of a row.
    """
    rule = "cv must give pairs of positions of rows, to train on and to test on"
    try:
        train, test = (rows[np.asarray(side) if len(side) else []] for side in split)
        got = f"one of shapes {train.shape} and {test.shape}"
        if train.ndim == test.ndim == 1:
            return train, test
    except (IndexError, TypeError, ValueError) as error:
        got = f"one of which numpy says: {' '.join(str(error).split())}"
    raise ValueError(f"{rule}. Got {got}. Write cv=5, or positions below {len(rows)}.")
