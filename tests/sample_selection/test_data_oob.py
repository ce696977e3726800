import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_blobs, make_regression
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_prune import SampleSubsetClassifier, SampleSubsetTransformer
from sklearn_prune._meta import weight_params
from sklearn_prune._seeds import derive_seed
from sklearn_prune.sample_selection._data_oob import DataOOBSelector


def naive_values(model, X, y, *, n_bags, size, seed, groups=None, weights=None):
    """Mean over the bags without the row, by the definition; NaN if there is none."""
    groups = np.arange(len(y)) if groups is None else groups
    weights = np.ones(len(y)) if weights is None else weights
    pool = [g for g in np.unique(groups) if weights[groups == g].any()]
    found = [[] for _ in y]
    for b in range(n_bags):
        bag_seed = derive_seed(seed, f"bag {b}")
        drawn = np.random.default_rng(bag_seed).choice(pool, size)
        rows = np.array([i for g in np.sort(drawn) for i in np.flatnonzero(groups == g)])
        rows = np.sort(rows[weights[rows] > 0])
        params = {"sample_weight": weights[rows]} if np.ptp(weights) else {}
        model.fit(X[rows], y[rows], **params)
        for i in range(len(y)):
            if groups[i] not in drawn:
                predicted = model.predict(X[i : i + 1])[0]
                right = float(predicted == y[i])
                found[i].append(
                    right if y.dtype.kind == "i" else -((predicted - y[i]) ** 2)
                )
    return np.array([np.mean(values) if values else np.nan for values in found])


@pytest.fixture
def classes():
    return make_blobs(60, centers=3, cluster_std=3.0, random_state=0)


def test_values_are_those_of_the_definition(X, y):
    model = LogisticRegression(C=0.1)
    selector = DataOOBSelector(model, n_estimators=12, random_state=3).fit(X, y)
    expected = naive_values(model, X, y, n_bags=12, size=60, seed=3)
    assert np.array_equal(selector.scores_, expected)
    assert np.array_equal(selector.order_, np.argsort(-expected, kind="stable"))
    assert 0.2 < expected.mean() < 0.95  # neither all right nor all wrong


def test_values_of_regression_are_minus_squared_errors():
    X, y = make_regression(40, 3, noise=5.0, random_state=0)
    selector = DataOOBSelector(Ridge(), n_estimators=10, max_samples=0.5, random_state=1)
    expected = naive_values(Ridge(), X, y, n_bags=10, size=20, seed=1)
    np.testing.assert_allclose(selector.fit(X, y).scores_, expected)


@pytest.mark.parametrize("weighted", [False, True])
def test_groups_are_drawn_whole(X, y, weighted):
    groups = np.arange(60) // 4
    weights = np.tile([0.0, 1.0, 3.0], 20) if weighted else None
    if weighted:
        weights[:4] = 0.0  # a group that trains nothing
    model = LogisticRegression(C=0.1)
    selector = DataOOBSelector(model, n_estimators=8, max_samples=7, random_state=2)
    selector.fit(X, y, groups=groups.astype(str).astype(object), sample_weight=weights)
    codes = np.unique(groups.astype(str), return_inverse=True)[1]
    expected = naive_values(
        model, X, y, n_bags=8, size=7, seed=2, groups=codes, weights=weights
    )
    assert np.array_equal(selector.scores_, expected)


def test_a_row_in_every_sample_gets_the_mean_of_the_others():
    X = np.array([[0.0], [1.0], [5.0], [6.0], [5.4], [0.2]])
    y = np.array([0, 0, 1, 1, 0, 1])
    expected = naive_values(DecisionTreeClassifier(), X, y, n_bags=2, size=6, seed=5)
    assert np.isnan(expected).any()
    assert not np.isnan(expected).all()
    scores = DataOOBSelector(n_estimators=2, random_state=5).fit(X, y).scores_
    judged = ~np.isnan(expected)
    assert np.array_equal(scores[judged], expected[judged])
    assert np.all(scores[~judged] == expected[judged].mean())


def test_wrong_labels_come_last():
    X, y = make_blobs(300, centers=4, n_features=5, cluster_std=2.0, random_state=1)
    wrong = np.random.default_rng(0).random(300) < 0.2
    noisy = np.where(wrong, (y + 1) % 4, y)
    selector = DataOOBSelector(n_estimators=40, random_state=0).fit(X, noisy)
    assert roc_auc_score(~wrong, selector.scores_) > 0.95


