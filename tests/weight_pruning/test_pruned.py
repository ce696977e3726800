"""What PrunedClassifier and PrunedRegressor do around any model."""

import pickle
import re
import warnings
from importlib import import_module
from importlib.util import find_spec
from threading import Lock

import numpy as np
import pytest
from sklearn import clone
from sklearn.base import is_classifier
from sklearn.datasets import (
    load_diabetes,
    load_iris,
    make_classification,
    make_regression,
)
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GroupKFold, KFold, PredefinedSplit
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_prune import (
    PrunedClassifier,
    PrunedRegressor,
    SampleSubsetClassifier,
    SampleSubsetRegressor,
    SampleSubsetSampler,
    SampleSubsetTransformer,
)
from sklearn_prune._folds import splits_of_part
from sklearn_prune.persistence import save, to_onnx
from sklearn_prune.weight_pruning import (
    Family,
    IterativeSchedule,
    MagnitudeCriterion,
    PermutationCriterion,
    RandomCriterion,
    TaylorCriterion,
)
from sklearn_prune.weight_pruning._registry import families_of_class, family_specs, resolve
from tests.estimators import sk


@pytest.fixture
def classes():
    """Ten columns, of which the first three say anything."""
    X = np.random.default_rng(0).normal(size=(300, 10))
    return X, (X[:, 0] + X[:, 1] + X[:, 2] > 0).astype(int)


def boosted():
    return sk.AdaBoostClassifier(n_estimators=6, random_state=0)


def test_features_without_a_use_go_first(X, y):
    model = PrunedClassifier(boosted(), unit="feature", keep=3, random_state=0).fit(X, y)
    assert list(model.kept_) == [0, 1, 2]
    bare = boosted().fit(X[:, :3], y)
    assert np.array_equal(model.predict_proba(X), bare.predict_proba(X[:, :3]))
    pipeline = model.estimator_
    assert np.array_equal(pipeline.predict_proba(X), model.predict_proba(X))
    importances = np.zeros(10)
    importances[:3] = bare.feature_importances_
    assert np.array_equal(model.feature_importances_, importances)


def test_everything_is_the_plain_model(X, y):
    arguments = {
        "criterion": PermutationCriterion(),
        "schedule": IterativeSchedule(),
        "refit": False,
        "unit": "feature",
    }
    model = PrunedClassifier(boosted(), keep=1.0, **arguments).fit(X, y)
    assert np.array_equal(model.predict_proba(X), boosted().fit(X, y).predict_proba(X))
    assert model.report_.path == []
    assert model.report_.seconds["inner_validation"] < 0.1
    assert len(model.kept_) == model.n_units_ == 10


@pytest.mark.parametrize("seed", range(3))
def test_subsets_are_nested_over_keep(X, y, seed):
    before = np.zeros(10, dtype=bool)
    for keep in (2, 0.3, 0.5, 8, 1.0):
        model = PrunedClassifier(boosted(), unit="feature", keep=keep, random_state=seed)
        after = model.fit(X, y).get_support()
        assert (after | ~before).all()
        before = after
    assert before.all()


def test_a_seed_fixes_the_fit_whatever_n_jobs(X, y):
    model = PrunedClassifier(
        MLPClassifier(8, max_iter=30), keep="auto", tolerance=0.05, random_state=5
    )
    fits = [clone(model).set_params(n_jobs=jobs).fit(X, y) for jobs in (None, 1, 2)]
    for other in fits[1:]:
        assert np.array_equal(fits[0].kept_, other.kept_)
        assert np.array_equal(fits[0].predict_proba(X), other.predict_proba(X))
        assert [p["loss"] for p in fits[0].report_.path] == [
            p["loss"] for p in other.report_.path
        ]


def test_nothing_rebuilds_the_estimator(X, y, monkeypatch):
    from sklearn.utils.validation import check_is_fitted

    from sklearn_prune.models.features.family import FeatureFamily

    model = PrunedClassifier(boosted(), unit="feature", keep=3, random_state=0).fit(X, y)
    rebuilt = []
    monkeypatch.setattr(FeatureFamily, "restore", lambda *a: rebuilt.append(a) or a[-1])
    model.predict(X), model.predict_proba(X), model.score(X, y)
    repr(model), model._repr_html_(), dir(model), clone(model)
    pickle.loads(pickle.dumps(model)), check_is_fitted(model)
    hasattr(model, "decision_function"), vars(model), model.__sklearn_tags__()
    assert not rebuilt
    model.estimator_
    assert len(rebuilt) == 1


