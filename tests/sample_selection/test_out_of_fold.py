import warnings
from functools import partial

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.datasets import load_iris, make_classification, make_regression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    RepeatedKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline

from sklearn_prune import SampleSubsetClassifier, SampleSubsetRegressor
from sklearn_prune._folds import shuffled_folds
from sklearn_prune.sample_selection import (
    AutoSelector,
    ChainSelector,
    ConfidentLearningSelector,
    CoverageCentricSelector,
    DataOOBSelector,
    EL2NSelector,
    ForgettingSelector,
    L1PenaltySelector,
    L2PenaltySelector,
    LossSelector,
    MarginSelector,
    Ranking,
    SampleSelector,
)
from sklearn_prune.sample_selection._out_of_fold import predict_rows
from tests.estimators import sk


class Memorizing(ClassifierMixin, BaseEstimator):
    """Gives 1 to the label of a row that it has seen, 0 otherwise."""

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        self.seen_ = dict(zip(np.asarray(X)[:, 0], y, strict=True))
        return self

    def predict_proba(self, X):
        values = [self.seen_.get(x) for x in np.asarray(X)[:, 0]]
        return (np.array(values, dtype=object)[:, None] == self.classes_).astype(float)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class Counting(RegressorMixin, BaseEstimator):
    """Predicts the total weight that it was fitted on."""

    def fit(self, X, y, sample_weight=None):
        self.total_ = len(y) if sample_weight is None else np.sum(sample_weight)
        return self

    def predict(self, X):
        return np.full(len(X), float(self.total_))


def own_probability(selector):
    return np.exp(selector.scores_)


