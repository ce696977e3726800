"""Remove the parts of a net that compute constants or nothing."""

from dataclasses import dataclass, replace

import numpy as np

from .activations import COUPLED_ACTIVATIONS, activate
from .graph import Graph


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


@dataclass(frozen=True)
class ShrunkNet:
    """A smaller net that computes the same.

    Parameters
    ----------
    graph : Graph
        Its operations; the sites are those of the full net.
    values : dict of str -> ndarray
        What its operations read.
    kept : tuple of ndarray of bool
        For each site, the units that are left.
    folded : dict of str -> (float, int)
        Names of factors and offsets that went into other parameters, what each entry is
        now, and how many are left.
    """

    graph: Graph
    values: dict
    kept: tuple
    folded: dict


def shrink(graph, values):
    """Fold, remove and fold again until nothing changes.

    Parameters
    ----------
    graph : Graph
        The full net.
    values : dict of str -> ndarray
        Its parameters; they are not changed.

    Returns
    -------
    ShrunkNet
        Its results differ from the full net's by rounding only. At least one unit of
        each site is left.
    """
    graph, values, folded = _fold_scales(graph, values)
    kept = [np.ones(site.size, dtype=bool) for site in graph.sites]
    channelwise = _channelwise(graph, values)
    changes = True
    while changes:
        changes = False
        for number, site in enumerate(graph.sites):
            gone = _removable(graph, values, site, np.count_nonzero(kept[number]))
            if gone.any():
                _fold_constants(graph, values, site, gone)
                _slice(values, site, ~gone)
                graph = _with_groups(graph, values, channelwise)
                kept[number][np.flatnonzero(kept[number])[gone]] = False
                changes = True
    folded = {
        name: (value, len(values[weight])) for name, (value, weight) in folded.items()
    }
    return ShrunkNet(graph, values, tuple(kept), folded)


def expand(value, name, sites, kept):
    """A parameter of the smaller net at full width, with zeros for what is gone."""
    for site, mask in zip(sites, kept, strict=True):
        if mask is None or mask.all():
            continue
        entries = [(axis, 1) for maker, axis in site.makers or () if maker == name]
        entries += [(axis, block) for reader, axis, block in site.readers if reader == name]
        for axis, block in entries:
            shape = list(value.shape)
            shape[axis] = len(mask) * block
            full = np.zeros(shape, dtype=value.dtype)
            index = (slice(None),) * axis + (np.repeat(mask, block),)
            full[index] = value
            value = full
    return value


def _fold_scales(graph, values):
    """Put each batch norm into the operation that it alone reads."""
    operations = list(graph.operations)
    needed = {name for o in operations for name in (o.weight, o.bias) if name is not None}
    values = {name: values[name] for name in needed}
    readers = [[] for _ in operations]
    for position, operation in enumerate(operations):
        for source in operation.inputs:
            readers[source].append(position)
    folded, moved = {}, {}
    for position, operation in enumerate(operations):
        if operation.kind != "scale":
            continue
        source = moved.get(operation.inputs[0], operation.inputs[0])
        target = operations[source]
        only = readers[operation.inputs[0]] == [position]
        shared = sum(o.weight == target.weight for o in operations) > 1
        # The result of the last operation must stay the last.
        ends = position == len(operations) - 1 and source != position - 1
        if target.kind in ("dense", "conv") and only and not shared and not ends:
            operations[source] = _folded(target, operation, values, folded)
            moved[position] = source
    left = [position for position in range(len(operations)) if position not in moved]
    new = {position: number for number, position in enumerate(left)}
    new.update({position: new[source] for position, source in moved.items()})
    operations = tuple(
        replace(operations[p], inputs=tuple(new[i] for i in operations[p].inputs))
        for p in left
    )
    sites = tuple(replace(site, source=new[site.source]) for site in graph.sites)
    return Graph(operations, sites), values, folded


