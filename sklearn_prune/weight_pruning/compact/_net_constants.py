"""Which units of a net are the same for every row, and what they are."""

import numpy as np

from sklearn_prune.weight_pruning.compact._net_activations import (
    COUPLED_ACTIVATIONS,
    activate,
)


def constants(graph, values):
    """For each operation, the constant that each unit of its result is.

    Returns
    -------
    list of ndarray of shape (n_units,), or None
        NaN for a unit that depends on the row; None where nothing is known. What was
        flattened has one entry for each channel.
    """
    found = []
    for operation in graph.operations:
        inputs = [found[position] for position in operation.inputs]
        found.append(_RULES.get(operation.kind, _unknown)(operation, inputs, values))
    return found


def is_padded(operation):
    """Whether a convolution sees zeros beyond the border."""
    padding = operation.settings.get("padding", 0)
    return padding not in ("valid",) and bool(np.any(np.asarray(padding) != 0))


def matrix_of(operation, weight):
    """Sums of a weight over the places of its kernel, and where any is not zero.

    Both of shape (n_out, n_in), with zeros between the groups of a convolution.
    """
    groups = operation.settings.get("groups", 1)
    places = tuple(range(2, weight.ndim))
    sums = weight.sum(axis=places, dtype=np.float64)
    used = (weight != 0).any(axis=places) if places else weight != 0
    if groups == 1:
        return sums, used
    n_out, n_each = sums.shape
    columns = (np.arange(n_out) // (n_out // groups))[:, None] * n_each + np.arange(n_each)
    full = np.zeros((2, n_out, n_each * groups))
    np.put_along_axis(full[0], columns, sums, axis=1)
    np.put_along_axis(full[1], columns, used, axis=1)
    return full[0], full[1] != 0


def _spread(known, size):
    """One entry for each column of a flattened result."""
    return known if len(known) == size else np.repeat(known, size // len(known))


def _unknown(operation, inputs, values):
    return None


def _linear(operation, inputs, values):
    sums, used = matrix_of(operation, values[operation.weight])
    known = inputs[0]
    if known is None:
        fixed = ~used.any(axis=1)
        result = np.zeros(len(sums))
    else:
        known = _spread(known, sums.shape[1])
        varies = np.isnan(known)
        if operation.kind == "conv" and is_padded(operation):
            varies |= known != 0
        fixed = ~used[:, varies].any(axis=1)
        result = sums @ np.where(varies, 0, known)
    if operation.bias is not None:
        result = result + values[operation.bias]
    return np.where(fixed, result, np.nan)


def _scale(operation, inputs, values):
    factor = None if operation.weight is None else values[operation.weight]
    result = inputs[0]
    if result is None:
        if factor is None:
            return None
        result = np.full(len(factor), np.nan)
    if factor is not None:
        result = _spread(result, len(factor))
        result = np.where(factor == 0, 0.0, result * factor.astype(np.float64))
    return result if operation.bias is None else result + values[operation.bias]


def _activation(operation, inputs, values):
    settings = dict(operation.settings)
    name = settings.pop("name")
    if inputs[0] is None or name in COUPLED_ACTIVATIONS:
        return None
    result, weight = inputs[0], None
    if operation.weight is not None:
        weight = values[operation.weight]
        result = _spread(result, max(len(weight), len(result)))
    known = ~np.isnan(result)
    start = np.where(known, result, 0.0)[None]
    return np.where(known, activate(start, name, settings, weight)[0], np.nan)


def _same(operation, inputs, values):
    return inputs[0]


def _average(operation, inputs, values):
    counts_border = operation.settings.get("count_include_pad", True)
    if inputs[0] is None or not (counts_border and is_padded(operation)):
        return inputs[0]
    return np.where(inputs[0] == 0, 0.0, np.nan)


def _sum(operation, inputs, values):
    if any(known is None for known in inputs) or len({len(known) for known in inputs}) > 1:
        return None
    return np.sum(inputs, axis=0)


_RULES = {
    "dense": _linear,
    "conv": _linear,
    "scale": _scale,
    "activation": _activation,
    "max_pool": _same,
    "avg_pool": _average,
    "adaptive_avg_pool": _same,
    "adaptive_max_pool": _same,
    "mean": _same,
    "flatten": _same,
    "add": _sum,
}
