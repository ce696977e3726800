"""Leave nothing behind where a fit fails, and check magnitudes before a fit."""

from functools import wraps

import numpy as np
from scipy.sparse import issparse


def all_or_nothing(fit):
    """Make a fit that fails leave its estimator as it was.

    Parameters
    ----------
    fit : function
        A method that sets fitted attributes.

    Returns
    -------
    function
        The same method, which restores all attributes before it raises.
    """

    @wraps(fit)
    def careful(self, *args, **kwargs):
        before = vars(self).copy()
        try:
            return fit(self, *args, **kwargs)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return careful


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
