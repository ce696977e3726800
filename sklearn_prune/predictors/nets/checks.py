"""Checks of loaded nets: compiled code follows the positions in their arrays."""

from math import prod

import numpy as np

from ..quantized import QuantizedArray, is_array, is_count, need
from .layers import Dense, Layer
from .net import CompactNet
from .weights import SparseWeights


def _check_sparse_weights(weights):
    shape, counts, gaps = weights.shape, weights.counts, weights.gaps
    need(
        isinstance(shape, tuple) and len(shape) > 1 and all(map(is_count, shape)),
        "the shape of weights",
    )
    need(is_array(gaps, "u", 1) and gaps.itemsize <= 2, "the gaps of weights")
    need(is_array(counts, "u", 1) and len(counts) == shape[0], "the counts of weights")
    quantized = isinstance(weights.values, QuantizedArray)
    need(quantized or is_array(weights.values, "f", 1), "the values of weights")
    need(len(weights.values.shape) == 1, "the values of weights")
    n_entries = len(weights.values)
    need(counts.max(initial=0) <= n_entries, "the counts of weights")
    counts = counts.astype(np.int64)
    most = np.iinfo(gaps.dtype).max
    ends = np.flatnonzero(gaps != most)
    need(counts.sum() == n_entries == len(ends), "the number of weights")
    need(not len(gaps) or gaps[-1] != most, "the gaps of weights")
    if n_entries:
        places = np.cumsum(gaps, dtype=np.int64)[ends]
        first = (np.cumsum(counts) - counts)[counts > 0]
        before = np.concatenate([[0], places])[first]
        columns = places - np.repeat(before, counts[counts > 0])
        need(columns.max() < prod(shape[1:]), "a column of weights")
    if weights.scale is not None:
        need(is_array(weights.scale, "f", 1), "the scale of weights")
        need(len(weights.scale) == shape[0], "the scale of weights")


def _check_layer(layer):
    weights, bias = layer.weights, layer.bias
    if weights is None:
        return
    known = QuantizedArray | SparseWeights
    need(isinstance(weights, known) or type(weights) is np.ndarray, "a weight")
    need(not isinstance(layer, Dense) or len(weights.shape) == 2, "the shape of weights")
    if len(weights.shape) > 1:
        n_outputs = weights.shape[0]
        fits = bias is None or (is_array(bias, "f", 1) and len(bias) == n_outputs)
        need(fits, "a bias")
    integers = isinstance(weights, QuantizedArray) and weights.codes.dtype == np.int8
    if integers and len(weights.shape) == 2:
        need(weights.scale is not None and weights.offset is None, "a scale")
        need(weights.scale.size == n_outputs, "a scale")


def _check_net(net):
    need(isinstance(net.layers_, tuple), "the layers of a net")
    for position, layer in enumerate(net.layers_):
        inputs = layer.inputs
        fits = isinstance(layer, Layer) and isinstance(inputs, tuple)
        need(fits and all(is_count(k) and k <= position for k in inputs), "a layer")


CHECKS = {
    SparseWeights: _check_sparse_weights,
    Layer: _check_layer,
    CompactNet: _check_net,
}
