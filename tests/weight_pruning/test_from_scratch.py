"""Small models trained from scratch: as large as pruned ones, and nothing else changed."""

from importlib import import_module

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_digits, make_classification
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import RFE
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier

from sklearn_prune import PrunedClassifier, PrunedRegressor, SampleSubsetClassifier
from sklearn_prune._lazy import has
from sklearn_prune.weight_pruning._from_scratch import smaller_from_scratch

pytestmark = pytest.mark.sampled(2)

ROWS = {
    "digits": 600,
    "few digits": 150,
    "diabetes": 442,
    "letters": 500,
    "binary": 600,
    "two targets": 442,
    "two labels": 600,
}


def data(name):
    if name.endswith(("digits", "labels")):
        X, y = load_digits(return_X_y=True)
        y = np.column_stack([y, y > 4]) if name == "two labels" else y
    elif name in ("diabetes", "two targets"):
        X, y = load_diabetes(return_X_y=True)
        y = np.column_stack([y, 1000 * X[:, 2]]) if name == "two targets" else y
    else:
        X, y = make_classification(
            ROWS[name],
            16,
            n_informative=12,
            n_classes=26 if name == "letters" else 2,
            n_clusters_per_class=1,
            random_state=0,
        )
    return X[: ROWS[name]], y[: ROWS[name]]


def meta(estimator, **params):
    pruned = PrunedClassifier if is_classifier(estimator) else PrunedRegressor
    return pruned(estimator, cv=2, random_state=0, **params)


def pruned_and_small(estimator, name, **params):
    """Fitted pruned model, unfitted small one."""
    unfitted = meta(estimator, **params)
    fitted = clone(unfitted).fit(*data(name))
    return fitted, smaller_from_scratch(unfitted, fitted)


def size_of(estimator, name):
    whole = meta(estimator, keep=1.0).fit(*data(name))
    return whole.report_.before["parameters"]


def ratio(estimator, name, **params):
    """Size of the small model, fitted, over that of the pruned one."""
    fitted, small = pruned_and_small(estimator, name, **params)
    assert type(small) is type(estimator)
    wanted = fitted.report_.after["parameters"]
    assert wanted < fitted.report_.before["parameters"]
    return size_of(small, name) / wanted


def boosting(library, name, **params):
    """A list with one model, or none where its library is not installed."""
    return [getattr(import_module(library), name)(**params)] if has(library) else []


QUICK = {"max_iter": 15, "solver": "lbfgs"}
CLASSIFIERS = [
    DecisionTreeClassifier(),
    ExtraTreeClassifier(),
    RandomForestClassifier(20),
    ExtraTreesClassifier(20),
    BaggingClassifier(n_estimators=12),
    BaggingClassifier(ExtraTreeClassifier(), n_estimators=12, max_features=0.7),
    HistGradientBoostingClassifier(max_iter=10),
    *boosting("lightgbm", "LGBMClassifier", n_estimators=10, verbose=-1, n_jobs=1),
    *boosting("xgboost", "XGBClassifier", n_estimators=12, n_jobs=1),
    *boosting("xgboost", "XGBRFClassifier", n_estimators=12, n_jobs=1),
    MLPClassifier(40, **QUICK),
    MLPClassifier((40, 30), **QUICK),
]
REGRESSORS = [
    DecisionTreeRegressor(),
    RandomForestRegressor(20),
    BaggingRegressor(n_estimators=12),
    GradientBoostingRegressor(n_estimators=40, n_iter_no_change=5),
    HistGradientBoostingRegressor(max_iter=40),
    *boosting("lightgbm", "LGBMRegressor", n_estimators=40, verbose=-1, n_jobs=1),
    *boosting("xgboost", "XGBRegressor", n_jobs=1),
    MLPRegressor(hidden_layer_sizes=(40, 30), **QUICK),
]


def names(models):
    return [f"{type(model).__name__}-{n}" for n, model in enumerate(models)]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("name", "keep"), [("digits", 0.4), ("letters", 0.1), ("binary", 0.4), ("binary", 0.1)]
)
@pytest.mark.parametrize("model", CLASSIFIERS, ids=names(CLASSIFIERS))
def test_small_classifiers_are_as_large_as_pruned_ones(model, name, keep):
    assert 0.85 < ratio(model, name, keep=keep) < 1.15


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("keep", [0.4, 0.1])
@pytest.mark.parametrize("model", REGRESSORS, ids=names(REGRESSORS))
def test_small_regressors_are_as_large_as_pruned_ones(model, keep):
    assert 0.85 < ratio(model, "diabetes", keep=keep) < 1.15


