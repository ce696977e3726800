"""Hostile settings of nets: perceptrons of scikit-learn and torch modules under skorch."""

import pickle
from functools import cache

import numpy as np
import pytest
from scipy.sparse import csc_array, csr_array
from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier, MLPRegressor

from tests import matrix
from tests.models.test_hostile_linear_and_kernels import (
    CODES,
    CONSTANT,
    COUNTS,
    CROWD,
    LABELS,
    MANY,
    NAMED,
    ONE,
    POSITIVE,
    SEVERAL,
    TEXT,
    TWO,
    VALUES,
    WEIGHTS,
    WIDE,
    Continued,
    X,
)

pytestmark = [
    pytest.mark.sampled(3),
    pytest.mark.filterwarnings("ignore"),
]

UNITS = ("auto", "weight", "neuron", "input", "feature")
KEEPS = (0.5, 0.1, "auto")
SCHEMES = ("int8", "float16", "codebook")


def classifier(*sizes, **params):
    return MLPClassifier(
        hidden_layer_sizes=sizes, **{"max_iter": 15, "random_state": 0} | params
    )


def regressor(*sizes, **params):
    return MLPRegressor(
        hidden_layer_sizes=sizes, **{"max_iter": 15, "random_state": 0} | params
    )


def perceptron_cases():
    for activation in ("identity", "logistic", "tanh", "relu"):
        for solver in ("lbfgs", "sgd", "adam"):
            settings = {"activation": activation, "solver": solver}
            yield f"{activation} {solver}", classifier(6, 4, **settings), X, TEXT
            yield f"{activation} {solver} values", regressor(5, **settings), X, SEVERAL
    yield "no hidden", classifier(), X, TEXT
    yield "no hidden two", classifier(), X, TWO
    yield "no hidden values", regressor(solver="lbfgs"), X, VALUES
    yield "one by one", classifier(1, 1, 1), X, TEXT
    yield "deep", regressor(9, 7, 5, 3), X, VALUES
    yield "wide", classifier(100), WIDE, np.arange(20) % 2 == 0
    yield "stopped early", classifier(8, early_stopping=True), X, TEXT
    yield "stopped early values", regressor(8, early_stopping=True), X, VALUES
    yield "stopped at once", classifier(8, tol=1e3, n_iter_no_change=1), X, TEXT
    yield "rows one by one", classifier(4, batch_size=1, max_iter=2), X, TEXT
    yield "one batch", classifier(4, batch_size=1000), X, TEXT
    yield "no shuffle", regressor(4, shuffle=False, alpha=0.0), X, VALUES
    yield "adaptive", classifier(4, solver="sgd", learning_rate="adaptive"), X, TEXT
    yield "warm", Continued(classifier(4, warm_start=True)), X, TEXT
    yield "continued", Continued(classifier(4)), X, CODES - 1
    yield "continued values", Continued(regressor(4, solver="sgd")), X, SEVERAL
    yield "labels", classifier(5), X, LABELS
    yield "labels single", classifier(5, solver="lbfgs"), X.astype("f4"), LABELS
    yield "weights", classifier(5), X, TEXT, WEIGHTS
    yield "weights values", regressor(5), X.astype("f4"), VALUES.astype("f4"), WEIGHTS
    yield "poisson", regressor(5, loss="poisson"), X, POSITIVE
    yield "column", regressor(5), X, VALUES[:, None]
    yield "hundred", classifier(5), CROWD, MANY
    yield "one class", classifier(5), X, ONE
    yield "sparse", classifier(5), csr_array(X), TEXT
    yield "sparse columns", regressor(5), csc_array(X), VALUES
    yield "whole numbers", classifier(5), COUNTS, CODES
    yield "bytes", classifier(5), COUNTS.astype(np.uint8), CODES
    yield "named", classifier(5), NAMED, TEXT
    yield "one column of X", classifier(5), X[:, :1], TWO
    yield "constant", classifier(5), CONSTANT, TEXT
    yield "nothing varies", classifier(5), np.ones((60, 3)), TEXT
    yield "same targets", regressor(5), X, np.full(60, 7.0)
    yield "huge", classifier(5), 1e9 * X, TEXT
    yield "tiny", classifier(5), 1e-9 * X, TEXT


