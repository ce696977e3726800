import warnings
from itertools import pairwise

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_blobs, make_regression
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import BaggingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_prune import SampleSubsetClassifier
from sklearn_prune._seeds import derive_seed
from sklearn_prune.sample_selection._forgetting import (
    ForgettingSelector,
    count_events,
    is_trained_by_epochs,
    right_looks,
)


def naive_events(correct):
    """Transitions from right to wrong, row by row; never right counts as all looks."""
    events = []
    for row in correct.T.tolist():
        if True not in row:
            events.append(len(row))
            continue
        count = 0
        for before, after in pairwise(row):
            count += before and not after
        events.append(count)
    return np.array(events)


def naive_order(correct, sign=1):
    """Fewest events first, then the most right looks, then the position."""
    events, right = naive_events(correct), correct.sum(axis=0)
    return sorted(range(len(events)), key=lambda i: (sign * events[i], -sign * right[i], i))


@pytest.fixture
def classes():
    return make_blobs(90, centers=3, cluster_std=3.0, random_state=0)


def test_events_are_transitions_from_right_to_wrong():
    correct = np.random.default_rng(0).random((7, 300)) < 0.4
    assert np.array_equal(count_events(correct), naive_events(correct))
    assert set(count_events(correct)) == {0, 1, 2, 3, 7}


@pytest.mark.parametrize(
    "estimator", [None, LogisticRegression(), DecisionTreeClassifier()]
)
def test_scores_order_by_events_and_then_by_right_looks(X, y, estimator):
    easy = ForgettingSelector(estimator, n_epochs=10, random_state=0).fit(X, y)
    assert easy.correct_.shape == (10, 90)
    assert np.array_equal(easy.forgetting_events_, naive_events(easy.correct_))
    assert easy.order_.tolist() == naive_order(easy.correct_)
    hard = ForgettingSelector(estimator, n_epochs=10, prefer="hard", random_state=0)
    assert hard.fit(X, y).order_.tolist() == naive_order(easy.correct_, sign=-1)
    assert 0 in easy.forgetting_events_
    assert len(set(easy.forgetting_events_)) > 2


@pytest.mark.parametrize(
    "model",
    [
        MLPClassifier((5,), batch_size=8, shuffle=False, early_stopping=True),
        SGDClassifier(shuffle=False, tol=None, early_stopping=True),
    ],
)
def test_looks_are_taken_after_each_epoch(X, y, model):
    model.set_params(random_state=3, max_iter=6)
    selector = ForgettingSelector(model, out_of_fold=False).fit(X, y)
    assert len(selector.correct_) == 6
    for epoch in range(6):  # the same training, stopped earlier
        shorter = model.__class__(**model.get_params())
        shorter.set_params(early_stopping=False, max_iter=epoch + 1)
        with warnings.catch_warnings(action="ignore"):
            predicted = shorter.fit(X, y).predict(X)
        assert np.array_equal(selector.correct_[epoch], predicted == y)
    assert len(set(selector.correct_.sum(axis=1))) > 1


def test_epochs_are_shuffled_anew(X, y):
    model = MLPClassifier((5,), batch_size=8, random_state=3)
    selector = ForgettingSelector(model, n_epochs=8, out_of_fold=False).fit(X, y)
    reference = MLPClassifier((5,), batch_size=8, random_state=np.random.RandomState(3))
    for correct in selector.correct_:
        reference.partial_fit(X, y, classes=[0, 1, 2])
        assert np.array_equal(correct, reference.predict(X) == y)


def test_steps_before_a_net_are_fitted_on_its_rows(X, y):
    mlp = MLPClassifier((5,), random_state=0, max_iter=5)
    nested = make_pipeline("passthrough", make_pipeline(StandardScaler(), mlp))
    scaled = StandardScaler().fit_transform(X)
    for kept in (X, X.tolist()):
        whole = ForgettingSelector(nested, out_of_fold=False).fit(kept, y)
        last = ForgettingSelector(mlp, out_of_fold=False).fit(scaled, y)
        assert np.array_equal(whole.correct_, last.correct_)


class Recall(ClassifierMixin, BaseEstimator):
    """Right about the rows it was fitted on, wrong about others; keeps their numbers."""

    fits = []

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.known_ = dict(zip(X[:, 0].tolist(), y.tolist(), strict=True))
        Recall.fits.append(set(self.known_))
        return self

    def predict(self, X):
        return np.array([self.known_.get(number, 0) for number in X[:, 0].tolist()])


