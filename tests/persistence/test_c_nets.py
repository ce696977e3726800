"""Nets in C: scores of every kind of layer, activation and stored weight."""

from math import prod

import numpy as np
import pytest

from sklearn_prune import PrunedClassifier, compact
from sklearn_prune.persistence import to_c
from sklearn_prune.predictors import (
    KNOWN_ACTIVATIONS,
    CompactModule,
    CompactNetClassifier,
    CompactNetRegressor,
    Graph,
    Operation,
    SparseWeights,
)
from sklearn_prune.weight_pruning import Quantizer
from tests.estimators import sk
from tests.persistence.c_library import GCC, agree, compiled

pytestmark = [
    pytest.mark.skipif(GCC is None, reason="gcc is not installed"),
    pytest.mark.filterwarnings("ignore"),
]
RNG = np.random.default_rng(0)
ROWS = np.concatenate([RNG.normal(size=(80, 12)), 9 * RNG.normal(size=(20, 12))])
ROWS[0] = 0.0
MAPS = RNG.normal(size=(12, 4, 9, 8))
FACTS = {
    "leaky_relu": {"negative_slope": 0.2},
    "elu": {"alpha": 0.7},
    "celu": {"alpha": 1.3},
    "softplus": {"beta": 2.0, "threshold": 5.0},
    "hardtanh": {"min_val": -0.3, "max_val": 2.0},
}
QUANTIZERS = {
    "int8": Quantizer("int8"),
    "float16": Quantizer("float16"),
    "codebook": Quantizer("codebook"),
    "pairs": Quantizer("codebook", n_values=16),
}
POOLS = {
    "largest": ("max_pool", {"kernel_size": 2}),
    "largest_dilated": ("max_pool", {"kernel_size": 2, "dilation": 2, "padding": 1}),
    "largest_up": ("max_pool", {"kernel_size": (2, 3), "ceil_mode": True}),
    "mean": ("avg_pool", {"kernel_size": 3, "stride": 2, "padding": 1}),
    "mean_up": (
        "avg_pool",
        {"kernel_size": 3, "stride": 3, "padding": 1, "ceil_mode": True},
    ),
    "mean_inside": (
        "avg_pool",
        {
            "kernel_size": 3,
            "stride": 3,
            "padding": 1,
            "ceil_mode": True,
            "count_include_pad": False,
        },
    ),
    "adaptive": ("adaptive_avg_pool", {"output_size": (4, 3)}),
    "adaptive_largest": ("adaptive_max_pool", {"output_size": (5, None)}),
    "whole": ("mean", {}),
}


def values(*shape, share=1.0, dtype=np.float64):
    found = RNG.normal(size=shape) / np.sqrt(max(1, prod(shape[1:])))
    return np.where(RNG.random(shape) < share, found, 0.0).astype(dtype)


def net(operations, parameters, *, width=12, classes=3, shape=None, **facts):
    """A net of operations behind the input, without sites whose units could go."""
    graph = Graph((Operation("input"), *operations), ())
    names = None if shape else width
    if classes:
        facts["classes_"] = np.arange(classes)
    kind = CompactNetClassifier if classes else CompactNetRegressor
    return kind.of(graph, parameters, names, input_shape_=shape, **facts)


def activated(name, slopes=None, dtype=np.float64):
    """Two layers with an activation between."""
    middle = Operation(
        "activation", (1,), slopes, settings={"name": name, **FACTS.get(name, {})}
    )
    operations = (
        Operation("dense", (0,), "w", "b"),
        middle,
        Operation("dense", (2,), "v", "c"),
    )
    parameters = {
        "w": values(9, 12, dtype=dtype),
        "b": values(9, dtype=dtype),
        "v": values(3, 9, dtype=dtype),
        "c": values(3, dtype=dtype),
    }
    if slopes is not None:
        parameters["s"] = values(9 if slopes == "s" else 1, dtype=dtype)
    return net(operations, parameters)


def sparse(share, dtype=np.float64, width=12):
    """Three layers of which only weights that are not zero are stored."""
    operations = tuple(
        Operation("dense", (place,), f"w{place}", f"b{place}") for place in range(3)
    )
    sizes = (width, 20, 30, 3)
    parameters = {f"b{k}": values(sizes[k + 1], dtype=dtype) for k in range(3)}
    for k in range(3):
        parameters[f"w{k}"] = values(sizes[k + 1], sizes[k], share=share, dtype=dtype)
    return net(operations, parameters, width=width)


