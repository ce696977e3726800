"""Importances by SHAP, what trees read, and how far two fits agree."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, make_classification
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_prune import PrunedClassifier, compare_pruning
from sklearn_prune.inspection import (
    ChurnReport,
    _agreement,
    importances,
    n_features_read,
    n_rules,
    rank_correlation,
    rules,
    shap_trees,
    top_overlap,
)


@pytest.fixture(scope="module")
def rows():
    return make_classification(300, 8, n_informative=3, random_state=0)


def test_agreement_of_two_vectors():
    one = np.array([5.0, 4, 3, 2, 1, 0])
    assert rank_correlation(one, one**3) == 1
    assert rank_correlation(one, -one) == -1
    assert top_overlap(one, one) == 1
    assert top_overlap(one, one[::-1]) == 4 / 5
    assert top_overlap(one[:2], one[1::-1]) == 1
    for function in (rank_correlation, top_overlap):
        assert np.isnan(function(one, one[:3]))
        assert np.isnan(function(one[:0], one[:0]))
    assert np.isnan(rank_correlation(one, np.ones(6)))


def test_importances_are_means_of_absolute_values(rows):
    shap = pytest.importorskip("shap")
    X, y = rows
    model = PrunedClassifier(
        RandomForestClassifier(10, random_state=0), keep=0.2, random_state=0
    ).fit(X, y)
    trees = shap_trees(model, X)
    values = np.abs(shap.TreeExplainer(trees).shap_values(trees.rows(X[:40])))
    found = importances(model, X, X[:40])
    assert np.allclose(found, values.reshape(40, 8, -1).mean(axis=(0, 2)))
    numbers = RandomForestRegressor(5, random_state=0).fit(*load_diabetes(return_X_y=True))
    X = load_diabetes().data
    assert importances(numbers, X, X[:20]).argmax() in (2, 8)  # bmi, s5


def test_large_trees_are_explained_on_fewer_rows_or_not_at_all(rows, monkeypatch):
    pytest.importorskip("shap")
    X, y = rows
    model = RandomForestClassifier(10, random_state=0).fit(X, y)
    few = importances(model, X, X[:10])
    assert not np.array_equal(few, importances(model, X, X[:50]))
    steps = shap_trees(model, X)._n_steps
    monkeypatch.setattr(_agreement, "_MOST_STEPS", 2 * steps)
    assert np.array_equal(importances(model, X, X[:50]), few)
    monkeypatch.setattr(_agreement, "_MOST_STEPS", 0.5 * steps)
    assert len(importances(model, X, X[:50])) == 0


def test_columns_and_rules_that_are_read(rows):
    X, y = rows
    model = PrunedClassifier(
        RandomForestClassifier(3, max_depth=2, random_state=0), unit="node", keep=3
    ).fit(X, y)
    arrays = model.compact_.trees_.to_arrays()
    assert n_features_read(model) == len(np.unique(arrays.feature[~arrays.is_leaf]))
    assert n_rules(model, X) == len(rules(model, X))
    pipeline = make_pipeline(StandardScaler(), model).fit(X, y)
    assert n_rules(pipeline, X) == len(rules(pipeline, X))
    lasso = Lasso(0.1).fit(X, y)
    assert n_features_read(lasso) == np.count_nonzero(lasso.coef_)
    assert np.isnan(n_rules(lasso, X))
    neighbors = KNeighborsClassifier().fit(X, y)
    assert np.isnan(n_features_read(neighbors))
    assert len(importances(neighbors, X, X)) == 0


def test_rules_of_very_large_forests_are_not_counted(rows, monkeypatch):
    X, y = rows
    model = RandomForestClassifier(3, random_state=0).fit(X, y)
    assert n_rules(model, X) > 0
    monkeypatch.setattr(_agreement, "_MOST_LEAVES", 10)
    assert np.isnan(n_rules(model, X))


@pytest.fixture(scope="module")
def comparison(rows):
    pytest.importorskip("pandas")
    X, y = rows
    y = np.array(["no", "yes"])[y]
    forest = RandomForestClassifier(10)
    models = {
        "forest": forest,
        "small": PrunedClassifier(forest, keep=0.2),
        "linear": LogisticRegression(),
    }
    groups = np.arange(len(X)) // 10
    return compare_pruning(models, X, y, baseline="forest", groups=groups, controls=())


def test_a_comparison_counts_rules_and_columns(comparison):
    summary, frame = comparison.summary(), comparison.frame()
    for name in ("n_rules", "n_features"):
        values = frame[frame["measure"] == name].groupby("variant")["value"].mean()
        known = summary[name].dropna()
        assert known.to_dict() == pytest.approx(values.to_dict())
    assert set(summary["n_rules"].dropna().index) == {"forest", "small"}
    assert summary.loc["small", "n_rules"] < summary.loc["forest", "n_rules"]
    assert summary.loc["linear", "n_features"] == 8


def test_a_comparison_says_how_far_explanations_agree(comparison):
    pytest.importorskip("shap")
    table = comparison.explanations()
    pairs = [
        (one.importances, other.importances)
        for number, one in enumerate(comparison._fits["forest"])
        for other in comparison._fits["forest"][:number]
    ]
    assert len(pairs) == 10
    wanted = np.mean([rank_correlation(*pair) for pair in pairs])
    assert table.loc["forest", "explanation_rank_correlation"] == pytest.approx(wanted)
    first = comparison._fits["small"][0]
    assert table.loc["small", "seed_explanation_top5_overlap"] == top_overlap(
        first.importances, first.seed_importances
    )
    assert table.loc["linear", table.columns.str.contains("explanation")].isna().all()
    assert set(table.columns) <= set(comparison.summary().columns)


def test_a_comparison_counts_each_changed_prediction_once(comparison, rows):
    X, _ = rows
    report = comparison.churn_report("small")
    assert isinstance(report, ChurnReport)
    assert report.lines[0].n_rows == len(X)
    before, after = np.empty(len(X), "<U3"), np.empty(len(X), "<U3")
    margins = np.empty(len(X))
    base, own = comparison._fits["forest"], comparison._fits["small"]
    for number, split in enumerate(comparison._plan.splits):
        before[split.test] = base[number].predictions
        after[split.test] = own[number].predictions
        margins[split.test] = base[number].margins
    assert (report.before == before).all()
    assert (report.after == after).all()
    assert np.array_equal(report.margins, margins)
    assert sum(line.part == "group" for line in report.lines) == 30
    assert comparison.churn_report("forest").share == 0
    assert report.lines[0].accuracy_after == pytest.approx(
        comparison.summary().loc["small"].iloc[0], abs=1e-9
    )
    with pytest.raises(ValueError, match="variant must be one that was compared"):
        comparison.churn_report("none")
    with pytest.raises(ValueError, match="tolerance is for regressors"):
        comparison.churn_report("small", tolerance=1)


def test_churn_of_regressors_and_of_repeated_folds():
    pytest.importorskip("pandas")
    X, y = load_diabetes(return_X_y=True)
    models = {"one": Lasso(0.1), "other": Lasso(1.0)}
    comparison = compare_pruning(
        models, X, y, baseline="one", margin=0.1, costs=(), controls=()
    )
    report = comparison.churn_report("other", tolerance=20)
    assert report.lines[0].n_rows == len(X)
    assert 0 < report.share < 1
    with pytest.raises(ValueError, match="tolerance must be a number"):
        comparison.churn_report("other")