@pytest.mark.parametrize("grouped", [False, True])
def test_each_look_is_by_models_that_have_not_seen_the_row(grouped):
    X, y = np.arange(60.0)[:, None], np.repeat([1, 0, 2], 20)
    y[0] = 0
    groups = np.arange(60) // 5 if grouped else None
    Recall.fits.clear()
    selector = ForgettingSelector(Recall(), n_repeats=4, random_state=0)
    selector.fit(X, y, groups=groups)
    # a model that knows other rows only says the first class, whatever the row
    assert np.array_equal(selector.correct_, np.tile(y == 0, (4, 1)))
    assert len(Recall.fits) == 12
    for repeat in range(4):
        held_out = [
            set(range(60)) - fit for fit in Recall.fits[3 * repeat : 3 * repeat + 3]
        ]
        assert set.union(*held_out) == set(range(60))
        assert sum(map(len, held_out)) == 60
        for fold in map(sorted, held_out):
            if grouped:
                assert all(
                    np.isin(np.flatnonzero(groups == groups[i]), fold).all() for i in fold
                )
            else:
                assert np.ptp([len(fold), 20]) == 0
                counts = np.bincount(y[np.array(fold, dtype=int)], minlength=3)
                assert np.all(np.abs(counts - np.bincount(y) / 3) < 1)
    assert Recall.fits[0] != Recall.fits[3]  # other folds at the next look


def test_nets_of_scikit_learn_have_not_seen_the_row():
    X = np.random.default_rng(0).normal(size=(80, 40))
    y = np.random.default_rng(1).integers(0, 2, 80)  # can be learned by heart only
    model = MLPClassifier((50,), learning_rate_init=0.05, random_state=0)
    seen = ForgettingSelector(model, out_of_fold=False, random_state=0).fit(X, y)
    unseen = ForgettingSelector(model, random_state=0).fit(X, y)
    assert seen.correct_[-1].mean() == 1
    assert unseen.correct_[-1].mean() < 0.7


def test_wrong_labels_come_last():
    X, y = make_blobs(300, centers=4, n_features=5, cluster_std=2.0, random_state=1)
    wrong = np.random.default_rng(0).random(300) < 0.2
    noisy = np.where(wrong, (y + 1) % 4, y)
    for model in (None, LogisticRegression(max_iter=500)):
        selector = ForgettingSelector(model, random_state=0).fit(X, noisy)
        assert roc_auc_score(~wrong, selector.scores_) > 0.93


def test_right_looks_of_regression_are_within_robust_deviations_of_the_best_look():
    # medians of the counted rows: 50 at the first look, 2 at the second
    losses = np.array([[50.0, 90.0, 7.4, 4.0], [7.5, 1.0, 2.0, 99.0]])
    y, counted = np.arange(4.0), np.array([True, True, True, False])
    expected = [[False, False, True, True], [False, True, True, False]]
    assert 7.4 < 2.5 * 1.4826 * 2 < 7.5
    assert right_looks(losses, y, counted).tolist() == expected
    assert right_looks(np.full((2, 4), 1e-16), y, counted).all()


@pytest.mark.parametrize(
    "model",
    [None, Ridge(), KNeighborsRegressor(), make_pipeline(StandardScaler(), SGDRegressor())],
)
def test_wrong_targets_come_last(model):
    X, y = make_regression(150, 3, noise=3.0, random_state=0)
    wrong = np.arange(0, 150, 10)
    y[wrong] += 500
    selector = ForgettingSelector(model, random_state=0).fit(X, y)
    right = np.delete(np.arange(150), wrong)
    assert np.all(selector.forgetting_events_[wrong] == len(selector.correct_))
    assert np.mean(selector.forgetting_events_[right]) < 1
    assert np.array_equal(selector.forgetting_events_, naive_events(selector.correct_))


def test_scale_of_the_target_does_not_matter_to_the_default():
    X, y = make_regression(60, 3, noise=3.0, random_state=0)
    first = ForgettingSelector(random_state=0).fit(X, y)
    other = ForgettingSelector(random_state=0).fit(X, 1024 * y)
    assert np.array_equal(first.correct_, other.correct_)


@pytest.mark.parametrize("estimator", [None, LogisticRegression()])
def test_weights_reach_the_fits(X, y, estimator):
    selector = ForgettingSelector(estimator, n_epochs=5, random_state=0)
    plain = selector.fit(X, y).correct_
    heavy = selector.fit(X, y, sample_weight=np.where(y == 1, 50.0, 1.0)).correct_
    assert heavy[:, y == 1].mean() > plain[:, y == 1].mean()


