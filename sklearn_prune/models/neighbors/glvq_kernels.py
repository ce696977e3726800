"""One pass of generalised learning vector quantization over the rows."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def glvq_epoch(rows, codes, order, prototypes, starts, steepness, rate, decay):
    """Move prototypes in place by the rows, one after the other.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features), float32
        Rows.
    codes : ndarray of shape (n_samples,), int64
        Their class codes.
    order : ndarray of shape (n_samples,), int64
        Which row comes when.
    prototypes : ndarray of shape (n_features, n_prototypes), float32
        A column each, sorted by class; changed in place.
    starts : ndarray of shape (n_classes + 1,), int64
        Where the columns of each class start.
    steepness : float
        Of the sigmoid.
    rate, decay : float
        Length of the first step, and what is taken off for each row.
    """
    n_features, n_prototypes = prototypes.shape
    squared = np.empty(n_prototypes, dtype=np.float32)
    for i in order:
        squared[:] = 0.0
        for feature in range(n_features):
            value = rows[i, feature]
            column = prototypes[feature]
            for j in range(n_prototypes):
                difference = value - column[j]
                squared[j] += difference * difference
        start, stop = starts[codes[i]], starts[codes[i] + 1]
        own = start
        for j in range(start + 1, stop):
            if squared[j] < squared[own]:
                own = j
        other = -1
        nearest = np.float32(np.inf)
        for j in range(start):
            if squared[j] < nearest:
                nearest = squared[j]
                other = j
        for j in range(stop, n_prototypes):
            if squared[j] < nearest:
                nearest = squared[j]
                other = j
        total = squared[own] + nearest
        if other >= 0 and start < stop and 0 < total < np.inf:
            margin = (squared[own] - nearest) / total
            value = 1 / (1 + np.exp(-steepness * margin))
            slope = rate * steepness * value * (1 - value) / (total * total)
            toward = np.float32(min(slope * nearest, 0.5))
            away = np.float32(min(slope * squared[own], 0.5))
            for feature in range(n_features):
                column = prototypes[feature]
                column[own] += toward * (rows[i, feature] - column[own])
                column[other] -= away * (rows[i, feature] - column[other])
        rate -= decay
