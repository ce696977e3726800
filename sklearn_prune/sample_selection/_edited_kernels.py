"""Compiled loops over the neighbours of rows that count."""

import numpy as np
from numba import njit

from sklearn_prune._graph_kernels import distance, insert


@njit(cache=True, nogil=True)
def first_counted(lists, counts, judged, found):
    """Copy the first neighbours that count, -1 after the last; say whose list runs out."""
    k = found.shape[1]
    short = np.zeros(len(found), dtype=np.bool_)
    for i in range(len(found)):
        if not judged[i]:
            continue
        place = 0
        short[i] = True
        for j in lists[i]:
            if place == k or j < 0:
                short[i] = False
                break
            if counts[j]:
                found[i, place] = j
                place += 1
        if place == k:
            short[i] = False
        found[i, place:] = -1
    return short


@njit(cache=True, nogil=True)
def nearest_among(points, kind, nominal, rows, among, found):
    """Fill the lists of the rows with the nearest of some points, -1 after the last."""
    distances = np.empty(found.shape[1])
    for t in range(len(rows)):
        i = rows[t]
        found[t] = np.iinfo(np.int32).max
        distances[:] = np.inf
        for j in among:
            if j != i:
                insert(found[t], distances, j, distance(points, kind, nominal, i, j))
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


@njit(cache=True, nogil=True)
def enemy_margins(indices, distances, y, counts, nearest, margins):
    """Nearest distance and (b - a) / (b + a) of the nearest own a and other label b.

    What is not in the list counts as being where the list ends.
    """
    for i in range(len(y)):
        nearest[i] = own = other = np.inf
        end = 0.0
        for place in range(indices.shape[1]):
            j = indices[i, place]
            if not counts[j]:
                continue
            end = distances[i, place]
            nearest[i] = min(nearest[i], end)
            if y[j] == y[i]:
                own = min(own, end)
            else:
                other = min(other, end)
        own, other = min(own, end), min(other, end)
        margins[i] = (other - own) / (other + own) if other + own > 0 else 0.0


@njit(cache=True, nogil=True)
def mark_links(indices, distances, y, counts, nearest, linked):
    """Mark pairs of two labels of which neither has a nearer row."""
    for i in range(len(y)):
        if not counts[i]:
            continue
        for place in range(indices.shape[1]):
            j, d = indices[i, place], distances[i, place]
            if d > nearest[i]:
                break
            if counts[j] and y[j] != y[i] and d <= nearest[j] < np.inf:
                linked[i] = linked[j] = True


@njit(cache=True, nogil=True)
def mark_links_among(points, kind, nominal, rows, indices, y, counts, nearest, linked):
    """The same for rows that have more nearest rows than their lists hold."""
    for i in rows:
        for j in indices[i]:
            if counts[j]:
                reach = distance(points, kind, nominal, i, j)
                break
        for j in range(len(y)):
            if linked[i]:
                break
            if j == i or not counts[j] or y[j] == y[i] or nearest[j] != nearest[i]:
                continue
            if distance(points, kind, nominal, i, j) <= reach:
                linked[i] = linked[j] = True
