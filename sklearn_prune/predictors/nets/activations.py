"""Activations of nets, in place where numpy can."""

import numpy as np

from ..links import erf, expit

SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717


def _identity(z):
    return z


def _relu(z):
    return np.maximum(z, 0, out=z)


def _relu6(z):
    return np.clip(z, 0, 6, out=z)


def _leaky_relu(z, negative_slope=0.01):
    return np.multiply(z, negative_slope, out=z, where=z < 0)


def _elu(z, alpha=1.0):
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def _celu(z, alpha=1.0):
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0) / alpha))


def _selu(z):
    return _elu(z, SELU_ALPHA) * z.dtype.type(SELU_SCALE)


def _gelu(z, approximate="none"):
    if approximate == "tanh":
        inner = np.sqrt(2 / np.pi).astype(z.dtype) * (z + 0.044715 * z**3)
        return 0.5 * z * (1 + np.tanh(inner))
    return 0.5 * z * (1 + erf(z * z.dtype.type(np.sqrt(0.5))))


def _silu(z):
    return z * expit(z)


def _mish(z):
    return z * np.tanh(_softplus(z))


def _tanh(z):
    return np.tanh(z, out=z)


def _sigmoid(z):
    return expit(z)


def _softplus(z, beta=1.0, threshold=20.0):
    scaled = z * beta
    return np.where(scaled > threshold, z, np.logaddexp(scaled, 0) / beta)


def _softsign(z):
    return z / (1 + np.abs(z))


def _hardtanh(z, min_val=-1.0, max_val=1.0):
    return np.clip(z, min_val, max_val, out=z)


def _hardsigmoid(z):
    z += 3
    np.clip(z, 0, 6, out=z)
    z /= 6
    return z


def _hardswish(z):
    return z * _hardsigmoid(z.copy())


def _logsigmoid(z):
    return -np.logaddexp(0, -z)


def _softmax(z):
    z -= z.max(axis=1, keepdims=True)
    np.exp(z, out=z)
    z /= z.sum(axis=1, keepdims=True)
    return z


def _log_softmax(z):
    z -= z.max(axis=1, keepdims=True)
    z -= np.log(np.exp(z).sum(axis=1, keepdims=True))
    return z


def _prelu(z, weight):
    slopes = weight.reshape(-1, *(1,) * (z.ndim - 2))
    return np.where(z < 0, slopes * z, z)


_FUNCTIONS = {
    "identity": _identity,
    "relu": _relu,
    "relu6": _relu6,
    "leaky_relu": _leaky_relu,
    "prelu": _prelu,
    "elu": _elu,
    "selu": _selu,
    "celu": _celu,
    "gelu": _gelu,
    "silu": _silu,
    "mish": _mish,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "logistic": _sigmoid,
    "softplus": _softplus,
    "softsign": _softsign,
    "hardtanh": _hardtanh,
    "hardsigmoid": _hardsigmoid,
    "hardswish": _hardswish,
    "logsigmoid": _logsigmoid,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
}
KNOWN_ACTIVATIONS = frozenset(_FUNCTIONS)
# One unit's result depends on the others.
COUPLED_ACTIVATIONS = frozenset({"softmax", "log_softmax"})


def activate(z, name, settings=None, weight=None):
    """The activation of an array that may be overwritten; units are along axis 1."""
    if name not in KNOWN_ACTIVATIONS:
        raise ValueError(
            f"An activation must be one of {', '.join(sorted(KNOWN_ACTIVATIONS))}. "
            f"Got {name!r}. Write one of them."
        )
    if weight is not None:
        return _prelu(z, weight)
    return _FUNCTIONS[name](z, **(settings or {}))