def test_estimator_is_new_on_each_access_and_missing_before_fit(X, y):
    model = PrunedClassifier(boosted(), unit="feature", keep=3, random_state=0)
    with pytest.raises(AttributeError, match="Call fit"):
        model.estimator_
    model.fit(X, y)
    assert model.estimator_ is not model.estimator_


META = {
    PrunedClassifier(sk.LogisticRegression()): (
        "compact_ estimator_ classes_ coef_ intercept_ feature_importances_ kept_ unit_ "
        "criterion_ n_units_ sparsity_ report_ sample_indices_"
    ),
    PrunedRegressor(sk.Ridge()): "compact_ estimator_ coef_ kept_ report_",
    SampleSubsetClassifier(sk.SVC()): "estimator_ classes_ selector_ sample_mask_ task_",
    SampleSubsetRegressor(sk.Ridge()): "estimator_ sample_scores_ sample_weight_",
    SampleSubsetTransformer(sk.PCA()): "transformer_ sample_indices_",
    SampleSubsetSampler(): "selector_ sample_indices_ sample_mask_ sample_scores_",
}


def error_of(model, name):
    try:
        getattr(model, name)
    except AttributeError as error:
        return error


@pytest.mark.parametrize("model", META, ids=lambda model: type(model).__name__)
def test_what_fit_sets_is_not_fitted_before(model, X, y):
    names = [*META[model].split(), "n_features_in_", "feature_names_in_", "n_iter_"]
    for unfitted in (model, clone(model), pickle.loads(pickle.dumps(model))):
        for name in names:
            assert not hasattr(unfitted, name)
            with pytest.raises(NotFittedError, match=f"has no {name} before fit") as raised:
                getattr(unfitted, name)
            assert isinstance(raised.value, AttributeError)
        with pytest.raises(AttributeError) as raised:
            unfitted.compakt
        assert not isinstance(raised.value, NotFittedError)
    fitted = clone(model).fit(X, y)
    for name in (*names, "unknown_"):
        assert not isinstance(error_of(fitted, name), NotFittedError)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (0.5, "Did you mean keep=0.5?"),
        (100, "Did you mean keep=100?"),
        (1.0, "Did you mean keep=1.0?"),
        ("auto", "Did you mean keep='auto'?"),
        ("tree", "Did you mean unit='tree'?"),
        ("int8", "Did you mean quantize='int8'?"),
        ("Taylor", "Write TaylorCriterion()"),
        ("second_order", "Write SecondOrderCriterion()"),
        ("RandomCriterion", "Write RandomCriterion()"),
        ("l1", 'Write PenaltyCriterion("l1")'),
        ("whatever", "Write MagnitudeCriterion(), or another"),
        (True, "Write MagnitudeCriterion()"),
    ],
)
def test_what_is_meant_by_a_wrong_second_argument(given, hint, classes):
    with pytest.raises(ValueError, match=re.escape(hint)):
        PrunedClassifier(sk.RandomForestClassifier(3), given).fit(*classes)
    if isinstance(given, str) or given is True:
        return
    for outer in (SampleSubsetClassifier, SampleSubsetSampler):
        inner = () if outer is SampleSubsetSampler else (sk.SVC(),)
        with pytest.raises(ValueError, match=f"^selector must .*{re.escape(hint)}"):
            outer(*inner, given).fit(*classes)


SCORERS = {
    "a dict": lambda model, X, y: {"accuracy": 1.0},
    "None": lambda model, X, y: None,
    "NaN": lambda model, X, y: float("nan"),
    "rows": lambda model, X, y: model.predict(X) == y,
    "a text": lambda model, X, y: "good",
    "None of a metric": make_scorer(lambda y, predicted: None),
    "rows of a metric": make_scorer(lambda y, predicted: y == predicted),
}
KINDS = [sk.LogisticRegression(), sk.RandomForestClassifier(5, random_state=0)]
KINDS += [sk.GradientBoostingClassifier(n_estimators=5), sk.KNeighborsClassifier(3)]
KINDS += [sk.GaussianNB(), sk.VotingClassifier([("a", sk.GaussianNB()), ("b", sk.SVC())])]


@pytest.mark.parametrize("returned", SCORERS)
@pytest.mark.parametrize("inner", KINDS, ids=lambda model: type(model).__name__)
def test_a_scorer_that_gives_no_number(classes, inner, returned):
    model = PrunedClassifier(inner, keep="auto", scoring=SCORERS[returned], cv=2)
    with pytest.raises(ValueError, match=r"^scoring must give one finite number"):
        model.fit(classes[0][:80], classes[1][:80])


