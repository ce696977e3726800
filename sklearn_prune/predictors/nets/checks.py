"""Checks of loaded nets: compiled code follows the positions in their arrays."""

from math import prod

import numpy as np

from ..quantized import QuantizedArray, is_array, is_count, need
from .activations import KNOWN_ACTIVATIONS
from .layers import Add, Dense, Layer
from .net import CompactNet
from .weights import SparseWeights

_LARGEST_ROW = 1 << 20  # numbers of a row that is tried


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


def _run_once(net):
    """Raise unless a row of zeros goes through: all shapes and settings then fit."""
    width, shape = net.n_features_in_, net.input_shape_
    shape = shape if width is None else (width,)
    if shape is None:
        return
    need(all(is_count(size, 1) for size in shape), "the shape of rows")
    bits = net.columns_
    n_read = shape[0]
    if bits is not None:
        need(len(bits) == -(-n_read // 8), "columns_")
        n_read = int(np.unpackbits(bits, count=n_read).sum())
    for layer in net.layers_:
        if 0 in layer.inputs and type(layer) is Dense:
            need(layer.weights is not None and layer.weights.shape[1] == n_read, "a weight")
    if prod(shape) > _LARGEST_ROW:
        return
    with np.errstate(all="ignore"):
        scores = net._run(np.zeros((1, *shape), dtype=net._dtype))
    need(scores.ndim <= 2 and len(scores) == 1, "the scores of a net")
    if hasattr(net, "classes_"):
        need(type(net.classes_) is np.ndarray, "classes_")
        several = scores.ndim == 2 and scores.shape[1] > 1 and not net.multilabel_
        need(not several or scores.shape[1] == len(net.classes_), "classes_")


def _check_net(net):
    need(isinstance(net.layers_, tuple), "the layers of a net")
    for position, layer in enumerate(net.layers_):
        inputs = layer.inputs
        fits = isinstance(layer, Layer) and isinstance(inputs, tuple)
        need(fits and all(is_count(k) and k <= position for k in inputs), "a layer")
        need(layer.activation in KNOWN_ACTIVATIONS, "an activation")
        several = isinstance(layer, Add)
        need(len(inputs) > 1 if several else len(inputs) == 1, "the inputs of a layer")
    need(net.layers_, "the layers of a net")
    _run_once(net)


CHECKS = {
    SparseWeights: _check_sparse_weights,
    Layer: _check_layer,
    CompactNet: _check_net,
}
