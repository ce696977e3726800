"""Shrinking nets: what goes, and that the results stay the same."""

from itertools import pairwise

import numpy as np
import pytest

from sklearn_prune.predictors.nets.activations import KNOWN_ACTIVATIONS, activate
from sklearn_prune.predictors.nets.graph import Graph, Operation, Site
from sklearn_prune.predictors.nets.layers import layer_of
from sklearn_prune.predictors.nets.shrink import expand, shrink


def interpret(graph, values, X):
    """Run a graph step by step, convolutions by plain loops over the kernel."""
    results = []
    for operation in graph.operations:
        given = [results[position] for position in operation.inputs]
        weight, bias = (values.get(name) for name in (operation.weight, operation.bias))
        if operation.kind == "input":
            result = X
        elif operation.kind == "dense":
            result = given[0] @ weight.T + (0 if bias is None else bias)
        elif operation.kind == "conv":
            result = convolve(given[0], weight, bias, **operation.settings)
        elif operation.kind == "scale":
            shape = (-1, *(1,) * (given[0].ndim - 2))
            result = given[0] * weight.reshape(shape) + bias.reshape(shape)
        elif operation.kind == "activation":
            settings = dict(operation.settings)
            result = activate(given[0].copy(), settings.pop("name"), settings, weight)
        else:
            result = layer_of(operation)(*given)
        results.append(result)
    return results[-1]


