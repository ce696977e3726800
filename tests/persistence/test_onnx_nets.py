"""ONNX graphs of torch nets."""

import numpy as np
import pytest

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune.persistence import to_onnx
from tests.persistence.onnx_session import assert_same

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(120, 2, 9, 9)).astype(np.float32)
ROWS = RNG.normal(size=(120, 12)).astype(np.float32)
CLASSES = RNG.integers(3, size=120)
POOLS = {
    "largest": ("MaxPool2d", (2,), {}),
    "largest, dilated": ("MaxPool2d", (2,), {"dilation": 2}),
    "largest, rounded up": ("MaxPool2d", (2,), {"ceil_mode": True}),
    "mean": ("AvgPool2d", (3, 2, 1), {}),
    "mean, rounded up": ("AvgPool2d", (2,), {"ceil_mode": True}),
    "mean with border, rounded up": ("AvgPool2d", (3, 3, 1), {"ceil_mode": True}),
    "mean of what is inside": (
        "AvgPool2d",
        (3, 3, 1),
        {"ceil_mode": True, "count_include_pad": False},
    ),
    "adaptive": ("AdaptiveAvgPool2d", (4,), {}),
    "adaptive largest": ("AdaptiveMaxPool2d", (5,), {}),
}
ACTIVATIONS = (
    *("ReLU", "ReLU6", "LeakyReLU", "PReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish"),
    *("Tanh", "Sigmoid", "Softplus", "Softsign", "Hardtanh", "Hardsigmoid", "Hardswish"),
    "LogSigmoid",
)


@pytest.fixture(scope="module")
def torch():
    pytest.importorskip("skorch")
    return pytest.importorskip("torch")


def classifier(module, **settings):
    import torch
    from skorch import NeuralNetClassifier

    return NeuralNetClassifier(
        module, criterion=torch.nn.CrossEntropyLoss, max_epochs=1, verbose=0, **settings
    )


@pytest.mark.parametrize("pool", POOLS)
def test_convolutions_and_pools(torch, pool):
    nn = torch.nn
    name, given, settings = POOLS[pool]
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1, stride=(1, 2)),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        getattr(nn, name)(*given, **settings),
        nn.Conv2d(6, 4, (2, 1), groups=2, dilation=(1, 2)),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 3),
    )
    for quantize in (None, "int8"):
        model = PrunedClassifier(
            classifier(module), keep=0.6, quantize=quantize, random_state=0
        )
        model.fit(IMAGES[:80], CLASSES[:80])
        assert "Module" not in type(model.compact_).__name__
        assert_same(model, IMAGES[80:])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(torch, name):
    nn = torch.nn
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(12, 9), getattr(nn, name)(), nn.Linear(9, 3))
    model = PrunedClassifier(classifier(module), keep=0.5, random_state=0)
    model.fit(5 * ROWS[:80], CLASSES[:80])
    assert_same(model, 5 * ROWS[80:], tolerance=1e-6)


@pytest.mark.filterwarnings("ignore:A layer is left with a single weight")
def test_regression_and_sparse_weights(torch):
    from skorch import NeuralNetRegressor

    from sklearn_prune.predictors.nets.weights import SparseWeights

    nn = torch.nn
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(12, 40), nn.ReLU(), nn.Linear(40, 3))
    net = NeuralNetRegressor(module, max_epochs=1, verbose=0)
    target = ROWS[:, :3] * 2
    for quantize in (None, "int8"):
        model = PrunedRegressor(
            net, unit="weight", keep=0.3, quantize=quantize, random_state=0
        )
        model.fit(ROWS, target)
        stored = [type(layer.weights) for layer in model.compact_.layers_]
        assert SparseWeights in stored
        graph = assert_same(model, ROWS)
        assert any(node.op_type == "ScatterElements" for node in graph.graph.node)


def test_double_precision_dense_net(torch):
    nn = torch.nn
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(12, 9), nn.GELU(), nn.Linear(9, 3)).double()
    model = PrunedClassifier(classifier(module), keep=0.7, random_state=0)
    model.fit(ROWS.astype(float), CLASSES)
    assert_same(model, ROWS.astype(float), tolerance=1e-9)


def test_a_net_that_cannot_be_followed_is_named(torch):
    pytest.importorskip("skl2onnx")
    from sklearn_prune.persistence import to_onnx

    net = classifier(torch.nn.Bilinear, module__in1_features=12)
    from sklearn_prune.predictors.nets.module import CompactModule

    compact = CompactModule()
    compact.net_, compact.packed_, compact.n_features_in_ = net, {}, 12
    vars(net)["module_"] = torch.nn.Bilinear(12, 12, 3)
    with pytest.raises(TypeError, match="Bilinear"):
        to_onnx(compact, ROWS[:1])


@pytest.mark.parametrize(
    "name", ["concatenating", "transformer", "recurrent", "wide and deep"]
)
def test_modules_that_were_cut_are_written_by_torch(torch, name):
    onnxruntime = pytest.importorskip("onnxruntime")
    from tests.models.nets import test_torch_units as nets

    net, X, y = nets.of_zoo(name)
    unit = dict(nets.UNITS)[name]
    model = nets.make_model(net, unit=unit, refit=False).fit(X, y)
    whole = nets.make_model(net, keep=1.0).fit(X, y)
    assert type(model.compact_).__name__ == "CompactModule"
    graph = to_onnx(model, X).SerializeToString()
    assert len(graph) < 0.8 * len(to_onnx(whole, X).SerializeToString())
    session = onnxruntime.InferenceSession(graph)
    rows = dict(X) if isinstance(X, dict) else {"X": X}
    for n_rows in (1, 50):
        labels, found = session.run(None, {key: v[:n_rows] for key, v in rows.items()})
        expected = model.predict_proba(X)[:n_rows]
        np.testing.assert_allclose(found, expected, atol=1e-6)
        np.testing.assert_array_equal(labels, model.predict(X)[:n_rows])


@pytest.mark.parametrize("threshold", [0.5, 0.3])
def test_binary_modules_and_regressors(torch, threshold):
    onnxruntime = pytest.importorskip("onnxruntime")
    from skorch import NeuralNetBinaryClassifier, NeuralNetRegressor

    from tests.models.nets.test_torch_units import PIXELS, One

    class_of = {
        NeuralNetBinaryClassifier: PrunedClassifier,
        NeuralNetRegressor: PrunedRegressor,
    }
    for cls, wrapper in class_of.items():
        params = {"threshold": threshold} if cls is NeuralNetBinaryClassifier else {}
        net = cls(One, max_epochs=1, verbose=0, **params)
        y = (PIXELS.sum(1) > PIXELS.sum(1).mean()).astype(np.float32)
        y = y if params else y[:, None]
        model = wrapper(net, unit="neuron", refit=False, random_state=0).fit(PIXELS, y)
        session = onnxruntime.InferenceSession(to_onnx(model, PIXELS).SerializeToString())
        found = session.run(None, {"X": PIXELS})
        expected = model.predict(PIXELS)
        np.testing.assert_allclose(found[0], expected, atol=1e-5)
        if params:
            np.testing.assert_allclose(found[1], model.predict_proba(PIXELS), atol=1e-6)