@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
@pytest.mark.parametrize("groups", [None, np.arange(60) // 4])
@pytest.mark.parametrize("cv", [5, None, StratifiedKFold(3), RepeatedKFold(n_repeats=2)])
def test_no_model_has_seen_the_row(cv, groups):
    X, y = np.arange(60.0)[:, None], np.arange(60) % 3
    selector = LossSelector(Memorizing(), cv=cv, random_state=0)
    selector.fit(X, y, groups=groups)
    np.testing.assert_allclose(own_probability(selector), np.finfo(float).eps)


def test_memorizing_model_would_show_a_leak():
    X, y = np.arange(60.0)[:, None], np.arange(60) % 3
    frozen = sk.FrozenEstimator(Memorizing().fit(X, y))
    np.testing.assert_allclose(own_probability(LossSelector(frozen).fit(X, y)), 1.0)


def test_group_is_in_one_fold():
    groups = np.random.default_rng(0).integers(0, 12, 80)
    X = groups[:, None].astype(float)  # one row of the group would give it away
    y = groups % 2
    selector = LossSelector(Memorizing(), random_state=1).fit(X, y, groups=groups)
    assert own_probability(selector).max() < 1e-12
    split = LossSelector(Memorizing(), random_state=1).fit(X, y)
    assert own_probability(split).max() == 1.0


def naive_probabilities(model, X, y, folds):
    labels = np.unique(y)
    table = np.zeros((len(y), len(labels)))
    for train, test in folds:
        fitted = clone(model).fit(X[train], y[train])
        for column, label in enumerate(fitted.classes_):
            values = fitted.predict_proba(X[test])[:, column]
            table[test, np.flatnonzero(labels == label)[0]] = values
    return table


def test_probabilities_are_those_of_the_folds(X, y):
    y = np.array(["b", "a", "c"])[y]
    cv = StratifiedKFold(4)
    expected = naive_probabilities(sk.GaussianNB(), X, y, cv.split(X, y))
    own = expected[np.arange(len(y)), np.searchsorted(["a", "b", "c"], y)]
    selector = LossSelector(sk.GaussianNB(), cv=cv).fit(X, y)
    np.testing.assert_allclose(own_probability(selector), np.maximum(own, 2.3e-16))
    assert selector.classes_.tolist() == ["a", "b", "c"]


def test_regression_predictions_are_those_of_the_folds():
    X, y = make_regression(90, 4, noise=5, random_state=0)
    expected = cross_val_predict(
        sk.Ridge(), X, y, cv=list(GroupKFold(3).split(X, y, X[:, 0]))
    )
    folds = list(GroupKFold(3).split(X, y, X[:, 0]))
    selector = LossSelector(sk.Ridge(), cv=folds).fit(X, y)
    np.testing.assert_allclose(selector.scores_, -((y - expected) ** 2))


@pytest.mark.parametrize(
    "sizes", [[40, 1], [20, 20, 3], [2, 2, 2, 2], [1, 1, 1], [1, 30, 1]]
)
@pytest.mark.parametrize("grouped", [False, True])
def test_rare_classes(sizes, grouped):
    y = np.repeat(np.arange(len(sizes)), sizes)
    X = np.random.default_rng(0).normal(size=(len(y), 3)) + y[:, None]
    groups = np.arange(len(y)) // 2 if grouped else np.arange(len(y))
    alone = np.array([len(set(groups[y == label])) == 1 for label in y])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        selector = LossSelector(random_state=0)
        selector.fit(X, y, groups=groups if grouped else None)
    assert sorted(selector.order_) == list(range(len(y)))
    assert ["cannot score" in str(one.message) for one in caught] == [True] * int(
        alone.any()
    )
    middle = 0.0 if alone.all() else np.median(selector.scores_[~alone])
    assert np.all(selector.scores_[alone] == middle)


@pytest.mark.filterwarnings("ignore:.*cannot score:UserWarning")
def test_one_class_and_few_rows():
    for selector in (LossSelector(), MarginSelector()):
        for n in (1, 4):
            fitted = selector.fit(np.arange(float(n))[:, None], np.zeros(n, dtype=int))
            assert fitted.order_.tolist() == list(range(n))
            assert np.ptp(fitted.scores_) == 0
        assert sorted(selector.fit([[0.0], [1.0]], ["a", "b"]).order_) == [0, 1]
        assert sorted(selector.fit([[0.0], [1.0]], [0.5, 1.5]).order_) == [0, 1]
    with pytest.raises(ValueError, match="at least 2 rows"):
        LossSelector().fit([[0.0]], [0.5])
    with pytest.raises(ValueError, match="at least 2 groups"):
        LossSelector().fit([[0.0], [1.0]], [0, 1], groups=[3, 3])


@pytest.mark.parametrize("seed", range(40))
def test_folds_are_a_partition_that_respects_groups_and_weights(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 60))
    y = rng.integers(0, rng.integers(1, 6), n)
    y = y.astype(float) if seed % 4 == 0 else y
    groups = rng.integers(0, rng.integers(2, 12), n) if seed % 2 else None
    counted = rng.random(n) < 0.8
    counted[:2] = True
    if groups is not None:
        groups[:2] = [0, 1]
    units = np.arange(n) if groups is None else groups
    folds = shuffled_folds(int(rng.integers(2, 8)), y, groups, counted, seed)
    looks = np.zeros(n, dtype=int)
    for train, test in folds:
        assert len(train)
        assert counted[train].all()
        assert not set(units[train]) & set(units[test])
        looks[test] += 1
    assert (looks[counted] == 1).all()
    assert (looks[~counted] >= 1).all()


def test_folds_are_stratified():
    y = np.repeat([0, 1, 2], [50, 30, 10])
    for train, test in shuffled_folds(5, y, None, np.ones(90, dtype=bool), 3):
        assert np.bincount(y[test]).tolist() == [10, 6, 2]
        assert len(train) == 72


def test_rows_of_weight_zero_do_not_count(X, y):
    weights = np.random.default_rng(0).choice([0.0, 1.0, 2.0], len(y))
    counted = weights > 0
    model = make_pipeline(sk.StandardScaler(), sk.LogisticRegression())
    whole = LossSelector(model, random_state=0).fit(X, y, sample_weight=weights)
    part = LossSelector(model, random_state=0)
    part.fit(X[counted], y[counted], sample_weight=weights[counted])
    np.testing.assert_allclose(whole.scores_[counted], part.scores_)
    assert np.isfinite(whole.scores_).all()
    unweighted = LossSelector(model, random_state=0).fit(X[counted], y[counted])
    assert not np.allclose(unweighted.scores_, part.scores_)


def test_weights_reach_the_fits(routing):
    X, y = np.zeros((10, 1)), np.full(10, 0.5)
    weights = np.arange(10.0) + 1
    for model in (
        Counting().set_fit_request(sample_weight=True),
        make_pipeline(sk.MinMaxScaler(), Counting().set_fit_request(sample_weight=True)),
    ):
        folds = list(StratifiedKFold(2).split(X, np.arange(10) % 2))
        selector = LossSelector(model, cv=folds, task="regression")
        scores = selector.fit(X, y, sample_weight=weights).scores_
        expected = np.empty(10)
        for train, test in folds:
            expected[test] = -((weights[train].sum() - 0.5) ** 2)
        np.testing.assert_allclose(scores, expected)


def test_default_model_is_weighted_with_and_without_routing(X, y):
    weights = np.random.default_rng(0).random(len(y))
    plain = LossSelector(random_state=0).fit(X, y, sample_weight=weights)
    with config_context(enable_metadata_routing=True):
        routed = LossSelector(random_state=0).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(routed.scores_, plain.scores_)
    assert not np.allclose(plain.scores_, LossSelector(random_state=0).fit(X, y).scores_)


def test_alone_and_wrapped_give_the_same_order(X, y):
    model = sk.RandomForestClassifier(5)
    alone = LossSelector(model, random_state=3).fit(X, y)
    wrapped = SampleSubsetClassifier(model, LossSelector(), random_state=3).fit(X, y)
    np.testing.assert_array_equal(alone.order_, wrapped.selector_.order_)


def test_texts_are_read_by_the_wrapped_pipeline():
    texts = ["good film", "nice good film", "good", "bad film", "bad bad", "awful bad"] * 5
    y = np.array(["yes", "yes", "yes", "no", "no", "no"] * 5)
    y[0] = "no"
    model = make_pipeline(sk.CountVectorizer(), sk.LogisticRegression())
    fitted = SampleSubsetClassifier(model, LossSelector(), keep=0.8, random_state=0)
    fitted.fit(texts, y)
    assert fitted.selector_.order_[-1] == 0
    assert 0 not in fitted.sample_indices_
    assert fitted.predict(["good nice", "awful"]).tolist() == ["yes", "no"]


def test_frames_and_missing_values_are_read_by_the_wrapped_model():
    pandas = pytest.importorskip("pandas")
    X, y = load_iris(return_X_y=True, as_frame=True)
    X.iloc[::7, 0] = np.nan
    X["kind"] = pandas.Categorical(np.where(X.iloc[:, 1] > 3, "a", "b"))
    model = sk.HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype")
    fitted = SampleSubsetClassifier(model, MarginSelector(), random_state=0).fit(X, y)
    assert fitted.selector_.natural_size_ > 120


def test_class_weights_by_label():
    X, y = make_classification(80, random_state=0)
    y = np.array(["no", "yes"])[y]
    model = sk.LogisticRegression(class_weight={"no": 1, "yes": 50})
    favoured = LossSelector(model, random_state=0).fit(X, y)
    plain = LossSelector(sk.LogisticRegression(), random_state=0).fit(X, y)
    assert (favoured.scores_ > plain.scores_)[y == "yes"].mean() > 0.9


def test_frozen_model_is_used_as_it_is(X, y):
    y = np.array(["b", "a", "c"])[y]
    model = sk.LogisticRegression().fit(X, y)
    selector = LossSelector(sk.FrozenEstimator(model)).fit(X[:50], y[:50])
    own = model.predict_proba(X[:50])[
        np.arange(50), np.searchsorted(model.classes_, y[:50])
    ]
    np.testing.assert_allclose(own_probability(selector), own)
    with pytest.raises(ValueError, match="must know some of the classes"):
        LossSelector(sk.FrozenEstimator(model)).fit(X, np.where(y == "a", "d", "e"))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_models_without_probabilities(n_classes):
    X, y = make_classification(90, n_classes=n_classes, n_informative=4, random_state=0)
    labels = np.unique(y)
    for model in (sk.LinearSVC(), sk.RidgeClassifier(), sk.SVC()):
        model.fit(X, y)
        scores = model.decision_function(X)
        if n_classes == 2:
            expected = np.column_stack([expit(-scores), expit(scores)])
        else:
            expected = softmax(scores, axis=1)
        np.testing.assert_allclose(predict_rows(model, X, labels), expected)
    only_predict = [sk.VotingClassifier([("bayes", sk.GaussianNB())])]
    if n_classes == 3:
        only_predict.append(sk.SVC(decision_function_shape="ovo"))
    for model in only_predict:
        found = predict_rows(model.fit(X, y), X, labels)
        np.testing.assert_array_equal(found, model.predict(X)[:, None] == labels)


def test_precomputed_kernel():
    X, y = make_classification(60, random_state=0)
    kernel = rbf_kernel(X, gamma=0.05)
    plain = LossSelector(sk.SVC(gamma=0.05), random_state=0).fit(X, y)
    given = LossSelector(sk.SVC(kernel="precomputed"), random_state=0).fit(kernel, y)
    np.testing.assert_allclose(given.scores_, plain.scores_)


def test_containers_agree_on_the_default_model(container):
    X, y = load_iris(return_X_y=True)
    expected = LossSelector(random_state=0).fit(X, y).scores_
    found = LossSelector(random_state=0).fit(container(X), y).scores_
    np.testing.assert_allclose(found, expected, rtol=0.05, atol=0.05)


@pytest.mark.filterwarnings("ignore:.*cannot score:UserWarning")
def test_net_is_seeded_and_keeps_its_columns():
    torch = pytest.importorskip("torch")
    skorch = pytest.importorskip("skorch")
    X, y = make_classification(40, n_classes=3, n_informative=4, random_state=0)
    X, y = X.astype(np.float32), y.astype(np.int64)
    y[y == 1] = 0
    y[5] = 1  # no training part of its fold has class 1
    options = {"max_epochs": 2, "lr": 0.1, "verbose": 0, "train_split": None}
    module = torch.nn.Sequential(torch.nn.Linear(20, 3), torch.nn.Softmax(dim=1))
    net = skorch.NeuralNetClassifier(module, **options)
    first = LossSelector(net, random_state=0).fit(X, y)
    torch.manual_seed(5)
    second = LossSelector(net, random_state=0).fit(X, y)
    np.testing.assert_array_equal(first.scores_, second.scores_)
    assert first.scores_[5] == np.median(np.delete(first.scores_, 5))
    regressor = skorch.NeuralNetRegressor(torch.nn.Linear(20, 1), **options)
    target = X[:, :1]
    fitted = SampleSubsetRegressor(regressor, LossSelector())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a column of targets
        fitted.fit(X, target)
    assert len(fitted.sample_indices_) == 20


def test_arguments_are_checked(X, y):
    with pytest.raises(TypeError, match="needs an estimator that predicts"):
        LossSelector(sk.StandardScaler()).fit(X, y)
    with pytest.raises(ValueError, match="needs a model for classification"):
        LossSelector(sk.Ridge()).fit(X, y)
    with pytest.raises(
        ValueError, match="hold out each row at least once.*leaves 40 of 240"
    ):
        LossSelector(sk.DummyClassifier(), cv=TimeSeriesSplit(5)).fit(X, y)
    with pytest.raises(ValueError, match="parts overlap"):
        LossSelector(sk.DummyClassifier(), cv=[(np.arange(240), np.arange(240))]).fit(X, y)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        LossSelector(sk.LogisticRegression()).fit(np.where(X > 3, np.nan, X), y)
    with pytest.raises(ValueError, match="infinity"):
        LossSelector().fit(np.where(X > 3, np.inf, X), y)
    with pytest.raises(ValueError, match="make_pipeline\\(TfidfVectorizer"):
        LossSelector().fit(["a", "b"], [0, 1])


UNSCORED = {
    "confident": ConfidentLearningSelector,
    "neq": partial(ConfidentLearningSelector, filter_by="predicted_neq_given"),
    "loss": LossSelector,
    "margin": MarginSelector,
    "hard margin": partial(MarginSelector, prefer="hard"),
    "el2n": partial(EL2NSelector, n_repeats=2),
    "auto": AutoSelector,
    "by epochs": partial(ForgettingSelector, n_epochs=4),
    "by rounds": partial(ForgettingSelector, sk.GaussianNB(), n_repeats=3),
    "bags": partial(DataOOBSelector, n_estimators=10),
}


def rows_with_a_lone_class(alone):
    """Rows of 0 and 1, and a class 2 of which no row outside `alone` counts."""
    rng = np.random.default_rng(0)
    y = np.where(alone, 2, rng.integers(0, 2, len(alone)))
    return rng.normal(size=(len(alone), 3)) + y[:, None], np.array(["no", "may", "yes"])[y]


def assert_neutral(selector, X, y, unknown, words, mean=np.median, **params):
    with pytest.warns(UserWarning, match="cannot score") as caught:
        selector.fit(X, y, **params)
    assert len(caught) == 1
    assert all(word in str(caught[0].message) for word in words), caught[0].message
    counted = params.get("sample_weight", np.ones(len(y))) > 0
    expected = mean(selector.scores_[counted & ~unknown])
    np.testing.assert_allclose(selector.scores_[unknown], expected, atol=1e-12)
    if selector.has_natural_size:
        assert set(np.flatnonzero(unknown)) <= {*selector.order_[: selector.natural_size_]}


@pytest.mark.parametrize("name", UNSCORED)
@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("groups", ["6 of 6 rows of class 'odd' (which lies in one group", "6 of 6 rows"]),
        ("weights", ["6 of 6 rows of class 'yes' (which have weight 0)"]),
        ("rows", ["1 of 1 rows of class 'yes' (which has a single row)"]),
    ],
)
def test_rows_of_a_class_that_no_model_has_seen_are_neutral(name, case, words):
    groups = np.arange(90) // 6
    alone = np.arange(90) == 80 if case == "rows" else groups == 7
    X, y = rows_with_a_lone_class(alone)
    params = {"sample_weight": 1.0 - alone} if case == "weights" else {}
    if case == "groups":
        params = {"groups": groups.astype(str)}
        y[groups == 3] = "odd"
        alone |= groups == 3
    assert_neutral(UNSCORED[name](random_state=0), X, y, alone, words, **params)


