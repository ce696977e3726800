"""Checks of rows, targets and weights that are made before anything is dropped."""

import re
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from decimal import Decimal
from inspect import signature
from math import isfinite
from numbers import Number, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite, get_tags, indexable
from sklearn.utils.multiclass import check_classification_targets

from sklearn_prune._meta import in_one_line, innermost, nested_estimators
from sklearn_prune._sklearn_compat import (
    InvalidParameterError,
    count_rows,
    keywords_of_scorer,
    methods_of_scorer,
    metric_of_scorer,
    take_rows,
)

_LABELS = (str, bytes, bool, np.bool_)
_RANKERS = ("LGBMRanker", "XGBRanker", "CatBoostRanker", "DaskLGBMRanker")
_OF_QUERIES = ("group", "pairs")
_NO_ROWS = (str, bytes, set, frozenset)


def check_any_rows(X):
    """Raise unless X has a row."""
    if count_named_rows("X", X) == 0:
        raise ValueError("X must have at least one row. Got 0 sample(s). Pass some rows.")


def check_same_length(X, **others):
    """Raise unless each of the others is None or has as many rows as X."""
    n = count_named_rows("X", X)
    for name, values in others.items():
        if values is None:
            continue
        found = count_named_rows(name, values)
        if found != n:
            raise ValueError(
                f"X and {name} must have the same number of rows. Got X with {n} and "
                f"{name} with {found}. Pass one entry of {name} for each row of X."
            )


def count_named_rows(name, values):
    """Number of rows of an argument; TypeError if it is nothing that has rows."""
    _refuse_dataset(name, values)
    # A dict of arrays has as many entries as columns, unless its class counts rows.
    unordered = isinstance(values, Mapping) and not hasattr(values, "shape")
    try:
        if unordered or isinstance(values, _NO_ROWS):
            raise TypeError
        return count_rows(values)
    except TypeError as error:
        got = "None" if values is None else f"a single {type(values).__name__}"
        if hasattr(values, "__iter__") and getattr(values, "ndim", 1):
            got = f"a {type(values).__name__}"
        remedy = f"one entry of {name} for each row"
        if name == "X":
            remedy = "an array of shape (n_samples, n_features)"
            if unordered:
                remedy += ", or to a skorch net skorch.helper.SliceDict(**X)"
        raise TypeError(
            f"{name} must be an array, a frame, a sparse matrix or a list of rows. Got "
            f"{got}. Pass {remedy}."
        ) from error