def test_a_metric_is_no_scorer(classes):
    with pytest.raises(ValueError, match=r"Write make_scorer\(metric\)"):
        PrunedClassifier(boosted(), keep="auto", scoring=accuracy_score).fit(*classes)


class Moody(sk.DecisionTreeRegressor):
    """Does what its `mood` says on fewer than 300 rows, or for rows it has not seen."""

    def __init__(self, mood=None):
        self.mood = mood
        super().__init__(max_depth=2)

    def fit(self, X, y, sample_weight=None):
        if self.mood is not None and not isinstance(self.mood, str) and len(X) < 300:
            raise self.mood
        return super().fit(X, y)

    def predict(self, X):
        found = super().predict(X)
        if self.mood == "quantiles":
            return np.column_stack([found] * 3)
        if self.mood == "missing":
            return np.where(np.arange(len(found)) == 0, np.nan, found)
        return found


@pytest.mark.filterwarnings("ignore:Moody is pruned by its input features")
@pytest.mark.parametrize("keep", [0.5, "auto"])
@pytest.mark.parametrize(
    ("mood", "message"),
    [
        (
            ValueError("too few rows.\nmore"),
            "be fitted on parts.* of 300 rows: too few rows",
        ),
        (IndexError("out of it"), "be fitted on parts of the rows.* out of it"),
        (RuntimeError(), "be fitted on parts of the rows.* RuntimeError"),
        ("quantiles", r"one number for each target.*shape \(\d+, 3\)"),
        ("missing", "one number for each target.* NaN"),
    ],
)
def test_what_a_model_cannot_in_inner_folds(classes, mood, message, keep):
    X, y = classes
    for inner in (Moody(mood), make_pipeline(sk.StandardScaler(), Moody(mood))):
        model = PrunedRegressor(inner, keep=keep)
        with pytest.raises(ValueError, match=message) as raised:
            model.fit(X, X[:, 0] + y)
        assert "\n" not in str(raised.value)
        assert "Moody" in str(raised.value)
        assert "keep=1.0" in str(raised.value)
        assert "inner fold" not in str(raised.value).lower()


def test_sample_weight_and_groups_reach_the_folds(X, y):
    rng = np.random.default_rng(1)
    weights, groups = rng.integers(0, 3, len(X)).astype(float), np.arange(len(X)) // 10
    arguments = {"unit": "feature", "keep": 3, "random_state": 0}
    model = PrunedClassifier(boosted(), cv=GroupKFold(3), **arguments)
    model.fit(X, y, sample_weight=weights, groups=groups)
    bare = boosted().fit(X[:, model.kept_], y, sample_weight=weights)
    assert np.array_equal(model.predict(X), bare.predict(X[:, model.kept_]))
    with pytest.raises(ValueError, match="groups"):
        PrunedClassifier(boosted(), cv=GroupKFold(3), **arguments).fit(X, y)


GIVEN_SPLITS = [
    sk.KNeighborsClassifier(),
    sk.DecisionTreeClassifier(random_state=0),
    sk.OneVsOneClassifier(sk.GaussianNB()),
    sk.StackingClassifier([("a", sk.GaussianNB())]),
    sk.BaggingClassifier(sk.GaussianNB(), n_estimators=2, random_state=0),
    SampleSubsetClassifier(sk.GaussianNB(), keep=0.8, random_state=0),
]


@pytest.mark.parametrize("keep", ["auto", 0.5])
@pytest.mark.parametrize("inner", GIVEN_SPLITS, ids=lambda model: type(model).__name__)
def test_given_splits_serve_nested_folds_of_any_spelling(X, y, inner, keep):
    X, y, number = X[:60, :3], y[:60], np.arange(60) % 3
    splits = [(np.flatnonzero(number != k), np.flatnonzero(number == k)) for k in range(3)]
    masks = [(number != k, number == k) for k in range(3)]
    model = PrunedClassifier(inner, unit="feature", keep=keep, random_state=0)
    spellings = [splits, PredefinedSplit(number), masks, iter(splits)]
    if inner is not GIVEN_SPLITS[1]:
        spellings = spellings[:2]
    kept = [model.set_params(cv=cv).fit(X, y).get_support() for cv in spellings]
    assert all(np.array_equal(kept[0], other) for other in kept[1:])


