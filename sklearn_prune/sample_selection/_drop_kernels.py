"""Compiled loops of DROP3 and ICF, and the nearest enemies that both read.

`place` is (points, kind, nominal), as in the graph; `found` is (enemies, distances).
"""

from collections import namedtuple

import numpy as np
from numba import njit

from sklearn_prune._graph_kernels import distance_within, insert

# Row a has the survivors top[a, :filled[a]] next to it, nearest first, and may have
# those of near[a, cursor[a]:] after them. Entry a * (k + 1) + t of `link` belongs to row
# a; the entries of the rows that have p next to them are a chain that starts at head[p].
# The first left[0] of `survivors` are those, and `position` says where in it a row is.
Lists = namedtuple(
    "Lists", "near alive top filled cursor head link survivors position left seen"
)


@njit(cache=True, nogil=True)
def enemies_in_lists(place, near, targets, gap, alive, rows, found):
    """Take the first enemy in the list of each of the rows; say where there was one."""
    enemies, distances = found
    settled = np.zeros(len(rows), dtype=np.bool_)
    for t in range(len(rows)):
        i = rows[t]
        for j in near[i]:
            if alive[j] and abs(targets[i] - targets[j]) > gap:
                enemies[i] = j
                distances[i] = distance_within(place, i, j, np.inf)
                settled[t] = True
                break
    return settled


@njit(cache=True, nogil=True)
def enemies_of_neighbors(place, near, targets, gap, alive, rows, found, changed, closer):
    """Look for closer enemies among those of neighbours and around the known one."""
    enemies, distances = found
    closer_enemies, closer_distances = closer
    for t in range(len(rows)):
        i = rows[t]
        best, nearest = enemies[i], distances[i]
        for turn in range(2):
            source = i if turn == 0 else enemies[i]
            if source < 0 or (turn == 1 and not changed[i]):
                continue
            for j in near[source]:
                if turn == 0 and not changed[j]:
                    continue
                c = enemies[j] if turn == 0 else j
                if c < 0 or c == best or not alive[c]:
                    continue
                if abs(targets[i] - targets[c]) <= gap:
                    continue
                d = distance_within(place, i, c, nearest)
                if d < nearest:
                    best, nearest = c, d
        closer_enemies[t] = best
        closer_distances[t] = nearest


@njit(cache=True, nogil=True)
def enemies_among_all(place, rows, among, sizes, products, rounding, targets, gap, found):
    """Find the nearest enemies exactly, no farther than those known so far.

    `sizes` are squared norms, `products` scalar products of rows with candidates: no
    squared distance is smaller than what they say, but for `rounding`.
    """
    enemies, distances = found
    for t in range(len(rows)):
        i = rows[t]
        best, nearest = enemies[i], distances[i]
        for u in range(len(among)):
            c = among[u]
            least = (1 - rounding) * (sizes[i] + sizes[c]) - 2 * products[t, u]
            if least >= nearest or abs(targets[i] - targets[c]) <= gap:
                continue
            d = distance_within(place, i, c, nearest)
            if d < nearest:
                best, nearest = c, d
        enemies[i] = best
        distances[i] = nearest


@njit(cache=True, nogil=True)
def is_correct(codes, a, neighbors, left_out, k, counts):
    """Whether k neighbours, one left out, vote for the class of a row."""
    used = 0
    for j in neighbors:
        if used < k and j != left_out:
            counts[codes[j]] += 1
            used += 1
    winner, most = -1, 0
    for j in neighbors:
        votes = counts[codes[j]]
        if votes > most or (votes == most and votes > 0 and codes[j] < winner):
            winner, most = codes[j], votes
    for j in neighbors:
        counts[codes[j]] = 0
    return winner == codes[a]


