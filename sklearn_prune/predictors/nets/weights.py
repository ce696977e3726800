"""Weights of a net as they are stored: in full, rounded, or only where not zero."""

from math import prod

import numpy as np

from ..quantized import QuantizedArray, Stored, dense

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

    size = property(lambda self: prod(self.shape))

    @classmethod
    def of(cls, weights):
        """Store the non-zeros of an array of two or more dimensions."""
        matrix = weights.reshape(len(weights), -1)
        rows, columns = np.nonzero(matrix)
        counts = np.bincount(rows, minlength=len(matrix))
        starts = np.r_[True, rows[1:] != rows[:-1]][: len(rows)]
        steps = np.diff(columns, prepend=0)
        steps[starts] = columns[starts]
        small = np.min_scalar_type(max(int(counts.max(initial=0)), 256))
        return cls(
            matrix[rows, columns], _coded(steps), counts.astype(small), weights.shape
        )

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


def short_floats(bias, reach):
    """A bias as half floats, if one byte for weights up to `reach` rounds no less."""
    bias = bias.astype(np.float32)
    with np.errstate(over="ignore"):
        short = bias.astype(np.float16)
    fits = np.abs(short - bias).max(initial=0.0) <= reach / 254
    return short if fits else bias


def wide(weights, mask):
    """A matrix with columns of zeros where `mask` is False."""
    narrow = in_full(weights)
    full = np.zeros((len(narrow), len(mask)), dtype=narrow.dtype)
    full[:, mask] = narrow
    return full
