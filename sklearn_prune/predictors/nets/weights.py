"""Weights of a net as they are stored: in full, rounded, or only where not zero."""

from copy import copy
from math import prod

import numpy as np

from ..quantized import QuantizedArray, Stored, dense, is_array, is_count, need

# Share of non-zero weights below which only they are stored: 5 bytes each instead of 4
# for all. Making the full matrix again takes 0.2 ms of the 3.2 ms that BLAS takes for
# 784 x 300 and 1,000 rows.
SPARSE_SHARE = 0.5


class SparseWeights(Stored):
    """The non-zero entries of a matrix, row by row.

    Attributes
    ----------
    values : ndarray or QuantizedArray of shape (n_nonzero,)
        In the order of their places.
    gaps : ndarray of uint8 or uint16
        Columns from one entry to the next of its row, the first from column 0. The
        largest number that fits stands for that many columns without an entry.
    counts : ndarray of uint16 or uint32 of shape (n_rows,)
        How many entries each row has.
    shape : tuple of int
        Of the weights: whatever is behind the first axis makes up the columns.
    scale : ndarray of float32 of shape (n_rows,), or None
        Factor for the values of each row.
    """

    def __init__(self, values, gaps, counts, shape, scale=None):
        self.values = values
        self.scale = scale
        self.gaps = gaps
        self.counts = counts
        self.shape = shape

    scale = None
    size = property(lambda self: prod(self.shape))

    def _file_state(self, mapped=False):
        """With `places` and `read` instead of gaps and counts.

        `read` are packed bits of the columns that have entries, `places` the steps from
        one entry to the next in the flattened matrix of these columns.
        """
        state = super()._file_state(mapped)
        if not mapped:
            columns = self.columns()
            read = np.zeros(self.size // self.shape[0], dtype=bool)
            read[columns] = True
            rows = np.repeat(np.arange(self.shape[0]), self.counts)
            flat = rows * np.count_nonzero(read) + (np.cumsum(read) - 1)[columns]
            state["places"] = _coded(np.diff(flat, prepend=0))
            state["read"] = np.packbits(read)
            del state["gaps"], state["counts"]
        return state

    def _set_file_state(self, state):
        if "places" in state:
            state["gaps"], state["counts"] = _of_places(
                state.pop("places"), state.pop("read", None), state.get("shape")
            )
        super()._set_file_state(state)

    @classmethod
    def of(cls, weights):
        """Store the non-zeros of an array of two or more dimensions."""
        matrix = weights.reshape(len(weights), -1)
        rows, columns = np.nonzero(matrix)
        gaps, counts = _by_rows(rows, columns, len(matrix))
        return cls(matrix[rows, columns], gaps, counts, weights.shape)

    def columns(self):
        """The column of each entry."""
        counts = self.counts.astype(np.int64)
        ends = np.flatnonzero(self.gaps != np.iinfo(self.gaps.dtype).max)
        places = np.cumsum(self.gaps, dtype=np.int64)[ends]
        before = np.concatenate([[0], places])[np.cumsum(counts) - counts]
        return (places - np.repeat(before, counts)).astype(np.uint32)

    def plain_values(self):
        """The values of the entries as floats."""
        if not isinstance(self.values, QuantizedArray):
            return self.values
        values = self.values.dense()
        return values if self.scale is None else values * np.repeat(self.scale, self.counts)

    def dense(self):
        """The weights in full."""
        values = self.plain_values()
        full = np.zeros((self.shape[0], self.size // self.shape[0]), dtype=values.dtype)
        full[np.repeat(np.arange(len(full)), self.counts), self.columns()] = values
        return full.reshape(self.shape)

    def quantized(self, quantizer):
        """The same places with rounded values; integers have a scale for each row."""
        values, scale = self.plain_values(), None
        if quantizer.scheme == "int8":
            rows = np.repeat(np.arange(len(self.counts)), self.counts)
            scale = np.zeros(len(self.counts), dtype=values.dtype)
            np.maximum.at(scale, rows, np.abs(values))
            scale[scale == 0] = 1.0
            values = values / scale[rows]
            values = QuantizedArray(np.rint(values * 127).astype(np.int8))
            scale = (scale / 127).astype(np.float32)
        else:
            values = quantizer.quantize(values)
        return SparseWeights(values, self.gaps, self.counts, self.shape, scale)


def _of_places(steps, bits, shape):
    """Gaps and counts of what `_file_state` gives; ValueError if it does not fit."""
    fits = type(shape) is tuple and len(shape) > 1 and all(map(is_count, shape))
    need(fits and shape[0] < 1 << 31, "the shape of weights")
    need(is_array(steps, "u", 1) and steps.itemsize <= 2, "the places of weights")
    n_columns = prod(shape[1:])
    need(is_array(bits, "u", 1) and len(bits) == -(-n_columns // 8), "columns of weights")
    read = np.flatnonzero(np.unpackbits(bits.astype(np.uint8), count=n_columns))
    ends = np.flatnonzero(steps != np.iinfo(steps.dtype).max)
    flat = np.cumsum(steps, dtype=np.int64)[ends]
    need(not len(flat) or flat[-1] < shape[0] * len(read), "a place of weights")
    rows, columns = np.divmod(flat, max(1, len(read)))
    return _by_rows(rows, read[columns], shape[0])


def _by_rows(rows, columns, n_rows):
    """Gaps and counts of entries that are sorted by row and column."""
    counts = np.bincount(rows, minlength=n_rows)
    starts = np.r_[True, rows[1:] != rows[:-1]][: len(rows)]
    steps = np.diff(columns, prepend=0)
    steps[starts] = columns[starts]
    small = np.min_scalar_type(max(int(counts.max(initial=0)), 256))
    return _coded(steps), counts.astype(small)


def _coded(steps):
    """Steps in one byte each, or two where that takes less."""
    if len(steps) + int((steps // 255).sum()) > 2 * len(steps):
        dtype, most = np.uint16, 65535
    else:
        dtype, most = np.uint8, 255
    n_fillers = steps // most
    gaps = np.full(len(steps) + int(n_fillers.sum()), most, dtype=dtype)
    gaps[np.cumsum(n_fillers + 1) - 1] = steps % most
    return gaps


def stored(weights, order="C"):
    """Weights in the form that takes fewer bytes."""
    if np.count_nonzero(weights) < SPARSE_SHARE * weights.size:
        return SparseWeights.of(weights)
    return np.asarray(weights, order=order)


def in_full(weights):
    """Weights as an array, from any form."""
    if isinstance(weights, SparseWeights):
        return weights.dense()
    return dense(weights)


def values_of(weights):
    """The numbers that are stored, as an array."""
    if isinstance(weights, SparseWeights):
        return weights.plain_values()
    return dense(weights)


def quantized(weights, quantizer):
    """Weights in any form, rounded; each output has a scale of its own."""
    if isinstance(weights, SparseWeights):
        return weights.quantized(quantizer)
    return quantizer.quantize(weights, axis=0)


def shared_values(weights):
    """Shared values, and the position of that of each weight; None if there are none.

    The position is -1 for weights that are zero.
    """
    values = weights.values if isinstance(weights, SparseWeights) else weights
    if not isinstance(values, QuantizedArray) or values.values is None:
        return None
    full, known = in_full(weights), values.values
    order = np.argsort(known, kind="stable")
    codes = order[np.searchsorted(known[order], full).clip(max=len(known) - 1)]
    return known, np.where(full == 0, -1, codes)


def with_values(weights, values):
    """A copy of weights with other shared values; zero stays zero."""
    changed = copy(weights)
    if isinstance(weights, SparseWeights):
        changed.values = with_values(weights.values, values)
    else:
        changed.values = np.where(weights.values == 0, 0, values).astype(np.float32)
    return changed


def rounded_bias(bias, error):
    """A bias in as few bytes as move it by at most `error`.

    These are half floats that are integers of one byte times a step, or half floats, or
    what it was.
    """
    bias = bias.astype(np.float32)
    # A step of four bits makes each product fit the eleven bits of a half float.
    fraction, exponent = np.frexp(np.abs(bias).max(initial=0.0) / 127)
    step = np.ldexp(np.ceil(fraction * 16) / 16, exponent)
    step = np.ceil(step / _LEAST) * _LEAST or 1.0
    with np.errstate(over="ignore"):
        stepped = (np.rint(bias / step) * step).astype(np.float16) + np.float16(
            0
        )  # no -0.0
        short = bias.astype(np.float16)
    for rounded in (stepped, short):
        moved = np.abs(rounded - bias).max(initial=0.0)
        if np.isfinite(moved) and moved <= error:
            return rounded
    return bias


_LEAST = 2.0**-24  # of which every half float is a multiple


def in_steps(values):
    """Integers of one byte, and the step in units of 2**-24, or None if there are none."""
    if not (type(values) is np.ndarray and values.dtype == np.float16 and values.size):
        return None
    if not np.isfinite(values).all() or np.any(np.signbit(values) & (values == 0)):
        return None
    integers = (values.astype(np.float64) / _LEAST).astype(np.int64)
    step = max(1, int(np.gcd.reduce(integers)))
    codes = integers // step
    return None if np.abs(codes).max() > 127 else (codes.astype(np.int8), step)


def of_steps(codes, step):
    """The half floats that `in_steps` was given."""
    need(is_array(codes, "i", 1) and is_count(step, 1), "a bias")
    return (codes * (step * _LEAST)).astype(np.float16)


def wide(weights, mask):
    """A matrix with columns of zeros where `mask` is False."""
    narrow = in_full(weights)
    full = np.zeros((len(narrow), len(mask)), dtype=narrow.dtype)
    full[:, mask] = narrow
    return full
