"""Rules add up to the score of the model, and their texts mean what they say."""

import operator
import re

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_prune import PrunedClassifier, PrunedRegressor, compact
from sklearn_prune.inspection import rules

BINARY = load_breast_cancer(return_X_y=True)
SEVERAL = load_iris(return_X_y=True)
NUMBERS = load_diabetes(return_X_y=True)


def proba(model, X):
    return model.predict_proba(X)


def second(model, X):
    return model.predict_proba(X)[:, 1:]


def decision(model, X):
    return model.decision_function(X).reshape(len(X), -1)


def predicted(model, X):
    return model.predict(X).reshape(len(X), -1)


def log_odds(model, X):
    found = np.log(model.predict_proba(X))
    return found[:, 1:] - found[:, :1]


def raw(model, X):
    return model.compact_.raw_scores(X)


MODELS = {
    "tree": (DecisionTreeClassifier(max_depth=4), BINARY, second),
    "tree of several classes": (DecisionTreeClassifier(), SEVERAL, proba),
    "regression tree": (DecisionTreeRegressor(max_depth=5), NUMBERS, predicted),
    "forest": (RandomForestClassifier(10), BINARY, second),
    "forest of several classes": (RandomForestClassifier(10), SEVERAL, proba),
    "extra trees": (ExtraTreesRegressor(10, max_depth=5), NUMBERS, predicted),
    "bagging": (BaggingClassifier(n_estimators=5), BINARY, second),
    "gradient": (GradientBoostingClassifier(n_estimators=20), BINARY, decision),
    "exponential": (
        GradientBoostingClassifier(n_estimators=20, loss="exponential"),
        BINARY,
        log_odds,
    ),
    "gradient of several classes": (
        GradientBoostingClassifier(n_estimators=5),
        SEVERAL,
        decision,
    ),
    "gradient regression": (GradientBoostingRegressor(n_estimators=9), NUMBERS, predicted),
    "hist": (HistGradientBoostingClassifier(max_iter=9), BINARY, decision),
    "hist of several classes": (
        HistGradientBoostingClassifier(max_iter=9),
        SEVERAL,
        decision,
    ),
    "hist regression": (HistGradientBoostingRegressor(max_iter=9), NUMBERS, predicted),
    "pruned forest": (
        PrunedClassifier(RandomForestClassifier(20), unit="node", keep=24),
        BINARY,
        raw,
    ),
    "pruned forest of several classes": (
        PrunedClassifier(RandomForestClassifier(20), unit="node", keep=24),
        SEVERAL,
        raw,
    ),
    "pruned trees": (
        PrunedClassifier(RandomForestClassifier(20), unit="tree", keep=3, refit=False),
        SEVERAL,
        proba,
    ),
    "pruned boosting": (
        PrunedClassifier(GradientBoostingClassifier(), unit="iteration", keep=9),
        BINARY,
        decision,
    ),
    "pruned regression": (
        PrunedRegressor(RandomForestRegressor(20), keep=0.05),
        NUMBERS,
        predicted,
    ),
}


def fitted(name):
    model, (X, y), score = MODELS[name]
    model = clone(model)
    for parameter in ("random_state", "estimator__random_state"):
        if parameter in model.get_params():
            model.set_params(**{parameter: 0})
    return model.fit(X[::2], y[::2]), X, y, score


@pytest.mark.parametrize("name", MODELS)
def test_rules_add_up_to_the_score(name):
    model, X, y, score = fitted(name)
    table = rules(model, X[::2], y[::2])
    expected = score(model, X)
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(table.scores(X), expected, rtol=0, atol=1e-12 * scale)
    assert len(set(table.texts())) == len(table)
    assert len(table) <= table.to_read()["n_leaves"]