@pytest.mark.parametrize("out_of_fold", [True, False])
@pytest.mark.parametrize(
    "estimator",
    [
        KNeighborsClassifier(3),
        make_pipeline(StandardScaler(), MLPClassifier((5,), learning_rate_init=0.1)),
    ],
)
def test_rows_of_weight_zero_train_nothing(X, y, estimator, out_of_fold):
    if not out_of_fold and not is_trained_by_epochs(estimator):
        pytest.skip("has no epochs")
    weights = np.where(np.arange(90) < 20, 0.0, 1.0)
    changed = X.copy()
    changed[:20] = 99.0
    selector = ForgettingSelector(
        estimator, n_epochs=5, out_of_fold=out_of_fold, random_state=0
    )
    before = selector.fit(X, y, sample_weight=weights).correct_
    after = selector.fit(changed, y, sample_weight=weights).correct_
    assert np.array_equal(before[:, 20:], after[:, 20:])
    assert not np.array_equal(before, selector.fit(X, y).correct_)


@pytest.mark.parametrize("groups", [None, np.arange(60) % 7])
def test_targets_of_weight_zero_do_not_count(groups):
    X, y = make_regression(60, 3, noise=3.0, random_state=0)
    weights = np.where(np.arange(60) < 20, 0.0, 1.0)
    changed = np.where(weights, y, 1e6)
    selector = ForgettingSelector(n_epochs=5, random_state=0)
    before = selector.fit(X, y, sample_weight=weights, groups=groups).correct_
    after = selector.fit(X, changed, sample_weight=weights, groups=groups).correct_
    assert np.array_equal(before[:, 20:], after[:, 20:])


@pytest.mark.filterwarnings("ignore:.*cannot score:UserWarning")
def test_few_rows_and_classes():
    X = np.arange(8.0)[:, None]
    for model in (None, LogisticRegression(), SGDClassifier()):
        selector = ForgettingSelector(model, n_epochs=4, n_repeats=4, random_state=0)
        assert selector.fit(X, np.ones(8, int)).correct_.all()
        single = selector.fit(X, [0, 0, 0, 0, 0, 0, 0, 1])
        assert single.forgetting_events_[7] == 4
        assert selector.fit(X[:2], [0, 1]).forgetting_events_.tolist() == [4, 4]


@pytest.mark.parametrize("kind", [LogisticRegression, SGDClassifier])
def test_models_are_given_the_labels_of_the_user(X, y, kind):
    names = np.array(["a", "b", "c"])
    plain = ForgettingSelector(kind(class_weight={1: 30.0}), n_epochs=5, random_state=0)
    named = ForgettingSelector(kind(class_weight={"b": 30.0}), n_epochs=5, random_state=0)
    expected = plain.fit(X, y).correct_
    assert np.array_equal(named.fit(X, names[y]).correct_, expected)


def test_which_models_are_trained_by_epochs():
    for model in (MLPClassifier(), MLPRegressor(), SGDClassifier(), SGDRegressor()):
        assert is_trained_by_epochs(make_pipeline(StandardScaler(), model))
    for model in (
        MLPClassifier(solver="lbfgs"),
        SGDClassifier(class_weight="balanced"),
        BaggingClassifier(MLPClassifier()),
        LogisticRegression(),
    ):
        assert not is_trained_by_epochs(model)


def test_the_wrapped_model_reads_what_it_reads():
    texts = ["good film", "fine film", "great play"] * 6 + ["bad film", "poor play"] * 9
    y = np.array(["yes"] * 18 + ["no"] * 18)
    y[0] = "no"
    for last in (LogisticRegression(), MLPClassifier((4,), learning_rate_init=0.1)):
        inner = make_pipeline(TfidfVectorizer(), last)
        model = SampleSubsetClassifier(
            inner, ForgettingSelector(n_repeats=3), keep=0.9, random_state=0
        )
        with warnings.catch_warnings(action="ignore"):
            model.fit(texts, y)
        assert model.sample_scores_.argmin() == 0
        assert not model.sample_mask_[0]


def test_containers_give_the_same(classes, container):
    X, y = np.rint(classes[0]), classes[1]
    tree = DecisionTreeClassifier(random_state=0)
    expected = ForgettingSelector(tree, n_repeats=3, random_state=0).fit(X, y)
    selector = ForgettingSelector(tree, n_repeats=3, random_state=0).fit(container(X), y)
    assert np.array_equal(selector.correct_, expected.correct_)
    default = ForgettingSelector(n_epochs=3, random_state=0).fit(container(X), y)
    assert default.correct_.mean() > 0.4


def test_missing_values_count_as_the_mean_for_the_default(X, y):
    X[:5, 0] = np.nan
    assert ForgettingSelector(n_epochs=3, random_state=0).fit(X, y).correct_.any()
    with pytest.raises(ValueError, match="Input X contains NaN"):
        ForgettingSelector(LogisticRegression()).fit(X, y)


