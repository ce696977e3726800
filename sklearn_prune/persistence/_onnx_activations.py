"""Activations of nets as ONNX operators, all of which runtimes have in both precisions."""

import numpy as np

from sklearn_prune.weight_pruning.compact._net_activations import SELU_ALPHA, SELU_SCALE


def activated(z, name, settings, slopes):
    """The activation of a value; units are along axis 1."""
    if slopes is not None:
        shape = (-1, *(1,) * (z.ndim - 2))
        slopes = z.graph.parameter(slopes, z.dtype).reshape(*shape)
        return z.maximum(0.0) + z.minimum(0.0) * slopes
    return _ACTIVATIONS[name](z, **settings)


def _leaky_relu(z, negative_slope=0.01):
    return z.maximum(0.0) + z.minimum(0.0) * float(negative_slope)


def _elu(z, alpha=1.0):
    return z.maximum(0.0) + _expm1(z.minimum(0.0)) * float(alpha)


def _celu(z, alpha=1.0):
    return z.maximum(0.0) + _expm1(z.minimum(0.0) / float(alpha)) * float(alpha)


def _expm1(z):
    """exp(z) - 1 by the hyperbolic tangent, which loses no digits near zero."""
    half = (z * 0.5).tanh()
    return half * 2.0 / (1.0 - half)


def _selu(z):
    return _elu(z, SELU_ALPHA) * SELU_SCALE


def _gelu(z, approximate="none"):
    if approximate == "tanh":
        inner = (z + z * z * z * 0.044715) * float(np.sqrt(2 / np.pi))
        return z * 0.5 * (inner.tanh() + 1.0)
    scaled = z * float(np.sqrt(0.5))
    if z.dtype == np.float32:
        return z * 0.5 * (scaled.unary("Erf") + 1.0)
    from sklearn_prune.persistence._onnx_process import erf

    return z * 0.5 * (erf(z.graph, scaled) + 1.0)


def _softplus(z, beta=1.0, threshold=20.0):
    """log(1 + exp(z)); beyond the threshold the difference from z is less than rounding."""
    scaled = z * float(beta)
    found = (_log1p_exp(scaled)) / float(beta)
    return z.graph.where(scaled > float(threshold), z, found)


def _log1p_exp(z):
    return z.maximum(0.0) + ((-z.abs()).exp() + 1.0).log()


def _hardsigmoid(z):
    return (z + 3.0).clip(0.0, 6.0) / 6.0


def _log_softmax(z):
    return z.unary("LogSoftmax", axis=1)


_ACTIVATIONS = {
    "identity": lambda z: z,
    "relu": lambda z: z.unary("Relu"),
    "relu6": lambda z: z.clip(0.0, 6.0),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "selu": _selu,
    "celu": _celu,
    "gelu": _gelu,
    "silu": lambda z: z * z.expit(),
    "mish": lambda z: z * _log1p_exp(z).tanh(),
    "tanh": lambda z: z.tanh(),
    "sigmoid": lambda z: z.expit(),
    "logistic": lambda z: z.expit(),
    "softplus": _softplus,
    "softsign": lambda z: z / (z.abs() + 1.0),
    "hardtanh": lambda z, min_val=-1.0, max_val=1.0: z.clip(float(min_val), float(max_val)),
    "hardsigmoid": _hardsigmoid,
    "hardswish": lambda z: z * _hardsigmoid(z),
    "logsigmoid": lambda z: -_log1p_exp(-z),
    "softmax": lambda z: z.unary("Softmax", axis=1),
    "log_softmax": _log_softmax,
}
