"""One pass of generalised learning vector quantization over the rows."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def mixed(key):
    """A number in [0, 1) from each key, by the last steps of SplitMix64."""
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    key = key ^ (key >> np.uint64(31))
    return np.float64(key >> np.uint64(11)) * 2.0**-53


@njit(cache=True, nogil=True)
def silence(squared, key, dropout):
    """Put prototypes out of reach with probability `dropout`; gives the next key."""
    for j in range(len(squared)):
        key += np.uint64(0x9E3779B97F4A7C15)
        if mixed(key) < dropout:
            squared[j] = np.inf
    return key


@njit(cache=True, nogil=True)
def glvq_epoch(
    rows, codes, order, prototypes, starts, steepness, rate, decay, dropout=0.0, key=0
):
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
    dropout : float, default=0.0
        Probability with which a prototype is out of reach of a row.
    key : int, default=0
        Where the draws of this pass start.
    """
    n_features, n_prototypes = prototypes.shape
    state = np.uint64(key)
    squared = np.empty(n_prototypes, dtype=np.float32)
    for i in order:
        squared[:] = 0.0
        for feature in range(n_features):
            value = rows[i, feature]
            column = prototypes[feature]
            for j in range(n_prototypes):
                difference = value - column[j]
                squared[j] += difference * difference
        if dropout > 0.0:
            state = silence(squared, state, dropout)
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
