import io
import pickle
import tracemalloc
from copy import copy
from time import process_time, sleep

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import config_context
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

from sklearn_prune import (
    PrunedClassifier,
    PrunedRegressor,
    SampleSubsetClassifier,
    SampleSubsetSampler,
    SampleSubsetTransformer,
)
from sklearn_prune.comparison.run.costs import (
    COSTS,
    _ShippingPickler,
    cost_scorer,
    count_parameters,
    fit_seconds,
    interleaved_latency,
    kept_rows,
    kept_units,
    predict_latency,
    prunes_nothing,
    requested_keeps,
    rows_seen,
    rows_trained,
    saved_bytes,
)
from sklearn_prune.predictors import stored_bytes
from sklearn_prune.sample_selection import HardnessSelector, RMHCSelector
from sklearn_prune.weight_pruning import shipped
from tests.estimators import sk

FOREST = sk.RandomForestClassifier(5, random_state=0)
PLAIN = [
    FOREST,
    sk.DecisionTreeClassifier(random_state=0),
    sk.BaggingClassifier(n_estimators=3, random_state=0),
    sk.BaggingClassifier(sk.LogisticRegression(), n_estimators=3, random_state=0),
    sk.GradientBoostingClassifier(n_estimators=3, random_state=0),
    sk.HistGradientBoostingClassifier(max_iter=3, random_state=0),
    sk.AdaBoostClassifier(n_estimators=3, random_state=0),
    sk.LogisticRegression(C=0.01, l1_ratio=1.0, solver="saga", max_iter=5),
    sk.SVC(),
    sk.KNeighborsClassifier(),
    sk.MLPClassifier((4,), max_iter=3, random_state=0),
    sk.GaussianNB(),
    sk.LinearDiscriminantAnalysis(),
    make_pipeline(sk.StandardScaler(), make_pipeline(sk.StandardScaler(), sk.SVC())),
    sk.OneVsRestClassifier(sk.LogisticRegression()),
    sk.OneVsOneClassifier(sk.LogisticRegression()),
    sk.OutputCodeClassifier(sk.LogisticRegression(), random_state=0),
    sk.CalibratedClassifierCV(sk.SVC(), cv=3),
    sk.CalibratedClassifierCV(FOREST, method="isotonic", cv=3),
    sk.VotingClassifier([("svm", sk.SVC()), ("forest", FOREST)]),
    sk.StackingClassifier([("svm", sk.SVC()), ("forest", FOREST)], cv=3),
    sk.RFE(sk.LogisticRegression()),
    sk.GridSearchCV(FOREST, {"max_depth": [2, 3]}, cv=2),
    SampleSubsetClassifier(FOREST, keep=0.3, random_state=0),
    sk.Ridge(),
    sk.SVR(),
    sk.KernelRidge(),
    sk.KNeighborsRegressor(),
    sk.GaussianProcessRegressor(),
    sk.RandomForestRegressor(5, random_state=0),
    sk.TransformedTargetRegressor(sk.Ridge(), transformer=sk.StandardScaler()),
]


@pytest.fixture(scope="module")
def classes():
    return load_iris(return_X_y=True)


def data_for(model):
    if is_classifier(model):
        return load_iris(return_X_y=True), PrunedClassifier
    X, y = load_diabetes(return_X_y=True)
    return (X[:100], y[:100]), PrunedRegressor


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", PLAIN, ids=lambda model: type(model).__name__)
def test_a_plain_model_counts_as_what_pruning_finds_before(model):
    data, wrapper = data_for(model)
    fitted = clone(model).fit(*data)
    pickled = pickle.dumps(fitted)
    found = count_parameters(fitted)
    assert pickle.dumps(fitted) == pickled
    pruned = wrapper(sk.FrozenEstimator(fitted), keep=1.0, refit=False).fit(*data)
    before, after = pruned.report_.before, pruned.report_.after
    assert found == (before["parameters"], before["nonzero"])
    assert count_parameters(pruned) == (after["parameters"], after["nonzero"])
    assert saved_bytes(pruned) == after["nbytes"]
    assert all(type(count) is float for count in found)


