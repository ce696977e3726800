import copy
import functools
import itertools
import linecache

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score
from sklearn.preprocessing import FunctionTransformer

from sklearn_prune.comparison.provenance.descriptions import describe, digest

CELLS = itertools.count()


def defined(source, name, *, has_source=True, **others):
    """What `source` calls `name` when it is run in a notebook."""
    filename = f"<cell {next(CELLS)}>"
    if has_source:
        linecache.cache[filename] = len(source), None, source.splitlines(True), filename
    namespace = {"__name__": "some_notebook", **others}
    exec(compile(source, filename, "exec"), namespace)
    return namespace[name]


def lambda_with(weights):
    return lambda X: X * weights


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
