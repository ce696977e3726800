import copy
import functools
import io
import itertools
import json
import linecache
import os
import pickle
import re
import runpy
import subprocess
import sys
from collections import OrderedDict
from contextlib import redirect_stdout
from pathlib import Path
from threading import Lock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.discovery import all_estimators
from threadpoolctl import threadpool_limits

from sklearn_prune import PrunedClassifier
from sklearn_prune._describe_functions import canonical_json
from sklearn_prune._lazy import has
from sklearn_prune.comparison.provenance.descriptions import describe, digest

SCRIPT = Path(__file__).with_name("described_things.py")

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
NESTED = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.booleans(), inner, max_size=4)
        | st.frozensets(st.text() | st.integers(), max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def in_two_processes():
    """What the script prints here, and where texts have other hashes."""
    process = subprocess.Popen(
        [sys.executable, SCRIPT],
        env=os.environ | {"PYTHONHASHSEED": "3", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    printed = io.StringIO()
    with redirect_stdout(printed), config_context(), threadpool_limits(1):
        runpy.run_path(str(SCRIPT), run_name="__main__")
    outputs = [printed.getvalue(), process.communicate()[0]]
    assert process.returncode == 0
    return [dict(line.split("\t") for line in text.splitlines()) for text in outputs]


def test_same_in_every_process(in_two_processes):
    one, other = in_two_processes
    assert len(one) > (25 if has("pandas") and has("torch") else 20)
    for name, described in one.items():
        assert described == other[name], name


def test_no_addresses_no_places(in_two_processes):
    for name, described in in_two_processes[0].items():
        assert not re.search(r"0x[0-9a-f]{6}| at 0x", described), name
        for place in (os.getcwd(), sys.prefix, "site-packages", "described_things"):
            assert place not in described, name
        assert canonical_json(json.loads(described)) == described
        unknown = {"beyond description"}
        assert ('"unknown"' in described or "too deep" in described) == (name in unknown)


@settings(max_examples=60)
@given(NESTED, NESTED)
def test_equal_values_have_equal_descriptions_and_others_have_not(one, other):
    text = canonical_json(describe(one))
    assert canonical_json(describe(pickle.loads(pickle.dumps(one)))) == text
    assert (canonical_json(describe(other)) == text) == (by_type(one) == by_type(other))


def by_type(value):
    """A value that is equal only to values of equal type."""
    if isinstance(value, dict):
        pairs = ((by_type(key), by_type(entry)) for key, entry in value.items())
        return "dict", frozenset(map(repr, pairs))
    if isinstance(value, frozenset):
        return "set", frozenset(map(repr, value))
    if isinstance(value, (list, tuple)):
        return type(value).__name__, *map(by_type, value)
    return type(value).__name__, repr(value)


def test_estimators_by_class_and_parameters():
    described = describe(make_pipeline("passthrough", Ridge(alpha=0.5)))
    assert described["class"] == "sklearn.pipeline.Pipeline"
    first, last = described["params"]["steps"]
    assert first == {"tuple": ["passthrough", "passthrough"]}
    assert last["tuple"][0] == "ridge"
    assert last["tuple"][1]["params"]["alpha"] == 0.5
    assert set(described) == {"class", "params"}
    assert describe(KFold(3, shuffle=True)) == {
        "class": "sklearn.model_selection._split.KFold",
        "attributes": {"n_splits": 3, "random_state": None, "shuffle": True},
    }


def test_scalars_of_numpy():
    assert describe(np.float64(0.5)) == describe(0.5) == 0.5
    assert describe(np.int64(3)) == describe(3) == 3
    assert describe(np.float32(0.5)) == {"float32": 0.5}
    assert describe(np.float64("nan")) == describe(float("nan")) == {"float": "nan"}


def ready_estimators():
    """One object of each class of scikit-learn that needs no arguments."""
    for name, cls in all_estimators():
        try:
            yield name, cls()
        except TypeError:
            continue


@pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning")
def test_every_estimator_of_scikit_learn():
    estimators = dict(ready_estimators())
    assert len(estimators) > 150
    for name, estimator in estimators.items():
        text = canonical_json(describe(estimator))
        assert '"unknown"' not in text, name
        assert canonical_json(describe(clone(estimator))) == text, name
        assert canonical_json(describe(pickle.loads(pickle.dumps(estimator)))) == text, name


@pytest.mark.parametrize(
    "name",
    [
        "AdaBoostClassifier",
        "BaggingClassifier",
        "CalibratedClassifierCV",
        "ExtraTreesClassifier",
        "GaussianProcessClassifier",
        "GradientBoostingClassifier",
        "HistGradientBoostingClassifier",
        "KNeighborsClassifier",
        "MLPClassifier",
        "RidgeClassifierCV",
        "SVC",
    ],
)
@pytest.mark.filterwarnings("ignore:.*iterations:UserWarning")
def test_equal_fits_have_equal_descriptions(name):
    X = np.random.default_rng(0).normal(size=(40, 3))
    y = np.arange(40) % 2
    model = dict(all_estimators())[name]()
    if "random_state" in model.get_params():
        model.set_params(random_state=0)
    once, again = (FrozenEstimator(clone(model).fit(X, y)) for _ in range(2))
    assert describe(once) == describe(again)
    assert describe(pickle.loads(pickle.dumps(once))) == describe(once)
    assert describe(FrozenEstimator(clone(model).fit(X[1:], y[1:]))) != describe(once)


def lambda_with(weights):
    return lambda X: X * weights


class Other(LogisticRegression):
    pass


class Unlucky(BaseEstimator):
    def get_params(self, deep=True):
        raise RuntimeError("no parameters today")


FITTED = RandomForestClassifier(2, random_state=0).fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        (0.0, -0.0),
        ("nan", float("nan")),
        ((1, 2), [1, 2]),
        ({"float": "nan"}, float("nan")),
        ({"a": 1}, [["a", 1]]),
        ({1: "a"}, {"1": "a"}),
        ("raw", b"raw"),
        (b"a" * 100, b"b" * 100),
        (np.float32(0.5), 0.5),
        (np.arange(3), np.arange(3.0)),
        (np.eye(2), np.ma.array(np.eye(2))),
        (np.eye(2), csr_array(np.eye(2))),
        (Ridge(alpha=0.1), Ridge(alpha=0.1 + 1e-16)),
        (LogisticRegression(), Other()),
        (make_pipeline(Ridge()), make_pipeline(Ridge(2))),
        (make_pipeline("passthrough", Ridge()), make_pipeline(StandardScaler(), Ridge())),
        (KFold(3), StratifiedKFold(3)),
        (KFold(3), KFold(4)),
        (KFold(3), 3),
        (make_scorer(f1_score), make_scorer(f1_score, average="macro")),
        (make_scorer(f1_score), make_scorer(f1_score, response_method="predict_proba")),
        (np.random.RandomState(0), np.random.RandomState(1)),
        (np.random.default_rng(0), np.random.default_rng(1)),
        (np.random.SeedSequence(0), np.random.SeedSequence(0, spawn_key=(0,))),
        (FrozenEstimator(FITTED), FrozenEstimator(clone(FITTED))),
        (
            FrozenEstimator(FITTED),
            FrozenEstimator(clone(FITTED).fit([[0.0], [2.0]], [0, 1])),
        ),
        (re.compile("a"), re.compile("a", re.IGNORECASE)),
        (np.dtype("f4"), np.dtype("f8")),
        (slice(1), slice(2)),
        (Path("a"), "a"),
    ],
)
def test_others_differ(one, other):
    assert digest(one) != digest(other)
    assert digest([one]) != digest([other])
    assert digest(FunctionTransformer(one)) != digest(FunctionTransformer(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3))),
        (FITTED, clone(FITTED)),
        (make_pipeline(FITTED), make_pipeline(clone(FITTED))),
        ([("a", SelectFromModel(FITTED))], [("a", SelectFromModel(clone(FITTED)))]),
        (FrozenEstimator(FITTED), FrozenEstimator(copy.deepcopy(FITTED))),
    ],
)
def test_equal_things_do_not_differ(one, other):
    assert describe(one) == describe(other)