@pytest.mark.parametrize("name", MODELS)
def test_coverage_and_means_are_those_of_the_conditions(name):
    model, X, y, _ = fitted(name)
    X, y = X[::2], y[::2]
    table = rules(model, X, y)
    held = np.stack([holds(text, X) for text in table.texts()], axis=1)
    np.testing.assert_allclose(table.coverage, held.mean(axis=0), atol=1e-12)
    counts = held.sum(axis=0)
    for name, means in table.target_means().items():
        of = y if name == "mean target" else 1.0 * (y == int(name.rpartition(" ")[2]))
        np.testing.assert_allclose(means, held.T @ of / counts, atol=1e-9)
    total = table.intercept + held @ table.contributions
    np.testing.assert_allclose(table.scores(X), total, atol=1e-9 * np.abs(total).max())


def holds(text, X):
    """Whether a text such as "x1 > 3 and 2 < x4 <= 5" is true for each row."""
    compare = {"<=": operator.le, ">": operator.gt, "=": operator.eq}
    found = np.ones(len(X), dtype=bool)
    X = np.asarray(X, dtype=np.float64)
    for part in text.split(" and "):
        between = re.fullmatch(r"(\S+) < x(\d+) <= (\S+)", part)
        if between:
            low, column, high = between.groups()
            values = X[:, int(column)]
            found &= (values > float(low)) & (values <= float(high))
            continue
        column, sign, bound = re.fullmatch(r"x(\d+) (<=|>|=) (\S+)", part).groups()
        found &= compare[sign](X[:, int(column)], float(bound))
    return found


def test_equal_rules_are_one():
    X, y = BINARY
    model = GradientBoostingClassifier(n_estimators=50, max_depth=1, random_state=0)
    table = rules(model.fit(X, y), X, y)
    splits = {(t.tree_.feature[0], t.tree_.threshold[0]) for t in model.estimators_.ravel()}
    assert len(table) == len(splits) < 50
    assert table.to_read()["n_conditions"] == len(splits)


def test_default_is_the_leaf_with_most_rows():
    X, y = BINARY
    model = DecisionTreeClassifier(max_leaf_nodes=4, random_state=0).fit(X, y)
    table = rules(model, X, y)
    leaves = model.apply(X)
    common = np.bincount(leaves).argmax()
    assert table.intercept[0] == pytest.approx(model.tree_.value[common, 0, 1])
    assert table.coverage.sum() == pytest.approx(np.mean(leaves != common))


def test_to_read_counts_the_first_rules_that_predict_as_all():
    X, y = BINARY
    model = RandomForestClassifier(10, random_state=0).fit(X, y)
    table = rules(model, X, y)
    needed = table.to_read(0.9)["n_rules_needed"]
    held = np.stack([holds(text, X) for text in table.texts()], axis=1)
    whole = model.predict(X)

    def agreement(n):
        scores = table.intercept[0] + held[:, :n] @ table.contributions[:n, 0]
        return np.mean((scores > 0.5) == whole)

    assert agreement(needed) >= 0.9
    assert needed == 0 or max(map(agreement, range(needed))) < 0.9
    with pytest.raises(ValueError, match="share"):
        table.to_read(0)


@pytest.mark.parametrize("name", ["forest", "gradient", "hist of several classes"])
@pytest.mark.parametrize("max_changed", [0.0, 0.005, 0.05])
def test_points_keep_the_labels(name, max_changed):
    model, X, y, _ = fitted(name)
    table = rules(model, X, y)
    points = table.to_points(max_changed)
    total = points.scores(X)
    assert total.dtype == np.int64 or np.array_equal(total, np.rint(total))
    labels = total.argmax(axis=1) if total.shape[1] > 1 else (total[:, 0] > 0).astype(int)
    assert np.mean(model.classes_[labels] != model.predict(X)) <= max_changed
    assert len(points) <= len(table)
    assert points.contributions.any(axis=1).all()


def test_points_of_a_regressor_keep_the_variance():
    X, y = NUMBERS
    model = GradientBoostingRegressor(max_depth=2, n_estimators=20).fit(X, y)
    points = rules(model, X, y).to_points(0.01)
    found, whole = points.scores(X)[:, 0] * points.unit[0], model.predict(X)
    assert ((found - whole) ** 2).sum() <= 0.01 * ((whole - whole.mean()) ** 2).sum()
    coarser = np.abs(rules(model, X, y).contributions).max() / points.unit[0]
    assert coarser < 60