def test_splits_of_a_part_are_those_of_its_rows():
    splits = list(KFold(3).split(np.zeros(9)))
    rows = np.array([8, 3, 3, 0, 4])
    pairs = [(rows[train], rows[test]) for train, test in splits_of_part(splits, rows, 9)]
    for (train, test), (_, held_out) in zip(pairs, splits, strict=True):
        assert np.array_equal(test, rows[np.isin(rows, held_out)])
        assert np.array_equal(train, rows[~np.isin(rows, held_out)])
    assert splits_of_part(splits, np.arange(3), 9) == 3  # one fold has all rows
    assert splits_of_part(splits, np.arange(6), 9, np.arange(9) // 3) == 3
    assert len(splits_of_part(splits, np.arange(6), 9)) == 2
    for cv in ([1, 2], [], splits[:2], [(np.arange(9), [200])]):
        with pytest.raises(ValueError, match="^cv must .*Write cv=5"):
            PrunedClassifier(sk.GaussianNB(), cv=cv).fit(np.eye(9), np.arange(9) % 3)


@pytest.mark.parametrize("name", ["DecisionTreeClassifier", "LogisticRegression", "SVC"])
def test_sizes_are_not_chosen_on_classes_that_no_fold_knows(X, y, name):
    X, y = X[:120], y[:120]
    groups, rows = np.arange(len(y)) // 10, np.argsort(y, kind="stable")
    labels = np.where(groups == 3, "lone", y.astype(str))
    sorted_folds = PredefinedSplit(y[rows])
    model = PrunedClassifier(getattr(sk, name)(), keep="auto", cv=sorted_folds)
    with pytest.raises(ValueError, match=r"none of class 0, 1.*Write cv=5"):
        model.fit(X[rows], y[rows])
    params = {"groups": groups}
    with pytest.warns(UserWarning, match=r"Got none of class 'lone', whose") as caught:
        model.set_params(cv=5).fit(X, labels, **params)
    assert sum("none of class" in str(one.message) for one in caught) == 1
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*none of class")
        model.fit(X, labels)
        model.fit(X, labels, sample_weight=1.0 * (groups != 3), **params)
        model.set_params(keep=0.5, cv=sorted_folds).fit(X[rows], y[rows])


def test_routing(X, y, routing):
    weights, groups = np.ones(len(X)), np.arange(len(X)) // 10
    weights[:50] = 0
    inner = sk.BernoulliNB().set_fit_request(sample_weight=True)
    model = PrunedClassifier(inner, unit="feature", keep=3, random_state=0)
    model.fit(X, y, sample_weight=weights, groups=groups)
    bare = sk.BernoulliNB().fit(X[:, model.kept_], y, sample_weight=weights)
    assert np.array_equal(model.predict(X), bare.predict(X[:, model.kept_]))
    refusing = sk.BernoulliNB().set_fit_request(sample_weight=False)
    with pytest.raises(TypeError, match="sample_weight"):
        PrunedClassifier(refusing).fit(X, y, sample_weight=weights)


def test_grid_search_over_everything(X, y):
    search = sk.GridSearchCV(
        PrunedClassifier(boosted(), PermutationCriterion(), unit="feature", random_state=0),
        {
            "keep": [1.0, 0.3],
            "criterion__n_repeats": [2],
            "estimator__n_estimators": [3, 5],
            "unit": ["feature"],
        },
        cv=2,
        n_jobs=2,
        error_score="raise",
    ).fit(X, y)
    assert search.best_params_["unit"] == "feature"
    search = sk.GridSearchCV(
        PrunedClassifier(boosted(), unit="feature", keep=3, random_state=0),
        {"criterion": [None, RandomCriterion(), MagnitudeCriterion()]},
        cv=2,
        error_score="raise",
    ).fit(X, y)
    assert (
        search.cv_results_["mean_test_score"][2] > search.cv_results_["mean_test_score"][1]
    )


@pytest.mark.filterwarnings("ignore:.*AdaBoostClassifier (is larger|has no sm):UserWarning")
def test_both_wings_nest(X, y):
    pruned = PrunedClassifier(boosted(), unit="feature", keep=3)
    outer = SampleSubsetClassifier(pruned, keep=0.5, random_state=0).fit(X, y)
    assert len(outer.estimator_.kept_) == 3
    subset = SampleSubsetClassifier(boosted(), keep=0.5)
    inner = PrunedClassifier(subset, unit="feature", keep=3, random_state=0).fit(X, y)
    assert inner.predict(X).shape == y.shape


def test_rounds_reach_the_same_number(X, y):
    model = PrunedClassifier(
        boosted(), unit="feature", keep=3, schedule=IterativeSchedule(3), random_state=0
    ).fit(X, y)
    assert list(model.kept_) == [0, 1, 2]


@pytest.mark.parametrize("sparse_format", ["csr", "frame"])
def test_containers(X, y, sparse_format):
    pandas = pytest.importorskip("pandas")
    from scipy.sparse import csr_array

    X = (X > 0).astype(float)
    given = (
        csr_array(X)
        if sparse_format == "csr"
        else pandas.DataFrame(X, columns=[f"c{i}" for i in range(10)])
    )
    model = PrunedClassifier(sk.BernoulliNB(), unit="feature", keep=4, random_state=0)
    plain = clone(model).fit(X, y)
    model.fit(given, y)
    assert np.array_equal(model.kept_, plain.kept_)
    assert np.array_equal(model.predict(given), plain.predict(X))
    if sparse_format == "frame":
        assert list(model.feature_names_in_) == list(given.columns)
        with pytest.raises(ValueError, match="feature names"):
            model.predict(given[reversed(list(given.columns))])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keep": 0}, "keep must be a fraction"),
        ({"keep": 3}, "Write a float, or name a unit: 'feature'"),
        ({"keep": 11, "unit": "feature"}, "keep must not exceed the number of features"),
        ({"unit": "tree"}, "Write one of 'feature', or 'auto'"),
        ({"criterion": MagnitudeCriterion()}, "Write unit='feature'"),
        (
            {"criterion": TaylorCriterion(), "unit": "feature"},
            "Write one of PermutationCriterion, MagnitudeCriterion, RandomCriterion",
        ),
        ({"criterion": MagnitudeCriterion}, r"Write MagnitudeCriterion\(\)"),
        ({"criterion": "magnitude"}, r"Write MagnitudeCriterion\(\)"),
        ({"dropout": 0.1, "refit": False}, r"Write refit=True, or dropout=0\.0"),
        ({"schedule": "iterative"}, r"Write IterativeSchedule\(\)"),
        ({"schedule": IterativeSchedule(0)}, "n_steps must be an int of at least 1"),
        ({"schedule": IterativeSchedule(rewind="init")}, 'Write rewind="none"'),
        ({"quantize": "int4"}, 'quantize must be None, "float16"'),
        ({"refit": False, "unit": "feature"}, "Write refit=True"),
        ({"tolerance": -1}, "tolerance"),
        ({"unit": "feature", "criterion": MagnitudeCriterion("l3")}, 'norm must be "l1"'),
    ],
)
def test_wrong_arguments(classes, arguments, message):
    with pytest.raises(ValueError, match=message):
        PrunedClassifier(boosted(), **arguments).fit(*classes)