def graph_with_sums():
    """Results that several layers read: three arrays are in use at a time."""
    operations = (
        Operation("dense", (0,), "w", "b"),
        Operation("scale", (1,), "f", "o"),
        Operation("activation", (2,), settings={"name": "tanh"}),
        Operation("activation", (2,), settings={"name": "relu"}),
        Operation("add", (1, 3, 4)),
        Operation("flatten", (5,)),
        Operation("dense", (6,), "v", None),
        Operation("dense", (3,), "u", None),
        Operation("add", (7, 8)),
        Operation("activation", (9,), settings={"name": "log_softmax"}),
    )
    parameters = {
        **{"w": values(6, 12), "b": values(6), "f": values(6), "o": values(6)},
        **{"v": values(3, 6), "u": values(3, 6)},
    }
    return net(operations, parameters)


def maps(pool, weights=1.0, dtype=np.float32):
    """Convolutions of several strides and groups around a pool."""
    kind, settings = POOLS[pool]
    operations = [
        Operation(
            "conv",
            (0,),
            "w",
            "b",
            {"stride": (1, 2), "padding": (2, 1), "dilation": (1, 1), "groups": 2},
        ),
        Operation("scale", (1,), "f", "o"),
        Operation("activation", (2,), "s", settings={"name": "prelu"}),
        Operation(kind, (3,), settings=settings),
    ]
    parameters = {
        "w": values(6, 2, 3, 2, share=weights, dtype=dtype),
        **{name: values(6, dtype=dtype) for name in ("b", "f", "o", "s")},
    }
    if kind != "mean":
        step = {"stride": (1, 1), "padding": (0, 0), "dilation": (2, 1), "groups": 1}
        operations += [
            Operation("conv", (4,), "v", None, step),
            Operation("reshape", (5,), settings={"shape": (2, -1)}),
            Operation("flatten", (6,)),
        ]
        parameters["v"] = values(4, 6, 2, 1, share=weights, dtype=dtype)
        if pool.startswith("largest_d") or pool == "mean":
            operations[-3] = Operation("conv", (4,), "v", None, {**step, "padding": (2, 0)})
    return net(operations, parameters, shape=MAPS.shape[1:], classes=0, flat_=True)


def of_outputs():
    """Each way to make an answer of scores."""
    dense = (Operation("dense", (0,), "w", "b"),)
    one = {"w": values(1, 12), "b": values(1)}
    three = {"w": values(3, 12), "b": values(3)}
    yield "softmax", net(dense, three)
    yield "sigmoid", net(dense, one, classes=2, output_="sigmoid", threshold_=0.3)
    yield "plain", net(dense, one, classes=2, output_="identity", threshold_=0.1)
    yield "shares", net(dense, three, output_="sigmoid")
    yield "labels", net(dense, three, output_="sigmoid", multilabel_=True)
    yield "one_class", net(dense, one, classes=1, output_="sigmoid")
    yield "numbers", net(dense, three, classes=0)
    small = {"w": values(1, 12) / 9, "b": values(1)}
    yield "number", net(dense, small, classes=0, output_="exp")


def single(form):
    return np.dtype(form._dtype) == np.float32


def models():
    """Nets by name."""
    found = {
        name: activated(name) for name in sorted(KNOWN_ACTIVATIONS - {"prelu", "identity"})
    }
    found = {f"of_{name}": form for name, form in found.items()}
    found["of_gelu_tanh"] = activated("gelu")
    found["of_gelu_tanh"].layers_[0].facts = {"approximate": "tanh"}
    found["of_prelu"], found["of_prelu_one"] = (
        activated("prelu", "s"),
        activated("prelu", "s"),
    )
    found["of_prelu_one"].layers_[0].slopes = np.array([0.3])
    found["of_single"] = activated("tanh", dtype=np.float32)
    for share in (0.1, 0.3):
        found[f"sparse_{round(10 * share)}"] = sparse(share)
    found["wide"] = sparse(0.004, width=1200)
    for name, quantizer in QUANTIZERS.items():
        found[f"full_{name}"] = activated("relu").quantized(quantizer)
        found[f"few_{name}"] = sparse(0.2).quantized(quantizer)
    found["sums"] = graph_with_sums()
    found |= {f"to_{name}": form for name, form in of_outputs()}
    found["inputs"] = activated("relu")
    found["inputs"].columns_ = np.packbits(np.arange(30) % 5 < 2)
    found["inputs"].n_features_in_ = 30
    return found