def test_a_net_counts_without_rows():
    skorch = pytest.importorskip("skorch")
    from torch import nn

    module = nn.Sequential(
        nn.Linear(4, 5), nn.BatchNorm1d(5, affine=False), nn.ReLU(), nn.Linear(5, 3)
    )
    net = skorch.NeuralNetClassifier(
        module, max_epochs=1, verbose=0, criterion=nn.CrossEntropyLoss
    )
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    net.fit(X, y)
    assert count_parameters(net) == (4 * 5 + 5 + 5 * 3 + 3,) * 2
    frozen = PrunedClassifier(sk.FrozenEstimator(net), keep=1.0, refit=False).fit(X, y)
    assert count_parameters(net)[0] == frozen.report_.before["parameters"]


def test_what_cannot_be_counted_is_not_a_number(classes):
    model = sk.LogisticRegression(max_iter=1000).fit(*classes)
    del model.coef_
    assert np.isnan(count_parameters(model)).all()
    with pytest.raises(NotFittedError):
        count_parameters(sk.LogisticRegression())


def test_members_that_are_pruned_count_as_pruned(classes):
    pruned = PrunedClassifier(FOREST, keep=0.3, random_state=0)
    vote = sk.VotingClassifier([("a", pruned), ("b", sk.SVC())], voting="hard").fit(
        *classes
    )
    alone = clone(pruned).fit(classes[0], classes[1])
    expected = (
        alone.report_.after["parameters"] + count_parameters(sk.SVC().fit(*classes))[0]
    )
    assert count_parameters(vote)[0] == expected
    pipe = make_pipeline(sk.StandardScaler(), sk.OneVsRestClassifier(pruned)).fit(*classes)
    members = pipe[-1].estimators_
    assert count_parameters(pipe)[1] == sum(m.report_.after["nonzero"] for m in members)


def test_shipped_looks_through_every_wrapper(X, y):
    pruned = PrunedClassifier(FOREST, keep=0.5, random_state=0)
    subset = SampleSubsetClassifier(pruned, keep=0.5, random_state=0).fit(X, y)
    assert shipped(subset) is subset.estimator_.compact_
    assert shipped(sk.FrozenEstimator(subset)) is subset.estimator_.compact_
    search = sk.GridSearchCV(subset, {"keep": [0.5]}, cv=2).fit(X, y)
    assert shipped(search) is search.best_estimator_.estimator_.compact_
    pipe = make_pipeline(sk.StandardScaler(), subset).fit(X, y)
    small = shipped(pipe)
    assert small.members_[0] is pipe[-1].estimator_.compact_
    assert np.array_equal(small.predict_proba(X), pipe.predict_proba(X))
    maps = SampleSubsetTransformer(sk.StandardScaler(), random_state=0)
    pipe = make_pipeline(maps, sk.SVC()).fit(X, y)
    small = shipped(pipe)
    assert small[0] is pipe[0].transformer_
    assert pipe[0] is not small[0]
    assert np.array_equal(small.predict(X), pipe.predict(X))
    plain = make_pipeline(sk.StandardScaler(), sk.SVC()).fit(X, y)
    assert shipped(plain) is plain
    assert shipped(pipe[-1]) is pipe[-1]
    assert shipped(PrunedClassifier(sk.SVC())).get_params()["keep"] == 0.5


def test_bytes_are_those_of_what_is_shipped(X, y):
    forest = clone(FOREST).fit(X, y)
    assert saved_bytes(forest) == len(pickle.dumps(forest, protocol=5))
    subset = SampleSubsetClassifier(sk.SVC(), HardnessSelector(), keep=0.5).fit(X, y)
    assert saved_bytes(subset) == len(pickle.dumps(subset.estimator_, protocol=5))
    pipe = make_pipeline(sk.StandardScaler(), PrunedClassifier(sk.SVC())).fit(X, y)
    assert saved_bytes(pipe) == stored_bytes(shipped(pipe))
    assert saved_bytes(pipe) < len(pickle.dumps(pipe, protocol=5))