@pytest.mark.parametrize("groups", [None, np.arange(60) % 5])
def test_rows_of_weight_zero_do_not_count_for_others(X, y, groups):
    weights = np.where(np.arange(60) < 10, 0.0, 1.0)
    changed, relabelled = X.copy(), y.copy()
    changed[:10], relabelled[:10] = 9.0, (y[:10] + 1) % 3
    # a model without weights, so that zeros have to be left out of its rows
    selector = DataOOBSelector(KNeighborsClassifier(3), n_estimators=9, random_state=0)
    before = selector.fit(X, y, sample_weight=weights, groups=groups).scores_
    after = selector.fit(changed, relabelled, sample_weight=weights, groups=groups).scores_
    assert np.array_equal(before[10:], after[10:])


def test_weights_follow_requests(routing):
    weights = np.array([1.0, 2.0])
    asks = LogisticRegression().set_fit_request(sample_weight=True)
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    assert weight_params(asks, weights) == {"sample_weight": weights}
    assert weight_params(make_pipeline(scaler, asks), weights) == {"sample_weight": weights}
    refuses = LogisticRegression().set_fit_request(sample_weight=False)
    assert weight_params(refuses, weights) == {}


def test_weights_reach_the_last_step_of_a_pipeline():
    weights = np.array([1.0, 2.0])
    nested = make_pipeline(PCA(), make_pipeline(StandardScaler(), LogisticRegression()))
    assert weight_params(nested, weights) == {
        "pipeline__logisticregression__sample_weight": weights
    }
    assert weight_params(KNeighborsClassifier(), weights) == {}


class Contiguous(ClassifierMixin, BaseEstimator):
    """Takes at least two classes, numbered from 0 without a gap."""

    def fit(self, X, y):
        labels, counts = np.unique(y, return_counts=True)
        if len(labels) < 2 or labels[-1] != len(labels) - 1:
            raise ValueError(f"Invalid classes {labels}")
        self.classes_, self.most_ = labels, labels[counts.argmax()]
        return self

    def predict(self, X):
        return np.full(len(X), self.most_)


@pytest.mark.filterwarnings("ignore:.*cannot score:UserWarning")
def test_samples_may_lack_classes():
    X = np.zeros((20, 1))
    y = np.repeat([0, 1, 2], [1, 4, 15])
    selector = DataOOBSelector(Contiguous(), n_estimators=80, max_samples=2, random_state=0)
    scores = selector.fit(X, y).scores_
    assert 0 < scores[1:5].mean() < scores[5:].mean() < 1
    named = selector.fit(X, np.array(["a", "b", "c"])[y]).scores_
    assert np.array_equal(named, scores)
    alone = DataOOBSelector(LogisticRegression(), random_state=0).fit(X, np.ones(20, int))
    assert np.all(alone.scores_ == 1)


def test_models_are_given_the_labels_of_the_user(X, y):
    weights = {0: 1.0, 1: 30.0, 2: 1.0}
    plain = LogisticRegression(class_weight=weights)
    expected = DataOOBSelector(plain, n_estimators=9, random_state=0)
    names = np.array(["a", "b", "c"])
    named = dict(zip(names, weights.values(), strict=True))
    model = LogisticRegression(class_weight=named)
    selector = DataOOBSelector(model, n_estimators=9, random_state=0)
    scores = selector.fit(X, names[y]).scores_
    assert np.array_equal(scores, expected.fit(X, y).scores_)
    assert selector.classes_.tolist() == ["a", "b", "c"]


def test_outputs_of_nets_are_numbered_by_all_classes():
    torch = pytest.importorskip("torch")
    skorch = pytest.importorskip("skorch")

    class Last(torch.nn.Module):  # says the last of three classes, whatever the row
        def __init__(self):
            super().__init__()
            self.bias = torch.nn.Parameter(torch.tensor([0.0, 0.0, 9.0]))

        def forward(self, X):
            return self.bias.expand(len(X), 3)

    net = skorch.NeuralNetClassifier(
        Last, criterion=torch.nn.CrossEntropyLoss, lr=0.0, train_split=None, verbose=0
    )
    X, y = np.zeros((20, 1), np.float32), np.repeat([0, 1, 2], [9, 2, 9])
    selector = DataOOBSelector(net.set_params(max_epochs=1), n_estimators=9, random_state=0)
    assert np.array_equal(selector.fit(X, y).scores_, y == 2)