@pytest.fixture(
    scope="module", params=["double", pytest.param("float", marks=pytest.mark.slow)]
)
def answers(request, tmp_path_factory):
    """Nets, and their C."""
    forms = models()
    folder = tmp_path_factory.mktemp(request.param)
    return forms, compiled(forms, folder, precision=request.param)


def test_scores_are_those_of_the_net(answers):
    forms, found = answers
    for name, form in forms.items():
        width = form.n_features_in_
        rows = np.tile(ROWS, (1, -(-width // 12)))[:, :width]
        narrow = found[name].types["score"] == "float"
        rows = rows.astype(np.float32 if narrow else np.float64)
        atol, rtol = (2e-6, 2e-6) if narrow else (1e-13, 1e-12)
        agree(found[name], form, rows, atol=atol, rtol=rtol)


def test_weights_stay_small(tmp_path):
    form = sparse(0.2)
    assert all(isinstance(layer.weights, SparseWeights) for layer in form.layers_)
    for name, kind in (
        ("int8", "int8_t weight_1"),
        ("float16", "uint16_t weight_1"),
        ("codebook", "uint8_t weight_1"),
    ):
        to_c(form.quantized(QUANTIZERS[name]), tmp_path / "model.c")
        source = (tmp_path / "model.c").read_text()
        assert kind in source
        assert "uint8_t gap_1" in source


def test_nets_of_one_line_use_two_arrays(tmp_path):
    operations = tuple(Operation("dense", (k,), f"w{k}", None) for k in range(6))
    parameters = {f"w{k}": values(12, 12) for k in range(6)}
    to_c(net(operations, parameters, classes=12), tmp_path / "model.c")
    source = (tmp_path / "model.c").read_text()
    assert "double z1[12];" in source
    assert "double z2[" not in source


@pytest.mark.parametrize("share", [1.0, 0.3], ids=["full", "sparse"])
def test_maps(share, tmp_path):
    forms = {name: maps(name, share) for name in POOLS}
    forms["wide"] = maps("mean", share, np.float64)
    forms |= {
        f"{name}_small": maps("largest", share).quantized(quantizer)
        for name, quantizer in QUANTIZERS.items()
    }
    found = compiled(forms, tmp_path)
    for name, form in forms.items():
        rows = MAPS.astype(form._dtype)
        wanted = form.predict(rows).reshape(len(rows), -1)
        got = found[name]("predict", rows.reshape(len(rows), -1))
        atol = 1e-12 if name == "wide" else 2e-6
        np.testing.assert_allclose(got, wanted, rtol=0, atol=atol, err_msg=name)
        assert found[name].selftest() == 0


def test_perceptrons_behind_scalers(tmp_path):
    X, y = 3 * ROWS + 1, (ROWS[:, 0] * ROWS[:, 1] > 0).astype(int)
    steps = ("scale", sk.StandardScaler())
    mlp = sk.MLPClassifier((8, 5), max_iter=20, random_state=0)
    plain = sk.Pipeline([steps, ("net", mlp)]).fit(X, np.array(["a", "b"])[y])
    pruned = PrunedClassifier(mlp, keep=0.3, random_state=0).fit(X, y)
    numbers = sk.Pipeline(
        [steps, ("net", sk.MLPRegressor(hidden_layer_sizes=(6,), max_iter=20))]
    ).fit(X, np.c_[y, ROWS[:, 0]])
    forms = {"plain": plain, "pruned": pruned, "numbers": numbers}
    found = compiled(forms, tmp_path)
    for name, model in forms.items():
        agree(found[name], compact(model), X, atol=1e-12)


def test_maps_of_unknown_size_are_refused(tmp_path):
    form = maps("whole")
    form.input_shape_ = None
    with pytest.raises(TypeError, match="known shape.*input_shape_ = X.shape"):
        to_c(form, tmp_path / "model.c")


def test_nets_that_cannot_be_followed_are_refused(tmp_path):
    form = CompactModule()
    form.n_features_in_ = 12
    form.net_ = type("Net", (), {"module_": sk.Ridge()})()
    with pytest.raises(TypeError, match=r"net Ridge, whose layers.*torch\.onnx"):
        to_c(form, tmp_path / "model.c")