@njit(cache=True, nogil=True)
def agreeing_majority(codes, neighbors, n_classes):
    """Whether the neighbours of each row vote for its class, ties for the first class."""
    counts = np.zeros(n_classes, dtype=np.int64)
    agrees = np.zeros(len(codes), dtype=np.bool_)
    for i in range(len(codes)):
        agrees[i] = is_correct(codes, i, neighbors[i], -1, neighbors.shape[1], counts)
    return agrees


@njit(cache=True, nogil=True)
def absolute_error(targets, a, neighbors, left_out, k):
    """Error of the mean of k neighbours, one left out; of 0 where there is none."""
    total, used = 0.0, 0
    for j in neighbors:
        if used < k and j != left_out:
            total += targets[j]
            used += 1
    return abs(targets[a] - total / max(used, 1))


@njit(cache=True, nogil=True)
def contribution(p, lists, codes, targets, counts):
    """What the associates of p lose without it: correct votes, or absolute error."""
    width = lists.top.shape[1]
    gain = 0.0
    entry = lists.head[p]
    while entry >= 0:
        a = entry // width
        own = lists.top[a, : lists.filled[a]]
        if len(counts):
            gain += is_correct(codes, a, own, -1, width - 1, counts)
            gain -= is_correct(codes, a, own, p, width - 1, counts)
        else:
            gain += absolute_error(targets, a, own, p, width - 1)
            gain -= absolute_error(targets, a, own, -1, width - 1)
        entry = lists.link[entry]
    return gain


@njit(cache=True, nogil=True)
def nearest_lists(near, alive, order, k):
    """The lists of all rows before anything is dropped; `near` and `alive` are shared."""
    n, width = len(near), k + 1
    position = np.full(n, -1, dtype=np.int64)
    position[order] = np.arange(len(order))
    return Lists(
        near,
        alive,
        np.full((n, width), -1, dtype=np.int32),
        np.zeros(n, dtype=np.int32),
        np.zeros(n, dtype=np.int32),
        np.full(n, -1, dtype=np.int64),
        np.full(n * width, -1, dtype=np.int64),
        order.copy(),
        position,
        np.array([len(order)]),
        np.zeros(n + 1, dtype=np.int64),
    )


@njit(cache=True, nogil=True)
def short_lists(lists, spare):
    """Rows that may run out of survivors soon although there are more."""
    short = np.zeros(len(lists.near), dtype=np.bool_)
    for a in range(len(short)):
        there = 0
        for j in lists.near[a, lists.cursor[a] :]:
            there += j >= 0 and lists.alive[j]
        short[a] = there < spare and lists.near[a, -1] >= 0
    return short


@njit(cache=True, nogil=True)
def renew(lists, a, fresh, distances):
    """Replace what may come next to a row."""
    for t in range(len(fresh)):
        lists.near[a, t] = fresh[t] if distances[t] < np.inf else -1
    lists.cursor[a] = 0


@njit(cache=True, nogil=True)
def renew_from_all(place, rows, among, sizes, products, rounding, lists):
    """Give rows the nearest survivors that they do not have yet."""
    width = lists.near.shape[1]
    fresh, distances = np.empty(width, dtype=np.int32), np.empty(width)
    for t in range(len(rows)):
        a = rows[t]
        fresh[:] = np.iinfo(np.int32).max
        distances[:] = np.inf
        for u in range(len(among)):
            c = among[u]
            least = (1 - rounding) * (sizes[a] + sizes[c]) - 2 * products[t, u]
            if least > distances[-1] or c == a:
                continue
            d = distance_within(place, a, c, distances[-1])
            if d <= distances[-1] and c not in lists.top[a, : lists.filled[a]]:
                insert(fresh, distances, c, d)
        renew(lists, a, fresh, distances)


