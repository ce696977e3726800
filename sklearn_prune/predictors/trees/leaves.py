"""What the leaves of a forest add: tables that the ids of the leaves point into."""

import numpy as np

from ..base import kernels
from ..quantized import QuantizedArray, Stored, dense, need, rows_of

LARGEST_COUNT = 65_535
FEW = 32  # integers that a file holds as a list
MOST = 1 << 31  # nodes, or leaves
_DEFAULTS = {
    "n_pure": 0,
    "n_outputs": 1,
    "scale": 1.0,
    "shares": False,
}  # which no file has to hold
SMALL_TABLE = 4096  # rows that are decoded for a few leaves too


def smallest_int(values):
    """The values in the smallest unsigned type that holds them."""
    largest = int(values.max(initial=0))
    return values.astype(np.min_scalar_type(largest))


def shortened(state):
    """Short arrays of the smallest unsigned integers as lists, and no defaults."""
    found = {}
    for name, value in state.items():
        default = _DEFAULTS.get(name, ...)
        if type(value) is type(default) and value == default:
            continue
        is_array = type(value) is np.ndarray and value.ndim == 1 and name != "edges"
        few = is_array and value.dtype.kind in "iu" and value.size <= FEW
        if few and value.min(initial=0) >= 0 and smallest_int(value).dtype == value.dtype:
            value = value.tolist()
        found[name] = value
    return found


def integers(value, name):
    """Unsigned integers from a list or an array."""
    if type(value) is list:
        fits = all(type(each) is int and 0 <= each < 1 << 32 for each in value)
        need(fits, name)
        value = smallest_int(np.array(value, dtype=np.int64))
    need(type(value) is np.ndarray and value.ndim == 1 and value.dtype.kind in "iu", name)
    need(value.dtype.kind == "u" or value.min(initial=0) >= 0, name)
    need(value.size < 8 * MOST, name)
    return value


def distinct_rows(rows):
    """Position of the first of each distinct row, and which of them each row is."""
    if rows.shape[1] == 1:
        packed = rows[:, 0]
    else:
        packed = np.ascontiguousarray(rows).view(f"V{rows[:1].nbytes}").ravel()
    if not len(rows):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    _, first, inverse = np.unique(packed, return_index=True, return_inverse=True)
    return first, inverse


class ValueLeaves(Stored):
    """A row of values for each leaf id.

    Parameters
    ----------
    values : ndarray or QuantizedArray of shape (n_ids, width)
        What a leaf adds.
    """

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def add(self, leaves, n_pure, column, out):
        """Add the values of the leaves, ids by (tree, row), to the outputs."""
        values = self.values
        if isinstance(values, QuantizedArray):
            few = max(leaves.size, SMALL_TABLE) < len(values)
            if few and values.codes.shape == values.shape:
                asked = np.maximum(leaves, n_pure).ravel() - n_pure
                values = rows_of(values, asked)
                own = np.arange(n_pure, n_pure + leaves.size).reshape(leaves.shape)
                leaves = np.where(leaves < n_pure, leaves, own.astype(np.uint32))
            values = values.dense()
        kernels("trees.kernels").add_values(leaves, n_pure, values, column, out)

    def rows(self, width, ids=slice(None)):
        """The values in float64, one row for each id."""
        values = self.values
        if isinstance(values, QuantizedArray) and values.codes.shape != values.shape:
            values = values.dense()  # several codes share a byte
        return np.asarray(dense(rows_of(values, ids)), dtype=np.float64)


class ShareLeaves(Stored):
    """Class counts for each leaf id, which adds their shares.

    Parameters
    ----------
    counts : ndarray of shape (n_ids, width)
        Small integers.
    bounds : ndarray of int
        Where the classes of each output begin, and where the last ones end.
    """

    def __init__(self, counts, bounds):
        self.counts = counts
        self.bounds = bounds

    def __len__(self):
        return len(self.counts)

    def add(self, leaves, n_pure, column, out):
        """Add the shares of the leaves, ids by (tree, row), to the outputs."""
        kernels("trees.kernels").add_shares(
            leaves, n_pure, self.counts, self.bounds.astype(np.int64), out
        )

    def rows(self, width, ids=slice(None)):
        """The shares in float64, one row for each id."""
        groups = np.split(self.counts[ids].astype(np.float64), self.bounds[1:-1], axis=1)
        return np.hstack([group / group.sum(axis=1, keepdims=True) for group in groups])


