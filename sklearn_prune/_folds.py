"""Folds of a cross-validation inside fit, and the rows of each."""

import re
import warnings
from contextlib import contextmanager
from numbers import Integral

import numpy as np
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    PredefinedSplit,
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


def listed_splits(cv):
    """The splits of a `cv` that gives positions, as a list; any other `cv` as it is."""
    if isinstance(cv, PredefinedSplit):
        return list(cv.split())
    is_list = not (cv is None or isinstance(cv, Integral) or hasattr(cv, "split"))
    return list(cv) if is_list else cv


def splits_of_part(splits, rows, n, target=None):
    """What each of some splits of n rows has of these rows, as a `cv` for them.

    It is 3 where a split then has no rows to fit on, or not all classes of the part. Splits
    without rows to test on are left out.
    """
    classes = None if target is None or target.ndim > 1 else target[rows]
    found, n_classes = [], 1 if classes is None else len(np.unique(classes))
    for split in splits:
        sides = rows_of_split(np.arange(n), split)
        train, test = (np.flatnonzero(np.isin(rows, side)) for side in sides)
        labels = train[:1] if classes is None else classes[train]
        if len(test) and len(np.unique(labels)) < n_classes:
            return 3
        if len(test):
            found.append((train, test))
    return found or 3


def given_folds(cv, y, groups, counted):
    """Folds of a splitter or an iterable of splits, if each row is held out of one."""
    cv, rows = listed_splits(cv), np.arange(len(y))
    splits, shown = cv, "a list of splits"
    if not isinstance(cv, list):
        splitter, shown = check_cv(cv, y, classifier=y.dtype.kind == "i"), in_one_line(cv)
        check_has_groups(splitter, groups)
        splits = splitter.split(np.zeros(len(y)), y, groups)
    folds, looks = [], np.zeros(len(y), dtype=np.int64)
    for split in splits:
        train, test = rows_of_split(rows, split)
        if np.isin(test, train).any():
            raise ValueError(
                "cv must hold out rows that the model is not fitted on. Got a split whose "
                f"parts overlap, from {shown}. Write cv=5."
            )
        looks[test] += 1
        folds.append((train[counted[train]], test))
    if not looks.all():
        raise ValueError(
            "cv must hold out each row at least once. Got "
            f"{shown}, which leaves {np.count_nonzero(looks == 0)} of {len(y)} rows "
            "without a score. Write cv=5."
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
    """Say of a fit that fails for want of groups which cv inside the model needs them.

    `params` are the parameters of the fit. An error that does not speak of groups passes.
    """
    try:
        yield
    except ValueError as error:
        given = (name for name, value in params.items() if value is not None)
        has_groups = any(name.rpartition("__")[2] == "groups" for name in given)
        says = None if has_groups or is_frozen(model) else cv_by_groups(model)
        if says is None or not re.search(r"\bgroups\b", str(error)):
            raise
        raise ValueError(
            f"{says}. Its fit got no groups. Call fit(X, y, groups=...); where the model "
            "takes none, enable metadata routing as well."
        ) from error


def cv_by_groups(model):
    """That a cv of the model, or of a part of it, splits rows by groups; None if none."""
    for part in (model, *nested_estimators(model)):
        cv = getattr(part, "cv", None)
        if splits_by_groups(cv):
            name = type(part).__name__
            return f"{type(cv).__name__} as cv of {name} splits rows by their groups"
    return None


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