WITH_CV = ["confident", "neq", "loss", "margin", "hard margin", "el2n"]


@pytest.mark.parametrize("name", WITH_CV)
def test_folds_of_sorted_classes_judge_nothing(name):
    X, y = load_iris(return_X_y=True)
    selector = UNSCORED[name](sk.GaussianNB(), cv=KFold(3))
    with pytest.warns(UserWarning, match="50 of 50 rows of class 0.*class 2.*Write cv=5"):
        selector.fit(X, y)
    assert not selector.scores_.any()
    assert getattr(selector, "natural_size_", 150) == 150


@pytest.mark.parametrize("name", WITH_CV)
def test_only_models_that_know_the_class_score_a_row(name):
    X, y = load_iris(return_X_y=True)
    sorted_folds, folds = (
        list(kind.split(X, y)) for kind in (KFold(3), StratifiedKFold(3))
    )
    once, twice = (
        UNSCORED[name](sk.GaussianNB(), cv=cv).fit(X, y)
        for cv in (folds, folds + sorted_folds)
    )
    np.testing.assert_array_equal(once.scores_, twice.scores_)
    np.testing.assert_array_equal(once.order_, twice.order_)


def test_a_part_of_a_class_may_be_unknown():
    X, y = load_iris(return_X_y=True)
    first = np.arange(150) % 50 < 20
    folds = [(np.flatnonzero(~first), np.flatnonzero(first))]
    folds.append((np.flatnonzero(first & (y < 2)), np.flatnonzero(~first)))
    selector = MarginSelector(sk.GaussianNB(), cv=folds)
    assert_neutral(selector, X, y, ~first & (y == 2), ["30 of 50 rows of class 2"])