def convolve(maps, weight, bias, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    (p, q), (s, t), (d, e) = padding, stride, dilation
    maps = np.pad(maps, [(0, 0), (0, 0), (p, p), (q, q)])
    n_out, n_each, height, width = weight.shape
    rows = (maps.shape[2] - d * (height - 1) - 1) // s + 1
    columns = (maps.shape[3] - e * (width - 1) - 1) // t + 1
    result = np.zeros((len(maps), n_out, rows, columns), dtype=maps.dtype)
    for out in range(n_out):
        first = out // (n_out // groups) * n_each
        for i in range(height):
            for j in range(width):
                part = maps[:, first : first + n_each, i * d :, j * e :]
                part = part[:, :, : s * rows : s, : t * columns : t]
                result[:, out] += np.einsum("ncab,c->nab", part, weight[out, :, i, j])
        result[:, out] += 0 if bias is None else bias[out]
    return result


def chain(sizes, activation, rng, dtype=np.float64):
    """An MLP as a graph with its sites, and random values."""
    operations, sites, values = [Operation("input")], [], {}
    makers = ()
    for number, (n_in, n_out) in enumerate(pairwise(sizes)):
        weight, bias = f"weight{number}", f"bias{number}"
        unit = "neuron" if makers else "input"
        source = len(operations) - 1
        sites.append(Site(unit, n_in, source, makers, ((weight, 1, 1),)))
        operations.append(Operation("dense", (source,), weight, bias))
        values[weight] = rng.normal(size=(n_out, n_in)).astype(dtype)
        values[bias] = rng.normal(size=n_out).astype(dtype)
        makers = ((weight, 0), (bias, 0))
        if number < len(sizes) - 2:
            operations.append(
                Operation("activation", (source + 1,), settings={"name": activation})
            )
    return Graph(tuple(operations), tuple(sites)), values


def residual(rng):
    """Convolutions with batch norm around an addition, then a flattened dense layer."""
    same = {"padding": (1, 1), "stride": (1, 1), "dilation": (1, 1), "groups": 1}
    relu = {"name": "relu"}
    operations = (
        Operation("input"),
        Operation("conv", (0,), "stem.w", None, same),
        Operation("scale", (1,), "norm0.w", "norm0.b"),
        Operation("activation", (2,), settings=relu),
        Operation("conv", (3,), "inner.w", "inner.b", same),
        Operation("scale", (4,), "norm1.w", "norm1.b"),
        Operation("activation", (5,), settings=relu),
        Operation("conv", (6,), "outer.w", None, same),
        Operation("scale", (7,), "norm2.w", "norm2.b"),
        Operation("add", (3, 8)),
        Operation("activation", (9,), settings=relu),
        Operation("max_pool", (10,), settings={"kernel_size": (2, 2), "stride": (2, 2)}),
        Operation("flatten", (11,)),
        Operation("dense", (12,), "head.w", "head.b"),
    )
    norm = [(f"norm{i}.{part}", 0) for i in (0, 2) for part in "wb"]
    sites = (
        Site("channel", 6, 1, (("stem.w", 0), ("outer.w", 0), *norm),
             (("inner.w", 1, 1), ("head.w", 1, 9))),
        Site("channel", 5, 4, (("inner.w", 0), ("inner.b", 0), ("norm1.w", 0),
             ("norm1.b", 0)), (("outer.w", 1, 1),)),
    )  # fmt: skip
    shapes = {"stem.w": (6, 2, 3, 3), "inner.w": (5, 6, 3, 3), "inner.b": (5,)}
    shapes |= {"outer.w": (6, 5, 3, 3), "head.w": (3, 54), "head.b": (3,)}
    shapes |= {f"norm{i}.{part}": (n,) for i, n in enumerate((6, 5, 6)) for part in "wb"}
    values = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return Graph(operations, sites), values


def assert_same(graph, values, X, small):
    expected = interpret(graph, values, X)
    tolerance = 1e-10 * max(1, np.abs(expected).max())
    results = interpret(small.graph, small.values, X)
    assert np.abs(results - expected).max() < tolerance


@pytest.mark.parametrize("activation", sorted(KNOWN_ACTIVATIONS - {"prelu"}))
@pytest.mark.parametrize("share", [0.1, 0.3, 0.8])
def test_a_sparse_chain_keeps_its_results(activation, share):
    rng = np.random.default_rng(int(share * 10))
    graph, values = chain((12, 9, 8, 7, 3), activation, rng)
    for value in values.values():
        if value.ndim == 2:
            value *= rng.random(value.shape) < share
    X = rng.normal(size=(20, 12))
    before = {name: value.copy() for name, value in values.items()}
    small = shrink(graph, values)
    kept = X[:, small.kept[0]]
    expected = interpret(graph, values, X)
    assert np.allclose(interpret(small.graph, small.values, kept), expected, atol=1e-10)
    assert all(np.array_equal(before[name], values[name]) for name in values)
    if share == 0.1 and "softmax" not in activation:
        assert sum(mask.sum() for mask in small.kept) < 30


def test_dead_and_constant_units_go_in_a_cascade():
    rng = np.random.default_rng(0)
    graph, values = chain((3, 4, 4, 2), "relu", rng)
    values["weight1"][1] = 0  # a constant unit of the second layer
    values["weight2"][:, 2] = 0  # a unit that nobody reads
    values["weight1"][:, 3] = 0
    values["weight1"][2, 3] = 1.0  # read only by the unit that goes
    values["weight0"][:, 0] = 0
    values["weight0"][3, 0] = 1.0  # an input read only by the unit that goes then
    small = shrink(graph, values)
    assert [mask.tolist() for mask in small.kept] == [
        [False, True, True],
        [True, True, True, False],
        [True, False, False, True],
    ]
    X = rng.normal(size=(9, 3))
    expected = interpret(graph, values, X)
    assert np.allclose(interpret(small.graph, small.values, X[:, 1:]), expected)


def test_one_unit_of_each_site_stays():
    graph, values = chain((4, 3, 2), "relu", np.random.default_rng(0))
    values = {name: np.zeros_like(value) for name, value in values.items()}
    values["bias1"][:] = [3.0, -1.0]
    small = shrink(graph, values)
    assert [mask.sum() for mask in small.kept] == [1, 1]
    assert interpret(small.graph, small.values, np.ones((1, 1))).tolist() == [[3.0, -1.0]]


@pytest.mark.parametrize("seed", range(3))
def test_batch_norm_is_folded_and_channels_go_together(seed):
    rng = np.random.default_rng(seed)
    graph, values = residual(rng)
    for name, axis, unit in [
        ("stem.w", 0, 2), ("outer.w", 0, 2), ("norm0.w", 0, 2), ("norm2.w", 0, 2),
        ("norm0.b", 0, 2), ("norm2.b", 0, 2), ("inner.w", 0, 1), ("outer.w", 1, 3),
    ]:  # fmt: skip
        np.moveaxis(values[name], axis, 0)[unit] = 0
    values["norm1.b"][1] = -abs(values["norm1.b"][1])
    values["inner.b"][1] = -np.sign(values["norm1.w"][1])  # below zero: relu gives zero
    X = rng.normal(size=(4, 2, 6, 6))
    small = shrink(graph, values)
    assert [mask.sum() for mask in small.kept] == [5, 3]
    assert small.values["head.w"].shape == (3, 45)
    assert not any(operation.kind == "scale" for operation in small.graph.operations)
    assert_same(graph, values, X, small)


def test_a_constant_channel_before_padding_stays():
    """Its reader sees zeros beyond the border, so that it is no bias."""
    graph, values = residual(np.random.default_rng(0))
    values["inner.w"][1] = 0
    values["norm1.b"][1], values["norm1.w"][1], values["inner.b"][1] = 2.0, 1.0, 0.5
    small = shrink(graph, values)
    assert small.kept[1].all()
    assert_same(graph, values, np.random.default_rng(1).normal(size=(4, 2, 6, 6)), small)


def test_a_constant_channel_that_is_flattened_joins_the_bias():
    graph, values = residual(np.random.default_rng(0))
    for name in ("stem.w", "outer.w"):
        values[name][4] = 0
    values["inner.w"][:, 4] = 0
    values["norm0.b"][4], values["norm2.b"][4] = 1.5, -0.5
    small = shrink(graph, values)
    assert small.kept[0].tolist() == [True] * 4 + [False, True]
    assert_same(graph, values, np.random.default_rng(1).normal(size=(4, 2, 6, 6)), small)


def test_channelwise_convolutions_lose_groups():
    rng = np.random.default_rng(0)
    by_channel = {"padding": (1, 1), "groups": 4}
    operations = (
        Operation("input"),
        Operation("conv", (0,), "a", "a.b"),
        Operation("conv", (1,), "b", "b.b", by_channel),
        Operation("conv", (2,), "c", "c.b"),
    )
    makers = tuple((name, 0) for name in ("a", "a.b", "b", "b.b"))
    graph = Graph(operations, (Site("channel", 4, 1, makers, (("c", 1, 1),)),))
    shapes = {"a": (4, 2, 1, 1), "a.b": (4,), "b": (4, 1, 3, 3), "b.b": (4,)}
    shapes |= {"c": (2, 4, 1, 1), "c.b": (2,)}
    values = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    values["c"][:, 2] = 0  # nobody reads it
    values["b"][0] = 0  # constant
    small = shrink(graph, values)
    assert small.graph.operations[2].settings["groups"] == 2
    assert_same(graph, values, rng.normal(size=(3, 2, 5, 5)), small)


def test_expanding_gives_the_same_results():
    rng = np.random.default_rng(4)
    graph, values = chain((6, 5, 4, 3), "sigmoid", rng)
    values["weight1"][2] = 0
    values["weight2"][:, 1] = 0
    small = shrink(graph, values)
    full = {
        name: expand(value, name, graph.sites, small.kept)
        for name, value in small.values.items()
    }
    assert all(full[name].shape == values[name].shape for name in values)
    X = rng.normal(size=(5, 6))
    assert np.allclose(interpret(graph, full, X), interpret(graph, values, X))
