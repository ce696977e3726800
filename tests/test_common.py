"""scikit-learn's own checks, on every public estimator, without an expected failure.

Each check of a meta-estimator runs on two of its models, taken in turn, so that each model
meets its share of the checks. All others run with ``-m slow``.
"""

import inspect
import re
from collections import defaultdict

import pytest
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

import sklearn_prune
from sklearn_prune import sample_selection
from sklearn_prune import sample_selection as ss
from tests.estimators import sk
from tests.matrix import CLASSIFIERS, REGRESSORS, of

INNER = {
    "SampleSubsetClassifier": of(
        CLASSIFIERS, "logistic", "tree", "neighbors", "svc", "forest", "pipeline"
    ),
    "SampleSubsetRegressor": of(
        REGRESSORS, "ridge", "tree", "neighbors", "svr", "forest", "pipeline"
    ),
    "SampleSubsetTransformer": [
        sk.StandardScaler(),
        sk.PCA(),
        sk.SimpleImputer(),
        sk.SelectKBest(k=1),
        sk.Nystroem(n_components=4),
    ],
}
PRUNED = {
    "PrunedClassifier": [
        *of(CLASSIFIERS, "tree", "forest", "boosting", "hist", "logistic", "linear svc"),
        sk.SGDClassifier(),
        *of(CLASSIFIERS, "svc", "neighbors", "bayes", "discriminant", "features"),
        CLASSIFIERS["pipeline"],
        sk.MLPClassifier((5,), max_iter=20),
    ],
    "PrunedRegressor": [
        *of(REGRESSORS, "tree", "forest", "boosting", "hist", "ridge", "lasso"),
        *of(REGRESSORS, "linear svr", "svr", "kernel", "process", "neighbors"),
        *of(REGRESSORS, "features", "pipeline"),
        sk.MLPRegressor(hidden_layer_sizes=(5,), max_iter=20),
    ],
}
TRAINED = {  # other models with a partial_fit
    "PrunedClassifier": [
        *(
            sk.Perceptron(),
            sk.PassiveAggressiveClassifier(),
            sk.SGDClassifier(average=True),
        ),
        *(sk.BernoulliNB(), sk.MultinomialNB(), sk.CategoricalNB()),
        make_pipeline(sk.StandardScaler(), sk.MLPClassifier((5,), max_iter=20)),
    ],
    "PrunedRegressor": [sk.SGDRegressor(), sk.PassiveAggressiveRegressor()],
}
VARIANTS = [ss.RandomSelector("bernoulli"), ss.L2PenaltySelector(loss="logistic")]
FEW = {  # as many models as it takes to rank
    "DataOOBSelector": {"n_estimators": 10},
    "EL2NSelector": {"n_repeats": 1},
    "ForgettingSelector": {"n_repeats": 2, "n_epochs": 3},
    "OutlierSelector": {"detector": sk.IsolationForest(n_estimators=10)},
    "RMHCSelector": {"n_iter": 100},
}


def selectors():
    classes = (getattr(sample_selection, name) for name in sample_selection.__all__)
    return [
        cls(**FEW.get(cls.__name__, {}))
        for cls in classes
        if inspect.isclass(cls)
        and issubclass(cls, BaseEstimator)
        and not inspect.isabstract(cls)
    ]


def estimators():
    """Every class, the meta-estimators around each kind of model."""
    return [*selectors(), *(cls(*inner) for cls, inner in around_each_kind())]


def around_each_kind():
    for name in sklearn_prune.__all__:
        cls = getattr(sklearn_prune, name)
        if inspect.isclass(cls) and issubclass(cls, BaseEstimator):
            for model in INNER.get(name, PRUNED.get(name, [None])):
                yield cls, [] if model is None else [model]


def variants():
    """What else the arguments of the meta-estimators make of them."""
    found = list(VARIANTS)
    for name, models in PRUNED.items():
        cls = getattr(sklearn_prune, name)
        found += [cls(models[0], keep="auto", cv=2)]
        found += [cls(inner) for inner in TRAINED[name]]
        found += [cls(inner, keep=1.0) for inner in models[:8:2]]
    for name, models in INNER.items():
        cls = getattr(sklearn_prune, name)
        found += [cls(inner, ss.L2PenaltySelector()) for inner in models[:4]]
        found += [cls(inner, ss.L1PenaltySelector(), keep=0.8) for inner in models[:2]]
        found += [cls(models[0], s, keep=1.0) for s in (None, ss.L2PenaltySelector())]
    sampler = sklearn_prune.SampleSubsetSampler
    return [*found, sampler(ss.L2PenaltySelector()), sampler(keep=1.0)]


def checks(estimators):
    """The estimators with each of their checks, and an id for both."""
    for estimator in estimators:
        text = re.sub(r"\s", "", repr(estimator))
        for _, check in estimator_checks_generator(estimator):
            name = check.func.__name__ + "".join(map(str, check.keywords.items()))
            yield type(estimator), name, (estimator, check), f"{text}-{name}"


def in_turn(found):
    """The checks as parameters, slow but for two models of each class and check."""
    places = defaultdict(list)
    for place, (cls, name, _, _) in enumerate(found):
        places[cls, name].append(place)
    chosen = set()
    for turn, each in enumerate(places.values()):
        chosen |= {each[2 * turn % len(each)], each[(2 * turn + 1) % len(each)]}
    for place, (_, _, values, name) in enumerate(found):
        marks = () if place in chosen else pytest.mark.slow
        yield pytest.param(*values, id=name, marks=marks)


@pytest.mark.filterwarnings("ignore:A layer is left with a single")  # of five neurons
@pytest.mark.filterwarnings("ignore:.* cannot score .* rows of class")  # of few rows
@pytest.mark.parametrize(("estimator", "check"), in_turn(list(checks(estimators()))))
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:A layer is left with a single")
@pytest.mark.filterwarnings("ignore:.* cannot score .* rows of class")
@pytest.mark.parametrize(
    ("estimator", "check"),
    [pytest.param(*values, id=name) for *_, values, name in checks(variants())],
)
def test_scikit_learn_checks_of_other_arguments(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", selectors(), ids=repr)
def test_selectors_check_their_arguments(estimator):
    assert set(estimator._parameter_constraints) == set(estimator.get_params(deep=False))