@pytest.mark.parametrize("name", WITH_CV)
def test_a_frozen_model_that_does_not_know_a_class(name):
    X, y = rows_with_a_lone_class(np.arange(90) > 70)
    known = y != "yes"
    frozen = sk.FrozenEstimator(sk.GaussianNB().fit(X[known], y[known]))
    assert_neutral(UNSCORED[name](frozen), X, y, ~known, ["19 of 19 rows of class 'yes'"])


@pytest.mark.parametrize("name", [*WITH_CV, "by rounds", "bags"])
def test_codes_of_a_fold_without_a_class(name):
    xgboost = pytest.importorskip("xgboost")
    groups = np.arange(90) // 6
    X, y = rows_with_a_lone_class(groups == 7)
    codes = np.searchsorted(["may", "no", "yes"], y)  # 0 is in one group as 'may' is not
    codes = np.where(groups == 7, 0, codes + 1)
    model = xgboost.XGBClassifier(n_estimators=2, max_depth=2)
    selector = UNSCORED[name](random_state=0).set_params(estimator=model)
    assert_neutral(selector, X, codes, groups == 7, ["class 0", "group"], groups=groups)


@pytest.mark.parametrize("penalty", [L1PenaltySelector, L2PenaltySelector])
def test_leaving_out_the_only_row_of_a_class(penalty):
    X, y = rows_with_a_lone_class(np.arange(60) == 11)
    assert_neutral(penalty(), X, y, y == "yes", ["class 'yes'", "single row"])


