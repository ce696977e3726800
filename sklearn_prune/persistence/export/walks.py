"""Rows on both sides of the nodes of trees, also where steps come before the trees."""

from functools import partial

import numpy as np

from sklearn_prune.persistence.export.witnesses import rows_of
from sklearn_prune.predictors import MISSING_LEFT, MISSING_ZERO

_NODES = 16_000  # of trees, up to which each is tried several times
_DRAWS = 16  # of the other columns, until the sides of a node have other answers


def tree_forms(part, columns):
    """Predictors of trees that read rows as they come, and which columns of them.

    `columns` are the positions of the columns that `part` reads.
    """
    if hasattr(part, "trees_"):
        yield part, columns
    elif hasattr(part, "inner_"):
        yield from tree_forms(part.inner_, columns[part.columns_])
    elif hasattr(part, "members_") and not hasattr(part, "steps_"):
        own = getattr(part, "columns_", [None] * len(part.members_))
        for member, taken in zip(part.members_, own, strict=True):
            yield from tree_forms(member, columns if taken is None else columns[taken])


class TreeWalk:
    """Rows on both sides of the nodes of trees, each of which comes to its node.

    Of a node with a threshold there are three rows: its column holds the threshold, and
    the next number below and above. A fourth has no value there. Of a node with a set of
    categories there is a row for each category, for none of them, and without a value.
    """

    def __init__(self, form, dtype, *, allow_nan, most=None, seed=0):
        self.form, self.dtype = form, np.dtype(dtype)
        self.rng = np.random.default_rng(seed)
        trees = self.trees = form.trees_
        self.arrays = arrays = trees.to_arrays()
        self.parent = np.full(arrays.n_nodes, -1)
        inner = np.flatnonzero(arrays.left >= 0)
        self.parent[arrays.left[inner]] = self.parent[arrays.right[inner]] = inner
        self.nodes, self.limit = inner, most or _NODES
        if most is not None and len(inner) > most:
            self.nodes = np.sort(self.rng.choice(inner, most, replace=False))
        self.kind = min(self.dtype, trees.dtype, key=lambda each: each.itemsize).type
        numbers = inner[arrays.category[inner] < 0]
        largest = np.finfo(self.kind).max / 8
        self.edges = {
            feature: np.unique(np.clip(arrays.threshold[own], -largest, largest))
            for feature in np.unique(arrays.feature[numbers])
            if len(own := numbers[arrays.feature[numbers] == feature])
        }
        self.sets = trees.columns.category_sets() if (arrays.category >= 0).any() else []
        self.allow_nan = allow_nan

    def rows(self, chunk=2000):
        """Arrays of rows, in the order of the nodes; several for each of few nodes."""
        n_times = min(8, max(1, self.limit // max(1, len(self.nodes))))
        nodes = np.tile(self.nodes, n_times)
        for first in range(0, len(nodes), chunk):
            yield self._around(nodes[first : first + chunk])

    def n_thresholds(self):
        """Number of different thresholds of columns at the nodes."""
        nodes = self.nodes[self.arrays.category[self.nodes] < 0]
        pairs = np.stack([self.arrays.feature[nodes], self.arrays.threshold[nodes]], axis=1)
        return len(np.unique(pairs, axis=0))

    def keep(self, columns):
        """Try only the nodes that read these columns, once each; their number."""
        self.nodes = self.nodes[np.isin(self.arrays.feature[self.nodes], columns)]
        self.limit = 0
        return len(self.nodes)

    def _around(self, nodes):
        arrays, n_features = self.arrays, self.trees.n_features
        low = np.full((len(nodes), n_features), -np.inf)
        high = np.full((len(nodes), n_features), np.inf)
        allowed = {}
        child, which = nodes, np.arange(len(nodes))
        while True:
            above = self.parent[child]
            going = above >= 0
            child, above, which = child[going], above[going], which[going]
            if not len(above):
                break
            is_left = arrays.left[above] == child
            at = which, arrays.feature[above]
            threshold = arrays.threshold[above]
            numbers = arrays.category[above] < 0
            for bound, picked, side in (
                (high, is_left & numbers, np.minimum),
                (low, ~is_left & numbers, np.maximum),
            ):
                place = at[0][picked], at[1][picked]
                bound[place] = side(bound[place], threshold[picked])
            for row, node, left in zip(
                which[~numbers], above[~numbers], is_left[~numbers], strict=True
            ):
                self._allow(allowed, row, node, left)
            child = above
        rows = self._with_values(
            self._tried(nodes, partial(self._base, low, high, allowed))
        )
        return rows if self.allow_nan else rows[~np.isnan(rows).any(axis=1)]

    def _base(self, low, high, allowed, nodes, value):
        """Rows within these bounds, one for each node.

        With a value in the column that the node reads, the leaves on its two sides have
        other values, unless none are found.
        """
        arrays = self.arrays
        values = np.asarray(arrays.value).reshape(arrays.n_nodes, -1)
        base = np.empty(low.shape, dtype=self.dtype)
        same = np.arange(len(nodes))
        for _ in range(_DRAWS):
            base[same] = self._between(low[same], high[same])
            for (row, feature), codes in allowed.items():
                base[row, feature] = codes[0] if len(codes) else np.nan
            rows, own = base[same], nodes[same]
            rows[np.arange(len(own)), arrays.feature[own]] = value[same]
            left, right = (
                self._leaves_below(side[own], rows) for side in (arrays.left, arrays.right)
            )
            same = same[(values[left] == values[right]).all(axis=1)]
            if not len(same):
                break
        return base

    def _leaves_below(self, nodes, rows):
        """The leaf to which each row goes from its node."""
        arrays, nodes = self.arrays, nodes.copy()
        while len(going := np.flatnonzero(arrays.left[nodes] >= 0)):
            node = nodes[going]
            value, threshold = rows[going, arrays.feature[node]], arrays.threshold[node]
            left = np.where(np.isnan(value), arrays.missing[node] == MISSING_LEFT, False)
            zero = np.isnan(value) & (arrays.missing[node] == MISSING_ZERO)
            left |= np.where(zero, 0.0, value) <= threshold
            for number in np.unique(arrays.category[node][arrays.category[node] >= 0]):
                asked = np.flatnonzero(arrays.category[node] == number)
                bits, codes = self.sets[number].right_bits(), value[asked]
                known = (codes >= 0) & (codes < len(bits) - 2)
                place = np.where(known, codes, np.where(np.isnan(codes), -2, -1))
                left[asked] = ~bits[place.astype(int) + 2]
            nodes[going] = np.where(left, arrays.left[node], arrays.right[node])
        return nodes

    def _allow(self, allowed, row, node, left):
        """Only the categories that go to one side."""
        feature = int(self.arrays.feature[node])
        bits = self.sets[self.arrays.category[node]].right_bits()[2:]
        codes = np.flatnonzero(bits != left)
        known = allowed.get((row, feature))
        allowed[row, feature] = codes if known is None else np.intersect1d(known, codes)

    def _between(self, low, high):
        """Numbers above `low` and not above `high`, between any two thresholds in there.

        Only a missing value is above an infinite threshold.
        """
        found = np.zeros(low.shape)
        for feature, edges in self.edges.items():
            first = np.searchsorted(edges, low[:, feature], side="right")
            last = np.searchsorted(edges, high[:, feature], side="left")
            place = self.rng.integers(first, np.maximum(first, last) + 1)
            span = 1.0 + edges[-1] - edges[0]
            ends = np.concatenate([[edges[0] - span], edges, [edges[-1] + span]])
            share = self.rng.uniform(0.25, 0.75, len(place))
            found[:, feature] = ends[place] + (ends[place + 1] - ends[place]) * share
        found = found.astype(self.kind)
        found = np.where(found > high, high, found)
        return np.where(low == np.inf, np.nan, found).astype(self.dtype)

    def _tried(self, nodes, base_of):
        arrays, parts = self.arrays, []
        numbers = np.flatnonzero(arrays.category[nodes] < 0)
        feature, threshold = arrays.feature[nodes], arrays.threshold[nodes]
        kind, most = self.kind, np.finfo(self.kind).max
        whole = np.clip(np.nan_to_num(threshold), -most, most).astype(kind)
        base, at = base_of(nodes, whole), whole[numbers]
        with np.errstate(over="ignore", under="ignore"):
            values = [at, np.nextafter(at, kind(-np.inf)), np.nextafter(at, kind(np.inf))]
        for value in values:
            rows = base[numbers].copy()
            rows[np.arange(len(rows)), feature[numbers]] = np.clip(value, -most, most)
            parts.append(rows)
        if self.allow_nan:
            rows = base_of(nodes, np.full(len(nodes), np.nan))[numbers]
            rows[np.arange(len(rows)), feature[numbers]] = np.nan
            parts.append(rows)
        for place in np.flatnonzero(arrays.category[nodes] >= 0):
            n_known = len(self.sets[arrays.category[nodes[place]]].left)
            codes = np.append(np.arange(n_known, dtype=float), np.nan)
            rows = np.repeat(base[[place]], len(codes), axis=0)
            rows[:, feature[place]] = codes
            parts.append(rows)
        return np.concatenate(parts) if parts else base[:0]

    def _with_values(self, rows):
        """Values of categories in place of their codes, where the form reads values."""
        form = self.form
        known = getattr(form, "categories_", None)
        if known is None or not form.dialect.encodes_arrays:
            return rows
        for feature, categories in known.items():
            values = np.asarray(categories)
            if values.dtype.kind not in "biuf":
                return rows[:0]  # texts: tried by other rows
            codes = rows[:, feature]
            outside = ~((codes >= 0) & (codes < len(values)))
            codes = np.where(outside, 0, codes).astype(int)
            rows[:, feature] = np.where(outside, np.nan, values[codes])
        return rows


class Steps:
    """The steps before a predictor, and rows that become wanted rows behind them.

    Scalers, imputers and choices of columns are inverted, by bisection: a wanted number is
    the one behind the largest number that becomes no larger. Other columns hold values of
    `start`, columns of rows that the steps accept.

    Attributes
    ----------
    invertible : ndarray of int
        The columns behind the steps that are made of one column each.
    """

    def __init__(self, compact, start, kinds):
        self.compact, self.start, self.kinds = compact, start, kinds
        self.source = self._sources()
        self.invertible = np.flatnonzero(self.source >= 0)

    def _after(self, columns):
        rows = rows_of(columns, self.compact)
        for _, step in self.compact.steps_:
            rows = step.transform(rows)
        return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows)

    def _sources(self):
        """The column that each column behind the steps is made of, -1 for several."""
        n_columns, moves = len(self.kinds), (-1.0, 0.5, 2.0)
        columns = [np.repeat(own[:1], 1 + n_columns * len(moves)) for own in self.start]
        for number, (own, kind) in enumerate(zip(columns, self.kinds, strict=True)):
            if kind.kind == "f":
                first = 1 + number * len(moves)
                own[first : first + len(moves)] += np.asarray(moves, dtype=kind)
        try:
            found = self._after(columns)
        except Exception:  # of whatever kind a refusal is
            return np.zeros(0, dtype=int)
        found = found.astype(np.float64)
        changed = (found[1:] != found[0]) & ~(np.isnan(found[1:]) & np.isnan(found[0]))
        changed = changed.reshape(n_columns, len(moves), -1).any(axis=1)
        source = np.where(changed.sum(axis=0) == 1, changed.argmax(axis=0), -1)
        used, counts = np.unique(source, return_counts=True)
        return np.where(np.isin(source, used[counts == 1]), source, -1)

    def rows_before(self, wanted):
        """Rows for wanted ones, and then the same with the next larger numbers."""
        n_rows = len(wanted)
        columns = [np.resize(own, n_rows).copy() for own in self.start]
        pairs = [(place, self.source[place]) for place in self.invertible]
        dtype = np.result_type(*(self.kinds[number] for _, number in pairs))
        most = _ordered(np.full((n_rows, len(pairs)), np.finfo(dtype).max ** 0.25, dtype))
        low, high = -most, most
        for _ in range(8 * dtype.itemsize):
            middle = low // 2 + high // 2 + (low & high & 1)
            for (_, number), own in zip(pairs, _number(middle, dtype).T, strict=True):
                columns[number] = own
            found = self._after(columns)
            below = found[:, self.invertible] <= wanted[:, self.invertible]
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        parts = []
        for value in (low, low + 1):
            own = _number(value, dtype)
            own = np.where(np.isnan(wanted[:, self.invertible]), np.nan, own).astype(dtype)
            for (_, number), column in zip(pairs, own.T, strict=True):
                columns[number] = column
            parts.append(list(columns))
        return rows_of(
            [np.concatenate(own) for own in zip(*parts, strict=True)], self.compact
        )


def _ordered(values):
    """Integers in the order of floats."""
    bits = values.view(f"i{values.dtype.itemsize}")
    return np.where(bits >= 0, bits, np.iinfo(bits.dtype).min - bits)


def _number(order, dtype):
    """The floats of integers in their order."""
    return np.where(order >= 0, order, np.iinfo(order.dtype).min - order).view(dtype)
