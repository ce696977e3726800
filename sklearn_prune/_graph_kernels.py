"""Compiled loops of the neighbour graph, and the distances that other kernels share."""

import numpy as np
from numba import njit

NEAR = 11  # neighbours whose own neighbours are looked at
# How two points are compared: by squared differences, by the mean over columns of absolute
# differences and mismatches, or by the entry of a matrix of all pairs.
SQUARES, COLUMNS, PAIRS = 0, 1, 2


@njit(cache=True, nogil=True, inline="always")
def squared_distance(a, b):
    """Squared Euclidean distance, summed in four lanes, in float64."""
    s0 = s1 = s2 = s3 = 0.0
    d = len(a)
    whole = d - d % 4
    for j in range(0, whole, 4):
        e0 = np.float64(a[j]) - np.float64(b[j])
        e1 = np.float64(a[j + 1]) - np.float64(b[j + 1])
        e2 = np.float64(a[j + 2]) - np.float64(b[j + 2])
        e3 = np.float64(a[j + 3]) - np.float64(b[j + 3])
        s0 += e0 * e0
        s1 += e1 * e1
        s2 += e2 * e2
        s3 += e3 * e3
    for j in range(whole, d):
        e0 = np.float64(a[j]) - np.float64(b[j])
        s0 += e0 * e0
    return (s0 + s1) + (s2 + s3)


@njit(cache=True, nogil=True)
def gower_distance(a, b, nominal):
    """Mean over columns of mismatches and absolute differences; missing differs by 1."""
    total = 0.0
    for j in range(len(a)):
        a_missing, b_missing = np.isnan(a[j]), np.isnan(b[j])
        if a_missing or b_missing:
            if a_missing != b_missing:
                total += 1.0
        elif nominal[j]:
            if a[j] != b[j]:
                total += 1.0
        else:
            total += abs(a[j] - b[j])
    return total / len(a)


@njit(cache=True, nogil=True, inline="always")
def rounded(x):
    """Round to 34 bits, some ten decimal digits: rounding errors make no order."""
    spread = x * 524289.0  # 2**19 + 1, after Veltkamp
    if np.isinf(spread):
        return x
    return spread - (spread - x)


@njit(cache=True, nogil=True)
def distance(points, kind, nominal, i, j):
    """Distance that orders, rounded; the squared one for Euclidean points."""
    if kind == PAIRS:
        return rounded(points[i, j])
    if kind == COLUMNS:
        return rounded(gower_distance(points[i], points[j], nominal))
    return rounded(squared_distance(points[i], points[j]))


@njit(cache=True, nogil=True)
def distance_within(place, i, j, bound):
    """The same as `distance`, but infinity where that is above the bound.

    `place` is (points, kind, nominal).
    """
    points, kind, nominal = place
    if kind == PAIRS:
        return rounded(points[i, j])
    if kind == COLUMNS:
        return rounded(gower_distance(points[i], points[j], nominal))
    d = points.shape[1]
    limit = bound * (1 + 1e-9)  # rounding to 34 bits adds less
    s0 = s1 = s2 = s3 = 0.0
    sixteens, fours = d - d % 16, d - d % 4
    for start in range(0, sixteens, 16):
        for c in range(start, start + 16, 4):
            e0 = np.float64(points[i, c]) - np.float64(points[j, c])
            e1 = np.float64(points[i, c + 1]) - np.float64(points[j, c + 1])
            e2 = np.float64(points[i, c + 2]) - np.float64(points[j, c + 2])
            e3 = np.float64(points[i, c + 3]) - np.float64(points[j, c + 3])
            s0 += e0 * e0
            s1 += e1 * e1
            s2 += e2 * e2
            s3 += e3 * e3
        if (s0 + s1) + (s2 + s3) > limit:
            return np.inf
    for c in range(sixteens, fours, 4):
        e0 = np.float64(points[i, c]) - np.float64(points[j, c])
        e1 = np.float64(points[i, c + 1]) - np.float64(points[j, c + 1])
        e2 = np.float64(points[i, c + 2]) - np.float64(points[j, c + 2])
        e3 = np.float64(points[i, c + 3]) - np.float64(points[j, c + 3])
        s0 += e0 * e0
        s1 += e1 * e1
        s2 += e2 * e2
        s3 += e3 * e3
    for c in range(fours, d):
        e0 = np.float64(points[i, c]) - np.float64(points[j, c])
        s0 += e0 * e0
    return rounded((s0 + s1) + (s2 + s3))


@njit(cache=True, nogil=True)
def insert(indices, distances, j, d):
    """Put a neighbour into its place in a list sorted by distance, then position."""
    k = len(distances)
    if not (d < distances[k - 1] or (d == distances[k - 1] and j < indices[k - 1])):
        return
    place = k - 1
    while place > 0 and (
        d < distances[place - 1] or (d == distances[place - 1] and j < indices[place - 1])
    ):
        distances[place] = distances[place - 1]
        indices[place] = indices[place - 1]
        place -= 1
    distances[place] = d
    indices[place] = j


