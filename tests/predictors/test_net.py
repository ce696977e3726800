"""Compact nets: the same answers as the full net, from few bytes, without torch."""

import lzma
import pickle
import subprocess
import sys

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
from sklearn_prune.predictors.nets.graph import Graph, Operation
from sklearn_prune.predictors.nets.net import (
    CompactNet,
    CompactNetClassifier,
    CompactNetRegressor,
)
from sklearn_prune.predictors.nets.weights import SparseWeights
from sklearn_prune.weight_pruning import Quantizer
from tests.predictors.test_net_shrink import chain, interpret, residual


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
