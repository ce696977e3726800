"""Compact nets: the same answers as the full net, from few bytes, without torch."""

import lzma
import pickle
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.special import expit

from sklearn_prune.predictors.nets import places as _net_places
from sklearn_prune.predictors.nets.activations import (
    KNOWN_ACTIVATIONS,
    activate,
    zero_at_zero,
)
from sklearn_prune.predictors.nets.graph import Graph, Operation, Site
from sklearn_prune.predictors.nets.layers import layer_of
from sklearn_prune.predictors.nets.net import (
    CompactNet,
    CompactNetClassifier,
    CompactNetRegressor,
)
from sklearn_prune.predictors.nets.shrink import expand, shrink
from sklearn_prune.predictors.nets.weights import SparseWeights
from sklearn_prune.weight_pruning import Quantizer


def sparse_chain(sizes, share, dtype=np.float64, seed=0, activation="relu"):
    """A chain of which this share of the weights is not zero."""
    rng = np.random.default_rng(seed)
    graph, values = chain(sizes, activation, rng, dtype)
    for value in values.values():
        if value.ndim == 2:
            value *= rng.random(value.shape) < share
            value /= np.sqrt(max(1.0, share * value.shape[1]))
    return graph, values


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("share", [1.0, 0.6, 0.3, 0.05, 0.004])
@pytest.mark.parametrize("n_rows", [1, 2, 127, 128, 300])
def test_scores_and_full_values(dtype, share, n_rows):
    graph, values = sparse_chain((900, 40, 30, 4), share, dtype)
    X = np.random.default_rng(1).normal(size=(n_rows, 900)).astype(dtype)
    compact = CompactNet.of(graph, values, 900)
    expected = interpret(graph, values, X)
    tolerance = (1e-5 if dtype == np.float32 else 1e-10) * max(1, np.abs(expected).max())
    scores = compact.forward(X)
    assert scores.dtype == dtype
    assert scores.shape == (n_rows, 4)
    assert np.abs(scores - expected).max() < tolerance
    full = compact.full_values()
    assert {name: value.shape for name, value in full.items()} == {
        name: value.shape for name, value in values.items()
    }
    assert np.abs(interpret(graph, full, X) - expected).max() < tolerance


@pytest.mark.parametrize("share", [1.0, 0.2, 0.03])
def test_csr_rows(share):
    graph, values = sparse_chain((60, 20, 3), share)
    X = np.random.default_rng(0).normal(size=(50, 60)) * (np.arange(60) % 3 == 0)
    compact = CompactNetRegressor.of(graph, values, 60)
    assert np.allclose(compact.predict(csr_matrix(X)), compact.predict(X))


def test_long_gaps():
    rng = np.random.default_rng(0)
    weights = np.zeros((5, 70_000), dtype=np.float32)
    for row in (0, 1, 3):
        weights[row, rng.choice(70_000, 3)] = 1.0
    weights[4, [0, 255, 510, 69_999]] = 2.0
    packed = SparseWeights.of(weights)
    assert np.array_equal(packed.dense(), weights)
    assert np.array_equal(packed.columns(), np.nonzero(weights)[1])
    assert packed.gaps.dtype == np.uint16
    narrow = SparseWeights.of(weights[:, :600])
    assert narrow.gaps.dtype == np.uint8
    assert np.array_equal(narrow.dense(), weights[:, :600])


@pytest.mark.parametrize("share", [1.0, 0.2])
def test_residual_convolutions(share, monkeypatch):
    rng = np.random.default_rng(0)
    graph, values = residual(rng)
    for name in ("stem.w", "inner.w", "outer.w", "head.w"):
        values[name] *= rng.random(values[name].shape) < share
    values["outer.w"][3] = values["norm2.b"][3] = 0
    X = rng.normal(size=(7, 2, 6, 6))
    compact = CompactNet.of(graph, values, None)
    expected = interpret(graph, values, X)
    assert np.allclose(compact.forward(X), expected, rtol=1e-9)
    full = compact.full_values()
    assert np.allclose(interpret(graph, full, X), expected, rtol=1e-9)
    assert {name: value.shape for name, value in full.items()} == {
        name: value.shape for name, value in values.items()
    }
    monkeypatch.setattr(_net_places, "_torch", lambda: None)
    assert np.allclose(compact.forward(X), expected, rtol=1e-9)