def test_what_cannot_be_followed_is_refused(X, y):
    frozen = FrozenEstimator(LogisticRegression().fit(X, y))
    with pytest.raises(ValueError, match="which a FrozenEstimator does not allow"):
        SampleSubsetClassifier(frozen, ForgettingSelector()).fit(X, y)
    with pytest.raises(ValueError, match=r"LogisticRegression\(\), which has none\. Write"):
        ForgettingSelector(LogisticRegression(), out_of_fold=False).fit(X, y)
    with pytest.raises(ValueError, match="needs a model for regression.*DummyClassifier"):
        ForgettingSelector(DummyClassifier(), task="regression").fit(X, y)
    with pytest.raises(ValueError, match="at least 2 rows of positive weight. Got 1,"):
        ForgettingSelector().fit(X, y, sample_weight=np.arange(90) == 4)
    names = set(ForgettingSelector().get_params())
    assert set(ForgettingSelector._parameter_constraints) == names


@pytest.fixture
def net():
    torch = pytest.importorskip("torch")
    skorch = pytest.importorskip("skorch")

    def make(kind, n_outputs, **params):
        class Module(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = torch.nn.Sequential(
                    torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, n_outputs)
                )

            def forward(self, X):
                values = self.layers(X)
                return values[:, 0] if "Binary" in kind else values

        params = {"lr": 0.1, "batch_size": 16, "train_split": None, "verbose": 0} | params
        return getattr(skorch, kind)(Module, **params)

    return make


def test_nets_look_after_each_epoch(classes, net):
    import torch

    X, y = classes[0].astype(np.float32), classes[1]
    params = {"criterion": torch.nn.CrossEntropyLoss, "callbacks": "disable"}
    model = net("NeuralNetClassifier", 3, max_epochs=4, **params)
    before = torch.random.get_rng_state()
    selector = ForgettingSelector(model, out_of_fold=False, random_state=5).fit(X, y)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert len(selector.correct_) == 4
    for epoch in range(4):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(5, "torch"))
            shorter = net("NeuralNetClassifier", 3, max_epochs=epoch + 1, **params)
            predicted = shorter.fit(X, y).predict(X)
        assert np.array_equal(selector.correct_[epoch], predicted == y)
    assert len(set(selector.correct_.sum(axis=1))) > 1
    assert not hasattr(model, "module_")


def test_nets_are_judged_out_of_fold_inside_a_pipeline(classes, net):
    import torch

    X, y = make_blobs(90, centers=[[0, 0], [9, 0], [0, 9]], random_state=0)
    y[4] = (y[4] + 1) % 3
    params = {"criterion": torch.nn.CrossEntropyLoss}
    inner = net("NeuralNetClassifier", 3, **params)
    pipe = make_pipeline(StandardScaler(), inner)
    selector = ForgettingSelector(n_epochs=15)
    model = SampleSubsetClassifier(pipe, selector, keep=0.8, random_state=0)
    model.fit(X.astype(np.float32), y)
    assert not model.selector_.correct_[5:, 4].any()
    assert model.selector_.correct_[-1].mean() > 0.8
    again = ForgettingSelector(pipe, n_epochs=15, random_state=0).fit(X.astype("f"), y)
    assert np.array_equal(again.correct_, model.selector_.correct_)


def test_a_net_that_stops_keeps_its_last_predictions(classes, net):
    import torch
    from skorch.callbacks import Callback

    class StopAtTwo(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 2:
                raise KeyboardInterrupt

    params = {"criterion": torch.nn.CrossEntropyLoss, "callbacks": [StopAtTwo()]}
    model = net("NeuralNetClassifier", 3, **params)
    selector = ForgettingSelector(model, n_epochs=5, random_state=0)
    correct = selector.fit(classes[0].astype("f"), classes[1]).correct_
    assert len(correct) == 5
    assert not np.array_equal(correct[0], correct[1])
    assert np.array_equal(correct[1:], np.tile(correct[1], (4, 1)))


def test_nets_of_two_classes_and_of_regression(net):
    X, y = make_blobs(60, centers=2, random_state=0)
    X = StandardScaler().fit_transform(X).astype("f")
    model = net("NeuralNetBinaryClassifier", 1)
    selector = ForgettingSelector(model, random_state=0).fit(X, y)
    assert len(selector.correct_) == 10
    assert selector.correct_[-1].mean() > 0.8
    floats = ForgettingSelector(model, random_state=0).fit(X, y.astype("f"))
    assert np.array_equal(floats.correct_, selector.correct_)
    target = X @ np.array([1.0, -2.0])
    target[7] += 15
    model = net("NeuralNetRegressor", 1, lr=0.01)
    selector = ForgettingSelector(model, n_epochs=12, random_state=0).fit(X, target)
    assert selector.forgetting_events_[7] == 12
    assert selector.correct_[-1].mean() > selector.correct_[0].mean()
