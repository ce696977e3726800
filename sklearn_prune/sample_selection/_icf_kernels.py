"""Compiled counts of the rows that a row reaches and of those that reach it."""

from numba import njit

from sklearn_prune._graph_kernels import distance_within


@njit(cache=True, nogil=True)
def count_all(
    place, rows, among, sizes, products, rounding, enemy_distances, reached, covering
):
    """Count for some rows of a class among all rows of it; distances where they decide."""
    for t in range(len(rows)):
        i = rows[t]
        own = enemy_distances[i]
        for u in range(len(among)):
            j = among[u]
            if j == i:
                continue
            other = enemy_distances[j]
            scale = sizes[i] + sizes[j]
            d = scale - 2 * products[t, u]
            slack = rounding * scale
            if not (abs(d - own) > slack and abs(d - other) > slack):
                d = distance_within(place, i, j, max(own, other))
            reached[i] += d < own
            covering[i] += d < other


@njit(cache=True, nogil=True)
def count_in_lists(place, near, alive, enemy_distances, reached, covering):
    """Count over pairs of rows alive of which one is in the list of the other."""
    for i in range(len(near)):
        if not alive[i]:
            continue
        for j in near[i]:
            if not alive[j] or (j < i and i in near[j]):
                continue
            own, other = enemy_distances[i], enemy_distances[j]
            d = distance_within(place, i, j, max(own, other))
            reached[i] += d < own
            covering[i] += d < other
            reached[j] += d < other
            covering[j] += d < own
