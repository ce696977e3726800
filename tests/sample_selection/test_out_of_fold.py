import warnings

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.datasets import load_iris, make_classification, make_regression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import (
    GroupKFold,
    RepeatedKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline

from sklearn_prune import SampleSubsetClassifier, SampleSubsetRegressor
from sklearn_prune._folds import shuffled_folds
from sklearn_prune.sample_selection._loss import LossSelector, MarginSelector
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
    groups = np.arange(len(y)) // 2 if grouped else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        selector = LossSelector(random_state=0).fit(X, y, groups=groups)
    assert sorted(selector.order_) == list(range(len(y)))
    alone = np.flatnonzero(np.array(sizes)[y] == 1)
    np.testing.assert_allclose(own_probability(selector)[alone], np.finfo(float).eps)


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
    assert own_probability(first)[5] > 1e-6
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