@njit(cache=True, nogil=True)
def renew_from_neighbors(place, lists, a):
    """The same from what its neighbours know; say whether that was enough."""
    width = lists.near.shape[1]
    fresh, distances = np.empty(width, dtype=np.int32), np.empty(width)
    lists.seen[-1] += 1
    stamp = lists.seen[-1]
    lists.seen[a] = stamp
    for j in lists.top[a, : lists.filled[a]]:
        lists.seen[j] = stamp
    fresh[:] = np.iinfo(np.int32).max
    distances[:] = np.inf
    enough = 0
    for t in range(width + lists.filled[a]):
        b = lists.near[a, t] if t < width else lists.top[a, t - width]
        if b < 0:
            continue
        for c in lists.near[b]:
            if c >= 0 and lists.alive[c] and lists.seen[c] != stamp:
                lists.seen[c] = stamp
                enough += 1
                insert(fresh, distances, c, distance_within(place, a, c, distances[-1]))
    if enough >= width // 4:
        renew(lists, a, fresh, distances)
        return True
    return False


@njit(cache=True, nogil=True)
def append_next(place, lists, entry, exact, sizes):
    """Put the next nearest survivor, if any, next to the row that the entry belongs to."""
    a = entry // lists.top.shape[1]
    if _advance(lists, a):
        pass
    elif lists.near[a, -1] < 0 and exact:
        return
    else:
        if exact or not renew_from_neighbors(place, lists, a):
            among = lists.survivors[: lists.left[0]]
            none = np.zeros((1, len(among)), dtype=np.float32)
            renew_from_all(place, np.array([a]), among, sizes, none, 1.0, lists)
        if not _advance(lists, a):
            return
    found = lists.near[a, lists.cursor[a]]
    lists.cursor[a] += 1
    lists.top[a, lists.filled[a]] = found
    lists.filled[a] += 1
    lists.link[entry] = lists.head[found]
    lists.head[found] = entry


@njit(cache=True, nogil=True)
def _advance(lists, a):
    """Move on to the next survivor in the list; say whether there is one."""
    while lists.cursor[a] < lists.near.shape[1]:
        c = lists.near[a, lists.cursor[a]]
        if c >= 0 and lists.alive[c]:
            return True
        lists.cursor[a] += 1
    return False


@njit(cache=True, nogil=True)
def fill_lists(place, lists, exact, sizes):
    """Put the k + 1 nearest survivors next to each row."""
    for entry in range(len(lists.link)):
        append_next(place, lists, entry, exact, sizes)


@njit(cache=True, nogil=True)
def drop(place, lists, codes, targets, counts, slack, rows, exact, sizes, removed):
    """Remove those of the rows, in their order, that no associate is better with."""
    width = lists.top.shape[1]
    for p in rows:
        if lists.left[0] == 1:
            return
        if contribution(p, lists, codes, targets, counts) > slack:
            continue
        lists.alive[p] = False
        lists.left[0] -= 1
        removed[p] = len(lists.survivors) - lists.left[0]
        last = lists.survivors[lists.left[0]]
        lists.survivors[lists.position[p]] = last
        lists.position[last] = lists.position[p]
        entry = lists.head[p]
        while entry >= 0:
            following = lists.link[entry]
            a = entry // width
            t = 0
            while lists.top[a, t] != p:
                t += 1
            for later in range(t, lists.filled[a] - 1):
                lists.top[a, later] = lists.top[a, later + 1]
            lists.filled[a] -= 1
            append_next(place, lists, entry, exact, sizes)
            entry = following


@njit(cache=True, nogil=True)
def contributions(lists, codes, targets, counts):
    """What each survivor is worth to its associates; 0 for other rows."""
    worth = np.zeros(len(codes))
    for p in lists.survivors[: lists.left[0]]:
        worth[p] = contribution(p, lists, codes, targets, counts)
    return worth


@njit(cache=True, nogil=True)
def count_all(
    place, rows, among, sizes, products, rounding, enemy_distances, reached, covering
):
    """For ICF: count for rows of a class among all of it; distances where they decide."""
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
    """For ICF: count over pairs of rows alive of which one is in the list of the other."""
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