CONTAINERS = [
    (make_pipeline(StandardScaler(), RandomForestClassifier(12)), "digits"),
    (SampleSubsetClassifier(RandomForestClassifier(12)), "digits"),
    (
        SampleSubsetClassifier(
            make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=20))
        ),
        "binary",
    ),
    (OneVsRestClassifier(DecisionTreeClassifier()), "digits"),
    (OneVsOneClassifier(MLPClassifier(20, **QUICK)), "few digits"),
    (OutputCodeClassifier(DecisionTreeClassifier(), random_state=0), "digits"),
    (BaggingClassifier(MLPClassifier(20, **QUICK), n_estimators=4), "digits"),
    (
        VotingClassifier(
            [
                ("forest", RandomForestClassifier(12)),
                ("nothing", "drop"),
                ("tree", DecisionTreeClassifier()),
            ],
            voting="soft",
        ),
        "digits",
    ),
    (
        StackingClassifier(
            [("forest", RandomForestClassifier(12)), ("tree", DecisionTreeClassifier())],
            cv=2,
        ),
        "digits",
    ),
    (CalibratedClassifierCV(RandomForestClassifier(8), cv=StratifiedKFold(2)), "digits"),
    (RFE(RandomForestClassifier(8), n_features_to_select=30, step=17), "digits"),
    (MultiOutputRegressor(RandomForestRegressor(10)), "two targets"),
    (RegressorChain(MLPRegressor(hidden_layer_sizes=(30,), **QUICK)), "two targets"),
    (TransformedTargetRegressor(GradientBoostingRegressor(n_estimators=40)), "diabetes"),
    (RandomForestRegressor(20), "two targets"),
    (RandomForestClassifier(20), "two labels"),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("model", "name"), CONTAINERS, ids=names([model for model, _ in CONTAINERS])
)
def test_containers_of_small_models_are_as_large_as_pruned_ones(model, name):
    assert 0.85 < ratio(model, name, keep=0.2) < 1.15


@pytest.mark.parametrize(
    "params",
    [
        {"unit": "tree", "keep": 5},
        {"unit": "node", "keep": 0.2},
        {"unit": "leaf", "keep": 0.2, "refit": False},
        {"quantize": "int8", "keep": 0.2},
        {"unit": "feature", "keep": 4},
    ],
)
def test_whatever_was_pruned_of_a_forest(params):
    if params.get("unit") == "feature":
        fitted, small = pruned_and_small(RandomForestRegressor(20), "diabetes", **params)
        counts = fitted.report_.before, fitted.report_.after
        wanted = min(count["parameters"] for count in counts)
        assert size_of(small, "diabetes") == pytest.approx(wanted, rel=0.15)
    else:
        assert 0.85 < ratio(RandomForestClassifier(20), "digits", **params) < 1.15


def test_iterations_that_stopped_early_are_those_that_count():
    model = HistGradientBoostingClassifier(
        max_iter=1000, early_stopping=True, n_iter_no_change=3, max_leaf_nodes=8
    )
    for unit in ("auto", "node"):
        assert 0.85 < ratio(model, "binary", keep=0.5, unit=unit) < 1.15


def test_only_what_makes_a_model_small_is_changed():
    model = make_pipeline(
        StandardScaler(with_mean=False),
        RandomForestClassifier(40, min_samples_leaf=2, criterion="entropy", random_state=3),
    )
    _, small = pruned_and_small(model, "digits", keep=0.1)
    before, after = model[-1].get_params(), small[-1].get_params()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"n_estimators", "max_leaf_nodes"}
    assert small[0].with_mean is False
    assert not hasattr(small[-1], "estimators_")
    assert model[-1].n_estimators == 40


def test_boosting_learns_more_in_fewer_iterations():
    model = HistGradientBoostingRegressor(max_iter=40, learning_rate=0.05)
    fitted, small = pruned_and_small(model, "diabetes", keep=0.25)
    share = fitted.report_.after["parameters"] / fitted.report_.before["parameters"]
    assert small.max_iter == round(40 * share)
    assert small.learning_rate == pytest.approx(0.05 * 40 / small.max_iter)
    _, smallest = pruned_and_small(model, "diabetes", keep=0.05)
    assert smallest.learning_rate <= 0.5
    assert smallest.max_leaf_nodes < 31


