"""Compiled loops of DROP3, and the nearest enemies that other methods share."""

import numpy as np
from numba import njit

from sklearn_prune._graph_kernels import gower_distance, insert, rounded


@njit(cache=True, nogil=True)
def distance_within(points, is_gower, nominal, i, j, bound):
    """The distance that orders, as in the graph; infinity where it is above the bound."""
    a, b = points[i], points[j]
    if is_gower:
        return rounded(gower_distance(a, b, nominal))
    s0 = s1 = s2 = s3 = 0.0
    d = len(a)
    whole = d - d % 4
    start = 0
    while start < whole:
        stop = min(start + 16, whole)
        for column in range(start, stop, 4):
            e0 = np.float64(a[column]) - np.float64(b[column])
            e1 = np.float64(a[column + 1]) - np.float64(b[column + 1])
            e2 = np.float64(a[column + 2]) - np.float64(b[column + 2])
            e3 = np.float64(a[column + 3]) - np.float64(b[column + 3])
            s0 += e0 * e0
            s1 += e1 * e1
            s2 += e2 * e2
            s3 += e3 * e3
        if rounded((s0 + s1) + (s2 + s3)) > bound:
            return np.inf
        start = stop
    for column in range(whole, d):
        e0 = np.float64(a[column]) - np.float64(b[column])
        s0 += e0 * e0
    return rounded((s0 + s1) + (s2 + s3))


@njit(cache=True, nogil=True)
def enemies_in_lists(points, is_gower, nominal, near, targets, gap, alive, rows, found):
    """Take the first enemy in the list of each of the rows; say where there was one."""
    enemies, distances = found
    settled = np.zeros(len(rows), dtype=np.bool_)
    for t in range(len(rows)):
        i = rows[t]
        for j in near[i]:
            if alive[j] and abs(targets[i] - targets[j]) > gap:
                enemies[i] = j
                distances[i] = distance_within(points, is_gower, nominal, i, j, np.inf)
                settled[t] = True
                break
    return settled


@njit(cache=True, nogil=True)
def enemies_of_neighbors(
    points, is_gower, nominal, near, targets, gap, alive, rows, found, closer
):
    """Look for closer enemies among the neighbours' own and around the known one."""
    enemies, distances = found
    closer_enemies, closer_distances = closer
    for t in range(len(rows)):
        i = rows[t]
        best, nearest = enemies[i], distances[i]
        for turn in range(2):
            source = i if turn == 0 else enemies[i]
            if source < 0:
                continue
            for j in near[source]:
                c = enemies[j] if turn == 0 else j
                if c < 0 or c == best or not alive[c]:
                    continue
                if abs(targets[i] - targets[c]) <= gap:
                    continue
                d = distance_within(points, is_gower, nominal, i, c, nearest)
                if d < nearest or (d == nearest and c < best):
                    best, nearest = c, d
        closer_enemies[t] = best
        closer_distances[t] = nearest


@njit(cache=True, nogil=True)
def enemies_among_all(points, is_gower, nominal, targets, gap, candidates, rows, found):
    """Find the nearest enemies exactly, starting from the enemies known so far."""
    enemies, distances = found
    for i in rows:
        best, nearest = enemies[i], distances[i]
        for c in candidates:
            if abs(targets[i] - targets[c]) <= gap:
                continue
            d = distance_within(points, is_gower, nominal, i, c, nearest)
            if d < nearest or (d == nearest and c < best):
                best, nearest = c, d
        enemies[i] = best
        distances[i] = nearest


@njit(cache=True, nogil=True)
def is_correct(codes, a, neighbors, size, left_out, k, counts):
    """Whether k neighbours, one left out, vote for the class of a row."""
    used = 0
    for t in range(size):
        if used < k and neighbors[t] != left_out:
            counts[codes[neighbors[t]]] += 1
            used += 1
    winner, most = -1, 0
    for t in range(size):
        code = codes[neighbors[t]]
        if counts[code] > most or (counts[code] == most > 0 and code < winner):
            winner, most = code, counts[code]
    for t in range(size):
        counts[codes[neighbors[t]]] = 0
    return winner == codes[a]


@njit(cache=True, nogil=True)
def absolute_error(targets, a, neighbors, size, left_out, k):
    """Error of the mean of k neighbours, one left out; of 0 where there is none."""
    total, used = 0.0, 0
    for t in range(size):
        if used < k and neighbors[t] != left_out:
            total += targets[neighbors[t]]
            used += 1
    return abs(targets[a] - total / max(used, 1))


