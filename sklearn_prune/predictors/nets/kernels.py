"""Compiled products with weights of which only the non-zero ones are stored."""

import numpy as np
from numba import njit

BLOCK = 128  # rows that are taken together, so that the inner loops vectorize


@njit(cache=True, nogil=True, error_model="numpy")
def _next_column(gaps, place, column):
    """The column of the next entry of a row, and the place of the gap after it."""
    most = np.uint64(255 if gaps.itemsize == 1 else 65535)
    gap = np.uint64(gaps[place])
    while gap == most:
        column += most
        place += np.uint64(1)
        gap = np.uint64(gaps[place])
    return column + gap, place + np.uint64(1)


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def _product_of_block(block, columns, values, counts, bias, total, result):
    """Write the outputs of the rows that stand along axis 1 of `block`.

    Four entries at a time: the sums are read and written once for all of them.
    """
    one, two, three, four = np.uint32(1), np.uint32(2), np.uint32(3), np.uint32(4)
    entry = np.uint32(0)
    for output in range(len(counts)):
        total[:] = bias[output]
        last = entry + np.uint32(counts[output])
        while entry + four <= last:
            a, b = values[entry], values[entry + one]
            c, d = values[entry + two], values[entry + three]
            line_a, line_b = block[columns[entry]], block[columns[entry + one]]
            line_c, line_d = block[columns[entry + two]], block[columns[entry + three]]
            for row in range(BLOCK):
                total[row] += (
                    a * line_a[row] + b * line_b[row] + c * line_c[row] + d * line_d[row]
                )
            entry += four
        while entry < last:
            a = values[entry]
            line_a = block[columns[entry]]
            for row in range(BLOCK):
                total[row] += a * line_a[row]
            entry += one
        result[output] = total[: result.shape[1]]


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def from_rows(X, columns, values, counts, bias, result):
    """result[o, row] = bias[o] + the product, X with one row after the other.

    Only the columns that have an entry are turned.
    """
    n_rows, n_inputs = X.shape
    place = np.zeros(n_inputs, dtype=np.int32)
    for column in columns:
        place[column] = 1
    used = np.flatnonzero(place)
    for number in range(len(used)):
        place[used[number]] = number
    places = place[columns]
    block = np.zeros((len(used), BLOCK), dtype=X.dtype)
    total = np.empty(BLOCK, dtype=X.dtype)
    for start in range(0, n_rows, BLOCK):
        size = min(BLOCK, n_rows - start)
        for number in range(len(used)):
            column = used[number]
            for row in range(size):
                block[number, row] = X[start + row, column]
        part = result[:, start : start + size]
        _product_of_block(block, places, values, counts, bias, total, part)


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def from_columns(X, columns, values, counts, bias, result):
    """The same with X of shape (n_inputs, n_rows)."""
    n_inputs, n_rows = X.shape
    block = np.zeros((n_inputs, BLOCK), dtype=X.dtype)
    total = np.empty(BLOCK, dtype=X.dtype)
    for start in range(0, n_rows, BLOCK):
        size = min(BLOCK, n_rows - start)
        for column in range(n_inputs):
            block[column, :size] = X[column, start : start + size]
        part = result[:, start : start + size]
        _product_of_block(block, columns, values, counts, bias, total, part)


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def from_few_rows(X, gaps, values, counts, bias, result):
    """result[row, o] = bias[o] + the product, reading the stored gaps.

    Two sums at a time, so that one need not wait for the other.
    """
    one, two = np.uint64(1), np.uint64(2)
    for row in range(len(X)):
        x = X[row]
        place = np.uint64(0)
        entry = np.uint64(0)
        for output in range(len(counts)):
            column = np.uint64(0)
            last = entry + np.uint64(counts[output])
            first_sum, second_sum = bias[output], bias[output] * 0
            while entry + two <= last:
                column, place = _next_column(gaps, place, column)
                first_sum += values[entry] * x[column]
                column, place = _next_column(gaps, place, column)
                second_sum += values[entry + one] * x[column]
                entry += two
            if entry < last:
                column, place = _next_column(gaps, place, column)
                first_sum += values[entry] * x[column]
                entry += one
            result[row, output] = first_sum + second_sum


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def few_rows_by_integers(X, codes, scale, bias, result):
    """The product with ``codes * scale[:, None]``, codes of one byte, in float32."""
    for row in range(len(X)):
        x = X[row]
        for output in range(len(codes)):
            line = codes[output]
            total = np.float32(0)
            for column in range(len(line)):
                total += np.float32(line[column]) * x[column]
            result[row, output] = total * scale[output] + bias[output]


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def few_rows_by_values(X, codes, values, bias, result):
    """The product with ``values[codes]`` in float32."""
    for row in range(len(X)):
        x = X[row]
        for output in range(len(codes)):
            line = codes[output]
            total = np.float32(0)
            for column in range(len(line)):
                total += values[line[column]] * x[column]
            result[row, output] = total + bias[output]


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def few_rows_by_halves(X, codes, bias, result):
    """The product with half floats, given as uint16, in float32."""
    n_columns = X.shape[1]
    weights = np.empty(n_columns, dtype=np.float32)
    bits = weights.view(np.int32)
    # The exponent of a half float is short: its bits are those of a far smaller single.
    larger = np.float32(2.0**112)
    for output in range(len(codes)):
        line = codes[output]
        for column in range(n_columns):
            code = np.int32(line[column])
            bits[column] = ((code & 0x8000) << 16) | ((code & 0x7FFF) << 13)
        for row in range(len(X)):
            x = X[row]
            total = np.float32(0)
            for column in range(n_columns):
                total += weights[column] * larger * x[column]
            result[row, output] = total + bias[output]


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def few_rows_by_pairs(X, codes, values, bias, result):
    """The same with two codes in a byte, the lower first, and an even number of columns."""
    for row in range(len(X)):
        x = X[row]
        for output in range(len(codes)):
            line = codes[output]
            total = np.float32(0)
            for pair in range(len(line)):
                code = line[pair]
                total += (
                    values[code & 15] * x[2 * pair] + values[code >> 4] * x[2 * pair + 1]
                )
            result[row, output] = total + bias[output]