@pytest.mark.parametrize("n_places", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    ("stride", "padding", "dilation"), [(1, 0, 1), (2, 1, 1), (3, 2, 2)]
)
def test_convolutions_without_torch(
    n_places, groups, stride, padding, dilation, monkeypatch
):
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(3, 4, 11, 9)[: 2 + n_places])
    weight = rng.normal(size=(6, 4 // groups, 3, 2)[: 2 + n_places])
    settings = (weight, rng.normal(size=6), stride, padding, dilation, groups)
    with_torch = _net_places.convolve(maps, *settings)
    monkeypatch.setattr(_net_places, "_torch", lambda: None)
    assert np.allclose(_net_places.convolve(maps, *settings), with_torch)


@pytest.mark.parametrize("n_places", [1, 2])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 0)])
def test_pools_without_torch(n_places, ceil_mode, kernel, stride, padding, monkeypatch):
    maps = np.random.default_rng(0).normal(size=(3, 2, 8, 9)[: 2 + n_places])

    def pools():
        yield _net_places.max_pool(maps, kernel, stride, padding, 1, ceil_mode)
        for counted in (True, False):
            yield _net_places.avg_pool(maps, kernel, stride, padding, ceil_mode, counted)

    with_torch = list(pools())
    monkeypatch.setattr(_net_places, "_torch", lambda: None)
    for found, expected in zip(pools(), with_torch, strict=True):
        assert found.shape == expected.shape
        assert np.allclose(found, expected)


@pytest.mark.parametrize("size", [1, 3, (2, 5), (None, 2)])
def test_adaptive_pools_are_those_of_torch(size):
    torch = pytest.importorskip("torch")
    maps = np.random.default_rng(0).normal(size=(3, 2, 7, 9))
    tensor = torch.from_numpy(maps)
    average = torch.nn.functional.adaptive_avg_pool2d(tensor, size).numpy()
    assert np.allclose(_net_places.adaptive_avg_pool(maps, size), average)
    largest = torch.nn.functional.adaptive_max_pool2d(tensor, size).numpy()
    assert np.allclose(_net_places.adaptive_max_pool(maps, size), largest)


_SETTINGS = {
    "leaky_relu": {"negative_slope": 0.2},
    "elu": {"alpha": 1.3},
    "celu": {"alpha": 0.7},
    "softplus": {"beta": 2.0, "threshold": 3.0},
    "hardtanh": {"min_val": -0.5, "max_val": 2.0},
}


@pytest.mark.parametrize("name", sorted(KNOWN_ACTIVATIONS - {"identity", "logistic"}))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_activations_are_those_of_torch(name, dtype):
    torch = pytest.importorskip("torch")
    z = np.random.default_rng(0).normal(scale=3, size=(40, 5)).astype(dtype)
    settings, weight = _SETTINGS.get(name, {}), None
    function = getattr(torch.nn.functional, name)
    arguments = {"dim": 1} if "softmax" in name else settings
    if name == "prelu":
        weight = np.linspace(0.1, 0.5, 5).astype(dtype)
        arguments = {"weight": torch.from_numpy(weight)}
    expected = function(torch.from_numpy(z.copy()), **arguments).numpy()
    found = activate(z.copy(), name, settings, weight)
    assert found.dtype == dtype
    assert np.allclose(found, expected, atol=2e-6)
    alone = activate(
        np.zeros((1, 1), dtype), name, settings, None if weight is None else weight[:1]
    )
    assert zero_at_zero(name, settings) == (alone[0, 0] == 0 and "softmax" not in name)


def test_an_unknown_activation_is_named():
    with pytest.raises(ValueError, match="Got 'square'"):
        activate(np.zeros((1, 1)), "square")


def test_a_result_with_two_readers_is_not_overwritten():
    operations = (
        Operation("input"),
        Operation("dense", (0,), "a"),
        Operation("activation", (1,), settings={"name": "relu"}),
        Operation("add", (1, 2)),
    )
    values = {"a": -np.eye(3)}
    X = np.arange(6.0).reshape(2, 3)
    compact = CompactNet.of(Graph(operations, ()), values, 3)
    assert np.array_equal(compact.forward(X), -X)


def test_rows_stay_as_they_are():
    operations = (
        Operation("input"),
        Operation("activation", (0,), settings={"name": "tanh"}),
    )
    X = np.ones((2, 3))
    compact = CompactNet.of(Graph(operations, ()), {}, 3)
    compact.forward(X)
    assert (X == 1).all()