def test_bytes_of_a_vote_count_compact_members(X, y):
    pruned = PrunedClassifier(FOREST, keep=0.5, random_state=0)
    subset = SampleSubsetClassifier(sk.SVC(), keep=0.5, random_state=0)
    vote = sk.VotingClassifier([("a", pruned), ("b", subset)]).fit(X, y)
    by_hand = copy(vote)
    by_hand.estimators_ = [vote.estimators_[0].compact_, vote.estimators_[1].estimator_]
    by_hand.named_estimators_ = Bunch(**dict(zip("ab", by_hand.estimators_, strict=True)))
    by_hand = len(pickle.dumps(by_hand, protocol=5))
    assert by_hand <= saved_bytes(vote) < by_hand + 100
    file = io.BytesIO()
    _ShippingPickler(file, protocol=5).dump(vote)
    loaded = pickle.loads(file.getvalue())
    assert type(loaded.estimators_[0]) is type(vote.estimators_[0].compact_)
    assert np.array_equal(loaded.predict(X), vote.predict(X))


def test_bytes_are_counted_without_holding_them():
    X = np.random.default_rng(0).random((200_000, 10))
    model = sk.KNeighborsClassifier(algorithm="brute").fit(X, X[:, 0] > 0.5)
    saved_bytes(model)
    tracemalloc.start()
    size = saved_bytes(model)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > X.nbytes
    assert peak < X.nbytes / 20


def test_bytes_of_what_has_no_pickle_are_not_a_number(classes):
    class Local(sk.LogisticRegression):
        pass

    assert np.isnan(saved_bytes(Local(max_iter=1000).fit(*classes)))


def test_rows_trained(X, y):
    subset = SampleSubsetClassifier(sk.SVC(), keep=0.2, random_state=0)
    assert rows_trained(clone(subset).fit(X, y)) == 30
    twice = SampleSubsetClassifier(subset, keep=0.5, random_state=0).fit(X, y)
    assert rows_trained(twice) == 15
    pipe = make_pipeline(sk.StandardScaler(), clone(subset)).fit(X, y)
    assert rows_trained(pipe) == 30
    search = sk.GridSearchCV(subset, {"keep": [0.2]}, cv=2).fit(X, y)
    assert rows_trained(search) == rows_trained(sk.FrozenEstimator(search)) == 30
    assert rows_trained(sk.KNeighborsClassifier().fit(X[:40], y[:40])) == 40
    assert rows_trained(sk.SVC().fit(X, y)) is None
    assert rows_trained(sk.SVC().fit(X, y), default=150) == 150
    pruned = PrunedClassifier(subset).fit(X, y)
    assert rows_trained(pruned, default=150) == 30
    assert rows_trained(PrunedClassifier(sk.SVC()).fit(X, y), default=150) == 150
    maps = make_pipeline(SampleSubsetTransformer(sk.StandardScaler()), sk.SVC()).fit(X, y)
    assert rows_trained(maps, default=150) == 150


def test_rows_of_a_sampler_are_those_of_the_model_after_it(classes):
    pipeline = pytest.importorskip("imblearn.pipeline")
    sampler = SampleSubsetSampler(keep=0.4, random_state=0)
    pipe = pipeline.make_pipeline(sk.StandardScaler(), sampler, sk.SVC()).fit(*classes)
    assert rows_trained(pipe) == 60
    assert np.array_equal(kept_rows(pipe, 150), sampler_of(pipe).sample_indices_)
    assert len(rows_seen(pipe, 150)) == 60


def sampler_of(pipe):
    return pipe.named_steps["samplesubsetsampler"]


def test_kept_units(X, y):
    pruned = PrunedClassifier(FOREST, unit="tree", keep=3, random_state=0)
    inner = SampleSubsetClassifier(pruned, keep=0.5, random_state=1)
    outer = SampleSubsetClassifier(inner, HardnessSelector(), keep=0.4)
    search = sk.GridSearchCV(make_pipeline(sk.StandardScaler(), outer), {}, cv=2).fit(X, y)
    ((unit, ids, n_units),) = kept_units(search)
    assert (unit, n_units) == ("tree", 5)
    best = search.best_estimator_[-1]
    assert np.array_equal(ids, best.estimator_.estimator_.kept_)
    rows = kept_rows(search, 150)
    assert np.array_equal(rows, best.sample_indices_[best.estimator_.sample_indices_])
    assert len(rows) == 30
    assert kept_units(sk.SVC().fit(X, y)) == []
    whole = SampleSubsetClassifier(sk.SVC(), keep=1.0).fit(X, y)
    assert kept_rows(whole, 150) is None
    assert len(rows_seen(whole, 150)) == 150


