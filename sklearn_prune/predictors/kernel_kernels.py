"""Compiled exponentials for the Gaussian kernel."""

import numpy as np
from numba import njit

TILE = 256
_SHIFT64 = 1.5 * 2.0**52  # adding it rounds to an integer, found in the low bits
_SHIFT32 = np.float32(1.5 * 2.0**23)
_LOG2E = 1 / np.log(2.0)
_LN2_HIGH, _LN2_LOW = 0.693145751953125, 1.42860682030941723212e-6
_TERMS64 = tuple(1.0 / np.prod(np.arange(1.0, k + 1)) for k in range(14))
_TERMS32 = tuple(np.float32(term) for term in _TERMS64[:8])


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def gaussian64(products, rows, columns):
    """Overwrite a block z by exp(min(0, z + rows[:, None] + columns)), float64.

    Taylor's series of degree 13 on [-log(2)/2, log(2)/2]: within 2 units in the last
    place; below exp(-708) the result is 0.
    """
    shifted = np.empty(TILE, dtype=np.float64)
    bits = shifted.view(np.int64)
    result = np.empty(TILE, dtype=np.float64)
    raised = result.view(np.int64)
    for i in range(products.shape[0]):
        row = rows[i]
        for start in range(0, products.shape[1], TILE):
            part = products[i, start : start + TILE]
            added = columns[start : start + TILE]
            size = len(part)
            for j in range(size):
                z = min(0.0, part[j] + row + added[j])
                part[j] = z
                z = max(z, -708.0)
                turned = z * _LOG2E + _SHIFT64
                shifted[j] = turned
                whole = turned - _SHIFT64
                r = (z - whole * _LN2_HIGH) - whole * _LN2_LOW
                p = _TERMS64[13]
                p = p * r + _TERMS64[12]
                p = p * r + _TERMS64[11]
                p = p * r + _TERMS64[10]
                p = p * r + _TERMS64[9]
                p = p * r + _TERMS64[8]
                p = p * r + _TERMS64[7]
                p = p * r + _TERMS64[6]
                p = p * r + _TERMS64[5]
                p = p * r + _TERMS64[4]
                p = p * r + _TERMS64[3]
                p = p * r + _TERMS64[2]
                p = p * r + 1.0
                result[j] = p * r + 1.0
            for j in range(size):
                raised[j] += bits[j] << 52
            for j in range(size):
                part[j] = result[j] if part[j] > -708.0 else 0.0


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def gaussian32(products, rows, columns):
    """The same in float32: degree 7; below exp(-87) the result is 0."""
    zero, one, lowest = np.float32(0), np.float32(1), np.float32(-87)
    log2e = np.float32(_LOG2E)
    high, low = np.float32(_LN2_HIGH), np.float32(_LN2_LOW)
    shifted = np.empty(TILE, dtype=np.float32)
    bits = shifted.view(np.int32)
    result = np.empty(TILE, dtype=np.float32)
    raised = result.view(np.int32)
    for i in range(products.shape[0]):
        row = rows[i]
        for start in range(0, products.shape[1], TILE):
            part = products[i, start : start + TILE]
            added = columns[start : start + TILE]
            size = len(part)
            for j in range(size):
                z = min(zero, part[j] + row + added[j])
                part[j] = z
                z = max(z, lowest)
                turned = z * log2e + _SHIFT32
                shifted[j] = turned
                whole = turned - _SHIFT32
                r = (z - whole * high) - whole * low
                p = _TERMS32[7]
                p = p * r + _TERMS32[6]
                p = p * r + _TERMS32[5]
                p = p * r + _TERMS32[4]
                p = p * r + _TERMS32[3]
                p = p * r + _TERMS32[2]
                p = p * r + one
                result[j] = p * r + one
            for j in range(size):
                raised[j] += np.int32(bits[j] << np.int32(23))
            for j in range(size):
                part[j] = result[j] if part[j] > lowest else zero
