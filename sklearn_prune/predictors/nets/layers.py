"""Layers of a compact net: arrays, and how results are made of results."""

from copy import copy

import numpy as np

from ..base import kernels
from ..quantized import QuantizedArray, Stored, is_sparse
from . import places
from .activations import activate
from .weights import (
    SparseWeights,
    in_full,
    in_steps,
    of_steps,
    quantized,
    rounded_bias,
    wide,
)

# Share of non-zero weights below which the sparse product of many rows is the faster:
# 784 x 300, 1,000 rows, 2 % 1.0 ms, 10 % 2.1 ms, 15 % 2.8 ms; BLAS 3.2 ms (one thread).
_SPARSE_PRODUCT_SHARE = 0.1
# Rows for which reading the stored form beats making floats of it for BLAS: 784 x 300,
# one row, integers 17 us, shared values 56 us; making floats 95 and 270 us.
_FEW_ROWS = 3


class Layer(Stored):
    """One step; the activation that follows it is part of it.

    Attributes
    ----------
    inputs : tuple of int
        Positions of the results that it reads; the rows are at position 0.
    weights, bias : array in some form, or None
        What it multiplies by and adds.
    names : tuple of (str or None)
        Names of both, and of the slopes of its activation, in the full net.
    activation : str
        Name of the activation.
    settings, facts : dict
        Of the step and of the activation.
    slopes : ndarray or None
        What the activation is multiplied by where it is negative, for "prelu".
    """

    weights = bias = slopes = None
    names = (None, None, None)
    activation = "identity"
    settings = facts = None
    inputs = ()
    has_kernels = False

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "_full"}

    def _file_state(self, mapped=False):
        state = super()._file_state(mapped)
        stepped = None if mapped else in_steps(self.bias)
        if stepped is not None:
            state["bias"], state["bias_step"] = stepped
        return state

    def _set_file_state(self, state):
        if "bias_step" in state:
            state["bias"] = of_steps(state["bias"], state.pop("bias_step"))
        super()._set_file_state(state)

    def __call__(self, *results, compiled=False):
        options = {"compiled": True} if compiled and self.has_kernels else {}
        result = self.step(*results, **options)
        if self.activation == "identity":
            return result
        return activate(result, self.activation, self.facts, self.slopes)

    def step(self, result):
        """A new array, before the activation."""
        return result.copy()

    def n_products(self):
        """How many products there are for each input; infinite if it cannot be widened."""
        return np.inf

    def quantized(self, quantizer):
        """A copy with rounded weights, and a bias that is rounded by no more."""
        small = copy(self)
        reach, n_values = 1.0, 255
        if self.weights is not None and len(self.weights.shape) > 1:
            small.weights = quantized(self.weights, quantizer)
            reach = np.abs(in_full(self.weights)).max(initial=0.0)
        if self.bias is not None:
            if quantizer.scheme == "codebook":
                n_values = quantizer.n_values
            small.bias = rounded_bias(self.bias, reach / (n_values - 1))
        if self.slopes is not None:
            small.slopes = self.slopes.astype(np.float32)
        return small


class Dense(Layer):
    """Weights of shape (n_out, n_in)."""

    has_kernels = True

    def n_products(self):
        return self.weights.shape[0]

    def widened(self, mask):
        """A copy for rows of which the columns where `mask` is True are read."""
        layer = copy(self)
        layer.weights = wide(self.weights, mask)
        return layer

    def step(self, rows, compiled=False):
        weights, bias = self.weights, self.bias
        if compiled and not isinstance(weights, np.ndarray) and not is_sparse(rows):
            result = self._without_blas(rows)
            if result is not None:
                return result
        result = rows @ self._in_full(rows.dtype, kept=not compiled).T
        if isinstance(weights, QuantizedArray) and weights.codes.dtype == np.int8:
            # Scales are for the result, which is smaller than the weights.
            result *= weights.scale.ravel().astype(rows.dtype, copy=False)
        if bias is not None:
            result += bias.astype(rows.dtype, copy=False)
        return result

    def _in_full(self, dtype, *, kept):
        """The weights, or integers that have a scale, as floats; kept for the next call."""
        weights = self.weights
        if isinstance(weights, np.ndarray):
            return weights.astype(dtype, copy=False)
        full = self.__dict__.get("_full")
        if full is None or full.dtype != dtype:
            integers = (
                isinstance(weights, QuantizedArray) and weights.codes.dtype == np.int8
            )
            full = weights.codes if integers else in_full(weights)
            full = full.astype(dtype, copy=False)
            if kept:
                self._full = full
        return full

    def _without_blas(self, rows):
        """The product by compiled loops, or None where BLAS is faster."""
        if kernels("nets.kernels") is None:
            return None
        weights, few = self.weights, len(rows) <= _FEW_ROWS
        if rows.ndim != 2 or rows.shape[1] * weights.shape[0] != weights.size:
            raise ValueError(
                f"weights of the shape {weights.shape} do not fit {rows.shape[1:]} inputs"
            )
        bias = self.bias
        if bias is None:
            bias = np.zeros(weights.shape[0], dtype=rows.dtype)
        elif bias.dtype != rows.dtype:
            bias = bias.astype(rows.dtype)
        if isinstance(weights, SparseWeights):
            if few:
                return self._sparse_few(np.ascontiguousarray(rows), bias)
            if len(weights.values) < _SPARSE_PRODUCT_SHARE * weights.size:
                return self._sparse(rows, bias)
        elif few and rows.dtype == np.float32:
            return self._rounded_few(np.ascontiguousarray(rows), bias)
        return None

    def _sparse(self, rows, bias):
        """The product by the entries alone; its result has the rows along axis 1."""
        weights, compiled = self.weights, kernels("nets.kernels")
        result = np.empty((weights.shape[0], len(rows)), dtype=rows.dtype)
        by_columns = rows.flags.f_contiguous and not rows.flags.c_contiguous
        product = compiled.from_columns if by_columns else compiled.from_rows
        rows = rows.T if by_columns else np.ascontiguousarray(rows)
        values = weights.plain_values().astype(rows.dtype, copy=False)
        product(rows, weights.columns(), values, weights.counts, bias, result)
        return result.T

    def _sparse_few(self, rows, bias):
        weights = self.weights
        result = np.empty((len(rows), weights.shape[0]), dtype=rows.dtype)
        values = weights.plain_values().astype(rows.dtype, copy=False)
        kernels("nets.kernels").from_few_rows(
            rows, weights.gaps, values, weights.counts, bias, result
        )
        return result

    def _rounded_few(self, rows, bias):
        weights, compiled = self.weights, kernels("nets.kernels")
        codes = weights.codes
        result = np.empty((len(rows), weights.shape[0]), dtype=rows.dtype)
        if codes.dtype == np.int8:
            scale = weights.scale.ravel()
            compiled.few_rows_by_integers(rows, codes, scale, bias, result)
        elif codes.dtype == np.float16:
            compiled.few_rows_by_halves(rows, codes.view(np.uint16), bias, result)
        elif codes.shape == weights.shape:
            compiled.few_rows_by_values(rows, codes, weights.values, bias, result)
        elif rows.shape[1] % 2 == 0:
            codes = codes.reshape(len(bias), -1)
            compiled.few_rows_by_pairs(rows, codes, weights.values, bias, result)
        else:
            return None
        return result