@njit(cache=True, nogil=True)
def nearest_of_candidates(points, rows, candidates, slack, indices, distances):
    """Fill the lists from the candidates; say where a point beyond them may belong in."""
    unsure = np.zeros(len(rows), dtype=np.bool_)
    no_row = np.iinfo(np.int32).max
    for t in range(len(rows)):
        i = rows[t]
        indices[t] = no_row
        distances[t] = np.inf
        reach = 0.0
        for c in candidates[t]:
            if c == i:
                continue
            d = rounded(squared_distance(points[i], points[c]))
            reach = max(reach, d)
            insert(indices[t], distances[t], c, d)
        unsure[t] = distances[t, -1] >= reach - slack
    return unsure


@njit(cache=True, nogil=True)
def csr_squared_distance(data, columns, starts, i, j):
    """Squared Euclidean distance of two rows of a CSR matrix with sorted columns."""
    total = 0.0
    a, b = starts[i], starts[j]
    while a < starts[i + 1] and b < starts[j + 1]:
        e = 0.0
        if columns[a] <= columns[b]:
            e = np.float64(data[a])
        if columns[b] <= columns[a]:
            e -= np.float64(data[b])
        step = columns[a] <= columns[b], columns[b] <= columns[a]
        a += step[0]
        b += step[1]
        total += e * e
    for rest in data[a : starts[i + 1]]:
        total += np.float64(rest) * np.float64(rest)
    for rest in data[b : starts[j + 1]]:
        total += np.float64(rest) * np.float64(rest)
    return total


@njit(cache=True, nogil=True)
def csr_nearest(data, columns, starts, rows, candidates, slack, indices, distances):
    """Fill the lists from the candidates; from all rows where others may belong in."""
    n = len(starts) - 1
    for t in range(len(rows)):
        i = rows[t]
        reach = 0.0
        for turn in range(2):
            indices[t] = np.iinfo(np.int32).max
            distances[t] = np.inf
            for c in range(n if turn else candidates.shape[1]):
                j = c if turn else candidates[t, c]
                if j != i:
                    d = rounded(csr_squared_distance(data, columns, starts, i, j))
                    reach = max(reach, d)
                    insert(indices[t], distances[t], j, d)
            if candidates.shape[1] == n or distances[t, -1] < reach - slack:
                break


@njit(cache=True, nogil=True)
def csr_pairs(data, columns, starts, n_columns, pairs):
    """Squared Euclidean distances between all rows of a CSR matrix, into a matrix."""
    dense = np.zeros(n_columns)
    for i in range(len(starts) - 1):
        norm = 0.0
        for e in range(starts[i], starts[i + 1]):
            dense[columns[e]] = data[e]
            norm += dense[columns[e]] ** 2
        for j in range(i):
            total = 0.0
            shared = 0.0
            for e in range(starts[j], starts[j + 1]):
                own = dense[columns[e]]
                shared += own**2
                total += (data[e] - own) ** 2
            if norm - shared > 1e-2 * norm:
                total += norm - shared
            else:  # the difference of two sums has lost digits
                total = csr_squared_distance(data, columns, starts, i, j)
            pairs[i, j] = pairs[j, i] = total
        pairs[i, i] = 0.0
        for e in range(starts[i], starts[i + 1]):
            dense[columns[e]] = 0.0


@njit(cache=True, nogil=True)
def nearest_of_all(points, kind, nominal, rows, which, indices, distances):
    """Fill the lists of some of the rows from all points."""
    no_row = np.iinfo(np.int32).max
    for t in which:
        i = rows[t]
        indices[t] = no_row
        distances[t] = np.inf
        for j in range(len(points)):
            if j != i:
                d = distance_within((points, kind, nominal), i, j, distances[t, -1])
                insert(indices[t], distances[t], j, d)


@njit(cache=True, nogil=True)
def nearest_of_neighbors(points, kind, nominal, rows, found, indices, distances):
    """Fill the lists from the neighbours found and the neighbours of these."""
    seen = np.full(len(points), -1, dtype=np.int32)
    width, k = found.shape[1], indices.shape[1]
    for t in range(len(rows)):
        i = rows[t]
        nearest, near = indices[t], distances[t]
        nearest[:] = np.iinfo(np.int32).max
        near[:] = np.inf
        seen[i] = i
        for own in range(min(width, NEAR)):
            middle = found[i, own]
            for other in range(-1, width):
                c = middle if other < 0 or middle < 0 else found[middle, other]
                if c < 0 or seen[c] == i:
                    continue
                seen[c] = i
                d = distance(points, kind, nominal, i, c)
                if d <= near[k - 1]:
                    insert(nearest, near, c, d)


@njit(cache=True, nogil=True)
def nearest_of_some(points, kind, nominal, rows, among):
    """Place in `among` of the point that is nearest to each row, ties by place."""
    nearest = np.zeros(len(rows), dtype=np.int64)
    for t in range(len(rows)):
        best = np.inf
        for place in range(len(among)):
            d = distance(points, kind, nominal, rows[t], among[place])
            if d < best:
                best = d
                nearest[t] = place
    return nearest


@njit(cache=True, nogil=True)
def fill_distances(points, kind, nominal, rows, distances):
    """Distances from some of the points to all."""
    for t in range(len(rows)):
        for j in range(len(points)):
            distances[t, j] = distance(points, kind, nominal, rows[t], j)