def parametrized(cases):
    for number, (name, *parts) in enumerate(cases):
        params = dict(zip(["sample_weight"], parts[3:], strict=False))
        yield pytest.param(number, *parts[:3], params, id=name)


every = pytest.mark.parametrize(
    ("number", "estimator", "X", "y", "params"), list(parametrized(perceptron_cases()))
)


@every
def test_a_whole_perceptron(number, estimator, X, y, params):
    matrix.assert_whole(estimator, X, y, params, net=True)


@every
def test_a_smaller_perceptron(number, estimator, X, y, params):
    plain = matrix.fitted(estimator, X, y, **params)
    inner = FrozenEstimator(plain) if isinstance(estimator, Continued) else estimator
    unit, keep = UNITS[number % len(UNITS)], KEEPS[number % len(KEEPS)]
    assert_smaller(inner, plain, X, y, params, unit=unit, keep=keep)
    scheme = SCHEMES[number % len(SCHEMES)]
    assert_smaller(inner, plain, X, y, params, keep=1.0, quantize=scheme)


def assert_smaller(inner, plain, X, y, params, **arguments):
    model = matrix.pruned(inner, **arguments)
    try:
        model.fit(X, y, **params)
    except (TypeError, ValueError) as error:
        matrix.assert_refused(str(error))
        return
    rounded = "quantize" in arguments  # to what is computed in single precision
    matrix.assert_valid(model, plain, X, same_dtype=not rounded)
    matrix.assert_valid(model, plain, matrix.rows_like(X)["many"], same_dtype=not rounded)


IMAGES = np.pad(X, ((0, 0), (0, 11))).reshape(60, 1, 4, 4).astype(np.float32)
SINGLE = X.astype(np.float32)
FLAGS = LABELS.astype(np.float32)
SHARES = FLAGS / np.maximum(1, FLAGS.sum(axis=1, keepdims=True))
NUMBERS = SEVERAL.astype(np.float32)


def dense(n_in=5, n_hidden=8, n_out=3, *, last=None):
    from torch import nn

    last = [] if last is None else [last]
    layers = [nn.Linear(n_in, n_hidden), nn.ReLU(), nn.Linear(n_hidden, n_out)]
    return nn.Sequential(*layers, *last)


def convolutional():
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout2d(0.3),
        nn.Conv2d(4, 4, 1, bias=False),
        nn.BatchNorm2d(4, affine=False, momentum=None),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(16, 3),
    )


def normalised():
    from torch import nn

    return nn.Sequential(
        nn.BatchNorm1d(5, track_running_stats=False), nn.Linear(5, 3), nn.LayerNorm(3)
    )


def double():
    return dense().double()


def half():
    return dense().half()


def shared_layer():
    from torch import nn

    layer = nn.Linear(5, 5)
    return nn.Sequential(layer, nn.Tanh(), layer, nn.Linear(5, 3))


def with_buffer():
    import torch

    module = shared_layer()
    module.register_buffer("places", torch.ones(2, 3))
    return module


def local():
    from torch import nn

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.GRU(5, 3, batch_first=True)

        def forward(self, X):
            return self.inner(X[:, None])[0][:, 0]

    return Recurrent()


def casting():
    from torch import nn

    class Cast(nn.Module):
        def forward(self, X):
            return X.float()

    return nn.Sequential(Cast(), *dense())


def embedded():
    from torch import nn

    return nn.Sequential(nn.Embedding(40, 3), nn.Flatten(), nn.Linear(15, 3))


def probable():
    from torch import nn

    return dense(last=nn.Softmax(dim=1))


