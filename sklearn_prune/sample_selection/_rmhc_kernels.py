"""Compiled loops of random mutation hill climbing."""

import numpy as np
from numba import njit

from sklearn_prune._graph_kernels import distance, insert

NO_ROW = np.iinfo(np.int32).max


@njit(cache=True, nogil=True)
def nearest_kept(points, kind, nominal, judged, kept, lower_bounds, near, distances):
    """Put those of the kept rows that are near enough into the list of each judged row.

    `lower_bounds` of shape (n_judged, n_kept) spare most of the exact distances.
    """
    for t in range(len(judged)):
        i = judged[t]
        for c in range(len(kept)):
            j = kept[c]
            if j != i and lower_bounds[t, c] <= distances[t, -1]:
                d = distance(points, kind, nominal, i, j)
                insert(near[t], distances[t], j, d)


@njit(cache=True, nogil=True)
def merit_of_list(near, own, targets, is_class, votes):
    """1 or 0 for a right or wrong vote; minus the squared error of a mean."""
    found = 0
    total = 0.0
    votes[:] = 0
    for j in near:
        if j != NO_ROW:
            found += 1
            if is_class:
                votes[np.int64(targets[j])] += 1
            else:
                total += targets[j]
    if not is_class:
        error = own - (total / found if found else 0.0)
        return -error * error
    return 1.0 if found and np.argmax(votes) == np.int64(own) else 0.0


@njit(cache=True, nogil=True)
def merits_of_lists(near, judged, targets, is_class, n_classes):
    """The merit of each judged row."""
    votes = np.zeros(n_classes, dtype=np.int64)
    merits = np.empty(len(judged))
    for t in range(len(judged)):
        merits[t] = merit_of_list(near[t], targets[judged[t]], targets, is_class, votes)
    return merits


@njit(cache=True, nogil=True)
def climb(
    points,
    kind,
    nominal,
    targets,
    is_class,
    n_classes,
    judged,
    weights,
    kept,
    movable,
    dropped,
    first,
    last,
    draws,
    near,
    distances,
):
    """Swap rows as long as the objective does not fall; change the lists in place.

    Points are compared as in the neighbour graph; targets are class codes or centred. The
    objective counts the rows `judged` by `weights` of sum 1. `kept` may be neighbours and
    `dropped` may come in: at a place of `kept` those between `first` and `last`. `movable`
    are the places with such a row. `draws`, (n_iter, 2), are uniform in [0, 1). `near` and
    `distances`, (n_judged, k), are the nearest kept rows. Returns the objective before the
    first and after each proposal.
    """
    votes = np.zeros(n_classes, dtype=np.int64)
    merits = merits_of_lists(near, judged, targets, is_class, n_classes)
    path = np.empty(len(draws) + 1)
    path[0] = np.sum(weights * merits)
    new_near, new_distances = near.copy(), distances.copy()
    new_merits = merits.copy()
    for step in range(len(draws)):
        path[step + 1] = path[step]
        place = movable[int(draws[step, 0] * len(movable))]
        other = first[place] + int(draws[step, 1] * (last[place] - first[place]))
        leaves, comes = kept[place], dropped[other]
        kept[place] = comes
        for t in range(len(judged)):
            i = judged[t]
            if np.any(near[t] == leaves):
                new_near[t] = NO_ROW
                new_distances[t] = np.inf
                for j in kept:
                    if j != i:
                        d = distance(points, kind, nominal, i, j)
                        insert(new_near[t], new_distances[t], j, d)
            elif i != comes:
                d = distance(points, kind, nominal, i, comes)
                if d > distances[t, -1]:
                    continue
                insert(new_near[t], new_distances[t], comes, d)
            new_merits[t] = merit_of_list(new_near[t], targets[i], targets, is_class, votes)
        objective = np.sum(weights * new_merits)
        if objective >= path[step]:
            path[step + 1] = objective
            dropped[other] = leaves
            near[:], distances[:], merits[:] = new_near, new_distances, new_merits
        else:
            kept[place] = leaves
            new_near[:], new_distances[:], new_merits[:] = near, distances, merits
    return path
