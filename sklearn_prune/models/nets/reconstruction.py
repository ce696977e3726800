"""Weights of a pruned net by least squares, layer by layer, without training.

Each layer of the smaller net gets the weights whose outputs are closest to those of the
same layer of the full net. Its inputs are those of the net that is pruned so far.
"""

from copy import copy

import numpy as np
from scipy.sparse import issparse

from sklearn_prune.predictors import (
    layer_of,
    rounded_bias,
    shared_values,
    unfolded,
    with_values,
)

MOST_ROWS = 1000
_MOST_NUMBERS = 2**26  # of the results of one operation
_MOST_INPUTS = 2**23  # numbers of the inputs of one convolution, its windows written out
_MOST_PRODUCTS = 1e12  # of one layer, about a minute
_RIDGE = 0.01  # of the mean square of an input
_N_STEPS = 60  # of the search for places


def reconstruct(graph, full, values, masks, rows, *, row_weights=None, moves=False):
    """Fit the weights that the masks leave, one layer after the other.

    Parameters
    ----------
    graph : Graph
        The operations of both nets.
    full, values : dict of str -> ndarray
        Parameters of the full net and of the smaller one, by name.
    masks : dict of str -> ndarray of bool
        For each weight what is left.
    rows : ndarray or CSR matrix of shape (n_samples, ...)
        Inputs of both nets.
    row_weights : ndarray of shape (n_samples,) or None
        How much each row counts.
    moves : bool, default=False
        Whether each layer may keep other weights, as many as its mask leaves [1]_.

    Returns
    -------
    values, masks : dict of str -> ndarray
        Of the layers that were fitted. Layers without zeros stay as they are, and so do
        those that would take over a minute.

    References
    ----------
    .. [1] Meng, Behdin, Wang, Mazumder (2024). ALPS: improved optimization for highly
       sparse one-shot pruning for large language models. NeurIPS.
    """
    rows, row_weights = _fewer_rows(graph, full, rows, row_weights)
    now, fitted, moved = dict(values), {}, {}
    last_reader = {
        source: position
        for position, operation in enumerate(graph.operations)
        for source in operation.inputs
    }
    wanted, found = {0: rows}, {0: rows}
    for position, operation in enumerate(graph.operations[1:], start=1):
        wanted[position] = _result(operation, full, wanted)
        name, mask = operation.weight, masks.get(operation.weight)
        if operation.kind in ("dense", "conv") and mask is not None and not mask.all():
            problem = _as_rows(
                full[name],
                operation.settings or None,
                found[operation.inputs[0]],
                wanted[position],
                row_weights,
            )
            has_bias = operation.bias is not None
            weight, bias, mask = _fitted(
                *problem, full[name], has_bias, values[name], mask, moves
            )
            fitted[name] = now[name] = weight.astype(values[name].dtype)
            moved[name] = mask
            if bias is not None:
                now[operation.bias] = bias.astype(values[operation.bias].dtype)
                fitted[operation.bias] = now[operation.bias]
        found[position] = _result(operation, now, found)
        for source in set(operation.inputs):
            if last_reader[source] == position:
                del wanted[source], found[source]
    return fitted, moved


def _result(operation, values, results):
    """What an operation makes of the results before it."""
    layer = layer_of(operation)
    layer.weights, layer.bias, layer.slopes = map(values.get, layer.names)
    return layer(*(results[source] for source in operation.inputs))