class Convolution(Layer):
    """Weights of shape (n_out, n_in / groups, kernel sizes)."""

    def step(self, maps):
        weights = in_full(self.weights).astype(maps.dtype, copy=False)
        bias = self.bias
        if bias is not None:
            bias = bias.astype(maps.dtype, copy=False)
        return places.convolve(maps, weights, bias, **self.settings)


class Scale(Layer):
    """A factor and an offset for each unit."""

    def step(self, result):
        shape = (-1, *(1,) * (result.ndim - 2))
        if self.weights is not None:
            result = result * in_full(self.weights).reshape(shape)
        if self.bias is not None:
            result = result + self.bias.reshape(shape)
        return result.copy() if self.weights is None and self.bias is None else result


class Pool(Layer):
    """Places put together; `settings` has the kind of pool, too."""

    def step(self, maps):
        settings = dict(self.settings)
        return places.POOLS[settings.pop("kind")](maps, **settings)


class Flatten(Layer):
    """All places of all channels in a row."""

    def step(self, maps):
        return maps.reshape(len(maps), -1)


class Reshape(Layer):
    """The same numbers in another shape."""

    def step(self, maps):
        return maps.reshape(len(maps), *self.settings["shape"])


class Add(Layer):
    """The sum of several results."""

    def step(self, first, *others):
        total = first + others[0]
        for other in others[1:]:
            total += other
        return total


_LAYERS = {
    "dense": Dense,
    "conv": Convolution,
    "scale": Scale,
    "activation": Layer,
    "flatten": Flatten,
    "reshape": Reshape,
    "add": Add,
    **dict.fromkeys(places.POOLS, Pool),
}
# What makes an array that nothing else reads: an activation may overwrite it.
FRESH = ("dense", "conv", "scale", "add", *places.POOLS)


def layer_of(operation):
    """The layer, without arrays, that does what an operation says."""
    layer = _LAYERS[operation.kind]()
    layer.inputs = operation.inputs
    settings = dict(operation.settings)
    if operation.kind in places.POOLS:
        settings["kind"] = operation.kind
    if operation.kind == "activation":
        layer.activation = settings.pop("name")
        layer.facts = settings or None
        layer.names = (None, None, operation.weight)
    else:
        layer.names = (operation.weight, operation.bias, None)
        layer.settings = settings or None
    return layer


def layers_of(operations, parameters):
    """Layers with their arrays; an activation joins the layer that it alone reads."""
    readers = [0] * len(operations)
    for operation in operations:
        for source in operation.inputs:
            readers[source] += 1
    layers, place = [], {0: 0}
    for position, operation in enumerate(operations):
        if operation.kind == "input":
            continue
        layer = layer_of(operation)
        weight, bias, slopes = layer.names
        layer.weights = parameters.get(weight)
        layer.bias = parameters.get(bias)
        layer.slopes = parameters.get(slopes)
        source = operation.inputs[0]
        before = layers[place[source] - 1] if place[source] else None
        if (
            operation.kind == "activation"
            and operations[source].kind in FRESH
            and readers[source] == 1
            and before.activation == "identity"
        ):
            before.activation, before.facts = layer.activation, layer.facts
            before.slopes = layer.slopes
            before.names = (*before.names[:2], slopes)
            place[position] = place[source]
            continue
        layer.inputs = tuple(place[source] for source in operation.inputs)
        layers.append(layer)
        place[position] = len(layers)
    return tuple(layers)