def test_a_wrong_unit_lists_all_there_are(classes):
    model = PrunedClassifier(sk.DecisionTreeClassifier(), unit="coefficient")
    with pytest.raises(
        ValueError, match="Write one of 'node', 'leaf', 'rule', 'feature', or 'auto'"
    ):
        model.fit(*classes)
    model = PrunedClassifier(sk.DecisionTreeClassifier(), keep=5)
    with pytest.raises(ValueError, match="name a unit: 'node', 'leaf', 'rule', 'feature'"):
        model.fit(*classes)


def test_wrong_models(X, y):
    with pytest.raises(TypeError, match="Use PrunedRegressor for it"):
        PrunedClassifier(sk.AdaBoostRegressor()).fit(X, y)
    with pytest.raises(TypeError, match="fitted without a target"):
        PrunedClassifier(sk.IsolationForest()).fit(X, y)
    with pytest.raises(TypeError, match=re.escape("Write AdaBoostClassifier()")):
        PrunedClassifier(sk.AdaBoostClassifier).fit(X, y)
    with pytest.raises(NotFittedError):
        PrunedClassifier(sk.FrozenEstimator(boosted())).fit(X, y)


class Contrary(sk.DecisionTreeClassifier):
    """A tree that says the opposite."""

    def predict(self, X, check_input=True):
        return 1 - super().predict(X)


def test_a_class_with_its_own_predict_is_not_taken_for_its_base(X, y):
    model = PrunedClassifier(Contrary(random_state=0), keep=1.0).fit(X, y)
    assert np.array_equal(model.predict(X), Contrary(random_state=0).fit(X, y).predict(X))
    with pytest.warns(UserWarning, match="has a predict of its own"):
        PrunedClassifier(Contrary(random_state=0), keep=0.5, random_state=0).fit(X, y)