def test_keeps_that_were_asked_for():
    pruned = PrunedClassifier(sk.SVC(), keep=0.3)
    subset = SampleSubsetClassifier(pruned, RMHCSelector(keep=0.1), keep=1.0)
    pipe = make_pipeline(sk.StandardScaler(), subset)
    prefix = "samplesubsetclassifier__"
    assert requested_keeps(pipe) == {f"{prefix}keep": 1.0, f"{prefix}estimator__keep": 0.3}
    assert requested_keeps(pruned) == {"keep": 0.3}
    assert not prunes_nothing(pipe)
    assert prunes_nothing(pipe.set_params(samplesubsetclassifier__estimator__keep=1.0))
    assert prunes_nothing(sk.SVC())
    assert not prunes_nothing(SampleSubsetClassifier(sk.SVC(), keep="auto"))
    assert not prunes_nothing(SampleSubsetClassifier(sk.SVC(), keep=150))


class Clerk(BaseEstimator):
    """Writes down who was asked, with how many rows."""

    def __init__(self, name, book, seconds=0.0):
        self.name, self.book, self.seconds = name, book, seconds

    def predict(self, X):
        self.book.append((self.name, X.shape[0] if hasattr(X, "shape") else len(X)))
        sleep(self.seconds)


def test_latency_is_taken_in_turns():
    book = []
    models = {name: Clerk(name, book, 0.002 * (name == "c")) for name in "abc"}
    found = interleaved_latency(models, np.zeros((4, 2)), 10, rounds=4)
    assert {n_rows for _, n_rows in book} == {10}
    order = "".join(name for name, _ in book)
    assert order == "abc" + "abc" + "bca" + "cab" + "abc"
    assert list(found) == ["a", "b", "c"]
    assert all(0 < own.minimum <= own.median for own in found.values())
    assert found["c"].minimum >= 0.002 > found["a"].median


def test_latency_stops_when_its_time_is_spent():
    book = []
    slow = {"a": Clerk("a", book, 0.02), "b": Clerk("b", book, 0.02)}
    interleaved_latency(slow, np.zeros((4, 2)), rounds=50, budget=0.0)
    assert len(book) == 4
    assert predict_latency(slow["a"], np.zeros((4, 2)), budget=0.05) >= 0.02
    assert len(book) <= 9


@pytest.mark.parametrize("n_rows", [1, 7])
def test_latency_of_every_container(n_rows):
    pandas = pytest.importorskip("pandas")
    for X in (
        np.eye(3),
        csr_matrix(np.eye(3)),
        pandas.DataFrame(np.eye(3)),
        ["a", "b", "c"],
    ):
        book = []
        assert predict_latency(Clerk("a", book), X, n_rows, rounds=2) > 0
        assert set(book) == {("a", n_rows)}


def test_scorer_gives_the_negative_cost(X, y):
    model = SampleSubsetClassifier(PrunedClassifier(FOREST), keep=0.4).fit(X, y)
    assert cost_scorer("nbytes")(model, X, y) == -saved_bytes(model)
    assert cost_scorer("n_params")(model, X) == -count_parameters(model)[0]
    assert cost_scorer("n_nonzero")(model, X, y) == -count_parameters(model)[1]
    assert cost_scorer("n_samples")(model, X, y, sample_weight=y) == -60.0
    assert -1 < cost_scorer("predict_latency")(model, X, y) < 0
    assert cost_scorer("fit_time")(model, X, y) == -fit_seconds(model) < 0
    for name in COSTS:
        scorer = cost_scorer(name)
        assert repr(scorer) == f"cost_scorer({name!r})"
        assert pickle.loads(pickle.dumps(scorer)) == scorer == cost_scorer(name)
        assert type(scorer(model, X, y)) is float
    assert cost_scorer("nbytes") != cost_scorer("n_params")


