"""Compiled loops of the ranking."""

import numpy as np
from numba import njit


@njit("int64[::1](int64[::1], int64[::1])", cache=True, nogil=True)
def quota_sequence(sizes, given):
    """Strata in the order in which the quota method gives them their next places.

    Parameters
    ----------
    sizes : ndarray of shape (n_strata,), int64
        Number of units of each stratum.
    given : ndarray of shape (n_strata,), int64
        Places that each stratum has already.

    Returns
    -------
    ndarray of shape (sizes.sum() - given.sum(),), int64
        The stratum that each further place goes to.
    """
    total = sizes.sum()
    places = given.copy()
    house = places.sum()
    sequence = np.empty(total - house, dtype=np.int64)
    for step in range(len(sequence)):
        house += 1
        best = -1
        for s in range(len(sizes)):
            below_quota = places[s] * total < house * sizes[s]
            if below_quota and (
                best < 0 or sizes[s] * (places[best] + 1) > sizes[best] * (places[s] + 1)
            ):
                best = s
        places[best] += 1
        sequence[step] = best
    return sequence