def test_the_state_of_a_fitted_model_counts_where_clones_keep_it():
    X, y = np.eye(4), [0, 1, 0, 1]
    fitted = LogisticRegression().fit(X, y)
    for wrap in (
        FrozenEstimator,
        lambda model: make_pipeline(FrozenEstimator(make_pipeline(model))),
        lambda model: FunctionTransformer(model.predict_proba),
        lambda model: FunctionTransformer(functools.partial(pow, model)),
        lambda model: FunctionTransformer(lambda X: model.predict(X)),
        lambda model: FunctionTransformer(kw_args=OrderedDict(model=model)),
    ):
        with_fit, without = wrap(fitted), wrap(LogisticRegression())
        assert digest(with_fit) != digest(without)
        assert describe(clone(with_fit)) == describe(with_fit)
    for wrap in (
        make_pipeline,
        SelectFromModel,
        PrunedClassifier,
        lambda model: FunctionTransformer(kw_args={"model": model}),
    ):
        assert describe(wrap(fitted)) == describe(wrap(LogisticRegression()))


def test_how_long_a_fit_took_does_not_count():
    X, y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 2
    once, again = (
        PrunedClassifier(LogisticRegression(), keep=0.5, random_state=0).fit(X, y)
        for _ in range(2)
    )
    assert once.report_.seconds != again.report_.seconds
    assert describe(FrozenEstimator(once)) == describe(FrozenEstimator(again))


