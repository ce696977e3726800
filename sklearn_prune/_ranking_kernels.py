"""Compiled loops of the ranking."""

import numpy as np
from numba import njit


@njit("int64[::1](int64[::1], int64[::1])", cache=True, nogil=True)
def quota_sequence(sizes, given):
    """Strata in the order in which the quota method gives them their next places.

    `sizes` are the numbers of units of the strata, `given` the places that they have.
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