def _folded(target, scale, values, folded):
    """The operation whose parameters contain the factor and the offset."""
    weight = values[target.weight]
    factor = np.ones(1) if scale.weight is None else values.pop(scale.weight)
    offset = 0.0 if scale.bias is None else values.pop(scale.bias)
    factor = np.asarray(factor, dtype=np.float64)
    by_output = factor.reshape(-1, *(1,) * (weight.ndim - 1))
    values[target.weight] = (weight * by_output).astype(weight.dtype)
    if scale.weight is not None:
        folded[scale.weight] = (1.0, target.weight)
    name = target.bias
    if name is None:
        name = scale.bias
        bias = offset
    else:
        bias = values[name] * factor + offset
        if scale.bias is not None:
            folded[scale.bias] = (0.0, target.weight)
    if name is not None:
        values[name] = np.asarray(bias).astype(weight.dtype)
    return replace(target, bias=name)


def _removable(graph, values, site, size):
    """Units that no reader needs, but for one of them all."""
    readers = [
        (operation, axis)
        for name, axis, _ in site.readers
        for operation in graph.operations
        if operation.weight == name and operation.kind in ("dense", "conv")
    ]
    if len(readers) != len({name for name, _, _ in site.readers}) or _is_coupled(
        graph, site
    ):
        return np.zeros(size, dtype=bool)
    known = constants(graph, values) if site.makers else None
    gone = np.ones(size, dtype=bool)
    for operation, axis in readers:
        weight = np.moveaxis(values[operation.weight], axis, 0)
        unused = ~(weight.reshape(size, -1) != 0).any(axis=1)
        level = None if known is None else known[operation.inputs[0]]
        if level is None or len(level) != size:
            gone &= unused
            continue
        can_fold = operation.bias is not None and not (
            operation.kind == "conv" and is_padded(operation)
        )
        can_fold = can_fold and operation.settings.get("groups", 1) == 1
        gone &= unused | (~np.isnan(level) if can_fold else level == 0)
    if gone.all():
        gone[0] = False
    return gone


def _is_coupled(graph, site):
    """Whether something mixes the units of the site between makers and readers."""
    names = {name for name, _, _ in site.readers}
    ahead = [i for o in graph.operations if o.weight in names for i in o.inputs]
    while ahead:
        operation = graph.operations[ahead.pop()]
        if operation.settings.get("name") in COUPLED_ACTIVATIONS:
            return True
        if operation.kind not in ("dense", "conv"):
            ahead.extend(operation.inputs)
    return False


def _fold_constants(graph, values, site, gone):
    """Add what the units that go are, for every row, to the biases of their readers."""
    if not site.makers:
        return
    known = constants(graph, values)
    for name, _, block in site.readers:
        for operation in graph.operations:
            if operation.weight != name or operation.kind not in ("dense", "conv"):
                continue
            level = known[operation.inputs[0]]
            if level is None or len(level) != len(gone) or operation.bias is None:
                continue
            level = np.repeat(np.where(gone, np.nan_to_num(level), 0), block)
            if not level.any():
                continue
            sums, _ = matrix_of(operation, values[name])
            bias = values[operation.bias]
            values[operation.bias] = (bias + sums @ level).astype(bias.dtype)


def _slice(values, site, left):
    """Take the units that are left out of every parameter of the site."""
    entries = [(name, axis, 1) for name, axis in site.makers or ()]
    for name, axis, block in (*entries, *site.readers):
        if name in values:
            index = (slice(None),) * axis + (np.repeat(left, block),)
            values[name] = np.ascontiguousarray(values[name][index])


def _channelwise(graph, values):
    """Weights of the convolutions that treat each channel by itself."""
    return {
        o.weight
        for o in graph.operations
        if o.kind == "conv" and 1 < o.settings.get("groups", 1) == len(values[o.weight])
    }


def _with_groups(graph, values, channelwise):
    """The graph with as many groups as these convolutions have channels left."""
    operations = tuple(
        replace(o, settings={**o.settings, "groups": len(values[o.weight])})
        if o.weight in channelwise
        else o
        for o in graph.operations
    )
    return replace(graph, operations=operations)