def test_a_generator_is_described_by_what_it_would_draw():
    generator = np.random.default_rng(0)
    before = describe(generator)
    assert describe(copy.deepcopy(generator)) == before
    assert generator.random() == np.random.default_rng(0).random()
    assert describe(generator) != before


def test_describing_changes_nothing():
    stream = iter(range(3))
    produced = (n for n in range(3))
    describe([stream, produced])
    assert list(stream) == list(produced) == [0, 1, 2]
    forest = RandomForestClassifier(random_state=np.random.RandomState(0))
    describe(forest)
    assert forest.random_state.randint(100) == np.random.RandomState(0).randint(100)


def test_circles_end():
    circle = [1]
    circle.append({"inner": (circle, 2)})
    assert describe(circle) == [1, {"dict": [["inner", {"tuple": [{"again": 3}, 2]}]]}]
    twin = [1]
    twin.append({"inner": (twin, 3)})
    assert describe(twin) != describe(circle)
    assert describe([0, circle])[1] == describe(circle)
    shared = [1, 2]
    assert describe([shared, shared]) == [[1, 2], [1, 2]]
    model = Ridge()
    model.set_params(alpha=[model])
    assert describe(model)["params"]["alpha"] == [{"again": 2}]


def test_shared_parts_are_described_once():
    value = [0]
    for _ in range(30):
        value = lambda_with((value, value))
    assert len(canonical_json(describe(FunctionTransformer([1])))) < 1000
    grown = 0
    for _ in range(60):
        holder = Ridge()
        holder.left = holder.right = grown
        grown = holder
    assert len(digest(functools.partial(pow, grown))) == 64


class Evil:
    def __getattr__(self, name):
        raise KeyError(name)


class Endless:
    def __reduce_ex__(self, protocol):
        return Endless, (Endless(),)


def test_what_cannot_be_described_is_named():
    assert describe(Lock()) == {"class": "_thread.lock", "state": "unknown"}
    for thing in (Evil(), Endless(), Unlucky(), (n for n in "ab"), open, object()):
        assert describe(thing) == describe(thing)
        assert "0x" not in canonical_json(describe(thing))
    deep = []
    for _ in range(5000):
        deep = [deep]
    assert "too deep" in canonical_json(describe(deep))


def test_canonical_json():
    assert canonical_json({"b": [1, None], "a": "é"}) == '{"a":"\\u00e9","b":[1,null]}'
    with pytest.raises(ValueError, match="Out of range float"):
        canonical_json(float("nan"))
    with pytest.raises(TypeError, match="not JSON serializable"):
        canonical_json(np.float32(1))


def test_digest_of_an_array_ignores_its_layout():
    rows = np.arange(10)[::2]
    assert digest(rows) == digest(rows.copy()) != digest(rows.astype(np.int32))
    assert digest(rows) != digest(list(rows))
    assert re.fullmatch("[0-9a-f]{64}", digest(rows))


CELLS = itertools.count()


def defined(source, name, *, has_source=True, **others):
    """What `source` calls `name` when it is run in a notebook."""
    filename = f"<cell {next(CELLS)}>"
    if has_source:
        linecache.cache[filename] = len(source), None, source.splitlines(True), filename
    namespace = {"__name__": "some_notebook", **others}
    exec(compile(source, filename, "exec"), namespace)
    return namespace[name]


