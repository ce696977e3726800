"""Compiled loops over the neighbours of rows that count."""

import numpy as np
from numba import njit

from sklearn_prune._graph_kernels import distance, insert


@njit(cache=True, nogil=True)
def first_counted(indices, counts, judged, found):
    """Copy the first neighbours that count, -1 after the last; say where there are few."""
    k = found.shape[1]
    short = np.zeros(len(found), dtype=np.bool_)
    for i in range(len(found)):
        if not judged[i]:
            continue
        place = 0
        for j in indices[i]:
            if place == k:
                break
            if counts[j]:
                found[i, place] = j
                place += 1
        found[i, place:] = -1
        short[i] = place < k
    return short


@njit(cache=True, nogil=True)
def nearest_among(points, is_gower, nominal, rows, among, found):
    """Fill the lists of the rows with the nearest of some points, -1 after the last."""
    distances = np.empty(found.shape[1])
    for t in range(len(rows)):
        i = rows[t]
        found[t] = np.iinfo(np.int32).max
        distances[:] = np.inf
        for j in among:
            if j != i:
                insert(found[t], distances, j, distance(points, is_gower, nominal, i, j))
        found[t][np.isinf(distances)] = -1


@njit(cache=True, nogil=True)
def label_agreement(found, y, judged, n_classes, agreement, in_majority):
    """Share of neighbours with the label of the row, and whether it is the commonest."""
    votes = np.zeros(n_classes, dtype=np.int64)
    for i in range(len(found)):
        if not judged[i]:
            continue
        n_found = 0
        most = 0
        for j in found[i]:
            if j < 0:
                break
            n_found += 1
            votes[y[j]] += 1
            most = max(most, votes[y[j]])
        own = votes[y[i]]
        agreement[i] = own / n_found if n_found else 1.0
        in_majority[i] = own == most
        for j in found[i, :n_found]:
            if votes[y[j]] == most and y[j] < y[i]:
                in_majority[i] = False
        for j in found[i, :n_found]:
            votes[y[j]] = 0


@njit(cache=True, nogil=True)
def target_moments(found, y, judged, means, deviations):
    """Mean and standard deviation of the targets of the neighbours; alone, one's own."""
    for i in range(len(found)):
        if not judged[i]:
            continue
        n_found = 0
        total = 0.0
        for j in found[i]:
            if j < 0:
                break
            n_found += 1
            total += y[j]
        mean = total / n_found if n_found else y[i]
        squares = 0.0
        for j in found[i, :n_found]:
            squares += (y[j] - mean) ** 2
        means[i] = mean
        deviations[i] = np.sqrt(squares / n_found) if n_found else 0.0
