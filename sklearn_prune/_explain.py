"""Name the values that a fit fails on, and leave no half of a fit behind."""

import re
from functools import wraps

import numpy as np
from scipy.sparse import issparse

from sklearn_prune._sklearn_compat import take_rows

_LARGEST = np.sqrt(np.finfo(np.float64).max)
#: What numpy, scipy and models say of values that they cannot reckon with.
_BARE = re.compile(
    r"could not convert string|float\(\) argument must be|bytes/strings|int too large|"
    "infs or NaNs|not finite|non-finite|not converge|Complex data|not 'complex'|"
    "gives only NaN|must be finite|numpy|meta tensor"
)
#: What Python says of entries of another type than numbers.
_NO_NUMBER = re.compile(r"float\(\) argument must be .*, not '(\w+)'")


def all_or_nothing(fit):
    """Make a fit that fails leave its estimator as it was, and say which values it was.

    Parameters
    ----------
    fit : function of an estimator, X and y
        A method that sets fitted attributes.

    Returns
    -------
    function
        The same; where it raises what `explain` can explain, a ValueError says so.
    """

    @wraps(fit)
    def careful(self, *args, **kwargs):
        before = vars(self).copy()
        try:
            return fit(self, *args, **kwargs)
        except BaseException as error:
            vars(self).clear()
            vars(self).update(before)
            X, y = (*args, *map(kwargs.get, ("X", "y")[len(args) :]))[:2]
            raise_explained(error, X, y)

    return careful


def raise_explained(error, X, y=None):
    """Raise what `explain` says, as a ValueError or TypeError, else the error itself."""
    reason = explain(error, X, y)
    if reason is None:
        raise error
    kind = TypeError if _NO_NUMBER.search(str(error)) else ValueError
    raise kind(reason) from error


def explain(error, X, y):
    """Which values of X or y are behind an error that names neither, in one line, or None.

    Parameters
    ----------
    error : Exception or str
        What was raised.
    X, y : rows and targets, or None
        As the user gave them.

    Returns
    -------
    str or None
        None for another error, and where no such value is found.
    """
    if not isinstance(error, str | ValueError | TypeError | OverflowError | RuntimeError):
        return None
    said = str(error)
    if not _BARE.search(said):
        return None
    for name, values in (("X", X), ("y", y)):
        if values is None:
            continue
        reason = (
            why_unreadable(name, values)
            or _what_is_no_number(name, values, said)
            or what_is_unusual(name, values, "string" in said)
        )
        if reason is not None:
            return reason
    return None


def why_unreadable(name, values):
    """Why numpy cannot read a tensor, in one line, or None."""
    if not hasattr(values, "device"):
        return None
    try:
        np.asarray(values)
    except Exception as error:
        why = " ".join(str(error).split())
        return (
            f"{name} must be an array that numpy can read. Got {type(values).__name__} on "
            f"{values.device}: {why} Pass {name}.detach().cpu().numpy()."
        )
    return None


def _what_is_no_number(name, values, said):
    """Which entry float() refused by its type, in one line, or None."""
    found = _NO_NUMBER.search(said)
    if found is None or found[1] in ("NoneType", "NAType"):  # said to be missing
        return None
    remedy = "Pass numbers, or make them in a pipeline."
    if found[1] == "dict":
        remedy = "Write make_pipeline(DictVectorizer(), model)."
    for part in _columns(values):
        if part.dtype.kind == "O" and any(
            type(entry).__name__ == found[1] for entry in part.flat
        ):
            return (
                f"{name} must hold numbers for this model. Got a {found[1]}: {found[0]}. "
                f"{remedy}"
            )
    return None


def what_is_unusual(name, values, looks_for_text=False):
    """Which values no model can reckon with, in one line that names them, or None.

    Parameters
    ----------
    name : str
        Name of the argument.
    values : array-like, sparse matrix or frame
        Its value.
    looks_for_text : bool, default=False
        Whether texts are among them.

    Returns
    -------
    str or None
        Rule, what was got and what to do: of complex numbers, of integers too large for
        a float, of floats whose squares overflow.
    """
    say = f"{name} must hold {{}}. Got {{}}. {{}}".format
    say_complex = f"Complex data not supported: {name} must be real. Got {{}}. Pass {{}}."
    for part in _columns(values):
        if part.dtype.kind == "c":
            return say_complex.format(f"dtype {part.dtype}", f"{name}.real")
        for entry in part.flat if part.dtype.kind in "OSU" else ():
            if isinstance(entry, complex):
                return say_complex.format(repr(entry), "its real part")
            if isinstance(entry, int) and entry.bit_length() > 1023:
                got = f"an integer of {entry.bit_length()} bits"
                return say("numbers below 1e308", got, "Pass its logarithm.")
            if looks_for_text and _is_text(entry):
                remedy = "Encode texts and categories first, such as by OneHotEncoder()."
                return say("numbers for this model", repr(str(entry)), remedy)
        if part.dtype.kind == "f" and part.size:
            largest = np.max(np.abs(part), where=np.isfinite(part), initial=0.0)
            if largest > _LARGEST:
                rule = "numbers whose squares do not overflow"
                return say(rule, f"{largest:g}", "Divide it by its largest value.")
    return None


def check_magnitudes(values, name="X"):
    """Raise where squares of floats would overflow, or those of a column all vanish.

    Distances, variances and products would be infinite or zero then, without a word.

    Parameters
    ----------
    values : ndarray or sparse matrix of shape (n,) or (n, n_columns)
        Floats; NaN passes.
    name : str, default="X"
        Name of the argument.

    Raises
    ------
    ValueError
        If the largest number of some column is above 1e140, or below 1e-140 and not zero.
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


def _is_text(entry):
    if not isinstance(entry, str | bytes):
        return False
    try:
        float(entry)
    except ValueError:
        return True
    return False


def _columns(values):
    """Yield numpy arrays that hold all values, of frames one for each column."""
    if hasattr(values, "columns") and hasattr(values, "dtypes"):
        for column in range(values.shape[1]):
            yield np.asarray(take_rows(values, column, axis=1))
        return
    try:
        yield values.tocoo().data if issparse(values) else np.asarray(values)
    except (RuntimeError, TypeError, ValueError):  # ragged lists, exotic containers
        return