def _refuse_dataset(name, values):
    """Raise TypeError if an argument is a Dataset or DataLoader of torch."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "utils"):
        return
    kinds = (torch.utils.data.Dataset, torch.utils.data.DataLoader)
    if isinstance(values, kinds):
        position = 0 if name == "X" else 1
        raise TypeError(
            f"{name} must have rows that can be taken by their positions. Got a "
            f"{type(values).__name__} of torch. Pass skorch.helper.SliceDataset(dataset, "
            f"idx={position}), or an array of them."
        )


def check_rows(X, y):
    """Return X and y in forms whose rows can be taken, if they are equally long."""
    check_same_length(X, y=y)
    check_any_rows(X)
    X, y = indexable(X, y)
    return canonical(X), y


def canonical(X):
    """X, or if it is sparse a copy in the form that every model reads, where it is not.

    That has each entry once, sorted, no zeros, and indices of 32 bits if they suffice.
    """
    if not issparse(X) or X.format not in ("csr", "csc"):
        return X
    fits = max(X.nnz, *X.shape) < np.iinfo(np.int32).max
    too_long = fits and np.int64 in (X.indices.dtype, X.indptr.dtype)
    if X.has_canonical_format and X.data.all() and not too_long:
        return X
    X = X.copy()
    X.sum_duplicates()
    X.eliminate_zeros()
    if too_long:
        X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
    return X


def check_weights(sample_weight, n):
    """Raise if `sample_weight` are not n finite, non-negative numbers, not all zero."""
    rule = "sample_weight must hold one finite number >= 0 for each row, not all zero"
    weights = np.asarray(sample_weight)
    if weights.ndim == 0 or weights.shape[0] != n or weights.size != n:
        raise ValueError(
            f"{rule}. Got shape {weights.shape} for {n} rows. Pass an array of that length."
        )
    if np.ma.is_masked(sample_weight):
        raise ValueError(f"{rule}. Got a masked entry. Write 0 for rows that do not count.")
    if weights.dtype.kind == "c":
        raise ValueError(
            f"sample_weight must be real. Got dtype {weights.dtype}. Pass its real part."
        )
    try:
        weights = weights.astype(np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{rule}. Got dtype {weights.dtype}. Pass an array of floats."
        ) from error
    if not np.isfinite(weights).all():
        raise ValueError(
            f"{rule}. Got NaN or infinity. Write 0 for rows that do not count."
        )
    if (weights < 0).any():
        raise ValueError(f"{rule}. Got {weights.min():g}. Write 0 instead.")
    if not weights.any():
        raise ValueError(f"{rule}. Got only zeros. Pass sample_weight=None.")
    return weights


def check_groups(groups, n):
    """Codes from 0 of the groups of n rows; raise where one is missing."""
    values = np.asarray(groups)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values.ravel()
    if values.shape != (n,):
        raise ValueError(
            f"groups must hold one group for each row. Got shape {values.shape} for {n} "
            "rows. Pass an array of that length."
        )
    is_nan = values.dtype.kind in "fc" and np.isnan(values).any()
    if is_nan or _find_missing(groups, values):
        raise ValueError(
            "groups must hold a group for each row. Got a missing one. Give the rows "
            "without a group one of their own."
        )
    return class_codes(values, "groups")[0]


def check_target(y):
    """Return y as an array, a single column flattened; None stays None.

    Raises ValueError if a label is missing, or a value is complex, an integer too large for
    a float, or not finite.
    """
    if y is None:
        return None
    given, y = y, y.toarray() if issparse(y) else np.asarray(y)
    if missing := _find_missing(given, y):
        raise ValueError(
            f"y must have a label in each row. Got {missing[1]} in row {missing[0]}. Drop "
            "the rows without a label, or give them a label of their own."
        )
    if y.ndim == 2 and y.shape[1] == 1:
        y = y.ravel()
    labels = y.ravel() if y.dtype.kind == "O" else ()
    if y.dtype.kind == "c" or any(isinstance(label, complex) for label in labels):
        raise ValueError(
            "Complex data not supported: y must be real. Got complex numbers. Pass y.real."
        )
    for label in labels:
        if isinstance(label, int) and label.bit_length() > 1023:
            raise ValueError(
                "y must hold numbers below 1e308. Got an integer of "
                f"{label.bit_length()} bits. Pass its logarithm."
            )
    if y.dtype.kind in "fO":
        assert_all_finite(y, input_name="y")
    return y


def _find_missing(given, values):
    """Row and name of the first entry of `given` that is missing, or None.

    `values` is its array, in which masks are lost, and NaN in a list of strings is a
    string. NaN among floats is not looked for.
    """
    missing, entries = None, values
    if isinstance(given, np.ma.MaskedArray):
        missing = np.ma.getmaskarray(given)
        entries = np.full(values.shape, "a masked entry")
    elif values.dtype.kind in "mM":
        missing = np.isnat(values)
    elif values.dtype.kind in "OT" or (values.dtype.kind in "SU" and not _is_array(given)):
        source = given if values.dtype.kind in "SU" else values
        entries = np.asarray(source, dtype=object)
        missing = np.fromiter(map(_is_missing, entries.flat), bool, entries.size)
        missing = missing.reshape(entries.shape)
    if missing is None or not missing.any():
        return None
    first = tuple(np.argwhere(missing)[0])
    name = str(entries[first])
    return first[0], {"nan": "NaN", "<NA>": "NA"}.get(name, name)


def _is_array(given):
    """Whether it is made into an array by itself, or has no other form than one."""
    return hasattr(given, "__array__") or np.ndim(given) == 0


def resolve_task(task, y):
    """Return "classification", "regression", or None without a target.

    With task="auto", strings, bools, and integral values of which there are at most max(20,
    sqrt(n)) different ones are classes. Raises ValueError if y is continuous although the
    task is classification, or no numbers although it is regression.
    """
    if y is None:
        return None
    if task == "classification":
        check_classification_targets(y)
        return task
    try:
        numbers = y.astype(np.float64)
    except (TypeError, ValueError) as error:
        if task == "auto":
            return "classification"
        raise ValueError(
            f"A regression target y must hold numbers. Got {y.flat[0]!r}. Use a classifier "
            'or task="classification" for labels.'
        ) from error
    if task == "regression" or y.dtype.kind in "mM":
        return "regression"
    if y.dtype.kind in "bSU" or (
        y.dtype.kind == "O" and any(isinstance(label, _LABELS) for label in y.flat)
    ):
        return "classification"
    y = numbers
    few = len(np.unique(y)) <= max(20, np.sqrt(len(y)))
    return "classification" if few and np.all(y == np.floor(y)) else "regression"


def check_kind_of_target(y, kind):
    """Raise ValueError unless y holds what a model of this kind learns.

    `kind` is "classifier", "regressor", or None for a foreign model.
    """
    target = check_target(y)
    if kind is not None:
        task = "classification" if kind == "classifier" else "regression"
        resolve_task(task, target)


def check_scorer(scorer, estimator, *, name):
    """Raise unless an estimator has one of the methods that a scorer asks for."""
    methods = methods_of_scorer(scorer)
    try:
        signature(scorer).bind(estimator, None, None)
    except TypeError as error:
        raise InvalidParameterError(
            f"scoring must be the name of a scorer, or a callable of a model, X and y. Got "
            f"{name!r}, which does not take these: {error}. Write make_scorer(metric)."
        ) from error
    except ValueError:  # a builtin without a signature
        pass
    if methods and not any(hasattr(estimator, method) for method in methods):
        raise InvalidParameterError(
            f"scoring={name!r} needs {' or '.join(methods)}. Got "
            f"{in_one_line(estimator)[:200]}, which has none. Name another scorer, or a "
            "model that has it."
        )


def check_score(value, name, *, finite=True):
    """The value of a scorer as a float; raise unless it is one number, finite if asked."""
    number = None
    if isinstance(value, Real | Decimal) or (
        np.ndim(value) == 0 and hasattr(value, "__float__") and not np.iscomplexobj(value)
    ):
        number = float(value)
    if number is None or (finite and not isfinite(number)):
        remedy = (
            "Return a float" if number is None else "Name another score, or fewer folds"
        )
        raise InvalidParameterError(
            f"scoring must give one {'finite ' * finite}number for a model and rows. Got "
            f"{in_one_line(value)[:60]} of type {type(value).__name__} from {name!r}. "
            f"{remedy}."
        )
    return number


def check_predictions(
    predicted, target, name, *, classifies, remedy="Use another model, or keep=1.0."
):
    """Predictions of rows in the shape of the targets.

    Raises InvalidParameterError unless a model predicts one known label, or one finite
    number, for each target. `name` is that of the model.
    """
    predicted = np.asarray(predicted)
    rule = f"{name} must predict one {'label' if classifies else 'number'} for each target"
    if predicted.size != target.size or len(predicted) != len(target):
        raise InvalidParameterError(
            f"{rule}. Got predictions of shape {predicted.shape} for targets of shape "
            f"{target.shape}, as several quantiles or scores of classes have. {remedy}"
        )
    predicted = predicted.reshape(target.shape)
    if classifies:
        if _has_fractions(predicted) and not _has_fractions(target):
            score = predicted[np.mod(predicted, 1) != 0][0]
            raise InvalidParameterError(
                f"{rule}. Got {score:.6g}, a score that no threshold has made a label, as "
                f"under an objective of its own. {remedy}"
            )
        return predicted
    if predicted.dtype.kind == "f" and not np.isfinite(predicted).all():
        finite = np.isfinite(predicted.reshape(len(target), -1)).all(axis=1)
        raise InvalidParameterError(
            f"{rule}, which is finite. Got NaN or infinity for {np.count_nonzero(~finite)} "
            f"of {len(target)} rows that it was not fitted on. Write parameters with which "
            f"it predicts all rows, such as a larger radius. {remedy}"
        )
    return predicted


def _has_fractions(values):
    return values.dtype.kind == "f" and bool(np.mod(values, 1).any())


@contextmanager
def explained(model, X, target, name, *, classifies, **remedy):
    """If scores of a model cannot be computed, say first what its predictions lack."""
    try:
        yield
    except InvalidParameterError:
        raise
    except Exception:
        predicted = model.predict(X)
        check_predictions(predicted, target, name, classifies=classifies, **remedy)
        raise


def is_ranker(model):
    """Whether the scores of a model order the rows of queries, and mean nothing else."""
    return any(cls.__name__ in _RANKERS for cls in type(innermost(model)).__mro__)


def refuse_queries(model, params, what):
    """Raise if a model ranks the rows of queries, or parameters hold sizes of queries.

    `what` says what is done with rows; None lets models be that rank, with rows that know
    their query.
    """
    kind = type(innermost(model)).__name__
    if what is not None and is_ranker(model):
        raise InvalidParameterError(
            f"{what} compares predictions with the targets of single rows. Got {kind}, "
            "whose scores order the rows of a query. Write keep=1.0, or wrap a regressor."
        )
    for key, values in params.items():
        own = key.rpartition("__")[2]
        if own in _OF_QUERIES and values is not None:
            raise InvalidParameterError(
                f"{own} holds numbers of the rows of queries, which change where rows are "
                f"left out. Got {own} for {kind}. Pass what has an entry for each row, "
                "such as qid of XGBRanker, or leave out no row."
            )


def check_scored_classes(scorer, learned, tested, *, name, where):
    """Raise if a scorer would mistake one class for another, or have no value.

    Metrics of probabilities and decision values take the columns that they are given for
    the classes among the rows they are given. That is wrong where a model has not learned
    one of the tested classes, even if the numbers agree. It is wrong too where it has
    learned another, unless the metric is told the classes by its `labels`. Scorers that
    read labels only, or do not say, are not checked. `where` says which rows these are.
    """
    if set(methods_of_scorer(scorer)) <= {"predict"}:
        return
    rule = f"scoring={name!r} needs a row of each class on both sides of a split"
    remedy = (
        "Leave out classes of few rows, write a stratified splitter with fewer folds as "
        "cv, or a score of labels such as scoring='accuracy'."
    )
    learned, tested = np.unique(learned), np.unique(tested)
    if len(new := np.setdiff1d(tested, learned)):
        raise InvalidParameterError(
            f"{rule}. Got class {new[0].item()!r} only among rows to test, {where}. "
            f"{remedy}"
        )
    metric = metric_of_scorer(scorer)
    known = "labels" in keywords_of_scorer(scorer)
    if known or not metric.__module__.startswith("sklearn.metrics"):
        return
    if metric.__name__ == "brier_score_loss" and len(learned) == 2:
        return
    if len(old := np.setdiff1d(learned, tested)):
        raise InvalidParameterError(
            f"{rule}. Got class {old[0].item()!r} only among rows to train on, {where}. "
            f"{remedy}"
        )


def class_codes(y, name="y"):
    """Codes from 0 of the classes in one column of labels, and the labels."""
    try:
        labels, codes = np.unique(y, return_inverse=True)
    except TypeError as error:
        kinds = " and ".join(sorted({type(label).__name__ for label in y}))
        raise ValueError(
            f"{name} must hold values that can be sorted, as those of one type can. Got "
            f"{kinds}. Pass them all as strings."
        ) from error
    return codes.astype(np.int64), labels


def quantile_codes(y, n_bins=10):
    """Codes from 0 of the tenths of a continuous target; ties stay together."""
    edges = np.unique(np.quantile(y, np.linspace(0, 1, n_bins + 1)[1:-1]))
    return class_codes(np.searchsorted(edges, y, side="left"))[0]


def check_readable_rows(X, estimator):
    """Raise if X holds what `estimator` does not accept, in whichever row.

    Only what its tags and those of its parts rule out is refused here: NaN and infinity,
    and in object arrays, for a model without parts, what is no number.
    """
    parts = list(nested_estimators(estimator))
    tags = [get_tags(part) for part in (estimator, *parts)]
    if any(tag.no_validation or tag.input_tags.allow_nan for tag in tags):
        return
    values, entries = numeric_values(X), X
    if values is None and isinstance(X, list) and isinstance(X[0], list | tuple):
        entries = np.array(X, dtype=object)
    is_objects = isinstance(entries, np.ndarray) and entries.dtype.kind == "O"
    if is_objects and entries.ndim == 2 and not parts:
        accepted = tags[0].input_tags
        if not (accepted.string or accepted.categorical or accepted.dict):
            values = _as_floats(entries, estimator)
    if values is not None:
        assert_all_finite(values, input_name="X", estimator_name=type(estimator).__name__)


def _as_floats(entries, estimator):
    """The entries of X as floats; raise where one is no number."""
    try:
        return entries.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"X must hold numbers for {type(estimator).__name__}. Got an entry that is "
            f"none: {error}. Encode texts first, such as by make_pipeline(OneHotEncoder(), "
            "model), and dicts by DictVectorizer()."
        ) from error


def show_dropped_rows(model, X, kept):
    """Let a fitted model refuse the dropped rows that hold no finite numbers.

    A dropped row must not hide a value that the model would not have accepted. Where
    the tags of its parts do not tell, the model is asked itself; what it says of other
    things, such as a category that only the dropped rows have, is not its refusal.
    """
    if len(kept) == count_rows(X):
        return
    bad = np.setdiff1d(not_finite_rows(X), kept, assume_unique=True)
    if not len(bad):
        return
    ask = getattr(model, "predict", None) or model.transform
    try:
        ask(take_rows(X, bad))
    except ValueError as error:
        if re.search(r"contains\W+(nan|inf)", str(error), re.IGNORECASE):
            raise


def not_finite_rows(X):
    """Sorted positions of the rows of X with an entry that is missing or infinite.

    In object arrays, anything but texts and finite numbers counts.
    """
    if hasattr(X, "columns") and hasattr(X, "dtypes"):
        bad = np.zeros(len(X), dtype=bool)
        for column in range(X.shape[1]):
            values = np.asarray(take_rows(X, column, axis=1))
            if values.dtype.kind == "f":
                bad |= ~np.isfinite(values)
            elif values.dtype.kind == "O":
                bad |= np.fromiter(map(_is_no_value, values), dtype=bool)
        return np.flatnonzero(bad)
    if isinstance(X, np.ndarray) and X.dtype.kind == "O":
        return np.flatnonzero([any(map(_is_no_value, np.ravel(row))) for row in X])
    values = numeric_values(X)
    if values is None or values.dtype.kind != "f":
        return np.empty(0, dtype=np.intp)
    if issparse(values):
        entries = values.tocoo()
        return np.unique(entries.row[~np.isfinite(entries.data)])
    if np.isfinite(np.sum(values, dtype=np.float64)):
        return np.empty(0, dtype=np.intp)
    return np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))


def _is_missing(value):
    """Whether a value is None or differs from itself, as NaN and NaT do."""
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas.NA, of which nothing is known
        return True
    except (ArithmeticError, ValueError):  # a signalling NaN; several values
        return isinstance(value, Number)


def _is_no_value(entry):
    """Whether an entry of an object array is neither text nor a finite number."""
    if isinstance(entry, str | bytes):
        return False
    try:
        return not isinstance(entry, Number) or not isfinite(float(entry))
    except (TypeError, ValueError, OverflowError):  # complex, signalling or huge
        return False


def numeric_values(X):
    """X as a numeric array or sparse matrix without a needless copy, or None."""
    if isinstance(X, list):
        if not X or isinstance(X[0], str | bytes):
            return None
    elif issparse(X):
        return X
    elif not hasattr(X, "__array__"):
        return None
    try:
        values = np.asarray(X)
    except (TypeError, ValueError):  # ragged lists and exotic containers
        return None
    return values if values.dtype.kind in "biuf" else None


def check_magnitudes(values, name="X"):
    """Raise where squares of floats would overflow, or those of a column all vanish.

    Distances, variances and products would be infinite or zero then, without a word.
    NaN passes.
    """
    if values.dtype.kind != "f" or 0 in values.shape:
        return
    if issparse(values):
        largest = abs(values).nanmax(axis=0).toarray().ravel()
    else:
        highest, lowest = np.fmax.reduce(values, axis=0), np.fmin.reduce(values, axis=0)
        largest = np.ravel(np.fmax(highest, -lowest))
    largest = largest.astype(np.float64, copy=False)  # single precision has no 1e140
    bad = np.flatnonzero((largest > 1e140) | ((largest < 1e-140) & (largest > 0)))
    if len(bad):
        where = f" in column {bad[0]}" if values.ndim == 2 else ""
        raise ValueError(
            f"{name} must hold zeros and numbers whose squares neither overflow nor "
            f"vanish. Got {largest[bad[0]]:g} as the largest{where}. Scale it to between "
            "1e-140 and 1e140."
        )