SOURCE = "def f(x):\n    def inner(y):\n        return y + 1\n    return inner(x)\n"
CLASS = (
    "class Base:\n    def start(self):\n        return 1\n"
    "class C(Base):\n    fits = 0\n    def fit(self, X):\n"
    "        type(self).fits += 1\n        self.width_ = self.start()\n"
    "    @property\n    def size(self):\n        return 5\n"
)
without_source = functools.partial(defined, has_source=False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda X: X + 1, lambda X: X + 2),
        (lambda X: X + 1, lambda X: X - 1),
        (lambda X: X.sum(), lambda X: X.mean()),
        (lambda X: [x + 1 for x in X], lambda X: [x + 2 for x in X]),
        (lambda X: X in {"a", "b"}, lambda X: X in {"a", "c"}),
        (lambda X, by=1: X, lambda X, by=2: X),
        (lambda X, *, by=1: X, lambda X, *, by=2: X),
        (lambda_with(1), lambda_with(2)),
        (lambda_with(np.arange(3)), lambda_with(np.arange(3)[::-1])),
        (lambda_with(lambda_with(1)), lambda_with(lambda_with(2))),
        (defined(SOURCE, "f"), defined(SOURCE.replace("y + 1", "y + 2"), "f")),
        (without_source(SOURCE, "f"), without_source(SOURCE.replace("y + 1", "1"), "f")),
        (defined(CLASS, "C")(), defined(CLASS.replace("return 1", "return 2"), "C")()),
        (defined(CLASS, "C"), defined(CLASS.replace("return 5", "return 6"), "C")),
        (
            without_source(CLASS, "C"),
            without_source(CLASS.replace("return 5", "return 6"), "C"),
        ),
        (
            functools.partial(f1_score, average="a"),
            functools.partial(f1_score, average="b"),
        ),
        (functools.partial(pow, 2), functools.partial(pow, 3)),
        (np.exp, np.log),
        (np.mean, np.median),
        (len, max),
        (str.upper, str.lower),
        ("a".join, "b".join),
        (Ridge(1.0).fit, Ridge(2.0).fit),
        (Ridge, LogisticRegression),
        (Ridge, Ridge()),
    ],
)
def test_other_code_is_noticed(one, other):
    assert digest(one) != digest(other)
    assert digest(FunctionTransformer(one)) != digest(FunctionTransformer(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (defined(SOURCE, "f"), defined("\n\n# moved down\n" + SOURCE, "f")),
        (without_source(SOURCE, "f"), without_source("\n\n" + SOURCE, "f")),
        (defined(CLASS, "C"), defined("\n\n" + CLASS, "C")),
        (lambda_with(np.arange(3)), lambda_with(np.arange(3))),
    ],
)
def test_the_same_code_elsewhere(one, other):
    assert describe(one) == describe(other)
    assert describe(copy.deepcopy(one)) == describe(one)


def test_what_a_class_counts_does_not_count():
    counting = defined(CLASS, "C")
    before = describe(counting())
    counting().fit(3)
    assert counting.fits == 1
    assert describe(counting) == {"type": "some_notebook.C", "code": before["code"]}


def test_importable_functions_of_packages_with_a_version():
    assert describe(f1_score) == {"function": "sklearn.metrics._classification:f1_score"}


NET = (
    "class Net(torch.nn.Module):\n    def __init__(self, width=4):\n"
    "        super().__init__()\n        self.layer = torch.nn.Linear(width, 2)\n"
    "    def forward(self, X):\n        return self.layer(X)\n"
)


def test_nets():
    torch = pytest.importorskip("torch")
    skorch = pytest.importorskip("skorch")
    module = defined(NET, "Net", torch=torch)
    other = defined(
        NET.replace("self.layer(X)", "self.layer(X).tanh()"), "Net", torch=torch
    )
    described = describe(skorch.NeuralNetClassifier(module))
    assert describe(skorch.NeuralNetClassifier(module)) == described
    assert describe(skorch.NeuralNetClassifier(other)) != described
    assert describe(skorch.NeuralNetClassifier(module, module__width=5)) != described
    weights = module()
    described = describe(skorch.NeuralNetClassifier(weights))
    assert describe(skorch.NeuralNetClassifier(copy.deepcopy(weights))) == described
    with torch.no_grad():
        weights.layer.bias[0] += 1
    assert describe(skorch.NeuralNetClassifier(weights)) != described