def test_hidden_layers_shrink_by_about_one_factor_and_match_the_best_by_brute_force():
    model = MLPClassifier((12, 6), max_iter=3)
    with pytest.warns(UserWarning, match="converge"):
        fitted, small = pruned_and_small(model, "digits", keep=0.35)
    wanted = fitted.report_.after["parameters"]
    first, second = small.hidden_layer_sizes
    assert abs(first / 12 - second / 6) < 1 / 6

    def distance(first, second):
        return abs(65 * first + (first + 1) * second + (second + 1) * 10 - wanted)

    proportional = [
        (a, b) for a in range(1, 13) for b in range(1, 7) if abs(a / 12 - b / 6) < 1 / 12
    ]
    assert distance(first, second) == min(distance(a, b) for a, b in proportional)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_smallest_perceptron_has_one_neuron_in_each_layer():
    model = MLPRegressor(hidden_layer_sizes=(20, 10), **QUICK)
    with pytest.warns(UserWarning, match="keep is very small"):
        _, small = pruned_and_small(model, "diabetes", keep=0.01)
    assert small.hidden_layer_sizes == (1, 1)


def test_where_members_cannot_be_smaller_bagging_has_fewer():
    model = BaggingClassifier(LogisticRegression(max_iter=1000), n_estimators=10)
    _, small = pruned_and_small(model, "binary", keep=0.3)
    assert small.n_estimators == 3
    assert small.estimator.get_params() == model.estimator.get_params()


def test_nothing_pruned_gives_the_model_itself():
    model = RandomForestClassifier(12, random_state=0)
    _, small = pruned_and_small(model, "binary", keep=1.0)
    assert small is not model
    assert small.get_params() == model.get_params()


@pytest.mark.parametrize(
    ("model", "params"),
    [
        (LogisticRegression(max_iter=1000), {}),
        (make_pipeline(StandardScaler(), LogisticRegression()), {}),
        (KNeighborsClassifier(), {}),
        (SVC(), {}),
        (GaussianNB(), {}),
        *(
            (model, {})
            for model in boosting(
                "lightgbm", "LGBMClassifier", num_iterations=10, verbose=-1
            )
        ),
        (VotingClassifier([("a", DecisionTreeClassifier()), ("b", GaussianNB())]), {}),
        (GridSearchCV(DecisionTreeClassifier(), {"min_samples_leaf": [1, 3]}, cv=2), {}),
        *(
            (model, {"unit": "feature"})
            for model in boosting(
                "xgboost", "XGBClassifier", booster="gblinear", n_estimators=5
            )
        ),
        (
            GradientBoostingClassifier(init=GaussianNB(), n_estimators=5),
            {"unit": "feature"},
        ),
    ],
    ids=lambda thing: type(thing).__name__,
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_none_where_nothing_says_how_large_a_model_becomes(model, params):
    _, small = pruned_and_small(model, "binary", keep=0.4, **params)
    assert small is None


def test_none_where_the_model_must_not_be_trained():
    tree = DecisionTreeClassifier().fit(*data("binary"))
    _, small = pruned_and_small(FrozenEstimator(tree), "binary", keep=0.4)
    assert small is None
    model = VotingClassifier(
        [("a", FrozenEstimator(tree)), ("b", DecisionTreeClassifier())]
    )
    _, small = pruned_and_small(model, "binary", keep=0.4)
    assert small is None


def test_ridge_inside_a_target_transformer_has_none():
    model = TransformedTargetRegressor(Ridge())
    _, small = pruned_and_small(model, "diabetes", keep=0.5)
    assert small is None


def test_a_skorch_net_has_none():
    skorch = pytest.importorskip("skorch")
    torch = pytest.importorskip("torch")
    X, y = data("binary")
    module = torch.nn.Sequential(
        torch.nn.Linear(16, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)
    )
    net = skorch.NeuralNetClassifier(
        module, criterion=torch.nn.CrossEntropyLoss, max_epochs=1, verbose=0
    )
    unfitted = PrunedClassifier(net, keep=0.5, random_state=0)
    fitted = clone(unfitted).fit(X.astype(np.float32), (y == 0).astype(np.int64))
    assert smaller_from_scratch(unfitted, fitted) is None