def test_the_wrapped_model_reads_what_it_reads():
    texts = ["good film", "fine film", "great play"] * 6 + ["bad film", "poor play"] * 9
    y = np.array(["yes"] * 18 + ["no"] * 18)
    y[0] = "no"
    inner = make_pipeline(TfidfVectorizer(), LogisticRegression())
    selector = DataOOBSelector(n_estimators=20)
    model = SampleSubsetClassifier(inner, selector, keep=0.9, random_state=0).fit(texts, y)
    assert model.sample_scores_.argmin() == 0
    assert not model.sample_mask_[0]


def test_mixed_frames_are_read():
    pandas = pytest.importorskip("pandas")
    y = np.tile([0, 1], 15)
    X = pandas.DataFrame({"kind": np.where(y, "a", "b"), "size": np.arange(30.0)})
    y[0] = 1
    inner = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["kind"])), LogisticRegression()
    )
    scores = DataOOBSelector(inner, n_estimators=20, random_state=0).fit(X, y).scores_
    assert np.flatnonzero(scores < 0.5).tolist() == [0]


def test_containers_give_the_same(X, y, container):
    X = np.rint(X)
    expected = DataOOBSelector(n_estimators=8, random_state=0).fit(X, y).scores_
    selector = DataOOBSelector(n_estimators=8, random_state=0).fit(container(X), y)
    np.testing.assert_array_equal(selector.scores_, expected)


def test_precomputed_kernels_are_cut_on_both_sides(X, y):
    plain = DataOOBSelector(SVC(kernel="linear"), n_estimators=8, random_state=0).fit(X, y)
    selector = DataOOBSelector(SVC(kernel="precomputed"), n_estimators=8, random_state=0)
    assert np.array_equal(selector.fit(X @ X.T, y).scores_, plain.scores_)


def test_transformers_fall_back_on_the_tree(X, y):
    selector = DataOOBSelector(n_estimators=8)
    wrapped = SampleSubsetTransformer(PCA(), selector, random_state=4).fit(X, y)
    alone = DataOOBSelector(n_estimators=8, random_state=4).fit(X, y)
    assert np.array_equal(wrapped.sample_scores_, alone.scores_)


def test_missing_values_are_read_by_the_tree_and_refused_by_others(X, y):
    X[3, 0] = np.nan
    assert np.isfinite(
        DataOOBSelector(n_estimators=4, random_state=0).fit(X, y).scores_
    ).all()
    with pytest.raises(ValueError, match="Input X contains NaN"):
        DataOOBSelector(LogisticRegression()).fit(X, y)


def test_what_cannot_be_refitted_is_refused(X, y):
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    for frozen in (FrozenEstimator(fitted), make_pipeline(PCA(), FrozenEstimator(fitted))):
        with pytest.raises(ValueError, match="which a FrozenEstimator does not allow"):
            SampleSubsetClassifier(frozen, DataOOBSelector()).fit(X, y)
    with pytest.raises(ValueError, match="needs a model for classification.*Ridge"):
        DataOOBSelector(Ridge()).fit(X, y)
    for wrong in (LogisticRegression, PCA(), "tree"):
        with pytest.raises(TypeError, match="needs an estimator that predicts"):
            DataOOBSelector(wrong).fit(X, y)
    with pytest.raises(ValueError, match=r"at least 2 rows.*n_samples = 1\. Use"):
        DataOOBSelector().fit([[1.0]], [0])
    with pytest.raises(ValueError, match=r"at least 2 groups of positive weight\. Got 1"):
        DataOOBSelector().fit(X, y, groups=np.zeros(60))


def test_tags_are_those_of_the_model():
    assert DataOOBSelector().__sklearn_tags__().input_tags.allow_nan
    assert not DataOOBSelector(LogisticRegression()).__sklearn_tags__().input_tags.allow_nan
    assert set(DataOOBSelector._parameter_constraints) == set(
        DataOOBSelector().get_params()
    )
