"""How many rows an argument has, with its name where it has none."""

from collections.abc import Mapping

from sklearn_prune._sklearn_compat import count_rows

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
        raise TypeError(
            f"{name} must be an array, a frame, a sparse matrix or a list of rows. Got "
            f"{got}. Pass {remedy}."
        ) from error