class SparseLeaves(Stored):
    """Few values for each leaf id, and the outputs that they are added to.

    Parameters
    ----------
    start : ndarray of shape (n_ids + 1,)
        Where the values of an id begin.
    column : ndarray of shape (n_values,)
        Outputs.
    values : ndarray of shape (n_values,)
        What is added, in units of `scale`.
    scale : float, default=1.0
        Factor for all values.
    shares : bool, default=False
        Whether the values of an id are counts, which add their shares.
    """

    def __init__(self, start, column, values, scale=1.0, *, shares=False):
        self.start = start
        self.column = column
        self.values = values
        self.scale = scale
        self.shares = shares

    def __len__(self):
        return len(self.start) - 1

    def __copy__(self):
        return SparseLeaves(
            self.start, self.column, self.values, self.scale, shares=self.shares
        )

    def __getstate__(self):
        return {**vars(self), "start": smallest_int(np.diff(self.start.astype(np.int64)))}

    def _file_state(self, mapped=False):
        if mapped:  # positions, which processes share
            state = dict(vars(self))
            return {"begin": state.pop("start"), **state}
        return shortened(self.__getstate__())

    def _set_file_state(self, state):
        state = {"scale": 1.0, "shares": False, **state}
        if "begin" in state:
            state["start"] = state.pop("begin")
            vars(self).update(state)
            return
        for name in ("start", "column", "values"):
            if type(state[name]) is list:
                state[name] = integers(state[name], name)
        need(integers(state["start"], "start").max(initial=0) < 1 << 31, "start")
        self.__setstate__(state)

    def __setstate__(self, state):
        vars(self).update(state)
        start = np.cumsum(state["start"], dtype=np.int64)
        self.start = smallest_int(np.concatenate([[0], start]))

    def add(self, leaves, n_pure, column, out):
        """Add the values of the leaves, ids by (tree, row), to the outputs."""
        values, scale = self._numbers()
        kernels("trees.kernels").add_sparse(
            leaves, n_pure, self.start, self.column, values, scale, self.shares, out
        )

    def rows(self, width, ids=slice(None)):
        """The values in float64, one row for each id."""
        start = self.start.astype(np.int64)
        first, counts = start[:-1][ids], np.diff(start)[ids]
        of = np.repeat(np.arange(len(counts)), counts)
        taken = np.arange(len(of)) + np.repeat(first - np.cumsum(counts) + counts, counts)
        values, scale = self._numbers()
        rows = np.zeros((len(counts), width))
        rows[of, self.column[taken]] = values[taken]
        if self.shares:
            return rows / rows.sum(axis=1, keepdims=True)
        return rows * scale

    def _numbers(self):
        """The values as plain numbers, and their factor."""
        values, scale = self.values, float(self.scale)
        if not isinstance(values, QuantizedArray):
            return values, scale
        if values.codes.dtype == np.int8 and values.offset is None:
            return values.codes, scale * float(values.scale)
        return values.dense(), scale

    @classmethod
    def of(cls, rows, *, dtype=None, shares=False):
        """The values of a dense table that are not zero.

        With ``dtype=np.int8`` they are rounded to 255 levels of one common scale.
        Zeros that are left out are not added, so the outputs stay the same to the bit.
        """
        of, column = np.nonzero(rows)
        start = np.searchsorted(of, np.arange(len(rows) + 1))
        values, scale = rows[of, column], 1.0
        if dtype == np.int8:
            scale = float(np.abs(values).max(initial=0.0) / 127 or 1.0)
            values = np.rint(values / scale)
        values = values if dtype is None else values.astype(dtype)
        return cls(smallest_int(start), smallest_int(column), values, scale, shares=shares)


def leaf_table(rows, totals=None, bounds=None):
    """The smallest table that gives these rows back to the bit.

    Parameters
    ----------
    rows : ndarray of shape (n_ids, width), float64
        What each id adds.
    totals : ndarray of shape (n_ids,), or None
        Weights of the leaves, where rows may be class counts divided by them.
    bounds : ndarray of int, or None
        Where the classes of each output begin, and where the last ones end.
    """
    values = narrow_floats(rows)
    tables = [ValueLeaves(values)]
    if rows.shape[1] > 2:
        tables.append(SparseLeaves.of(values))
    if totals is not None and bounds is not None and len(rows):
        counts = _counts(rows, totals, bounds)
        if counts is not None:
            tables.append(ShareLeaves(counts, bounds))
            if len(bounds) == 2:
                tables.append(SparseLeaves.of(counts, shares=True))
    return min(tables, key=_bytes)


def narrow_floats(values):
    """The values in float32 if that is exact, else in float64."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    exact = np.array_equal(narrow.astype(np.float64), values, equal_nan=True)
    return narrow if exact else np.asarray(values, dtype=np.float64)


def _counts(rows, totals, bounds):
    """Integers whose shares are the rows, or None if there are none."""
    counts = np.rint(rows * totals[:, None])
    if not np.isfinite(counts).all() or counts.min() < 0 or counts.max() > LARGEST_COUNT:
        return None
    counts = counts.astype(np.int64)
    divisor = np.gcd.reduce(counts, axis=1)
    counts = smallest_int(counts // np.maximum(divisor, 1)[:, None])
    with np.errstate(invalid="ignore"):
        exact = np.array_equal(ShareLeaves(counts, bounds).rows(rows.shape[1]), rows)
    return counts if exact else None


def _bytes(table):
    return sum(
        part.nbytes
        for part in vars(table).values()
        if isinstance(part, np.ndarray | QuantizedArray)
    )
