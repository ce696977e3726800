"""What users can write themselves: it works like what the package has, and errors help."""

import pickle
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    GradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_prune import PrunedClassifier, SampleSubsetClassifier, compare_pruning
from sklearn_prune.models.linear.family import LinearFamily
from sklearn_prune.sample_selection import Ranking
from sklearn_prune.weight_pruning import MagnitudeCriterion, UnitTable
from tests.extension.outside import (
    AnswerCriterion,
    AnswerSelector,
    AnswerUnitsCriterion,
    CentralSelector,
    FirstCriterion,
    SameCriterion,
    SumCriterion,
)

X, y = load_iris(return_X_y=True)
LINEAR = LogisticRegression(max_iter=500)
FOREST = RandomForestClassifier(8, random_state=0)
NET = MLPClassifier((8,), solver="lbfgs", max_iter=40, random_state=0)
WITH_WEIGHTS = [
    (LINEAR, "coefficient"),
    (LINEAR, "feature"),
    (FOREST, "node"),
    (FOREST, "leaf"),
    (FOREST, "feature"),
    (GradientBoostingClassifier(n_estimators=8, random_state=0), "node"),
    (SVC(), "support_vector"),
    (KNeighborsClassifier(), "prototype"),
    (GaussianNB(), "feature"),
    (NET, "weight"),
    (NET, "neuron"),
    (make_pipeline(StandardScaler(), LINEAR), "coefficient"),
    (VotingClassifier([("a", FOREST), ("b", FOREST)]), "node"),
]


def pruned(model, criterion, unit, **params):
    model = PrunedClassifier(clone(model), criterion, unit=unit, random_state=0, **params)
    return model.fit(X, y)


@pytest.mark.parametrize(("model", "unit"), WITH_WEIGHTS)
def test_a_criterion_ranks_every_unit_that_offers_what_it_needs(model, unit):
    expected = pruned(model, MagnitudeCriterion("l1"), unit)
    for criterion in (SumCriterion(), SameCriterion("l1")):
        found = pruned(model, criterion, unit)
        assert np.array_equal(found.kept_, expected.kept_)
        method = "predict_proba" if hasattr(found, "predict_proba") else "predict"
        assert np.array_equal(getattr(found, method)(X), getattr(expected, method)(X))
    assert len(expected.kept_) < expected.n_units_


def test_a_criterion_without_needs_ranks_every_unit():
    assert pruned(FOREST, FirstCriterion(), "tree", keep=3).kept_.tolist() == [0, 1, 2]
    assert pruned(LINEAR, FirstCriterion(), "feature", keep=2).kept_.tolist() == [0, 1]


@pytest.mark.parametrize("criterion", [SumCriterion(), SameCriterion()])
def test_a_criterion_that_does_not_fit_is_refused(criterion):
    with pytest.raises(ValueError, match=r"criterion .*'tree'.* offers no 'weights'"):
        pruned(FOREST, criterion, "tree")
    with pytest.raises(ValueError, match=r"criterion.* unit='node' or 'leaf'"):
        pruned(FOREST, criterion, "auto")


def test_a_name_makes_no_random_criterion():
    named = type("RandomCriterion", (SumCriterion,), {})()
    for unit in ("auto", "tree"):
        with pytest.raises(ValueError, match="criterion"):
            pruned(FOREST, named, unit)


def test_an_unknown_quantity_is_named():
    odd = type("OddCriterion", (SumCriterion,), {"needs": "colour"})()
    with pytest.raises(ValueError, match=r"needs of OddCriterion .* 'colour'"):
        pruned(LINEAR, odd, "coefficient")
    odd.needs = "wieghts"
    with pytest.raises(ValueError, match=r"'wieghts'\. Write needs = 'weights'"):
        pruned(LINEAR, odd, "coefficient")


@pytest.mark.parametrize(
    "model",
    [
        PrunedClassifier(LINEAR, SumCriterion(2.0), unit="coefficient", random_state=0),
        SampleSubsetClassifier(LINEAR, CentralSelector(0.3), random_state=0),
    ],
    ids=["criterion", "selector"],
)
def test_clone_and_pickle(model):
    again = clone(model)
    assert again.get_params(deep=True).keys() == model.get_params(deep=True).keys()
    fitted = clone(model).fit(X, y)
    loaded = pickle.loads(pickle.dumps(fitted))
    assert loaded.predict_proba(X).tobytes() == fitted.predict_proba(X).tobytes()


@pytest.mark.parametrize(
    ("model", "parameter", "values"),
    [
        (
            PrunedClassifier(LINEAR, SumCriterion(), unit="coefficient", random_state=0),
            "criterion__power",
            [1.0, 3.0],
        ),
        (
            SampleSubsetClassifier(LINEAR, CentralSelector(), random_state=0),
            "selector__quantile",
            [0.2, 0.5],
        ),
    ],
    ids=["criterion", "selector"],
)
def test_a_grid_search_in_processes_is_that_in_one(model, parameter, values):
    searches = [
        GridSearchCV(model, {parameter: values}, cv=2, n_jobs=n_jobs).fit(X, y)
        for n_jobs in (1, 2)
    ]
    scores = [search.cv_results_["mean_test_score"] for search in searches]
    assert np.array_equal(*scores)
    assert searches[0].best_params_ == searches[1].best_params_