def test_report_reads_well(X, y):
    report = PrunedClassifier(boosted(), unit="feature", keep=3).fit(X, y).report_
    assert report.before["units"] == 10
    assert report.after["units"] == 3
    assert report.before["nbytes"] == len(pickle.dumps(boosted().fit(X, y), protocol=5))
    assert "units" in str(report)
    assert "<pre>" in report._repr_html_()


def test_regressor():
    X, y = load_diabetes(return_X_y=True)
    inner = sk.AdaBoostRegressor(n_estimators=10, random_state=0)
    model = PrunedRegressor(inner, unit="feature", keep=0.3, random_state=0).fit(X, y)
    bare = clone(inner).fit(X[:, model.kept_], y)
    assert np.array_equal(model.predict(X), bare.predict(X[:, model.kept_]))
    assert not hasattr(model, "predict_proba")


def test_delegation_follows_the_model():
    X, y = load_iris(return_X_y=True)
    model = PrunedClassifier(sk.BernoulliNB())
    assert not hasattr(model, "decision_function")
    assert hasattr(model, "predict_log_proba")
    assert not hasattr(model.fit(X, y), "decision_function")
    assert not hasattr(model, "coef_")
    assert hasattr(PrunedClassifier(sk.LogisticRegression()), "decision_function")


def all_families():
    return [resolve(path) for path in sorted({spec.family for spec in family_specs()})]


@pytest.mark.parametrize("family", all_families(), ids=lambda cls: cls.__name__)
def test_the_families_keep_the_protocol(family):
    assert issubclass(family, Family)
    needed = {"accepts", "start", "compact"}
    if family.units or family.recurses:
        needed |= {"table", "refit", "reduce" if family.recurses else "apply"}
    missing = {name for name in needed if getattr(family, name) is getattr(Family, name)}
    elsewhere = {
        "TorchFamily": {"reduce"},  # recurses over no models, is cut as other nets are
        "KernelFamily": {"compact", "refit"},  # `accepts` names families that have them
    }
    assert missing <= elsewhere.get(family.__name__, set())


@pytest.mark.parametrize(
    ("model", "units"),
    [
        (sk.DecisionTreeClassifier(), ("node", "leaf")),
        (sk.RandomForestClassifier(), ("node", "leaf", "tree")),
        (make_pipeline(sk.DecisionTreeClassifier()), ("node", "leaf")),
        (make_pipeline(sk.RandomForestClassifier()), ("node", "leaf", "tree")),
    ],
    ids=["tree", "forest", "pipeline of a tree", "pipeline of a forest"],
)
def test_a_family_answers_and_stays_as_it_is(model, units):
    (family,), _ = families_of_class(model)
    before = dict(vars(family)), family.units, family.criteria, family.offers
    answer = family.accepts(model)
    assert answer
    assert answer.family.units[: len(units)] == units
    assert (dict(vars(family)), family.units, family.criteria, family.offers) == before


def test_a_family_without_its_methods_names_them():
    for name, n_arguments in (("accepts", 1), ("start", 2), ("table", 3), ("compact", 1)):
        with pytest.raises(NotImplementedError, match=rf"Family must define {name}\("):
            getattr(Family(), name)(*[None] * n_arguments)


def test_callbacks_reach_the_inner_model(recorder, X, y):
    model = PrunedClassifier(sk.LogisticRegression(), keep=1.0).set_callbacks(recorder)
    model.fit(X, y)
    names = {name for name, _ in recorder.tasks}
    assert {"PrunedClassifier", "LogisticRegression"} <= names
    assert ("PrunedClassifier", "prune") in recorder.tasks


