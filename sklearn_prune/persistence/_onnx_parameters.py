"""Stored numbers in a graph: as they are, rounded, or without their zeros."""

import numpy as np

from sklearn_prune.persistence._onnx_graph import FEW, SPARSE_SHARE
from sklearn_prune.weight_pruning.compact._net_weights import SparseWeights
from sklearn_prune.weight_pruning.compact._quantized import QuantizedArray


def parameter(graph, array, dtype):
    """An array, rounded array or sparse weights as a value of this type."""
    if isinstance(array, QuantizedArray):
        return _rounded(graph, array, dtype)
    if isinstance(array, SparseWeights):
        return _sparse_weights(graph, array, dtype)
    array = np.asarray(array)
    n_nonzero = np.count_nonzero(array) if array.dtype.kind == "f" else array.size
    if array.size >= FEW and n_nonzero < SPARSE_SHARE * array.size:
        positions = np.flatnonzero(array)
        values = np.ascontiguousarray(array).ravel()[positions]
        return scattered(graph, values, positions, array.shape, dtype)
    if array.size >= FEW and _smaller(array.dtype, dtype):
        return graph.constant(array).cast(dtype)
    return graph.constant(array.astype(dtype))


def _smaller(stored, dtype):
    """Whether the stored type takes fewer bytes than the one that is computed in."""
    return stored.itemsize < dtype.itemsize


def _rounded(graph, array, dtype):
    """Codes, and what makes single precision floats of them."""
    if array.values is not None:
        codes = graph.constant(array.codes.ravel()).cast(np.int32)
        if array.codes.shape != array.shape:
            low = graph.node("Mod", [codes, graph.constant(np.int32(16))])
            codes = graph.stack([low, codes / np.int32(16)]).ravel()[: array.size]
        shared = graph.constant(array.values.astype(np.float32))
        return shared.take(codes.cast(np.int64)).reshape(*array.shape).cast(dtype)
    found = graph.constant(array.codes).cast(np.float32)
    if array.scale is not None:
        found = found * graph.constant(array.scale)
    if array.offset is not None:
        found = found + graph.constant(array.offset)
    return found.cast(dtype)


def _sparse_weights(graph, weights, dtype):
    n_columns = weights.size // weights.shape[0]
    rows = np.repeat(np.arange(weights.shape[0]), weights.counts)
    columns = weights.columns().astype(np.int64)
    positions = rows * n_columns + columns
    found = scattered(graph, weights.values, positions, weights.shape, dtype)
    if weights.scale is not None:
        scale = weights.scale.reshape(-1, *(1,) * (len(weights.shape) - 1))
        found = found * graph.constant(scale).cast(dtype)
    return found


def scattered(graph, values, positions, shape, dtype):
    """Values at increasing positions of an array of zeros that is taken as flat."""
    from onnx import numpy_helper

    size = graph.constant(np.array([int(np.prod(shape))], dtype=np.int64))
    zero = numpy_helper.from_array(np.zeros(1, dtype))
    zeros = graph.node("ConstantOfShape", [size], dtype=dtype, ndim=1, value=zero)
    steps = np.diff(positions, prepend=0)
    small = np.min_scalar_type(int(steps.max(initial=0)))
    steps = graph.constant(steps.astype(small)).cast(np.int64)
    axis = graph.constant(np.array(0, dtype=np.int64))
    places = graph.node("CumSum", [steps, axis], dtype=np.int64)
    values = parameter(graph, values, dtype)
    full = graph.node("ScatterElements", [zeros, places, values], axis=0)
    return full.reshape(*shape)
