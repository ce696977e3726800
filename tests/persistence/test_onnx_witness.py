"""Versions of graphs, and the rows in them that are replayed in onnxruntime alone."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline

from sklearn_prune import compact
from sklearn_prune.persistence import to_onnx
from tests.estimators import sk

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")
X, y = load_iris(return_X_y=True)
X = X + np.random.default_rng(0).normal(scale=0.01, size=X.shape)
NAMES = np.array(["setosa", "versicolor", "virginica"])[y]
FOREST = sk.RandomForestClassifier(5, random_state=0)


def witness(graph):
    return {part.key: part.value for part in graph.metadata_props}.get("witness_rows")


def replayed(graph):
    """Rows, and pairs of the answers of onnxruntime and of the model, by name."""
    content = json.loads(witness(graph))
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    feeds = {
        name: np.array(part["values"], part["type"])
        for name, part in content["inputs"].items()
    }
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, feeds), strict=True))
    assert set(names) == set(content["outputs"])
    pairs = {name: (own, content["outputs"][name]) for name, own in found.items()}
    return feeds, pairs


def columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    frame["a"], frame["b"] = NAMES, (10 * X[:, 1]).astype(int)
    encode = sk.ColumnTransformer(
        [("codes", sk.OneHotEncoder(handle_unknown="ignore"), ["a"])],
        remainder="passthrough",
    )
    return make_pipeline(encode, FOREST), frame, y


def documents():
    texts = ["a cat", "a dog", "cats and dogs", "the cat"]
    return make_pipeline(sk.TfidfVectorizer(), sk.LogisticRegression()), texts, [0, 1, 1, 0]


MISSING = np.where(np.random.default_rng(1).random(X.shape) < 0.2, np.nan, X)
CASES = {
    "forest": lambda: (FOREST, X, NAMES),
    "forest in single precision": lambda: (FOREST, X.astype(np.float32), y),
    "missing values": lambda: (sk.HistGradientBoostingClassifier(max_iter=3), MISSING, y),
    "several outputs": lambda: (FOREST, X, np.column_stack([y, y > 1])),
    "numbers": lambda: (sk.Ridge(), X, y + 0.5),
    "whole numbers": lambda: (FOREST, X.round().astype(int), y),
    "columns": columns,
    "documents": documents,
}


@pytest.mark.parametrize("case", CASES)
def test_rows_are_replayed(case):
    model, rows, target = CASES[case]()
    model.fit(rows, target)
    graph = to_onnx(model, rows[:1])
    feeds, pairs = replayed(graph)
    assert {len(own) for own in feeds.values()} <= set(range(2, 17))
    assert len(witness(graph)) < 5000
    for name, (found, wanted) in pairs.items():
        if name == "label":
            assert found.tolist() == wanted
        else:
            np.testing.assert_allclose(found.reshape(np.shape(wanted)), wanted, 2e-5, 2e-5)
    if case == "missing values":
        assert np.isnan(feeds["X"]).any()


def test_rows_reach_several_labels_and_are_none_of_the_training():
    graph = to_onnx(FOREST.fit(X, NAMES), X[:1])
    feeds, pairs = replayed(graph)
    assert len(set(pairs["label"][1])) == 3
    assert not (feeds["X"][:, None] == X).all(axis=2).any()


def test_graphs_without_rows():
    model = FOREST.fit(X, y)
    assert witness(to_onnx(model, X[:1], witness=False)) is None
    assert witness(to_onnx(model, X[:1], precision="single")) is None
    own = compact(model)
    own.metadata_ = {"witness_rows": "mine"}
    assert witness(to_onnx(own, X[:1])) == "mine"


@pytest.mark.parametrize(
    ("target_opset", "versions", "ir_version"),
    [
        (None, (22, 5), 12),
        (22, (22, 5), 12),
        (21, (21, 3), 10),
        ({"": 17, "ai.onnx.ml": 3}, (17, 3), 8),
        ({"ai.onnx.ml": 3}, (22, 3), 10),
    ],
)
def test_versions_of_graphs_of_trees(target_opset, versions, ir_version):
    """onnxruntime 1.21 to 1.23 read trees of version 5, and answer wrongly."""
    graph = to_onnx(FOREST.fit(X, y), X[:1], target_opset=target_opset)
    found = {part.domain: part.version for part in graph.opset_import}
    assert (found[""], found["ai.onnx.ml"]) == versions
    assert graph.ir_version == ir_version


def test_versions_of_other_graphs():
    graph = to_onnx(sk.LogisticRegression(max_iter=500).fit(X, y), X[:1])
    assert graph.ir_version == 10