@njit(cache=True, nogil=True)
def contribution(p, lists, codes, targets, k, counts):
    """What the associates of p lose without it: correct votes, or absolute error."""
    top, filled, head, link = lists
    gain = 0.0
    entry = head[p]
    while entry >= 0:
        a = entry // (k + 1)
        own, size = top[a], filled[a]
        if len(counts):
            gain += is_correct(codes, a, own, size, -1, k, counts)
            gain -= is_correct(codes, a, own, size, p, k, counts)
        else:
            gain += absolute_error(targets, a, own, size, p, k)
            gain -= absolute_error(targets, a, own, size, -1, k)
        entry = link[entry]
    return gain


@njit(cache=True, nogil=True)
def refill(points, is_gower, nominal, near, alive, a, survivors, exact, own, distances, seen):
    """Renew the list of a row by the nearest survivors that it does not have yet."""
    stamp = seen[-1] + 1
    seen[-1] = stamp
    seen[a] = stamp
    for j in own:
        seen[j] = stamp
    width = near.shape[1]
    fresh = np.full(width, np.iinfo(np.int32).max, dtype=np.int32)
    distances[:] = np.inf
    found = 0
    if not exact:
        for t in range(width + len(own)):
            b = near[a, t] if t < width else own[t - width]
            if b < 0:
                continue
            for c in near[b]:
                if c >= 0 and alive[c] and seen[c] != stamp:
                    seen[c] = stamp
                    found += 1
                    d = distance_within(points, is_gower, nominal, a, c, distances[-1])
                    insert(fresh, distances, c, d)
    if found < width // 4:
        for c in survivors:
            if seen[c] != stamp:
                d = distance_within(points, is_gower, nominal, a, c, distances[-1])
                insert(fresh, distances, c, d)
    for t in range(width):
        near[a, t] = fresh[t] if distances[t] < np.inf else -1


@njit(cache=True, nogil=True)
def drop(points, is_gower, nominal, near, codes, targets, n_classes, slack, alive, order, k, exact):
    """Remove rows in the given order; return when each was and what the others carry.

    `near` and `alive` are changed. `targets` are read where `n_classes` is 0.
    """
    n, width = len(near), k + 1
    counts = np.zeros(n_classes, dtype=np.int64)
    top = np.full((n, width), -1, dtype=np.int32)
    filled = np.zeros(n, dtype=np.int32)
    cursor = np.zeros(n, dtype=np.int32)
    head = np.full(n, -1, dtype=np.int64)
    link = np.full(n * width, -1, dtype=np.int64)  # entries a * width + t of row a
    lists = (top, filled, head, link)
    # Survivors are at the front, so that a scan reads no others.
    survivors, place = order.copy(), np.full(n, -1, dtype=np.int64)
    place[order] = np.arange(len(order))
    left = len(order)
    distances = np.empty(near.shape[1])
    seen = np.zeros(n + 1, dtype=np.int64)
    removed = np.zeros(n, dtype=np.int64)
    for a in range(n):
        for t in range(width):
            _link_next(
                points, is_gower, nominal, near, alive, a, a * width + t, lists, cursor,
                survivors[:left], exact, distances, seen,
            )
    for p in order:
        if left == 1:
            break
        if contribution(p, lists, codes, targets, k, counts) > slack:
            continue
        alive[p] = False
        left -= 1
        removed[p] = len(order) - left
        last = survivors[left]
        survivors[place[p]] = last
        place[last] = place[p]
        entry = head[p]
        head[p] = -1
        while entry >= 0:
            after = link[entry]
            a = entry // width
            t = 0
            while top[a, t] != p:
                t += 1
            for later in range(t, filled[a] - 1):
                top[a, later] = top[a, later + 1]
            filled[a] -= 1
            _link_next(
                points, is_gower, nominal, near, alive, a, entry, lists, cursor,
                survivors[:left], exact, distances, seen,
            )
            entry = after
    carried = np.zeros(n)
    for p in survivors[:left]:
        carried[p] = contribution(p, lists, codes, targets, k, counts)
    return removed, carried


@njit(cache=True, nogil=True)
def _link_next(
    points, is_gower, nominal, near, alive, a, entry, lists, cursor, survivors, exact,
    distances, seen,
):
    """Give a row its next nearest survivor, if there is one, and become its associate."""
    top, filled, head, link = lists
    found = -1
    for attempt in range(2):
        while cursor[a] < near.shape[1] and found < 0:
            c = near[a, cursor[a]]
            if c >= 0 and alive[c]:
                found = c
            cursor[a] += 1
        if found >= 0 or attempt == 1 or len(survivors) <= filled[a]:
            break
        own = top[a, : filled[a]]
        refill(points, is_gower, nominal, near, alive, a, survivors, exact, own, distances, seen)
        cursor[a] = 0
    if found < 0:
        return
    top[a, filled[a]] = found
    filled[a] += 1
    link[entry] = head[found]
    head[found] = entry