def test_compare_pruning():
    comparison = compare_pruning(
        {
            "whole": LINEAR,
            "fewer rows": SampleSubsetClassifier(LINEAR, CentralSelector(), keep=0.5),
            "fewer weights": PrunedClassifier(LINEAR, SumCriterion(), unit="coefficient"),
        },
        X,
        y,
        baseline="whole",
        cv=2,
        random_state=0,
    )
    assert comparison.failures == {}
    assert comparison.variants == ("whole", "fewer rows", "fewer weights")


ORDER = np.arange(150)
BAD_RANKINGS = [
    (None, "NoneType"),
    ([2, 0, 1], "list"),
    (Ranking(list(range(150))), "list"),
    (Ranking(ORDER[:100]), r"shape \(100,\)"),
    (Ranking(ORDER.astype(float)), "float64"),
    (Ranking(np.zeros(150, dtype=int)), "permutation"),
    (Ranking(ORDER - 1), "permutation"),
    (Ranking(ORDER, np.zeros(3)), r"shape \(3,\)"),
]


@pytest.mark.parametrize(("answer", "got"), BAD_RANKINGS)
def test_a_wrong_ranking_of_rows_names_the_method(answer, got):
    with pytest.raises(TypeError, match=rf"AnswerSelector\._rank must return .*{got}"):
        AnswerSelector(answer).fit(X, y)
    assert AnswerSelector(Ranking(ORDER)).fit(X, y).order_ is ORDER


def test_a_selector_with_a_natural_size_returns_one():
    sized = type("SizedSelector", (AnswerSelector,), {"has_natural_size": True})
    with pytest.raises(TypeError, match=r"SizedSelector\._rank .* natural_size=n"):
        sized(Ranking(ORDER)).fit(X, y)
    selector = sized(Ranking(ORDER, natural_size=75))
    model = SampleSubsetClassifier(LINEAR, selector, keep="auto")
    with pytest.warns(UserWarning, match="left one of 50 rows of class 2"):
        model.fit(X, y)
    assert {*range(75)} <= {*model.sample_indices_}
    assert len(model.sample_indices_) < 80


@pytest.mark.parametrize(
    "answer",
    [None, [1.0] * 12, np.ones(3), np.ones((12, 1)), np.full(12, np.nan), np.full(12, "a")],
)
def test_wrong_scores_name_the_method(answer):
    with pytest.raises(TypeError, match=r"AnswerCriterion\._scores .* shape \(12,\)"):
        pruned(LINEAR, AnswerCriterion(answer), "coefficient")


@pytest.mark.parametrize("answer", [None, Ranking(np.arange(3)), Ranking([0] * 12)])
def test_a_wrong_ranking_of_units_names_the_method(answer):
    with pytest.raises(TypeError, match=r"AnswerUnitsCriterion\.rank_units must return"):
        pruned(LINEAR, AnswerUnitsCriterion(answer), "coefficient")


@pytest.mark.parametrize(
    ("method", "answer", "wanted"),
    [
        ("accepts", None, "Accepted"),
        ("accepts", "no", "Accepted"),
        ("start", None, "working form"),
        ("table", None, "UnitTable"),
        ("table", UnitTable(np.arange(12), np.ones(3, dtype=int)), r"shape \(3,\)"),
        ("table", UnitTable(np.arange(12), np.ones(12)), "float64"),
        ("table", UnitTable(np.arange(12), np.arange(12), groups=[0] * 12), "list"),
        ("apply", None, "working form"),
        ("refit", None, "working form"),
        ("compact", None, "predict"),
    ],
)
def test_a_wrong_return_of_a_family_names_the_method(monkeypatch, method, answer, wanted):
    monkeypatch.setattr(LinearFamily, method, lambda self, *args: answer)
    message = rf"LinearFamily\.{method} must return .*{wanted}"
    with pytest.raises(TypeError, match=message):
        pruned(LINEAR, None, "coefficient")


def test_a_model_that_grows_is_warned_of():
    message = "NearestCentroid is larger .*bytes"
    with pytest.warns(UserWarning, match=message):
        model = pruned(NearestCentroid(), None, "feature")
    report = model.report_
    assert report.larger
    assert report.after["nbytes"] > report.before["nbytes"]
    assert re.search("larger than", str(report))


def test_a_whole_model_that_grows_is_reported_only(recwarn):
    report = pruned(NearestCentroid(), None, "feature", keep=1.0).report_
    assert report.larger == (report.after["nbytes"] > report.before["nbytes"])
    small = pruned(RandomForestClassifier(20, random_state=0), None, "auto", keep=0.2)
    assert not small.report_.larger
    assert "larger" not in str(small.report_)
    assert not [w for w in recwarn if "larger" in str(w.message)]