def _fewer_rows(graph, values, rows, row_weights):
    """Rows, evenly spaced, as many as the results of each operation have room for."""
    results = {0: rows[:1]}
    for position, operation in enumerate(graph.operations[1:], start=1):
        results[position] = _result(operation, values, results)
    widest = max(np.prod(result.shape) for result in results.values())
    n_rows = rows.shape[0]
    some = np.linspace(0, n_rows - 1, min(n_rows, max(32, _MOST_NUMBERS // int(widest))))
    some = some.astype(int)
    return rows[some], None if row_weights is None else row_weights[some]


def _as_rows(weight, settings, inputs, targets, row_weights):
    """What the weights of a layer multiply, (n_groups, n, n_in), and what they should give.

    The targets are (n_groups, n, n_out), followed by how much each of the n counts. A
    dense layer, whose `settings` are None, has one group, and may have a CSR matrix. Each
    place of the maps that a convolution makes counts as a row.
    """
    if settings is None:
        return inputs if issparse(inputs) else inputs[None], targets[None], row_weights
    n_groups = settings["groups"]
    n_numbers = weight[0].size * n_groups * np.prod(targets.shape[2:])
    n_rows = min(len(inputs), max(1, int(_MOST_INPUTS // n_numbers)))
    some = np.linspace(0, len(inputs) - 1, n_rows).astype(int)
    inputs = unfolded(inputs[some], weight.shape[2:], **settings)
    targets = np.moveaxis(targets[some], 1, -1)
    if row_weights is not None:
        row_weights = np.repeat(row_weights[some], np.prod(targets.shape[1:-1]))
    targets = targets.reshape(inputs.shape[1], n_groups, -1).transpose(1, 0, 2)
    return inputs, targets, row_weights


def _equations(inputs, targets, full, has_bias, row_weights):
    """Squares of the inputs, products with the targets, which inputs vary, and means.

    A ridge pulls the weights towards those of the full net. The means of inputs and
    targets are zero without a bias.
    """
    inputs, targets = inputs.astype(np.float64), targets.astype(np.float64)
    means = [np.zeros((len(part), 1, part.shape[2])) for part in (inputs, targets)]
    if has_bias:
        means = [
            np.average(part, axis=1, weights=row_weights)[:, None]
            for part in (inputs, targets)
        ]
    inputs, targets = inputs - means[0], targets - means[1]
    if row_weights is not None:
        root = np.sqrt(row_weights)[:, None]
        inputs, targets = inputs * root, targets * root
    squares = inputs.transpose(0, 2, 1) @ inputs
    products = targets.transpose(0, 2, 1) @ inputs
    diagonal = np.einsum("gii->gi", squares)
    varies = diagonal > 1e-8 * diagonal.max()
    strength = _RIDGE * diagonal.sum(axis=1) / np.maximum(varies.sum(axis=1), 1)
    strength = np.maximum(strength, 1e-300)[:, None, None]
    squares += strength * np.eye(squares.shape[1])
    return squares, products + strength * full, varies, means[0][:, 0], means[1][:, 0]


def _fitted(inputs, targets, row_weights, full, has_bias, old, mask, moves):
    """Weights, bias and mask of a layer; the bias is None where nothing was fitted."""
    shape, n_groups = old.shape, len(targets)
    full, old, mask = (
        part.reshape(n_groups, len(part) // n_groups, -1) for part in (full, old, mask)
    )
    there = np.zeros(old.shape[2], dtype=bool)
    if issparse(inputs):
        there[inputs.indices] = True
        fixed = np.zeros((1, len(there)))
    else:
        fixed = inputs[:, 0] * has_bias  # what the bias makes up for
        there[:] = (inputs != fixed[:, None]).any(axis=(0, 1))
    if not there.any() or _n_products(there, mask, moves) > _MOST_PRODUCTS:
        return old.reshape(shape), None, mask.reshape(shape)
    inputs = inputs[:, there].toarray()[None] if issparse(inputs) else inputs[..., there]
    squares, products, varies, fixed[:, there], constant = _equations(
        inputs, targets, full[..., there], has_bias, row_weights
    )
    kept = mask[..., there]
    if moves:
        products *= varies[:, None]
        n_left = min(int(mask.sum()), kept.shape[1] * int(varies.sum()))
        kept = _best_places(squares, products, n_left)
        old, mask = np.zeros_like(old), np.zeros_like(mask)
        mask[..., there] = kept
    weight = np.array(old, dtype=np.float64)
    weight[..., there] = _solved(squares, products, kept)
    bias = None
    if has_bias:
        bias = (constant - np.einsum("goi,gi->go", weight, fixed)).ravel()
    return weight.reshape(shape), bias, mask.reshape(shape)


def _n_products(there, mask, moves):
    """About how many products fitting a layer takes."""
    n_groups, n_outputs, n_inputs = *mask.shape[:2], int(there.sum())
    counts = mask[..., there].sum(axis=2, dtype=np.float64)
    total = np.sum(counts**3) / 3
    if moves:
        total += n_groups * (10 * n_inputs**3 + 2 * _N_STEPS * n_outputs * n_inputs**2)
    return total


def _solved(squares, products, kept):
    """The least squares weights of each output on the inputs that it keeps."""
    weight = np.zeros_like(products)
    for group, output in np.ndindex(kept.shape[:2]):
        own = np.flatnonzero(kept[group, output])
        if len(own):
            part = squares[group][np.ix_(own, own)]
            weight[group, output, own] = np.linalg.solve(part, products[group, output, own])
    return weight


def _best_places(squares, products, n_left):
    """The places of the `n_left` weights of a layer that explain its outputs best.

    The weights are kept close to a copy that has only so many entries, by multipliers
    under a penalty that grows while the places settle.
    """
    scale = np.sqrt(np.einsum("gii->gi", squares))
    values, vectors = np.linalg.eigh(squares / scale[:, None] / scale[:, :, None])
    # Single precision is enough to compare sizes.
    values, vectors, products = (
        part.astype(np.float32)
        for part in (values[:, None], vectors, products / scale[:, None])
    )
    back = vectors.transpose(0, 2, 1)
    sparse = (products @ vectors / values) @ back
    dual, penalty, before = np.zeros_like(sparse), 0.05, None
    for step in range(_N_STEPS):
        weight = (products - dual + penalty * sparse) @ vectors / (values + penalty) @ back
        sparse = weight + dual / penalty
        sizes = abs(sparse).ravel()
        kept = np.zeros(sizes.size, dtype=bool)
        kept[np.argpartition(sizes, sizes.size - n_left)[sizes.size - n_left :]] = True
        kept = kept.reshape(sparse.shape)
        sparse = np.where(kept, sparse, 0)
        dual += penalty * (weight - sparse)
        if step % 3 == 2:
            moved = 1.0 if before is None else (kept & ~before).sum() / n_left
            penalty *= 1.3 if moved > 0.05 else 1.1 if moved > 0.005 else 1.03
            if moved == 0 and step > _N_STEPS // 2:
                break
            before = kept
    return kept & (sparse != 0)


def fit_shared_values(exact, rounded, rows, row_weights=None):
    """A net whose weights share few values, with values and biases by least squares.

    Parameters
    ----------
    exact, rounded : CompactNet
        The same net, before and after its weights were given shared values. Weights that
        are stored otherwise stay as they are.
    rows : ndarray or CSR matrix of shape (n_samples, ...)
        Inputs of both nets.
    row_weights : ndarray of shape (n_samples,) or None
        How much each row counts.

    Returns
    -------
    CompactNet
        A copy of `rounded` whose layers have outputs that are closest to those of the
        same layers of `exact`.
    """
    if exact.columns_ is not None:
        read = np.unpackbits(exact.columns_, count=rows.shape[1])
        rows = rows[:, np.flatnonzero(read)]
    wanted, found, layers = [rows], [rows], []
    for full, layer in zip(exact.layers_, rounded.layers_, strict=True):
        shared = shared_values(layer.weights)
        if shared is not None:
            plain = copy(full)
            plain.activation = "identity"
            layer = copy(layer)
            values, bias = _fitted_values(
                *_as_rows(
                    shared[1],
                    full.settings,
                    found[layer.inputs[0]],
                    plain(*(wanted[source] for source in layer.inputs)),
                    row_weights,
                ),
                *shared,
                layer.bias is not None,
            )
            layer.weights = with_values(layer.weights, values)
            if bias is not None:
                reach = np.abs(values).max() / max(1, len(values) - 1)
                layer.bias = rounded_bias(bias, reach)
        layers.append(layer)
        wanted.append(full(*(wanted[source] for source in full.inputs)))
        found.append(layer(*(found[source] for source in layer.inputs)))
    small = copy(rounded)
    small.layers_ = tuple(layers)
    return small


def _fitted_values(inputs, targets, row_weights, values, codes, has_bias):
    """Shared values and bias; `codes` are positions of values, -1 where there is none."""
    inputs = inputs.toarray()[None] if issparse(inputs) else inputs
    codes = codes.reshape(len(targets), targets.shape[2], -1)
    old = np.append(values, 0.0)
    squares, products, _, mean, constant = _equations(
        inputs, targets, old[codes], has_bias, row_weights
    )
    left, right = np.zeros((len(values), len(values))), np.zeros(len(values))
    for group, output in np.ndindex(codes.shape[:2]):
        own = np.flatnonzero(codes[group, output] >= 0)
        member = np.eye(len(values))[codes[group, output, own]]
        left += member.T @ squares[group][np.ix_(own, own)] @ member
        right += products[group, output, own] @ member
    used = np.diagonal(left) > 0
    values = np.array(values, dtype=np.float64)
    values[used] = np.linalg.solve(left[np.ix_(used, used)], right[used])
    if not has_bias:
        return values, None
    weight = np.append(values, 0.0)[codes]
    return values, (constant - np.einsum("goi,gi->go", weight, mean)).ravel()