class StepRecorder:
    """Records names and numbers of steps of tasks, and cannot be sent to processes."""

    def __init__(self):
        self.tasks, self.open, self.lock = [], [], Lock()

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        assert not self.open

    def on_fit_task_begin(self, estimator, context):
        self.open.append(context.task_name)
        self.tasks.append((context.task_name, context.max_subtasks))

    def on_fit_task_end(self, estimator, context):
        assert self.open.pop() == context.task_name


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (sk.Ridge(), {"keep": "auto", "unit": "feature"}),
        (sk.ExtraTreesRegressor(5, random_state=0), {"keep": "auto"}),
        (sk.ExtraTreesClassifier(5), {"keep": "auto", "max_churn": "seed", "n_jobs": 2}),
        (sk.RandomForestClassifier(5), {"keep": 0.5, "tolerance": 1.0}),
        (sk.RandomForestClassifier(5), {"keep": "auto", "unit": "tree"}),
        (sk.GradientBoostingRegressor(n_estimators=5), {"keep": "auto"}),
        (sk.GaussianNB(), {"keep": 0.5}),
    ],
)
def test_callbacks_follow_each_size_in_each_inner_fold(model, options, X, y):
    pruned = PrunedClassifier if is_classifier(model) else PrunedRegressor
    model = pruned(model, cv=4, random_state=0, **options)
    recorder = StepRecorder()
    report = clone(model).set_callbacks(recorder).fit(X, y).report_
    stages = {name: n for name, n in recorder.tasks if n and name not in ("fit", "prune")}
    names = [name for name, n in recorder.tasks if n == 0]
    assert sum(stages.values()) == len(names) - names.count("fit-model")
    sizes = {f"keep={entry['keep']}" for entry in report.path}
    assert {name for name in names if name.startswith("keep")} <= sizes
    assert report.path == clone(model).fit(X, y).report_.path
    if not report.path:
        assert not stages
    elif "compare-options" in stages:
        assert stages["compare-options"] % len(sizes) == 0
        assert ("inner-validation", 3) in recorder.tasks or "n_jobs" not in options
    else:
        assert stages["inner-validation"] == 4 * (1 if "n_jobs" in options else len(sizes))
    assert stages.get("second-seed") == (4 if "max_churn" in options else None)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("inside", [False, True])
def test_rewinding_without_a_seed_finds_the_start_again(monkeypatch, inside):
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from sklearn_prune.models.nets.mlp import MlpFamily

    starts = []
    initial = MlpFamily.initial

    def spy(family, work, context):
        found = initial(family, work, context)
        starts.append(found.values["coefs_0"])
        return found

    monkeypatch.setattr(MlpFamily, "initial", spy)
    X, y = load_iris(return_X_y=True)
    net = MLPClassifier((6,), max_iter=3)
    net = make_pipeline(StandardScaler(), net) if inside else net
    schedule = IterativeSchedule(2, rewind="init")
    PrunedClassifier(net, unit="weight", keep=0.5, schedule=schedule).fit(X, y)
    assert len(starts) == 2
    np.testing.assert_array_equal(starts[0], starts[1])
    PrunedClassifier(net, unit="weight", keep=0.5, schedule=schedule).fit(X, y)
    assert not np.array_equal(starts[0], starts[2])  # nobody asked for a seed


def halves(y, predicted):
    """Gradient and curvature of half the squared error."""
    return predicted - y, np.ones_like(y)


def kept_models():
    """Models without a smaller form, and the reason that is given."""
    stump = sk.AdaBoostClassifier(n_estimators=2, random_state=0)
    chain = sk.GradientBoostingRegressor(init=sk.LinearRegression(), n_estimators=2)
    near = sk.KNeighborsClassifier(3, metric=lambda a, b: abs(a - b).sum())
    yield stump, r"\."
    yield chain, ": it starts from an init estimator"
    yield sk.RANSACRegressor(random_state=0), r"\."
    yield sk.SVC(kernel=np.inner), ": its kernel is a function"
    yield near, ": its metric is a function"
    yield sk.VotingClassifier([("a", stump), ("b", sk.GaussianNB())]), r"\."
    yield make_pipeline(StandardScaler(), stump), r"\."
    for library, name, changes, reason in (
        ("xgboost", "XGBRegressor", {"multi_strategy": "multi_output_tree"}, "has leaves"),
        ("xgboost", "XGBRegressor", {"max_depth": 2}, "predicts several targets"),
        ("xgboost", "XGBClassifier", {"booster": "dart"}, "has booster='dart'"),
        ("xgboost", "XGBClassifier", {"booster": "gblinear"}, "has booster='gblinear'"),
        ("xgboost", "XGBClassifier", {"objective": "binary:hinge"}, "has the objective"),
        ("xgboost", "XGBRegressor", {"objective": halves}, "has an objective of its own"),
        ("lightgbm", "LGBMRegressor", {"linear_tree": True}, "has linear models"),
        ("lightgbm", "LGBMRegressor", {"objective": halves}, "has an objective of its own"),
    ):
        if find_spec(library):
            cls, quiet = getattr(import_module(library), name), {"verbosity": 0}
            yield cls(n_estimators=2, n_jobs=1, **quiet, **changes), f": it {reason}"