@cache
def net_cases():
    torch = pytest.importorskip("torch")
    skorch = pytest.importorskip("skorch")
    from skorch.callbacks import EarlyStopping, EpochScoring, GradientNormClipping
    from torch import nn

    def net(module=dense, cls=skorch.NeuralNetClassifier, **params):
        settings = {"max_epochs": 3, "lr": 0.05, "train_split": None, "verbose": 0}
        if cls is skorch.NeuralNetClassifier:
            settings["criterion"] = nn.CrossEntropyLoss
        return cls(module, **settings | params)

    class Backwards(skorch.NeuralNetClassifier):
        def predict(self, X):
            return self.predict_proba(X).argmin(axis=1)

    codes = CODES.astype(np.int64)
    weights = {"criterion__weight": torch.tensor([1.0, 5.0, 0.1])}
    binary, values = skorch.NeuralNetBinaryClassifier, skorch.NeuralNetRegressor
    stops = [EarlyStopping(patience=1), GradientNormClipping(1.0)]
    scores = [("auc", EpochScoring("accuracy", lower_is_better=False, on_train=True))]
    adam = {"optimizer": torch.optim.AdamW, "optimizer__weight_decay": 0.1}
    positive = {"criterion__pos_weight": torch.tensor(3.0), "threshold": 0.2}
    return {
        "dense": (net(**weights, **adam), SINGLE, codes),
        "images": (net(convolutional, **weights), IMAGES, codes),
        "norms": (net(normalised, batch_size=20), SINGLE, codes),
        "double": (net(double), X, codes),
        "half": (net(half), X.astype(np.float16), codes),
        "cast": (net(casting), X.astype(np.float16), codes),
        "buffer": (net(with_buffer), SINGLE, codes),
        "local": (net(local), SINGLE, codes),
        "shared layer": (net(shared_layer), SINGLE, codes),
        "embedded": (net(embedded), COUNTS.astype(np.int64), codes),
        "probable": (net(probable, criterion=nn.NLLLoss), SINGLE, codes),
        "callbacks": (net(callbacks=scores), SINGLE, codes),
        "split": (
            net(train_split=skorch.dataset.ValidSplit(3), callbacks=stops),
            SINGLE,
            codes,
        ),
        "warm": (net(warm_start=True, iterator_train__drop_last=True), SINGLE, codes),
        "classes given": (net(classes=[0, 1, 2], module__n_out=3), SINGLE, codes),
        "two": (
            net(cls=binary, module__n_out=1, **positive),
            SINGLE,
            TWO.astype(np.float32),
        ),
        "values": (net(cls=values, criterion=nn.L1Loss), SINGLE, NUMBERS),
        "one value": (net(cls=values, module__n_out=1), SINGLE, NUMBERS[:, :1]),
        "shares": (net(cls=values, criterion=nn.CrossEntropyLoss), SINGLE, SHARES),
        "labels": (net(criterion=nn.BCEWithLogitsLoss), SINGLE, FLAGS),
        "labels as values": (
            net(cls=values, criterion=nn.BCEWithLogitsLoss),
            SINGLE,
            FLAGS,
        ),
        "margins": (net(criterion=nn.MultiMarginLoss), SINGLE, codes),
        "huge": (net(lr=1e-30), 1e20 * SINGLE, codes),
        "own predict": (net(cls=Backwards, criterion=nn.CrossEntropyLoss), SINGLE, codes),
        "one column": (net(module__n_in=1), SINGLE[:, :1], codes),
    }


NETS = (
    *("dense", "images", "norms", "double", "half", "cast", "shared layer", "embedded"),
    *("buffer",),
    *("probable", "callbacks", "split", "warm", "classes given", "two", "values"),
    *("one value", "huge", "own predict", "one column", "shares", "labels"),
    *("labels as values", "margins"),
)


@cache
def fitted_net(name):
    import torch

    net, rows, y = net_cases()[name]
    torch.manual_seed(0)
    return matrix.fitted(net, rows, y), rows, y


def state_of(net):
    """Copies of all tensors of a net, by name."""
    state = net.module_.state_dict() | dict(net.module_.named_buffers())
    return {name: tensor.detach().numpy().copy() for name, tensor in state.items()}


def told(net, X):
    """What a net says; skorch gives regressors a predict_proba."""
    found = matrix.answers(net, X)
    if not is_classifier(net):
        del found["predict_proba",]
    return found


