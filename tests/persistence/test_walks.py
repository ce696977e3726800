"""Rows on both sides of thresholds, and rows before steps."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import make_pipeline

from sklearn_prune import compact
from sklearn_prune.persistence.export import TreeWalk
from sklearn_prune.persistence.export.walks import Steps
from tests.estimators import sk

X, y = load_breast_cancer(return_X_y=True)
X = X[:, :6]


def test_rows_come_to_their_node_and_tell_its_sides_apart():
    model = sk.RandomForestClassifier(5, random_state=0).fit(X, y)
    form = compact(model)
    walk = TreeWalk(form, np.float32, allow_nan=False, most=10_000)
    arrays, seen = form.trees_.to_arrays(), set()
    tree = arrays.tree_of_nodes()
    for rows in walk.rows():
        n_nodes = len(rows) // 3
        at, below, above = rows[:n_nodes], rows[n_nodes : 2 * n_nodes], rows[2 * n_nodes :]
        leaves = form.apply(at), form.apply(below), form.apply(above)
        nodes = np.resize(walk.nodes, n_nodes)
        for number, node in enumerate(nodes):
            feature = arrays.feature[node]
            assert below[number, feature] < at[number, feature] < above[number, feature]
            left, _, right = (own[number, tree[node]] for own in leaves)
            seen |= {node} if left != right else set()
    assert len(seen) > 0.98 * len(walk.nodes)
    assert walk.n_thresholds() <= len(walk.nodes)


@pytest.mark.parametrize(
    "steps",
    [
        [sk.StandardScaler()],
        [sk.SimpleImputer(), sk.RobustScaler()],
        [sk.MinMaxScaler(), sk.SelectKBest(k=3), sk.PowerTransformer()],
        [
            sk.ColumnTransformer(
                [("a", sk.StandardScaler(), [4, 1]), ("b", sk.PCA(1), [0, 2])]
            )
        ],
    ],
    ids=["scaler", "imputer", "chain", "columns"],
)
def test_numbers_before_steps(steps):
    """The largest number that becomes no larger than a threshold, and the next one."""
    model = make_pipeline(*steps, sk.DecisionTreeClassifier(random_state=0)).fit(X, y)
    form = compact(model)
    walk = Steps(form, list(X[:40].T), [np.dtype(np.float64)] * 6)
    transformed = model[:-1].transform
    inner = transformed(X)
    assert len(walk.invertible) == {6: 6, 3: 3}[inner.shape[1]] - (
        "columnt" in model.steps[0][0]
    )
    wanted = np.random.default_rng(0).permuted(inner, axis=0)[:50]
    rows = walk.rows_before(wanted)
    below, above = transformed(rows[:50]), transformed(rows[50:])
    own = walk.invertible
    assert (below[:, own] <= wanted[:, own]).all()
    assert (above[:, own] > wanted[:, own]).all()
    assert (np.nextafter(rows[:50], np.inf) == rows[50:])[:, walk.source[own]].all()
