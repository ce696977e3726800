"""Scalar functions as scipy and scikit-learn compute them, by numpy and `math`.

numpy's own exp differs from libm's in the last bit. scipy's expit and erf use libm's.
"""

import math
import sys

import numpy as np

_MANY = 1024  # numbers from which scipy is faster, where it is imported
_LARGEST = 709.782712893384  # of the numbers whose exp is finite
# glibc's expf, after Szabolcs Nagy's "optimized routines" of Arm (2017): exp(x) = 2^(k/32)
# times a polynomial, in double precision. Its results are those of scipy in float32.
_POWERS = 2.0 ** (np.arange(32) / 32)
_PER_LOG = 32 * float.fromhex("0x1.71547652b82fep+0")
_CUBIC = float.fromhex("0x1.c6af84b912394p-5") / 32**3
_SQUARE = float.fromhex("0x1.ebfce50fac4f3p-3") / 32**2
_LINEAR = float.fromhex("0x1.62e42ff0c52d6p-1") / 32


def expit(z):
    """The logistic function, in the dtype of the array."""
    z = np.asarray(z)
    if z.dtype == np.float32:
        with np.errstate(over="ignore"):
            return 1 / (1 + exp32(-z))
    special = sys.modules.get("scipy.special")
    if special is not None and z.size > _MANY:
        return special.expit(z)
    return _mapped(_expit, z)


def exp32(z):
    """The exponential of a float32 array, to the bit as C's expf."""
    z = np.clip(z, -110, 90)
    turned = z.astype(np.float64) * _PER_LOG
    whole = np.rint(turned)
    rest = turned - whole
    with np.errstate(invalid="ignore", over="ignore"):
        whole = whole.astype(np.int32)
        scale = np.ldexp(_POWERS.take(whole & 31), whole >> 5)
        part = (_CUBIC * rest + _SQUARE) * (rest * rest) + (_LINEAR * rest + 1)
        return (part * scale).astype(np.float32)


def log_expit(z):
    """The logarithm of the logistic function."""
    return _mapped(_log_expit, np.asarray(z))


def erf(z):
    """The error function, in the dtype of the array."""
    return _mapped(math.erf, np.asarray(z))


def softmax(z, axis=1):
    """Shares of the exponentials along an axis, in the memory layout of the array."""
    z = np.exp(z - z.max(axis=axis, keepdims=True))
    z /= z.sum(axis=axis, keepdims=True)
    return z


def softmax_in_order(z):
    """Shares of the exponentials of each row as C code computes them.

    The exponentials are libm's, and are added up from left to right.
    """
    z = z - z.max(axis=1, keepdims=True)
    z = np.fromiter(map(math.exp, z.ravel().tolist()), float, z.size).reshape(z.shape)
    return z / np.cumsum(z, axis=1)[:, -1:]


def softmax32(z):
    """Shares of the exponentials of each row, in float32 as XGBoost computes them."""
    z = exp32(z - z.max(axis=1, keepdims=True))
    return z / np.cumsum(z, axis=1, dtype=np.float64)[:, -1:].astype(np.float32)


def log_softmax(z, axis=1):
    """Logarithms of `softmax`; z may be overwritten."""
    z = z - z.max(axis=axis, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=axis, keepdims=True))


def logsumexp(z):
    """The logarithm of the sum of exponentials of each row, with one column."""
    largest = z.max(axis=1, keepdims=True)
    is_largest = z == largest
    with np.errstate(invalid="ignore", divide="ignore"):
        rest = np.exp(np.where(is_largest, -np.inf, z) - largest).sum(axis=1, keepdims=True)
        count = is_largest.sum(axis=1, keepdims=True, dtype=z.dtype)
        found = np.log1p(rest / count) + np.log(count) + largest
    return np.where(np.isfinite(found), found, largest)


def _mapped(function, z):
    values = [function(value) for value in z.ravel().tolist()]
    return np.array(values, dtype=z.dtype).reshape(z.shape)


def _expit(value):
    return 0.0 if value < -_LARGEST else 1.0 / (1.0 + math.exp(-value))


def _log_expit(value):
    if value < 0.0:
        return value - math.log1p(math.exp(value))
    return -math.log1p(math.exp(-value))