def test_missing_values():
    X, y = (part.copy() for part in BINARY)
    rng = np.random.default_rng(0)
    X[rng.random(X.shape) < 0.1] = np.nan
    X[:, 3] = BINARY[0][:, 3]
    for model in (
        HistGradientBoostingClassifier(max_iter=5, random_state=0),
        RandomForestClassifier(5, max_depth=4, random_state=0),
    ):
        model.fit(X, y)
        table = rules(model, X, y)
        expected = second(model, X)
        if hasattr(model, "decision_function"):
            expected = decision(model, X)
        np.testing.assert_allclose(table.scores(X), expected, atol=1e-12)
        assert any("missing" in text for text in table.texts())
        X[0, 3] = np.nan
        with pytest.raises(ValueError, match=r"'x3'.*missing"):
            table.scores(X)
        X[0, 3] = 1.0


def test_only_missing_values_matter():
    X = np.column_stack([[1.0, 2, np.nan, np.nan] * 30])
    y = np.array([0, 0, 1, 1] * 30)
    model = HistGradientBoostingClassifier(max_iter=1, max_depth=1).fit(X, y)
    table = rules(model, X, y)
    assert table.texts() in (["x0 is missing"], ["x0 is not missing"])
    np.testing.assert_allclose(table.scores(X), decision(model, X), atol=1e-12)


def test_categories():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    colour = rng.choice(["red", "green", "blue", "grey"], 400)
    size = rng.random(400)
    y = np.where((colour == "red") | (colour == "blue"), size > 0.3, size > 0.8)
    frame = pandas.DataFrame({"colour": pandas.Categorical(colour), "size": size})
    model = HistGradientBoostingClassifier(max_iter=5, max_depth=2, random_state=0)
    model.fit(frame, y)
    table = rules(model, frame, y)
    np.testing.assert_allclose(table.scores(frame), decision(model, frame), atol=1e-12)
    texts = " ".join(table.texts())
    assert "colour is one of blue, red" in texts or "colour is one of green, grey" in texts
    for text, coverage in zip(table.texts(), table.coverage, strict=True):
        if text == "colour is one of blue, red":
            assert coverage == np.mean((colour == "red") | (colour == "blue"))


def test_sparse_rows():
    X, y = BINARY
    X = np.maximum(X - np.median(X, axis=0), 0.0)
    model = RandomForestClassifier(5, random_state=0).fit(csr_matrix(X), y)
    dense, sparse = (rules(model, each, y) for each in (X, csr_matrix(X)))
    assert dense.texts() == sparse.texts()
    np.testing.assert_allclose(sparse.scores(csr_matrix(X)), second(model, X), atol=1e-12)


def test_several_targets():
    X, y = NUMBERS
    both = np.column_stack([y, X[:, 0] * 1000])
    model = RandomForestRegressor(5, max_depth=3, random_state=0).fit(X, both)
    table = rules(model, X, both)
    np.testing.assert_allclose(table.scores(X), model.predict(X), atol=1e-9)
    assert table.frame().shape == (len(table), 6)
    points = table.to_points()
    error = ((points.scores(X) * points.unit - model.predict(X)) ** 2).sum(axis=0)
    spread = ((model.predict(X) - model.predict(X).mean(axis=0)) ** 2).sum(axis=0)
    assert (error <= 0.005 * spread).all()
    codes = np.column_stack([y > 140, np.digitize(y, [100, 200])])
    forest = RandomForestClassifier(5, max_depth=3, random_state=0).fit(X, codes)
    table = rules(forest, X, codes)
    np.testing.assert_allclose(
        table.scores(X), np.hstack(forest.predict_proba(X)), atol=1e-12
    )
    assert "Of each target" in str(table)


