import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_prune import PrunedClassifier, PrunedRegressor, SampleSubsetClassifier
from sklearn_prune.persistence import load, save, to_onnx

torch = pytest.importorskip("torch")
skorch = pytest.importorskip("skorch")
nn = torch.nn

X, LABELS = load_iris(return_X_y=True)
X = X.astype(np.float32)
SETTINGS = {"max_epochs": 2, "verbose": 0, "batch_size": 50, "train_split": None}


class Straight(nn.Module):
    """A net that can be followed, which needs no torch to predict."""

    def __init__(self, width=6, n_outputs=3):
        super().__init__()
        self.hidden = nn.Linear(4, width)
        self.norm = nn.BatchNorm1d(width)
        self.output = nn.Linear(width, n_outputs)

    def forward(self, X):
        return self.output(torch.relu(self.norm(self.hidden(X))))


class Branching(Straight):
    """A net that cannot be followed, since a number decides what it does."""

    def forward(self, X):
        found = super().forward(X)
        return found * 2 if float(found.sum()) > 1e9 else found


class Lazy(Branching):
    """Layers that learn their shapes, and a buffer that is no part of the state."""

    def __init__(self):
        super().__init__()
        self.hidden, self.norm = nn.LazyLinear(6), nn.LazyBatchNorm1d()
        self.register_buffer("places", torch.randn(6), persistent=False)

    def forward(self, X):
        return super().forward(X) + (self.places * self.hidden(X)).mean(1, keepdim=True)


class Other(Branching):
    """As large, and not what was saved."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.skprune"


def classifier(module, loss=nn.CrossEntropyLoss, **settings):
    return skorch.NeuralNetClassifier(module, criterion=loss, **SETTINGS, **settings)


def binary(module):
    return skorch.NeuralNetBinaryClassifier(
        module, module__n_outputs=1, threshold=0.4, **SETTINGS
    )


@pytest.mark.parametrize("quantize", [None, "int8", "float16", "codebook"])
@pytest.mark.parametrize("keep", [1.0, 0.5])
def test_modules_are_made_of_the_allowed_class(keep, quantize, path):
    net = classifier(Branching, module__width=9)
    model = PrunedClassifier(net, keep=keep, quantize=quantize, random_state=0)
    save(model.fit(X, LABELS), path)
    before = torch.random.get_rng_state()
    loaded = load(path, modules=[Straight, Branching])
    assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.n_parameters() == model.compact_.n_parameters()
    save(loaded, path)
    again = load(path, modules=[Branching])
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_lazy_layers_and_buffers_that_are_not_persistent(path):
    model = PrunedClassifier(classifier(Lazy), unit="weight").fit(X, LABELS)
    save(model, path)
    found = load(path, modules=[Lazy]).predict_proba(X)
    np.testing.assert_array_equal(found, model.predict_proba(X))


def test_nets_that_can_be_followed_need_no_class(path):
    model = PrunedClassifier(classifier(Straight), keep=0.5, random_state=0)
    save(model.fit(X, LABELS), path)
    np.testing.assert_array_equal(load(path).predict_proba(X), model.predict_proba(X))


def test_nets_on_fewer_rows(path):
    model = SampleSubsetClassifier(classifier(Straight), random_state=0)
    save(model.fit(X, LABELS), path)
    loaded = load(path, modules=[Straight])
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    with pytest.raises(ValueError, match=r"modules=\[Straight\]"):
        load(path)


@pytest.mark.parametrize("module", [Straight, Branching])
def test_binary_nets_keep_their_threshold(module, path):
    y = (LABELS > 0).astype(np.float32)
    model = SampleSubsetClassifier(binary(module), random_state=0).fit(X, y)
    save(model, path)
    loaded = load(path, modules=[module])
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_regressors(path):
    net = skorch.NeuralNetRegressor(Branching, module__n_outputs=1, **SETTINGS)
    model = PrunedRegressor(net, keep=0.8, random_state=0).fit(X, X[:, :1])
    save(model, path)
    loaded = load(path, modules=[Branching])
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_classes_that_are_not_allowed_are_not_made(path):
    save(PrunedClassifier(classifier(Branching), random_state=0).fit(X, LABELS), path)
    for modules in ((), [Straight], [Other]):
        with pytest.raises(
            ValueError, match=r"weights of the module .*Branching, whose class"
        ):
            load(path, modules=modules)
    for modules in (Branching, [Branching()], ["Branching"]):
        with pytest.raises(TypeError, match="modules must be a sequence"):
            load(path, modules=modules)


def test_a_class_that_has_changed_is_refused(path, monkeypatch):
    save(PrunedClassifier(classifier(Branching), random_state=0).fit(X, LABELS), path)
    made = Straight.__init__

    def wider(self, width=7, n_outputs=3):
        made(self, width + 1, n_outputs)

    monkeypatch.setattr(Straight, "__init__", wider)
    with pytest.raises(ValueError, match="must be those of"):
        load(path, modules=[Branching])


class OwnNet(skorch.NeuralNetClassifier):
    """A class of the user."""


def test_what_no_file_can_hold_is_refused_by_name(path):
    own = OwnNet(Branching, criterion=nn.CrossEntropyLoss, **SETTINGS)
    applied = classifier(Branching, predict_nonlinearity=torch.exp)
    given = classifier(Activated, module__activation=nn.Tanh())
    for net, name in ((own, "OwnNet"), (applied, "exp"), (given, "module__activation")):
        model = PrunedClassifier(net, keep=0.5, random_state=0).fit(X, LABELS)
        with pytest.raises(TypeError, match=name) as caught:
            save(model, path)
        assert "\n" not in str(caught.value)
    assert not path.exists()


class Activated(Branching):
    def __init__(self, activation=None):
        super().__init__()
        self.activation = activation


def test_an_object_as_module_is_refused_with_what_to_write(tmp_path):
    y = (LABELS > 0).astype(np.int64)
    layers = nn.Sequential(nn.Linear(4, 2), nn.Softmax(-1))
    net = skorch.NeuralNetClassifier(layers, **SETTINGS).fit(X, y)
    with pytest.raises(TypeError, match="whose module is a class"):
        save(net, tmp_path / "net")
    whole = PrunedClassifier(FrozenEstimator(net), keep=1.0).fit(X, y)
    save(whole, tmp_path / "net")
    np.testing.assert_array_equal(load(tmp_path / "net").predict(X), net.predict(X))


def test_a_net_after_other_steps_is_written():
    pytest.importorskip("skl2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    y = (LABELS > 0).astype(np.int64)
    layers = nn.Sequential(nn.Linear(4, 2), nn.Softmax(-1))
    net = skorch.NeuralNetClassifier(layers, **SETTINGS)
    for keep in (1.0, 0.6):
        pruned = PrunedClassifier(net, keep=keep, random_state=0)
        model = make_pipeline(StandardScaler(), pruned).fit(X, y)
        graph = to_onnx(model, X[:1]).SerializeToString()
        found = onnxruntime.InferenceSession(graph).run(None, {"X": X})
        np.testing.assert_array_equal(found[0], model.predict(X))