@pytest.mark.filterwarnings("ignore:The pruned|X does not have|.*single precision")
@pytest.mark.parametrize(
    ("model", "reason"),
    [*kept_models()],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
def test_models_without_a_smaller_form_are_reported(model, reason, tmp_path):
    X, y = make_classification(150, 4, random_state=0)
    wrapper = PrunedClassifier if is_classifier(model) else PrunedRegressor
    name = type(model).__name__
    name = "AdaBoostClassifier" if name in ("Pipeline", "VotingClassifier") else name
    several = re.search("multi_output|max_depth=2", repr(model))
    y = np.column_stack([y, 1 - y]).astype(float) if several else y
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*smaller form")
        whole = wrapper(model, keep=1.0, random_state=0).fit(X, y)
    (note,) = whole.report_.notes
    said = f"{name} has no smaller form{reason}"
    assert re.match(said, note)
    assert note.endswith("It is stored as it was fitted.")
    assert note in str(whole.report_)
    with pytest.warns(UserWarning, match=said):
        few = wrapper(model, keep=0.5, cv=2, random_state=0).fit(X, y)
    assert re.match(f"{said}.* Its input features are pruned", few.report_.notes[0])
    pytest.importorskip("skops")
    pytest.importorskip("skl2onnx")
    if "AdaBoost" in name or "RANSAC" in name:  # the others cannot be written
        save(whole, tmp_path / "model.skops")
        return
    with pytest.raises(TypeError, match="a lambda" if "metric" in reason else said):
        save(whole, tmp_path / "model.skops")
    with pytest.raises(TypeError, match=said):
        to_onnx(whole, X[:1])


@pytest.mark.parametrize(
    ("model", "keep"),
    [
        (sk.RandomForestClassifier(5, random_state=0), 1.0),
        (sk.ExtraTreesClassifier(5, random_state=0), 1.0),
        (sk.DecisionTreeClassifier(random_state=0), 1.0),
        (sk.BaggingClassifier(n_estimators=4, random_state=0), 1.0),
        (sk.GradientBoostingClassifier(n_estimators=3), 0.4),
        (sk.LogisticRegression(), 0.5),
        (sk.VotingClassifier([("a", sk.RandomForestClassifier(5, random_state=0))]), 1.0),
    ],
    ids=lambda each: repr(each)[:40],
)
def test_rounding_that_saves_nothing_is_reported(model, keep):
    X, y = make_classification(80, 5, random_state=0)
    exact = PrunedClassifier(model, keep=keep, cv=2, random_state=0).fit(X, y)
    with pytest.warns(UserWarning, match="quantize='int8' saves nothing here"):
        small = clone(exact).set_params(quantize="int8").fit(X, y)
    assert small.report_.after["nbytes"] >= exact.report_.after["nbytes"]
    assert "saves nothing" in small.report_.notes[-1]
    assert f"{exact.report_.after['nbytes']:,} without it" in small.report_.notes[-1]


def test_rounding_that_saves_bytes_is_not_reported():
    X, y = make_regression(300, 30, random_state=0)
    for model in (sk.RandomForestRegressor(5, random_state=0), sk.KNeighborsRegressor()):
        small = PrunedRegressor(model, keep=1.0, quantize="int8").fit(X, y)
        assert small.report_.notes == ()


def test_units_that_a_model_lacks_are_refused_with_the_reason():
    X, y = make_classification(60, 4, random_state=0)
    single = make_pipeline(StandardScaler(), MLPClassifier((3,), solver="lbfgs"))
    with pytest.raises(ValueError, match="Got 'neuron', but it has seen only one class"):
        PrunedClassifier(single, unit="neuron").fit(X, 0 * y)
    boosted = sk.GradientBoostingClassifier(n_estimators=2, init=sk.GaussianNB())
    with pytest.raises(ValueError, match="Got 'node', but .* starts from an init"):
        PrunedClassifier(boosted, unit="node").fit(X, y)


def test_models_that_cannot_predict_other_rows_or_be_copied():
    X, y = make_classification(60, 4, random_state=0)
    far = sk.RadiusNeighborsClassifier(0.1)
    with pytest.raises(ValueError, match=r"No neighbors found for test samples\. Pass"):
        PrunedClassifier(far, keep=0.5).fit(X, y)

    class Single:
        def __deepcopy__(self, memo):
            raise RuntimeError("There is one of me.\nAnd a second line.")

    model = sk.LogisticRegression(random_state=Single())
    with pytest.raises(TypeError, match="must have parameters .* There is one of me. Pass"):
        PrunedClassifier(model).fit(X, y)