@pytest.mark.parametrize("output", ["softmax", "identity"])
def test_several_classes(output):
    graph, values = sparse_chain((6, 5, 3), 1.0)
    X = np.random.default_rng(0).normal(size=(30, 6))
    classes = np.array(["a", "b", "c"])
    compact = CompactNetClassifier.of(graph, values, 6, classes_=classes, output_=output)
    scores = interpret(graph, values, X)
    assert np.array_equal(compact.predict(X), classes[scores.argmax(axis=1)])
    proba = compact.predict_proba(X)
    if output == "softmax":
        expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        assert np.allclose(proba, expected)
        assert np.allclose(compact.predict_log_proba(X), np.log(expected))
    else:
        assert np.allclose(proba, scores)


@pytest.mark.parametrize("threshold", [0.5, 0.2, 0.0, 1.0])
def test_two_classes_of_one_output(threshold):
    graph, values = sparse_chain((6, 5, 1), 1.0)
    X = np.random.default_rng(0).normal(size=(30, 6))
    facts = {"output_": "sigmoid", "threshold_": threshold}
    compact = CompactNetClassifier.of(graph, values, 6, classes_=np.array([3, 7]), **facts)
    positive = expit(interpret(graph, values, X).ravel())
    assert np.allclose(compact.predict_proba(X), np.stack([1 - positive, positive], axis=1))
    assert np.array_equal(compact.predict(X) == 7, positive > threshold)


def test_several_labels():
    graph, values = sparse_chain((6, 5, 3), 1.0)
    X = np.random.default_rng(0).normal(size=(30, 6))
    facts = {"output_": "sigmoid", "multilabel_": True}
    compact = CompactNetClassifier.of(graph, values, 6, classes_=np.arange(3), **facts)
    positive = expit(interpret(graph, values, X))
    assert np.allclose(compact.predict_proba(X), positive)
    assert np.array_equal(compact.predict(X), (positive > 0.5).astype(int))


@pytest.mark.parametrize(("flat", "n_outputs"), [(True, 1), (False, 1), (True, 2)])
def test_regression(flat, n_outputs):
    graph, values = sparse_chain((6, 5, n_outputs), 1.0)
    X = np.random.default_rng(0).normal(size=(30, 6))
    expected = interpret(graph, values, X)
    compact = CompactNetRegressor.of(graph, values, 6, flat_=flat)
    found = compact.predict(X)
    assert found.shape == ((30,) if flat and n_outputs == 1 else (30, n_outputs))
    assert np.allclose(found.reshape(expected.shape), expected)
    positive = CompactNetRegressor.of(graph, values, 6, flat_=flat, output_="exp")
    assert np.allclose(positive.predict(X), np.exp(found))


@pytest.mark.parametrize("n_rows", [1, 40])
def test_rows_that_are_refused(n_rows):
    graph, values = sparse_chain((6, 5, 3), 1.0, np.float32)
    compact = CompactNetClassifier.of(graph, values, 6, classes_=np.arange(3))
    X = np.ones((n_rows, 6))
    for bad in (np.nan, np.inf, -np.inf):
        X[-1, 2] = bad
        with pytest.raises(ValueError, match="contains"):
            compact.predict(X)
    with pytest.raises(ValueError, match="7 features"):
        compact.predict(np.ones((n_rows, 7)))
    X[-1, 2] = 1e30  # finite, though its square is not
    assert compact.predict(X).shape == (n_rows,)