def test_pipelines_and_columns():
    pandas = pytest.importorskip("pandas")
    data = load_breast_cancer(as_frame=True)
    X, y = data.data, data.target
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    pipeline = make_pipeline(SelectKBest(k=5), tree).fit(X, y)
    chosen = set(pipeline[:-1].get_feature_names_out())
    table = rules(pipeline, X, y)
    words = {re.match(r".*?[a-z ]+", text)[0] for text in table.texts()}
    assert all(word.strip() in chosen for word in words)
    np.testing.assert_allclose(table.scores(X), second(pipeline, X), atol=1e-12)
    same = rules(compact(pipeline), X, y)
    np.testing.assert_array_equal(same.scores(X), table.scores(X))
    scaled = make_pipeline(StandardScaler(), PrunedClassifier(tree, keep=0.5))
    table = rules(scaled.fit(X, y), X, y)
    assert table.texts()[0].startswith(tuple(X.columns))
    inside = PrunedClassifier(pipeline, unit="node", keep=2).fit(X, y)
    np.testing.assert_allclose(rules(inside, X, y).scores(X).mean(), 0, atol=50)
    assert isinstance(table.frame(), pandas.DataFrame)


def test_what_is_no_model_of_trees():
    X, y = BINARY
    with pytest.raises(TypeError, match=r"tree.*LogisticRegression"):
        rules(LogisticRegression(max_iter=5000).fit(X, y), X)
    tree = DecisionTreeClassifier().fit(X, y)
    with pytest.raises(ValueError, match="y must have"):
        rules(tree, X, y[:5])
    with pytest.raises(ValueError, match="feature_names"):
        rules(tree, X, feature_names=["a"])
    with pytest.raises(ValueError, match="max_changed"):
        rules(tree, X).to_points(1)


def test_one_class_and_no_split():
    X = np.arange(12.0)[:, None]
    for y in (np.zeros(12), np.array(["a"] * 12)):
        table = rules(DecisionTreeClassifier().fit(X, y), X, y)
        assert len(table) == table.to_read()["n_rules_needed"] == 0
        assert "one class" in str(table)
        assert len(table.to_points()) == 0
    table = rules(DecisionTreeRegressor().fit(X, np.ones(12)), X)
    assert table.scores(X).ravel().tolist() == [1.0] * 12


HOSTILE = ["<script>alert(1)</script>", "\"'`&", "{{7*7}}", "a\nb\x1b[31m"]


def test_hostile_names_are_shown_as_text(tmp_path):
    pandas = pytest.importorskip("pandas")
    X, y = SEVERAL
    frame = pandas.DataFrame(X, columns=HOSTILE)
    labels = np.array(HOSTILE[:3], dtype=object)[y]
    model = RandomForestClassifier(5, max_depth=3, random_state=0).fit(frame, labels)
    table = rules(model, frame, labels)
    path = table.to_html(tmp_path / "<b>{{7*7}}.html")
    for html in (table._repr_html_(), path.read_text(encoding="utf-8")):
        assert "<script" not in html
        assert "&lt;script&gt;" in html
        assert "{{7*7}}" in html
        assert "&quot;&#x27;`&amp;" in html
    assert "\x1b" not in str(table)
    assert all(line.isprintable() for line in str(table).splitlines())
    categories = pandas.DataFrame({"c": pandas.Categorical(labels)})
    model = HistGradientBoostingClassifier(max_iter=2).fit(categories, labels)
    assert "<script" not in rules(model, categories, labels)._repr_html_()


def test_texts_keep_each_row_on_its_side():
    X = np.array([[1e6 + 0.25], [1e6 + 0.5], [1e-9], [-3.0]])
    y = [0, 1, 0, 1]
    model = DecisionTreeClassifier(random_state=0).fit(X, y)
    table = rules(model, X, y)
    held = np.stack([holds(text, X) for text in table.texts()], axis=1)
    np.testing.assert_allclose(held.mean(axis=0), table.coverage)


def test_long_tables_are_cut():
    X, y = NUMBERS
    model = RandomForestRegressor(3, random_state=0).fit(X, y)
    table = rules(model, X, y)
    assert f"{len(table) - 100:,} more rules" in str(table)
    assert len(table.frame()) == len(table)