def test_fit_time_is_what_the_wrapper_recorded(X, y):
    started = process_time()
    subset = SampleSubsetClassifier(FOREST, HardnessSelector(), keep=0.5).fit(X, y)
    spent = process_time() - started
    assert 0.5 * spent < fit_seconds(subset) <= spent
    pruned = PrunedClassifier(FOREST).fit(X, y)
    assert fit_seconds(pruned) == sum(pruned.report_.seconds.values())
    pipe = make_pipeline(sk.StandardScaler(), pruned).fit(X, y)
    assert fit_seconds(pipe) == fit_seconds(pipe[-1])


@pytest.mark.parametrize("cost", ["fit_time", "n_samples"])
def test_a_model_that_records_nothing_says_what_to_do(classes, cost):
    model = make_pipeline(sk.StandardScaler(), sk.SVC()).fit(*classes)
    with pytest.raises(
        ValueError, match=r"records.*Got Pipeline.*SampleSubsetClass"
    ) as info:
        cost_scorer(cost)(model, *classes)
    assert "\n" not in str(info.value)
    assert ("mean_fit_time" in str(info.value)) == (cost == "fit_time")


@pytest.mark.parametrize(
    ("cost", "hint"), [("nbyte", "Did you mean 'nbytes'"), (3, "Write 'nbytes'")]
)
def test_unknown_cost(cost, hint):
    with pytest.raises(ValueError, match=rf"one of 'nbytes', .*Got {cost!r}\. {hint}"):
        cost_scorer(cost)


@pytest.mark.filterwarnings("error:The scoring")
@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_scorers_of_costs_in_a_search(X, y, routing, n_jobs):
    costs = ("nbytes", "n_params", "n_nonzero", "n_samples", "fit_time")
    scoring = {"accuracy": make_scorer(accuracy_score)}
    scoring |= {cost: cost_scorer(cost) for cost in costs}
    model = SampleSubsetClassifier(sk.LogisticRegression(max_iter=1000), random_state=0)
    with config_context(enable_metadata_routing=routing):
        if routing:
            model.estimator.set_fit_request(sample_weight=True)
            model.set_params(selector=RMHCSelector(n_iter=5))
            model.selector.set_fit_request(sample_weight=False)
            scoring["accuracy"].set_score_request(sample_weight=True)
        search = sk.GridSearchCV(
            model,
            {"keep": [1.0, 0.5]},
            cv=3,
            scoring=scoring,
            refit="accuracy",
            n_jobs=n_jobs,
            error_score="raise",
        )
        search = clone(search).fit(X, y, sample_weight=np.ones(150))
        assert search.score(X, y) > 0.9
    assert search.scoring["nbytes"] == cost_scorer("nbytes")
    results = search.cv_results_
    assert list(results["mean_test_n_samples"]) == [-100.0, -50.0]
    assert list(results["mean_test_n_params"]) == [-15.0, -15.0]
    assert (results["mean_test_nbytes"] < -500).all()
    assert (results["split2_test_fit_time"] < 0).all()


def test_scorers_of_costs_in_cross_validation(classes):
    scoring = {"nbytes": cost_scorer("nbytes"), "accuracy": "accuracy"}
    found = cross_validate(
        PrunedClassifier(FOREST), *classes, cv=3, scoring=scoring, return_estimator=True
    )
    sizes = [model.report_.after["nbytes"] for model in found["estimator"]]
    assert list(found["test_nbytes"]) == [-size for size in sizes]
    alone = cross_validate(sk.SVC(), *classes, cv=3, scoring=cost_scorer("nbytes"))
    assert (alone["test_score"] < -1000).all()


def test_linear_regression_and_search_without_refit(X, y):
    assert count_parameters(sk.LinearRegression().fit(X, y)) == (5, 5)
    search = sk.GridSearchCV(sk.SVC(), {"C": [1]}, refit=False).fit(X, y)
    assert shipped(search) is search
    assert rows_trained(search, default=7) == 7