def test_maps_that_are_refused():
    graph, values = residual(np.random.default_rng(0))
    compact = CompactNetRegressor.of(graph, values, None, input_shape_=(2, 6, 6))
    X = np.ones((3, 2, 6, 6))
    assert compact.predict(X).shape == (3, 3)
    assert np.array_equal(compact.predict(X.tolist()), compact.predict(X))
    with pytest.raises(ValueError, match=r"Write X.reshape\(-1, 2, 6, 6\)"):
        compact.predict(X[:, :, :1])
    X[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        compact.predict(X)


@pytest.mark.parametrize("share", [1.0, 0.05])
@pytest.mark.parametrize(
    ("scheme", "n_values", "error", "ratio"),
    [
        ("float16", 256, 2e-3, 1.9),
        ("int8", 256, 2e-2, 3.5),
        ("codebook", 256, 2e-2, 3.0),
        ("codebook", 16, 0.3, 6.0),
    ],
)
def test_quantized(share, scheme, n_values, error, ratio):
    graph, values = sparse_chain((300, 100, 50, 5), share, np.float32)
    X = np.random.default_rng(1).normal(size=(60, 300)).astype(np.float32)
    compact = CompactNet.of(graph, values, 300)
    scores = compact.forward(X)
    small = compact.quantized(Quantizer(scheme, n_values=n_values))
    found = small.forward(X)
    assert np.abs(found - scores).max() < error * np.abs(scores).max()
    one_by_one = np.concatenate([small.forward(X[[row]]) for row in range(60)])
    assert np.allclose(one_by_one, found, atol=1e-4 * np.abs(scores).max())
    assert np.allclose(
        interpret(graph, small.full_values(), X), found, atol=1e-4 * np.abs(scores).max()
    )
    if share == 1.0:
        assert _live_bytes(compact) > ratio * _live_bytes(small)
    assert np.array_equal(compact.forward(X), scores)
    lost = compact.n_parameters() - small.n_parameters()  # rounded to zero
    assert 0 <= lost < 0.03 * compact.n_parameters()


def _live_bytes(compact):
    return sum(
        part.nbytes
        for layer in compact.layers_
        for part in (layer.weights, layer.bias)
        if part is not None
    )


def test_integers_have_a_scale_for_each_output():
    graph, values = sparse_chain((40, 6), 1.0, np.float32)
    values["weight0"] *= 10.0 ** np.arange(-3, 3)[:, None]
    small = CompactNet.of(graph, values, 40).quantized(Quantizer("int8"))
    moved = np.abs(small.full_values()["weight0"] - values["weight0"]).max(axis=1)
    assert (moved < np.abs(values["weight0"]).max(axis=1) / 250).all()


def test_a_pickled_net_predicts_without_torch():
    graph, values = residual(np.random.default_rng(0))
    X = np.random.default_rng(1).normal(size=(3, 2, 6, 6))
    maps = CompactNetRegressor.of(graph, values, None)
    graph, values = sparse_chain((20, 9, 3), 0.3)
    rows = CompactNetClassifier.of(graph, values, 20, classes_=np.arange(3))
    given = pickle.dumps((maps, X, rows, X[:, 0, :4, :5].reshape(3, 20)))
    script = (
        "import pickle, sys\n"
        "class Without:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'torch':\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Without())\n"
        "maps, X, rows, R = pickle.loads(sys.stdin.buffer.read())\n"
        "found = maps.predict(X), rows.predict_proba(R)\n"
        "sys.stdout.buffer.write(pickle.dumps(found))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=given, capture_output=True, check=True
    )
    found = pickle.loads(done.stdout)
    assert np.allclose(found[0], maps.predict(X))
    assert np.allclose(found[1], rows.predict_proba(X[:, 0, :4, :5].reshape(3, 20)))


@pytest.mark.parametrize("sizes", [(40, 3), (40, 300, 3)])
@pytest.mark.parametrize("n_rows", [1, 500])
def test_inputs_that_nothing_reads(sizes, n_rows):
    """Few outputs multiply all columns, many those that are read."""
    graph, values = sparse_chain(sizes, 1.0)
    values["weight0"][:, ::3] = 0
    X = np.random.default_rng(0).normal(size=(n_rows, 40))
    compact = CompactNet.of(graph, values, 40)
    assert compact.layers_[0].weights.shape[1] == 26
    assert np.allclose(compact.forward(X), interpret(graph, values, X))
    assert np.allclose(compact.forward(csr_matrix(X)), interpret(graph, values, X))
    assert np.array_equal(compact.full_values()["weight0"], values["weight0"])


def test_counts():
    graph, values = sparse_chain((30, 20, 3), 1.0)
    values["weight0"][:5] *= 0
    values["weight0"][:, :4] = 0
    values["weight1"][0, 19] = 0
    compact = CompactNet.of(graph, values, 30)
    assert compact.n_parameters() == 15 * 26 + 15 + 3 * 15 + 3 - 1
    assert compact.n_nonzero() == compact.n_parameters()
    thin, values = sparse_chain((30, 20, 3), 0.1)
    compact = CompactNet.of(thin, values, 30)
    biases = sum(layer.bias.size for layer in compact.layers_)
    nonzero = sum(np.count_nonzero(v) for v in compact.full_values().values() if v.ndim > 1)
    assert compact.n_parameters() == nonzero + biases


def test_bytes_on_disk():
    """A large net with 98 % zeros in the places and 16 shared values."""
    graph, values = sparse_chain((784, 300, 100, 10), 0.02, np.float32)
    compact = CompactNetClassifier.of(graph, values, 784, classes_=np.arange(10))
    small = compact.quantized(Quantizer("codebook", n_values=16))
    n_nonzero = sum(np.count_nonzero(v) for v in values.values() if v.ndim > 1)
    entropy = n_nonzero * 7.07 / 8 + n_nonzero / 2  # of the gaps; of the codes
    packed = lzma.compress(pickle.dumps(small, protocol=5))
    assert len(packed) < entropy + 2200


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