@pytest.mark.parametrize("inner", [None, LossSelector(), "chain"])
def test_nested_selectors_name_the_classes_of_the_user(inner):
    groups = np.arange(90) // 6
    X, y = rows_with_a_lone_class(groups == 7)
    selector = CoverageCentricSelector(inner, random_state=0)
    if inner == "chain":
        selector = ChainSelector([ConfidentLearningSelector(random_state=0)])
    with pytest.warns(UserWarning, match=r"6 of 6 rows of class 'yes' \(.*one group"):
        selector.fit(X, y, groups=groups)


def test_auto_warns_where_few_rows_are_left():
    X, y = np.zeros((200, 1)), np.repeat(["a", "b"], 100)
    model = SampleSubsetClassifier(sk.DummyClassifier(), First(1), keep="auto")
    with pytest.warns(UserWarning, match="2 of 200 rows and one of 100 rows of class 'a'"):
        model.fit(X, y)
    model = SampleSubsetRegressor(sk.DummyRegressor(), First(9), keep="auto")
    with pytest.warns(UserWarning, match="left 9 of 200 rows. Look at"):
        model.fit(X, np.arange(200.0))
    with warnings.catch_warnings(action="error"):
        model.set_params(selector__size=10).fit(X, np.arange(200.0))
        model.set_params(keep=0.01).fit(X, np.arange(200.0))


class First(SampleSelector):
    """Keeps the first rows."""

    has_natural_size = True

    def __init__(self, size):
        self.size = size

    def _rank(self, X, y, context):
        return Ranking(np.arange(len(X)), natural_size=self.size)