def samples(X):
    return {"one": X[:1], "many": X[np.arange(300) % len(X)], "as it was": X.copy()}


@pytest.mark.parametrize("name", NETS)
def test_a_whole_net(name):
    net_cases()
    net, rows, y = fitted_net(name)
    before, history = state_of(net), len(net.history)
    rtol = 1e-3 if name == "half" else 1e-5
    model = matrix.pruned(FrozenEstimator(net), keep=1.0).fit(rows, y)
    for some in samples(rows).values():
        matrix.assert_same(
            matrix.answers(model, some), told(net, some), rtol, same_dtype=False
        )
    restored = model.estimator_
    for one in restored.module_.state_dict().values():
        one.fill_(7)
    assert len(net.history) == history
    for tensor, (key, old) in zip(state_of(net).values(), before.items(), strict=True):
        assert np.array_equal(tensor, old), key
    for some in samples(rows).values():
        matrix.assert_same(
            matrix.answers(model, some), told(net, some), rtol, same_dtype=False
        )


@pytest.mark.parametrize("name", NETS)
def test_the_net_of_the_user_may_change_afterwards(name):
    net_cases()
    net, rows, y = fitted_net(name)
    other = matrix.pruned(FrozenEstimator(net), keep=1.0).fit(rows, y)
    expected, before = matrix.answers(other, rows), state_of(net)
    try:
        for tensor in net.module_.state_dict().values():
            tensor.fill_(0.25 if tensor.is_floating_point() else 1)
        matrix.assert_same(matrix.answers(other, rows), expected, 0.0)
    finally:
        for key, tensor in net.module_.state_dict().items():
            tensor.copy_(tensor.new_tensor(before[key]))


@pytest.mark.parametrize("name", NETS)
def test_a_smaller_net(name):
    net_cases()
    net, rows, y = fitted_net(name)
    number = NETS.index(name)
    for shift in range(2):
        unit = (*UNITS, "channel")[(number + shift) % 6]
        keep = KEEPS[(number // 2 + shift) % 3]
        assert_net_smaller(net, rows, y, unit=unit, keep=keep)
    scheme = SCHEMES[number % len(SCHEMES)]
    assert_net_smaller(net, rows, y, keep=1.0, quantize=scheme)


def assert_net_smaller(net, rows, y, **arguments):
    model = matrix.pruned(FrozenEstimator(net), **arguments)
    try:
        model.fit(rows, y)
    except (TypeError, ValueError) as error:
        matrix.assert_refused(str(error))
        return
    for some in samples(rows).values():
        matrix.assert_valid(model, net, some, same_dtype=False)


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("name", ["shared layer", "buffer"])
def test_what_no_graph_follows_loses_parameters_and_nothing_else(name, refit):
    net_cases()
    net, rows, y = fitted_net(name)
    whole = state_of(net)
    n_weights = sum(value.numel() for value in net.module_.parameters() if value.ndim > 1)
    model = matrix.pruned(FrozenEstimator(net), unit="weight", keep=0.5, refit=refit).fit(
        rows, y
    )
    assert model.n_units_ == n_weights
    inner = model.estimator_
    np.testing.assert_allclose(
        model.predict_proba(rows), inner.predict_proba(rows), atol=1e-6
    )
    left = [value for value in inner.module_.parameters() if value.ndim > 1]
    assert sum(int((value != 0).sum()) for value in left) <= n_weights / 2
    if name == "buffer":
        assert np.array_equal(state_of(inner)["places"], whole["places"])
    assert inner.module_[0] is inner.module_[2]
    alone = pickle.loads(pickle.dumps(model.compact_))
    assert np.array_equal(alone.predict_proba(rows), model.predict_proba(rows))


def test_a_module_that_pickle_cannot_find_is_refused():
    net_cases()
    net, rows, y = net_cases()["local"]
    with pytest.raises(TypeError, match="top level of a file"):
        matrix.pruned(net, keep=0.5).fit(rows, y)
