"""Naive Bayes and discriminant analysis: lossless compact forms, weights of features."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris

from sklearn_prune.models.bayes.family import NaiveBayesFamily
from sklearn_prune.models.features.family import FeatureFamily
from sklearn_prune.weight_pruning import (
    MagnitudeCriterion,
    PermutationCriterion,
    Quantizer,
    RandomCriterion,
)
from sklearn_prune.weight_pruning._context import PruningContext
from sklearn_prune.weight_pruning._protocol import PruningRequest
from tests.estimators import sk

DIGITS = load_digits(return_X_y=True)
MODELS = [
    sk.GaussianNB(),
    sk.MultinomialNB(),
    sk.MultinomialNB(class_prior=np.full(10, 0.1)),
    sk.ComplementNB(norm=True),
    sk.BernoulliNB(binarize=8.0),
    sk.BernoulliNB(),
    sk.CategoricalNB(min_categories=17),
    sk.LinearDiscriminantAnalysis(),
    sk.LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    sk.QuadraticDiscriminantAnalysis(reg_param=0.1),
]
LOG_LINEAR = [sk.MultinomialNB(), sk.ComplementNB(), sk.BernoulliNB(binarize=8.0)]


def pruned(model, criterion, keep, X, y):
    """The compact form, by the steps of the family."""
    context = PruningContext(model, X, y, seed=0, cv=3)
    family = FeatureFamily(NaiveBayesFamily())
    work = family.start(context.fit_first(), context)
    (work,) = family.reduce(work, [keep], PruningRequest("feature", criterion), context)
    return family, work


def test_counts_are_dropped():
    model = sk.MultinomialNB().fit(*DIGITS)
    assert len(pickle.dumps(NaiveBayesFamily().compact(model))) < 0.6 * len(
        pickle.dumps(model)
    )


def test_unseen_categories_are_refused_as_in_scikit_learn():
    X = np.array([[0, 1], [1, 2], [0, 0]])
    model = sk.CategoricalNB().fit(X, [0, 1, 1])
    compact = NaiveBayesFamily().compact(model)
    for predictor in (model, compact):
        with pytest.raises(IndexError):
            predictor.predict([[0, 3]])
        with pytest.raises(ValueError, match="Negative values"):
            predictor.predict([[0, -1]])
    with pytest.raises(IndexError, match="min_categories=4"):
        compact.predict([[0, 3]])


@pytest.mark.parametrize("model", MODELS[:2] + MODELS[3:], ids=str)
def test_magnitude_keeps_better_features_than_random(model):
    X, y = DIGITS
    train, test = np.arange(900), np.arange(900, 1797)
    scores = {}
    for criterion in (MagnitudeCriterion(), RandomCriterion(0), RandomCriterion(1)):
        family, work = pruned(model, criterion, 0.2, X[train], y[train])
        scores[str(criterion)] = np.mean(family.compact(work).predict(X[test]) == y[test])
    best = scores.pop("MagnitudeCriterion()")
    assert best > np.mean(list(scores.values())), scores


def test_removal_is_a_fit_on_the_columns_that_are_left():
    X, y = DIGITS
    family, work = pruned(sk.GaussianNB(), PermutationCriterion(1), 0.5, X, y)
    kept = work.columns
    expected = sk.GaussianNB().fit(X[:, kept], y).predict_proba(X[:, kept])
    np.testing.assert_allclose(family.compact(work).predict_proba(X), expected)
    restored = family.restore(family.compact(work), sk.GaussianNB())
    np.testing.assert_array_equal(
        restored.predict(X), sk.GaussianNB().fit(X[:, kept], y).predict(X[:, kept])
    )


def test_weights_of_a_gaussian_are_the_information_about_the_class():
    X, y = load_iris(return_X_y=True)
    model = sk.GaussianNB().fit(X, y)
    found = NaiveBayesFamily().weights(model, "feature", PruningContext(model, X, y))
    for column in range(4):
        alone = sk.GaussianNB(var_smoothing=0).fit(X[:, [column]], y)
        alone.var_ = model.var_[:, [column]]
        own = alone.predict_proba(X[:, [column]])[np.arange(150), y]
        np.testing.assert_allclose(found[column, 0], np.mean(np.log(own * 3)))


@pytest.mark.parametrize("model", [*LOG_LINEAR, sk.LinearDiscriminantAnalysis()], ids=str)
def test_rounding(model):
    X, y = DIGITS
    model = clone(model).fit(X, y)
    small = NaiveBayesFamily().compact(model).quantized(Quantizer("int8"))
    assert small.score(X, y) > model.score(X, y) - 0.01


@pytest.mark.parametrize(
    "model", [sk.GaussianNB(), sk.QuadraticDiscriminantAnalysis()], ids=str
)
def test_variances_are_not_rounded(model):
    compact = NaiveBayesFamily().compact(model.fit(*load_iris(return_X_y=True)))
    with pytest.raises(ValueError, match="quantize=None"):
        compact.quantized(Quantizer("int8"))


def test_other_naive_bayes_models_are_refused_by_a_reason():
    assert NaiveBayesFamily().accepts(sk.GaussianNB())
    assert "naive Bayes" in NaiveBayesFamily().accepts(object()).reason
