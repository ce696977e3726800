import importlib
import linecache
import pickle
import re
import runpy
import sys
import types
from functools import partial
from pathlib import Path
from threading import Lock

import numpy as np
import pytest
from scipy.sparse import coo_array, csc_array, csr_array, issparse
from sklearn import clone, config_context
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    LeavePGroupsOut,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline

from sklearn_prune import (
    PrunedClassifier,
    PrunedRegressor,
    SampleSubsetClassifier,
    SampleSubsetRegressor,
    SampleSubsetSampler,
    SampleSubsetTransformer,
    compare_pruning,
)
from sklearn_prune._ranking import Ranking
from sklearn_prune.sample_selection import (
    DataOOBSelector,
    ForgettingSelector,
    HardnessSelector,
    L1PenaltySelector,
    L2PenaltySelector,
    LossSelector,
    MarginSelector,
    RandomSelector,
    SampleSelector,
)
from sklearn_prune.weight_pruning import RandomCriterion
from tests.estimators import sk

CLASSIFIERS = [
    sk.LogisticRegression(),
    sk.DecisionTreeClassifier(random_state=0),
    sk.RandomForestClassifier(5, random_state=0),
    sk.KNeighborsClassifier(),
    sk.SVC(),
    sk.MLPClassifier((4,), max_iter=20, random_state=0),
    make_pipeline(sk.StandardScaler(), sk.LogisticRegression()),
    sk.HistGradientBoostingClassifier(max_iter=3, random_state=0),
]
REGRESSORS = [
    sk.Ridge(),
    sk.DecisionTreeRegressor(random_state=0),
    sk.KNeighborsRegressor(),
    sk.SVR(),
    make_pipeline(sk.StandardScaler(), sk.Ridge()),
]
SELECTORS = [
    RandomSelector(random_state=0),
    RandomSelector("bernoulli", random_state=0),
    L1PenaltySelector(),
    L2PenaltySelector(),
    L2PenaltySelector(loss="logistic"),
]
quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Spy(ClassifierMixin, BaseEstimator):
    """Keeps what its fit is given."""

    def fit(self, X, y, sample_weight=None, groups=None, note=None):
        self.seen_ = {
            "X": X,
            "y": y,
            "sample_weight": sample_weight,
            "groups": groups,
            "note": note,
        }
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


class SpySelector(SampleSelector):
    """Ranks by position and counts its rankings; keeps what it is given."""

    n_rankings = 0
    has_natural_size = True

    def __init__(self, n_jobs=None, reverse=False):
        self.n_jobs = n_jobs
        self.reverse = reverse

    def _rank(self, X, y, context):
        SpySelector.n_rankings += 1
        self.context_, self.y_ = context, y
        order = np.arange(len(X))
        return Ranking(order[::-1] if self.reverse else order, natural_size=len(X) // 3)


class AllButFifteen(SampleSelector):
    """Ranks by position and would drop the last fifteen rows."""

    has_natural_size = True

    def _rank(self, X, y, context):
        return Ranking(np.arange(len(X)), natural_size=len(X) - 15)


def predictions(model, X):
    methods = ("predict", "predict_proba", "predict_log_proba", "decision_function")
    return {name: getattr(model, name)(X) for name in methods if hasattr(model, name)}


# What keep means


def test_keep_all_ranks_nothing_whatever_the_selector(X):
    before = SpySelector.n_rankings
    SampleSubsetTransformer(sk.PCA(2), L2PenaltySelector(), keep=1.0).fit(X)
    SampleSubsetTransformer(sk.PCA(2), SpySelector(), keep=1.0).fit(X)
    assert SpySelector.n_rankings == before


@quiet
@pytest.mark.parametrize("selector", [None, *SELECTORS], ids=repr)
@pytest.mark.parametrize("model", CLASSIFIERS[:5], ids=lambda m: type(m).__name__)
def test_the_model_is_a_fit_on_the_kept_rows(X, y, model, selector):
    subset = SampleSubsetClassifier(model, selector, keep=0.3, random_state=0).fit(X, y)
    kept = subset.sample_indices_
    assert np.array_equal(kept, np.flatnonzero(subset.sample_mask_))
    assert set(y[kept]) == {0, 1, 2}
    by_hand = clone(model).set_params(**seeds_of(subset)).fit(X[kept], y[kept])
    for name, values in predictions(by_hand, X).items():
        assert np.array_equal(values, getattr(subset, name)(X)), name


def seeds_of(subset):
    fitted = subset.estimator_.get_params()
    return {name: fitted[name] for name in fitted if name.endswith("random_state")}


@pytest.mark.parametrize("selector", [None, *SELECTORS], ids=repr)
def test_rows_are_nested_and_classes_keep_their_share(X, y, selector):
    before = set()
    for keep in (0.01, 0.02, 0.1, 0.25, 0.5, 0.9, 240, 1.0):
        model = SampleSubsetClassifier(Spy(), selector, keep=keep, random_state=1).fit(X, y)
        kept = model.sample_indices_
        assert before <= set(kept)
        before = set(kept)
        assert set(y[kept]) == {0, 1, 2}
        if getattr(selector, "scheme", "exact") == "exact" and keep not in (0.01, 0.02):
            share = len(kept) / len(y) * np.bincount(y)
            assert abs(np.bincount(y[kept]) - share).max() <= 1


def test_a_small_budget_still_keeps_each_class(X, y):
    assert len(SampleSubsetClassifier(Spy(), keep=2).fit(X, y).sample_indices_) == 3


def test_a_seed_means_the_same_alone_and_in_a_wrapper(X, y):
    alone = RandomSelector(random_state=5).fit(X, y)
    inside = SampleSubsetClassifier(Spy(), RandomSelector(), random_state=5).fit(X, y)
    assert np.array_equal(inside.selector_.order_, alone.order_)
    own = SampleSubsetClassifier(Spy(), RandomSelector(random_state=5), random_state=9)
    assert np.array_equal(own.fit(X, y).selector_.order_, alone.order_)


def test_without_a_seed_a_deterministic_selector_draws_nothing(X, y):
    state = np.random.get_state()[2]
    SampleSubsetClassifier(sk.LogisticRegression(), L2PenaltySelector()).fit(X, y)
    assert np.random.get_state()[2] == state
    SampleSubsetClassifier(sk.LogisticRegression()).fit(X, y)
    assert np.random.get_state()[2] != state


def test_a_seed_fills_only_missing_seeds_of_the_model(X, y):
    model = SampleSubsetClassifier(sk.RandomForestClassifier(3), random_state=0).fit(X, y)
    assert isinstance(model.estimator_.random_state, int)
    model = SampleSubsetClassifier(
        sk.RandomForestClassifier(3, random_state=7), random_state=0
    )
    assert model.fit(X, y).estimator_.random_state == 7
    assert model.estimator.random_state == 7


def test_auto_is_the_natural_size_plus_the_floor(X, y):
    order = np.argsort(y, kind="stable")
    model = SampleSubsetClassifier(Spy(), SpySelector(), keep="auto")
    with pytest.warns(UserWarning, match="one of 72 rows of class 1, one of 24 rows of"):
        model.fit(X[order], y[order])
    kept = model.sample_indices_
    starts = np.flatnonzero(np.diff(y[order])) + 1  # the best rows of the other classes
    assert set(kept) == {*range(80), *starts}


def test_auto_names_the_selectors_that_have_a_size(classes):
    with pytest.raises(ValueError, match="L1PenaltySelector, L2PenaltySelector"):
        SampleSubsetClassifier(Spy(), keep="auto").fit(*classes)


def test_a_class_that_alone_loses_its_rows_is_named():
    X = np.zeros((200, 1))
    y = np.repeat(["many", "few"], [190, 10])
    model = SampleSubsetClassifier(Spy(), AllButFifteen(), keep="auto")
    with pytest.warns(UserWarning, match=r"dropped 9 of 10 rows of class 'few', and 5 of"):
        model.fit(X, y)
    model.fit(X, np.repeat(["many", "few"], [100, 100]))  # no warning, no error


# Containers


def test_frames_and_names_reach_the_model(X, y):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcdefgh"), index=np.arange(240) + 1000)
    model = SampleSubsetClassifier(Spy(), keep=0.2, random_state=0)
    model.fit(frame, pd.Series(y, index=frame.index))
    seen = model.estimator_.seen_
    assert seen["X"].equals(frame.iloc[model.sample_indices_])
    assert seen["y"].index.equals(seen["X"].index)
    assert model.feature_names_in_.tolist() == list("abcdefgh")
    model.fit(X, y)
    assert not hasattr(model, "feature_names_in_")


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("inner", [sk.StandardScaler(), sk.PCA(3)])
@pytest.mark.parametrize("keep", [0.4, 1.0])
def test_set_output(X, y, library, inner, keep):
    pytest.importorskip(library)
    transformer = SampleSubsetTransformer(inner, keep=keep, random_state=0)
    frame = transformer.set_output(transform=library).fit_transform(X, y)
    assert type(frame).__module__.startswith(library)
    assert list(frame.columns) == list(transformer.get_feature_names_out())
    assert frame.shape[0] == 240
    assert np.array_equal(
        np.asarray(frame), transformer.set_output(transform="default").transform(X)
    )


def test_transform_maps_every_row_with_what_the_kept_rows_taught(X, y):
    transformer = SampleSubsetTransformer(sk.StandardScaler(), keep=0.25, random_state=0)
    Z = transformer.fit_transform(X, y)
    by_hand = sk.StandardScaler().fit(X[transformer.sample_indices_])
    assert np.array_equal(Z, by_hand.transform(X))
    assert np.allclose(transformer.inverse_transform(Z), X)
    assert not hasattr(SampleSubsetTransformer(sk.Nystroem()), "inverse_transform")
    assert transformer.task_ == "classification"
    assert transformer.fit(X).task_ is None


ENCODER = sk.TargetEncoder(cv=StratifiedKFold(4, shuffle=True, random_state=0))
ONE_HOT = sk.OneHotEncoder(handle_unknown="ignore")
CODES = sk.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)


class FitOnly(BaseEstimator):
    """A transformer without `fit_transform`, which not all have."""

    def fit(self, X, y=None):
        self.n_ = len(X)
        return self

    def transform(self, X):
        return np.full((len(X), 1), self.n_)


def gives(output):
    return sk.FunctionTransformer(output)


@pytest.mark.parametrize("keep", [0.6, 120, 1.0])
@pytest.mark.parametrize(
    ("inner", "kind"),
    [
        (ENCODER, "ndarray"),
        (make_pipeline(ENCODER, sk.StandardScaler()), "ndarray"),
        (sk.FeatureUnion([("means", ENCODER), ("codes", CODES)]), "ndarray"),
        (sk.ColumnTransformer([("m", ENCODER, [0]), ("o", ONE_HOT, [1])]), "csr_matrix"),
        (clone(ENCODER).set_output(transform="pandas"), "DataFrame"),
        (clone(ENCODER).set_output(transform="polars"), "DataFrame"),
        (ONE_HOT, "csr_matrix"),
        (make_pipeline(CODES, sk.KMeans(3, random_state=0)), "ndarray"),
        (gives(lambda X: coo_array(np.char.str_len(X.to_numpy(str)))), "coo_array"),
        (gives(lambda X: csc_array(np.char.str_len(X.to_numpy(str)))), "csc_array"),
        (gives(lambda X: X["a"].to_numpy()), "ndarray"),
        (gives(lambda X: X["a"].tolist()), "list"),
        (gives(lambda X: X.astype("category")), "DataFrame"),
        (gives(lambda X: X["a"]), "Series"),
        (FitOnly(), "ndarray"),
    ],
)
def test_kept_rows_come_from_fit_transform_and_others_from_transform(inner, kind, keep):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("polars")
    rng = np.random.default_rng(0)
    X = pandas.DataFrame(rng.integers(0, 9, (120, 2)).astype(str), columns=["a", "b"])
    X.index, y = rng.permutation(120), rng.integers(0, 2, 120)
    subset = SampleSubsetTransformer(inner, keep=keep, random_state=0)
    found = subset.fit_transform(X, y)
    assert type(found).__name__ == kind
    assert (len(found) if kind == "list" else found.shape[0]) == 120
    if hasattr(found, "iloc"):
        assert found.index.equals(X.index)
    rows, fitted = as_rows(found), clone(inner)
    kept, is_kept = subset.sample_indices_, subset.sample_mask_
    if hasattr(inner, "fit_transform"):
        expected = fitted.fit_transform(X.iloc[kept], y[kept])
    else:
        expected = fitted.fit(X.iloc[kept], y[kept]).transform(X.iloc[kept])
    assert np.array_equal(rows[is_kept], as_rows(expected))
    if not is_kept.all():
        assert np.array_equal(rows[~is_kept], as_rows(fitted.transform(X[~is_kept])))


def as_rows(output):
    return output.toarray() if issparse(output) else np.asarray(output)


@pytest.mark.parametrize("keep", [0.5, 0.9, 1.0])
def test_a_cross_fitted_transformer_tells_a_row_nothing_of_its_label(keep):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 300, (2000, 1)), rng.integers(0, 2, 2000)
    for inner in (ENCODER, sk.ColumnTransformer([("means", ENCODER, [0])])):
        model = SampleSubsetTransformer(inner, keep=keep, random_state=0)
        found = model.fit_transform(X, y)[model.sample_mask_, 0]
        assert abs(np.corrcoef(found, y[model.sample_mask_])[0, 1]) < 0.1


@pytest.mark.parametrize("keep", [0.6, 1.0])
def test_fit_transform_takes_parameters_with_and_without_routing(X, y, keep):
    weights, groups = np.random.default_rng(0).random(240), np.arange(240) % 12
    binner = sk.KBinsDiscretizer(encode="ordinal", quantile_method="averaged_inverted_cdf")
    with config_context(enable_metadata_routing=True):
        binner.set_fit_request(sample_weight=True)
    encoder = sk.TargetEncoder(cv=GroupKFold(3))  # of whose methods one takes groups
    params = {"sample_weight": weights, "groups": groups}
    for inner, name, routed in (
        (binner, "sample_weight", False),
        (binner, "sample_weight", True),
        (encoder, "groups", True),
        (make_pipeline(encoder, sk.StandardScaler()), "groups", True),
    ):
        with config_context(enable_metadata_routing=routed):
            subset = SampleSubsetTransformer(inner, keep=keep, random_state=0)
            found = subset.fit_transform(X.round(), y, **{name: params[name]})
            kept = subset.sample_indices_
            own = {name: params[name][kept]}
            expected = clone(inner).fit_transform(X.round()[kept], y[kept], **own)
            assert np.array_equal(found[kept], expected)
            outer = make_pipeline(subset, sk.LogisticRegression())
            if routed:
                outer[-1].set_fit_request(sample_weight=False)
                outer.fit(X.round(), y, **{name: params[name]})
                assert np.array_equal(outer[0].sample_indices_, kept)


@pytest.mark.parametrize("keep", [0.6, 1.0])
@pytest.mark.parametrize("inner", [sk.TSNE(), make_pipeline(sk.StandardScaler(), sk.MDS())])
def test_what_cannot_transform_other_rows_is_refused(X, y, inner, keep):
    with pytest.raises(TypeError, match="fit and transform"):
        SampleSubsetTransformer(inner, keep=keep).fit_transform(X, y)


def series(values):
    return pytest.importorskip("pandas").Series(values)


def data_frame(data):
    return pytest.importorskip("pandas").DataFrame(data)


TEXTS = [f"{words} word{i % 7}" for i, words in enumerate(["ham egg", "spam can"] * 40)]
KINDS = ["food", "mail"] * 40


def test_texts_into_an_inner_pipeline():
    model = SampleSubsetClassifier(
        make_pipeline(sk.TfidfVectorizer(), sk.LogisticRegression()),
        keep=0.2,
        random_state=0,
    )
    assert model.fit(TEXTS, KINDS).score(TEXTS, KINDS) == 1.0
    assert len(model.sample_indices_) == 16
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize("wrap", [list, np.array, series, lambda t: np.array(t, object)])
def test_texts_are_ranked_by_a_pipeline_that_ends_in_a_selector(wrap):
    model = SampleSubsetClassifier(
        make_pipeline(sk.TfidfVectorizer(), sk.LogisticRegression()),
        make_pipeline(sk.TfidfVectorizer(), L2PenaltySelector()),
        keep="auto",
    )
    labels = ["mail", *KINDS[1:]]  # the first is wrong
    model.fit(wrap(TEXTS), labels)
    assert 0 not in model.sample_indices_
    assert model.sample_scores_.argmin() == 0
    by_hand = L2PenaltySelector().fit(sk.TfidfVectorizer().fit_transform(TEXTS), labels)
    assert np.array_equal(model.selector_[-1].order_, by_hand.order_)


@pytest.mark.parametrize(
    ("X", "spelling"),
    [
        (TEXTS, r"make_pipeline\(TfidfVectorizer\(\), L2PenaltySelector\(\)\)"),
        (np.array(TEXTS), "TfidfVectorizer"),
        (np.zeros((80, 2, 3)), "FunctionTransformer"),
        (np.array([["x"]] * 80), "OneHotEncoder"),
        ([["x", "y"]] * 80, "OneHotEncoder"),
        (tuple(TEXTS), "TfidfVectorizer"),
        (np.zeros((80, 2, 3)).tolist(), "FunctionTransformer"),
        ([{"a": 1}] * 80, "DictVectorizer"),
    ],
)
def test_a_selector_that_cannot_read_the_rows_says_which_pipeline_can(X, spelling):
    with pytest.raises(ValueError, match=spelling):
        SampleSubsetClassifier(Spy(), L2PenaltySelector()).fit(X, KINDS)


def test_a_frame_of_texts_asks_for_a_pipeline():
    model = SampleSubsetClassifier(Spy(), L2PenaltySelector())
    with pytest.raises(ValueError, match="make_column_transformer"):
        model.fit(data_frame({"a": ["x"] * 80, "b": 1.0}), KINDS)
    with pytest.raises(ValueError, match="TfidfVectorizer"):
        model.fit(series(TEXTS), KINDS)


def test_strings_among_objects_are_named_too():
    X = np.array([["x", 1], ["y", 2]] * 40, dtype=object)
    with pytest.raises(ValueError, match=r"Got strings.*make_pipeline\(OneHotEncoder"):
        L2PenaltySelector().fit(X, KINDS)
    L2PenaltySelector().fit(X[:, 1:], KINDS)


def test_a_frame_of_objects_that_are_numbers():
    X = np.array([[1], [2]] * 40, dtype=object)
    L2PenaltySelector().fit(data_frame(X), KINDS)


def test_tensors_into_a_skorch_net(X, y):
    torch = pytest.importorskip("torch")
    from skorch import NeuralNetClassifier

    X = X.astype(np.float32).reshape(-1, 2, 4)
    net = NeuralNetClassifier(
        Flat, criterion=torch.nn.CrossEntropyLoss, max_epochs=2, train_split=None, verbose=0
    )
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    flat = make_pipeline(sk.FunctionTransformer(flatten), L2PenaltySelector())
    for selector in (None, flat):
        model = SampleSubsetClassifier(net, selector, keep=0.5, random_state=0).fit(X, y)
        assert torch.equal(torch.random.get_rng_state(), before)
        first = model.predict_proba(X)
        assert first.shape == (240, 3)
        assert np.array_equal(model.fit(X, y).predict_proba(X), first)
        torch.manual_seed(0)  # predict draws from torch's global generator
    assert model.fit(torch.as_tensor(X), y).estimator_.classes_.tolist() == [0, 1, 2]


def flatten(X):
    return np.asarray(X).reshape(len(X), -1)


def Flat():
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(8, 3))


def test_a_kernel_matrix_loses_columns_with_its_rows(X, y):
    K = rbf_kernel(X)
    model = SampleSubsetClassifier(sk.SVC(kernel="precomputed"), keep=0.5, random_state=0)
    kept = model.fit(K, y).sample_indices_
    by_hand = sk.SVC(kernel="precomputed").fit(K[np.ix_(kept, kept)], y[kept])
    assert np.array_equal(model.decision_function(K), by_hand.decision_function(K[:, kept]))
    assert model.n_features_in_ == 240


def test_several_targets_have_no_strata(X, y):
    Y = np.column_stack([y, y == 1])
    model = SampleSubsetClassifier(sk.RandomForestClassifier(3), keep=0.5, random_state=0)
    assert [p.shape for p in model.fit(X, Y).predict_proba(X)] == [(240, 3), (240, 2)]
    order = RandomSelector(random_state=0).fit(X).order_
    assert set(model.sample_indices_) == set(order[:120])
    model = SampleSubsetClassifier(sk.RandomForestClassifier(3), L2PenaltySelector())
    with pytest.raises(ValueError, match="one column of targets"):
        model.fit(X, Y)


def test_quantile_strata_of_a_continuous_target(classes):
    X = classes[0]
    y = np.sort(X[:, 0])
    model = SampleSubsetRegressor(
        sk.Ridge(), stratify="quantiles", keep=0.1, random_state=0
    )
    kept = model.fit(X, y).sample_indices_
    assert set(np.bincount(kept // 24, minlength=10)) == {2, 3}  # 2.4 of each tenth
    with pytest.raises(ValueError, match="quantiles"):
        SampleSubsetClassifier(Spy(), stratify="quantiles").fit(*classes)
    with pytest.raises(ValueError, match="quantiles"):
        SampleSubsetSampler(stratify="quantiles").fit(*classes)
    with pytest.raises(ValueError, match="needs one column .* Got no y"):
        SampleSubsetTransformer(sk.PCA(2), stratify="quantiles").fit(X)
    with pytest.raises(ValueError, match="needs one column"):
        SampleSubsetRegressor(sk.Ridge(), stratify="quantiles").fit(X, X[:, :2])


# Metadata


@pytest.mark.parametrize("selector", [None, *SELECTORS[:1], *SELECTORS[2:]], ids=repr)
def test_balanced_classes_share_the_budget(X, y, selector):
    """The classes have 142, 73 and 25 rows."""
    sizes, before = np.bincount(y), set()
    subsets = [
        SampleSubsetClassifier(sk.GaussianNB(), selector, stratify="balanced"),
        SampleSubsetTransformer(sk.StandardScaler(), selector, stratify="balanced"),
        SampleSubsetSampler(selector, stratify="balanced"),
    ]
    for keep in (2, 20, 60, 75, 90, 0.5, 200, 0.99):
        kept = [
            subset.set_params(keep=keep, random_state=0).fit(X, y).sample_indices_
            for subset in subsets
        ]
        assert all(np.array_equal(one, kept[0]) for one in kept)
        budget = max(3, keep if keep > 1 else round(keep * 240))
        counts = np.bincount(y[kept[0]])
        level = next(n for n in range(240) if np.minimum(sizes, n + 1).sum() > budget)
        assert counts.sum() == budget
        assert np.all(counts >= np.minimum(sizes, level))
        assert np.all(counts <= np.minimum(sizes, level + 1))
        assert before <= set(kept[0])
        before = set(kept[0])
    plain = subsets[0].set_params(keep=1.0).fit(X, y)
    assert len(plain.sample_indices_) == 240


def test_labels_of_any_kind_and_seeds_keep_the_same_balanced_rows(X, y):
    model = SampleSubsetClassifier(sk.GaussianNB(), stratify="balanced", keep=60)
    rows = model.set_params(random_state=0).fit(X, y).sample_indices_
    texts = np.array(["a", "b", "c"], dtype=object)[y]
    assert np.array_equal(model.fit(X, texts).sample_indices_, rows)
    assert np.bincount(y[rows]).tolist() == [20, 20, 20]


@pytest.mark.parametrize(
    ("model", "target", "says"),
    [
        (SampleSubsetRegressor(sk.Ridge()), 0, "for regression.*quantiles"),
        (SampleSubsetSampler(), 0, "for regression"),
        (SampleSubsetTransformer(sk.PCA(2)), None, "no y"),
        (SampleSubsetClassifier(sk.KNeighborsClassifier()), [0, 1], "shape .240, 2."),
        (SampleSubsetClassifier(sk.GaussianNB(), by_group=True), "y", "by_group=False"),
        (SampleSubsetClassifier(sk.GaussianNB(), SELECTORS[1]), "y", "scheme=.exact"),
    ],
    ids=repr,
)
def test_balanced_strata_need_classes_and_single_rows(X, y, model, target, says):
    targets = {"y": y, 0: X[:, 0], None: None}
    y = (X[:, target] > 0).astype(int) if isinstance(target, list) else targets[target]
    model = clone(model).set_params(stratify="balanced")
    params = {"groups": np.arange(240)} if model.by_group else {}
    with pytest.raises(ValueError, match=f"^stratify=.balanced.*{says}"):
        model.fit(X, y, **params)


def test_row_parameters_are_sliced_with_routing_off(X, y):
    weights, groups = np.arange(1.0, 241), np.arange(240) // 4
    model = SampleSubsetClassifier(Spy(), SpySelector(), keep=0.3)
    model.fit(X, y, sample_weight=weights.tolist(), groups=groups, note="as it is")
    kept, seen = model.sample_indices_, model.estimator_.seen_
    assert np.array_equal(seen["X"], X[kept])
    assert np.array_equal(seen["y"], y[kept])
    assert np.array_equal(seen["sample_weight"], weights[kept])
    assert np.array_equal(seen["groups"], groups[kept])
    assert seen["note"] == "as it is"
    context = model.selector_.context_
    assert np.array_equal(context.sample_weight, weights)
    assert np.array_equal(context.groups, groups)
    assert context.task == "classification"
    assert context.budget == 72
    assert isinstance(context.estimator, Spy)


def test_groups_do_not_reach_a_fit_that_does_not_name_them(X, y):
    model = SampleSubsetClassifier(sk.LogisticRegression(), SpySelector())
    model.fit(X, y, groups=np.arange(240))
    assert model.selector_.context_.groups is not None
    pipeline = make_pipeline(sk.FunctionTransformer(), Spy())
    for model in (SampleSubsetClassifier(pipeline), PrunedClassifier(pipeline, keep=1.0)):
        model.fit(X, y, groups=np.arange(240))
        spy = model.estimator_[-1]
        assert len(spy.seen_["groups"]) == len(spy.seen_["y"])


class SeesGroups(GroupKFold):
    """Checks that groups belong to their rows, whose first column repeats them."""

    n_calls = 0

    def split(self, X, y=None, groups=None):
        assert np.array_equal(np.asarray(X)[:, 0], groups)
        type(self).n_calls += 1
        return super().split(X, y, groups)


SEARCH = sk.GridSearchCV(sk.GaussianNB(), {"priors": [None]}, cv=SeesGroups(2))
SEARCH_Y = sk.GridSearchCV(sk.Ridge(), {"alpha": [1.0, 2.0]}, cv=SeesGroups(2))
SAME = sk.FunctionTransformer()


TAKE_GROUPS = [
    SEARCH,
    make_pipeline(SAME, make_pipeline(SAME, SEARCH)),
    sk.RandomizedSearchCV(sk.GaussianNB(), {"priors": [None]}, n_iter=1, cv=SEARCH.cv),
    sk.RFECV(sk.LogisticRegression(), cv=SEARCH.cv, min_features_to_select=8),
    sk.CalibratedClassifierCV(SEARCH, cv=2),
    sk.MultiOutputClassifier(SEARCH),
    sk.TransformedTargetRegressor(make_pipeline(SAME, SEARCH_Y)),
    SampleSubsetClassifier(make_pipeline(SAME, SEARCH), by_group=True),
    make_pipeline(SAME, SampleSubsetRegressor(SEARCH_Y)),
    sk.RegressorChain(SEARCH_Y),
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("model", "keep"),
    [(model, 0.7) for model in TAKE_GROUPS] + [(TAKE_GROUPS[1], "auto")],
)
def test_groups_reach_searches_with_routing_off(X, y, model, keep):
    groups = np.random.default_rng(0).integers(0, 9, 240)
    X, calls = np.column_stack([groups, X]), SeesGroups.n_calls
    if isinstance(model, sk.MultiOutputClassifier | sk.RegressorChain):
        y = np.column_stack([y, y == 1])
    wrappers = [SampleSubsetClassifier, PrunedClassifier]
    if is_regressor(model):
        wrappers = [SampleSubsetRegressor, PrunedRegressor]
    if keep == 0.7:
        wrappers[0](model, keep=keep).fit(X, y, groups=groups)
        assert SeesGroups.n_calls > calls
        calls = SeesGroups.n_calls
    wrappers[1](model, unit="feature", keep=keep, cv=2).fit(X, y, groups=groups)
    assert SeesGroups.n_calls > calls


@pytest.mark.parametrize("wrap", [SampleSubsetClassifier, PrunedClassifier])
def test_groups_stay_outside_where_the_model_takes_none(X, y, wrap):
    inner = SampleSubsetClassifier(sk.GaussianNB(), random_state=0)
    model, Y = wrap(sk.ClassifierChain(inner), random_state=0), np.column_stack([y, y == 1])
    if wrap is PrunedClassifier:  # whose default criterion has folds, by groups
        model.set_params(criterion=RandomCriterion())
    found = [model.fit(X, Y, groups=groups).predict(X) for groups in (None, np.arange(240))]
    assert np.array_equal(*found)
    search = sk.GridSearchCV(sk.GaussianNB(), {"priors": [None]}, cv=GroupKFold(2))
    with pytest.raises(ValueError, match="GroupKFold as cv of GridSearchCV .* routing"):
        wrap(sk.ClassifierChain(search)).fit(X, Y, groups=np.arange(240))


def test_groups_reach_searches_inside_a_selector_and_a_comparison(X, y):
    groups = np.random.default_rng(0).integers(0, 9, 240)
    X, calls = np.column_stack([groups, X]), SeesGroups.n_calls
    for selector in (
        LossSelector(SEARCH, cv=2),
        DataOOBSelector(make_pipeline(SAME, SEARCH), n_estimators=2),
        ForgettingSelector(SEARCH, n_folds=2, n_repeats=2),
    ):
        SampleSubsetClassifier(sk.GaussianNB(), selector).fit(X, y, groups=groups)
        assert SeesGroups.n_calls > calls
        calls = SeesGroups.n_calls
    pipeline = make_pipeline(SAME, SEARCH)
    variants = {
        "all": SampleSubsetClassifier(pipeline, keep=1.0),
        "half": SampleSubsetClassifier(pipeline, random_state=0),
        "pruned": make_pipeline(SAME, PrunedClassifier(SEARCH, unit="feature")),
        "search": pipeline,
    }
    compare_pruning(variants, X, y, baseline="all", groups=groups, cv=GroupKFold(2))
    assert SeesGroups.n_calls >= calls + 8


@pytest.mark.parametrize(
    "cv",
    [
        GroupKFold(3),
        LeaveOneGroupOut(),
        LeavePGroupsOut(2),
        StratifiedGroupKFold(3),
        GroupShuffleSplit(3, random_state=0),
    ],
    ids=lambda cv: type(cv).__name__,
)
def test_splitters_by_group_ask_for_groups(X, y, cv):
    inner, name = sk.LogisticRegression(), type(cv).__name__
    search = sk.GridSearchCV(inner, {"C": [1.0]}, cv=cv)
    says = f"^{name} as cv splits .* Got no groups"
    with pytest.raises(ValueError, match=says):
        PrunedClassifier(inner, keep="auto", cv=cv).fit(X, y)
    with pytest.raises(ValueError, match=says):
        SampleSubsetClassifier(inner, LossSelector(cv=cv)).fit(X, y)
    variants = {
        "all": PrunedClassifier(inner, keep=1.0),
        "half": PrunedClassifier(inner),
    }
    with pytest.raises(ValueError, match=says):
        compare_pruning(variants, X, y, cv=cv)
    says = f"{name} as cv of GridSearchCV splits .* got no groups"
    for model in (
        SampleSubsetClassifier(search),
        PrunedClassifier(make_pipeline(SAME, search)),
        SampleSubsetClassifier(inner, LossSelector(search)),
    ):
        with pytest.raises(ValueError, match=says):
            model.fit(X, y)
    with pytest.raises(ValueError, match=says):
        compare_pruning({"a": search, "b": search}, X, y, baseline="a")


def test_only_errors_about_groups_are_explained_by_a_missing_groups(X, y):
    search = sk.GridSearchCV(sk.LogisticRegression(), {"C": [1.0]}, cv=GroupKFold(3))
    fails = make_pipeline(sk.PolynomialFeatures(-1), search)
    for model in (SampleSubsetClassifier(fails), PrunedClassifier(fails)):
        with pytest.raises(ValueError, match="'degree' parameter"):
            model.fit(X, y)
    search = sk.GridSearchCV(sk.Ridge(), {"alpha": [1]}, cv=StratifiedGroupKFold(3))
    with pytest.raises(ValueError, match="target types"):
        SampleSubsetRegressor(search).fit(X, X[:, 0])


@pytest.mark.parametrize("inner", [sk.SVC(), sk.KNeighborsClassifier()])
def test_a_selector_as_criterion_has_no_groups(X, y, inner):
    search = sk.GridSearchCV(sk.LogisticRegression(), {"C": [1.0]}, cv=GroupKFold(3))
    for selector in (LossSelector(cv=GroupKFold(3)), LossSelector(search)):
        model = PrunedClassifier(inner, selector).set_params(
            unit="support_vector" if isinstance(inner, sk.SVC) else "prototype"
        )
        with pytest.raises(ValueError, match="^GroupKFold as cv .* Write cv=5"):
            model.fit(X, y, groups=np.arange(240))
    kept = model.set_params(keep=1.0).fit(X, y).kept_
    assert len(kept) == model.n_units_


@pytest.mark.parametrize("selector", [None, L2PenaltySelector()])
def test_weights_equal_a_fit_by_hand_with_routing_off(X, y, selector):
    weights = np.random.default_rng(0).uniform(0.1, 2, 240)
    model = SampleSubsetClassifier(sk.LogisticRegression(), selector, random_state=0)
    kept = model.fit(X, y, sample_weight=weights).sample_indices_
    by_hand = sk.LogisticRegression().fit(X[kept], y[kept], sample_weight=weights[kept])
    assert np.array_equal(model.estimator_.coef_, by_hand.coef_)
    if selector is not None:
        scores = L2PenaltySelector().fit(X, y, sample_weight=weights).scores_
        assert np.array_equal(model.sample_scores_, scores)


def test_step_parameters_of_an_inner_pipeline_are_sliced_with_routing_off(X, y):
    weights = np.arange(1.0, 241)
    model = SampleSubsetClassifier(sk.Pipeline([("spy", Spy())]), keep=0.3, random_state=0)
    model.fit(X, y, spy__sample_weight=weights)
    seen = model.estimator_[-1].seen_
    assert np.array_equal(seen["sample_weight"], weights[model.sample_indices_])


def test_weights_reach_a_selector_at_the_end_of_a_pipeline(X, y):
    weights = np.arange(1.0, 241)
    selector = make_pipeline(sk.StandardScaler(), SpySelector())
    model = SampleSubsetClassifier(Spy(), selector)
    model.fit(X, y, sample_weight=weights, groups=np.arange(240))
    context = model.selector_[-1].context_
    assert np.array_equal(context.sample_weight, weights)
    assert np.array_equal(context.groups, np.arange(240))


@pytest.mark.parametrize("selector", [None, "penalty"])
def test_cross_validate_with_weights_and_groups_and_routing(X, y, routing, selector):
    weights = np.random.default_rng(0).uniform(0.1, 2, 240)
    groups = np.arange(240) % 12
    if selector is not None:
        selector = L2PenaltySelector().set_fit_request(sample_weight=True)
    inner = sk.LogisticRegression().set_fit_request(sample_weight=True)
    model = SampleSubsetClassifier(inner, selector, keep=0.5, random_state=0)
    model.set_score_request(sample_weight=True)
    for outer in (model, sk.Pipeline([("scale", scaler()), ("clf", model)])):
        result = cross_validate(
            outer,
            X,
            y,
            cv=GroupKFold(3),
            params={"sample_weight": weights, "groups": groups},
            return_estimator=True,
            error_score="raise",
        )
        for (train, test), fitted, score in zip(
            GroupKFold(3).split(X, y, groups),
            result["estimator"],
            result["test_score"],
            strict=True,
        ):
            last = fitted[-1] if isinstance(fitted, sk.Pipeline) else fitted
            scale = (
                fitted[0] if isinstance(fitted, sk.Pipeline) else sk.FunctionTransformer()
            )
            kept = train[last.sample_indices_]
            by_hand = sk.LogisticRegression().fit(
                scale.transform(X[kept]), y[kept], sample_weight=weights[kept]
            )
            assert np.array_equal(last.estimator_.coef_, by_hand.coef_)
            of_test = scale.transform(X[test]), y[test]
            assert score == by_hand.score(*of_test, sample_weight=weights[test])


def scaler():
    return sk.StandardScaler().set_fit_request(sample_weight=False)


def test_selectors_request_groups_by_default(X, y, routing):
    model = SampleSubsetClassifier(sk.LogisticRegression(), SpySelector())
    model.fit(X, y, groups=np.arange(240))
    assert np.array_equal(model.selector_.context_.groups, np.arange(240))
    SampleSubsetClassifier(sk.LogisticRegression()).fit(X, y, groups=np.arange(240))
    SampleSubsetClassifier(sk.LogisticRegression()).fit(X, y)


def test_an_unset_request_is_an_error_with_routing(X, y, routing):
    with pytest.raises(Exception, match="not explicitly set as requested or not"):
        SampleSubsetClassifier(Spy()).fit(X, y, sample_weight=np.ones(240))


def test_predict_parameters_reach_the_model(classes):
    X, y = classes[0], classes[0][:, 0]
    model = SampleSubsetRegressor(sk.GaussianProcessRegressor(), keep=0.2).fit(X, y)
    assert len(model.predict(X, return_std=True)) == 2
    with config_context(enable_metadata_routing=True):
        inner = sk.GaussianProcessRegressor().set_predict_request(return_std=True)
        model = SampleSubsetRegressor(inner, keep=0.2).fit(X, y)
        assert len(model.predict(X, return_std=True)) == 2


@pytest.mark.parametrize("bad", [-1.0, np.nan])
@pytest.mark.parametrize("keep", [0.5, 1.0])
def test_bad_weights_are_refused_whoever_reads_them(X, y, bad, keep):
    weights = np.ones(240)
    weights[3] = bad
    with pytest.raises(ValueError, match="sample_weight must hold"):
        SampleSubsetClassifier(Spy(), keep=keep).fit(X, y, sample_weight=weights)


def test_weights_that_vanish_on_the_kept_rows_are_an_error(X, y):
    weights = np.zeros(240)
    weights[200:] = 1
    with pytest.raises(ValueError, match="every row that is kept"):
        SampleSubsetClassifier(Spy(), SpySelector(), keep=10, stratify=None).fit(
            X, y, sample_weight=weights
        )


# Searches, caches, callbacks


@quiet
@pytest.mark.filterwarnings("ignore:keep=.auto. dropped")
def test_grid_over_keep_selector_and_both_their_parameters(X, y):
    model = SampleSubsetClassifier(
        sk.LogisticRegression(), L2PenaltySelector(), random_state=0
    )
    grid = [
        {"clf__keep": [1.0], "clf__estimator__C": [0.1, 1.0]},
        {
            "clf__keep": [0.5, 60, "auto"],
            "clf__selector": [L2PenaltySelector()],
            "clf__selector__alpha": [0.1, 10.0],
            "clf__estimator__C": [0.1, 1.0],
        },
        {"clf__selector": [RandomSelector(), L1PenaltySelector()], "clf__keep": [0.2]},
    ]
    pipeline = sk.Pipeline([("scale", sk.StandardScaler()), ("clf", model)])
    search = sk.GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 16
    for params, score in zip(
        search.cv_results_["params"], search.cv_results_["split0_test_score"], strict=True
    ):
        again = clone(pipeline).set_params(**params)
        assert cross_val_score(again, X, y, cv=3)[0] == score


def test_memory_ranks_once_for_all_values_of_keep(X, y, tmp_path):
    selector = SpySelector()
    model = SampleSubsetClassifier(sk.LogisticRegression(), selector, memory=str(tmp_path))
    before = SpySelector.n_rankings
    grid = {"keep": [1.0, 0.8, 0.6, 0.4, 0.2], "selector__n_jobs": [1, 2]}
    sk.GridSearchCV(model, grid, cv=KFold(3), refit=False).fit(X, y)
    assert SpySelector.n_rankings == before + 3


def test_memory_tells_apart_what_a_ranking_depends_on(X, y, tmp_path):
    before = SpySelector.n_rankings
    model = SampleSubsetClassifier(
        Spy(), SpySelector(), memory=str(tmp_path), random_state=0
    )
    others = [
        (model, X, y, {}),
        (clone(model).set_params(selector__reverse=True), X, y, {}),
        (clone(model).set_params(random_state=1), X, y, {}),
        (model, X.astype(np.float32), y, {}),
        (model, X + 1, y, {}),
        (model, X, (y + 1) % 3, {}),
        (model, X, y, {"sample_weight": np.ones(240)}),
        (model, X, y, {"groups": np.arange(240)}),
        (SampleSubsetRegressor(sk.Ridge(), SpySelector(), memory=str(tmp_path)), X, y, {}),
    ]
    for fit, rows, target, params in others * 2:
        fit.fit(rows, target, **params)
    assert SpySelector.n_rankings == before + len(others)


def test_memory_knows_functions_by_their_code(X, y, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    path, cache, rankings = tmp_path / "own_steps.py", str(tmp_path / "cache"), []
    for result, n in (("X", 1), ("X + 1.0", 1), ("X", 2), ("X", 1)):
        path.write_text(
            "def make(n):\n"
            "    def step(X):\n"
            f"        return {result} if n else step(X)\n"
            "    step.__qualname__ = 'step'\n"
            "    return step\n"
            f"step = make({n})\n"
        )
        module = importlib.reload(importlib.import_module("own_steps"))
        before = SpySelector.n_rankings
        for step in (module.step, partial(module.step), partial(module.step)):
            selector = make_pipeline(sk.FunctionTransformer(step), SpySelector())
            SampleSubsetClassifier(Spy(), selector, memory=cache).fit(X, y)
        rankings.append(SpySelector.n_rankings - before)
    assert rankings == [2, 2, 2, 0]


EDITED_HEAD = """
from functools import lru_cache, partial, wraps
import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn_prune.sample_selection import L2PenaltySelector, Ranking, SampleSelector
class Base(SampleSelector):
    def _rank(self, X, y, context):
        return Ranking.from_scores(self.score(X[:, 0]))
def behind(function, *selectors):
    return make_pipeline(FunctionTransformer(function), *selectors, First())
class First(Base):
    score = staticmethod(lambda x: x)
"""
#: Parts of a module in which SIGN is edited; `ranks` makes a selector.
EDITED = {
    "a method": "class Own(Base):\n  def score(self, x): return SIGN * x\nranks = Own()",
    "a base class": "class Mid(Base):\n  def score(self, x): return SIGN * x\n"
    "class Own(Mid): pass\nranks = Own()",
    "a static method": "class Own(Base):\n  @staticmethod\n"
    "  def score(x): return SIGN * x\nranks = Own()",
    "a property": "class Own(Base):\n  @property\n  def sign(self): return SIGN\n"
    "  def score(self, x): return self.sign * x\nranks = Own()",
    "a class attribute": "class Own(Base):\n  sign = SIGN\n"
    "  def score(self, x): return self.sign * x\nranks = Own()",
    "a function": "def f(X): return SIGN * X\nranks = behind(f)",
    "a helper": "def g(x): return SIGN * x\nclass Own(Base):\n"
    "  def score(self, x): return g(x)\nranks = Own()",
    "a helper of a helper": "def h(x): return SIGN * x\ndef g(x): return h(x)\n"
    "def f(X): return np.stack([g(x) for x in X])\nranks = behind(f)",
    "helpers that call each other": "def g(x, n=1): return h(x, n) if n else SIGN * x\n"
    "def h(x, n): return g(x, n - 1)\ndef f(X): return g(X)\nranks = behind(f)",
    "a class that a function uses": "class K:\n  def of(self, X): return SIGN * X\n"
    "def f(X): return K().of(X)\nranks = behind(f)",
    "a lambda": "g = lambda x: SIGN * x\ndef f(X): return g(X)\nranks = behind(f)",
    "a number": "c = SIGN\ndef f(X): return c * X\nranks = behind(f)",
    "a list": "c = [0, SIGN]\ndef f(X): return c[1] * X\nranks = behind(f)",
    "an array": "c = np.array([SIGN])\ndef f(X): return c * X\nranks = behind(f)",
    "a default": "def f(X, c=SIGN): return c * X\nranks = behind(f)",
    "a partial": "def f(X, c): return c * X\nranks = behind(partial(f, c=SIGN))",
    "a partial of": "def f(X, c): return SIGN * c * X\nranks = behind(partial(f, c=1))",
    "what is decorated": "def less(g):\n  @wraps(g)\n  def f(X): return g(X) - 3\n"
    "  return f\n@less\ndef f(X): return SIGN * X\nranks = behind(f)",
    "a decorator": "def signed(g):\n  @wraps(g)\n  def f(X): return SIGN * g(X)\n"
    "  return f\n@signed\ndef f(X): return X\nranks = behind(f)",
    "what is cached": "@lru_cache\ndef g(n): return SIGN * n\ndef f(X): return g(1) * X\n"
    "ranks = behind(f)",
    "a callable object": "class K:\n  def __call__(self, X): return SIGN * X\n"
    "ranks = behind(K())",
    "a bound method": "class K:\n  def of(self, X): return SIGN * X\n"
    "ranks = behind(K().of)",
    "a class method": "class K:\n  @classmethod\n  def of(cls, X): return SIGN * X\n"
    "ranks = behind(K.of)",
    "an object in a parameter": "class K:\n  def of(self, X): return SIGN * X\n"
    "def f(X, k): return k['k'].of(X)\n"
    "ranks = make_pipeline(FunctionTransformer(f, kw_args={'k': {'k': K()}}), First())",
    "a table of functions": "def g(X): return SIGN * X\nT = {'g': [g]}\n"
    "def f(X): return T['g'][0](X)\nranks = behind(f)",
    "a table of lambdas": "T = {'g': lambda X: SIGN * X}\ndef f(X): return T['g'](X)\n"
    "ranks = behind(f)",
    "a global object": "class K:\n  def __init__(self, n): self.n = [n]\n"
    "k = K(K(SIGN))\ndef f(X): return k.n[0].n[0] * X\nranks = behind(f)",
    "a global object of a package": "from fractions import Fraction\nc = Fraction(SIGN)\n"
    "def f(X): return float(c) * X\nranks = behind(f)",
    "a vectorized function": "g = np.vectorize(lambda x: SIGN * x)\n"
    "def f(X): return g(X)\nranks = behind(f)",
    "a registered function": "from functools import singledispatch\n@singledispatch\n"
    "def g(X): return X\n@g.register(np.ndarray)\ndef of_array(X): return SIGN * X\n"
    "def f(X): return g(X)\nranks = behind(f)",
    "an enumeration": "from enum import Enum\nclass E(Enum):\n  A = SIGN\n"
    "def f(X): return E.A.value * X\nranks = behind(f)",
    "a dataclass": "from dataclasses import dataclass\n@dataclass\nclass D:\n"
    "  n: int = SIGN\ndef f(X): return D().n * X\nranks = behind(f)",
    "a list that a class names": "S = [SIGN]\nclass Own(Base):\n  s = S\n"
    "  def score(self, x): return self.s[0] * x\nranks = Own()",
    "an object in a class": "class K:\n  def of(self, x): return SIGN * x\n"
    "class Own(Base):\n  k = K()\n  def score(self, x): return self.k.of(x)\n"
    "ranks = Own()",
    "a partial method": "from functools import partialmethod\nclass Own(Base):\n"
    "  def g(self, c, x): return c * x\n  score = partialmethod(g, SIGN)\nranks = Own()",
    "a transformer": "from sklearn.base import BaseEstimator, TransformerMixin\n"
    "class T(TransformerMixin, BaseEstimator):\n  def fit(self, X, y=None): return self\n"
    "  def transform(self, X): return SIGN * X\nranks = make_pipeline(T(), First())",
    "a frozen transformer": "from sklearn.base import BaseEstimator, TransformerMixin\n"
    "from sklearn.frozen import FrozenEstimator\n"
    "class T(TransformerMixin, BaseEstimator):\n  def __sklearn_is_fitted__(self): return 1"
    "\n  def fit(self, X, y=None): return self\n  def transform(self, X): return SIGN * X\n"
    "ranks = make_pipeline(FrozenEstimator(T()), First())",
}


@pytest.mark.parametrize("place", ["a file", "no source", "a package with a version"])
def test_memory_knows_edited_code(X, y, tmp_path, monkeypatch, place):
    X, cache, found = X[:40], tmp_path / "cache", {}
    members = list(EDITED.items())[: 4 if "version" in place else None]
    for sign in (1, -1, 1):
        for number, (name, body) in enumerate(members):
            module = types.ModuleType(f"edited_{number}")
            text = EDITED_HEAD + body.replace("SIGN", str(sign))
            module.__file__ = str(tmp_path / f"{module.__name__}.py")
            if place != "no source":
                Path(module.__file__).write_text(text)
            if place == "a package with a version":
                module.__version__ = "1.0"
            monkeypatch.setitem(sys.modules, module.__name__, module)
            linecache.checkcache()
            filename = "<cell>" if place == "no source" else module.__file__
            exec(compile(text, filename, "exec"), vars(module))
            plain = SampleSubsetClassifier(Spy(), module.ranks, stratify=None)
            wanted = plain.fit(X, y[:40]).sample_indices_
            cached = clone(plain).set_params(memory=str(cache)).fit(X, y[:40])
            assert np.array_equal(cached.sample_indices_, wanted), name
            found.setdefault(name, []).append(wanted)
        n_stored = len(list(cache.rglob("output.pkl")))
        assert n_stored == len(members) * (1 if len(found[name]) == 1 else 2)
    for name, (one, other, _) in found.items():
        assert not np.array_equal(one, other), name


def test_memory_knows_objects_that_cannot_be_pickled(X, y, tmp_path, monkeypatch):
    """What code changes itself does not count, and equal code is ranked once."""
    body = (
        "from threading import Lock\nfrom logging import getLogger\n"
        "class K:\n  n = 0\n  calls = []\n"
        "  def of(self, x):\n    self.calls.append(1)\n    return x\n"
        "log, k, calls, lock_of = getLogger('own'), K(), [], {'lock': Lock()}\n"
        "def f(X):\n  with lock_of['lock']:\n    log.debug('f')\n    k.n += 1\n"
        "    calls.append(1)\n    return k.of(SIGN * X)\nranks = behind(f)"
    )
    module, kept = types.ModuleType("with_lock"), []
    monkeypatch.setitem(sys.modules, "with_lock", module)
    for sign in ("1", "1", "-1"):
        exec(EDITED_HEAD + body.replace("SIGN", sign), vars(module))
        model = SampleSubsetClassifier(Spy(), module.ranks, memory=str(tmp_path))
        kept += [model.fit(X, y).sample_indices_ for _ in range(2)]
    assert len(list(tmp_path.rglob("output.pkl"))) == 2
    assert np.array_equal(kept[0], kept[3])
    assert not np.array_equal(kept[0], kept[4])


def test_memory_goes_by_the_code_that_ran(X, y, tmp_path, monkeypatch):
    """A file that was edited after its import says what another process would run."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    path, kept = tmp_path / "edited_later.py", []
    texts = [EDITED_HEAD + EDITED["a method"].replace("SIGN", sign) for sign in ("1", "-1")]
    path.write_text(texts[0])
    module = importlib.import_module("edited_later")
    for _ in range(2):
        path.write_text(texts[1])
        model = SampleSubsetClassifier(Spy(), module.ranks, memory=str(tmp_path / "cache"))
        kept.append(model.fit(X, y).sample_indices_)
        module = importlib.reload(module)
    assert not np.array_equal(*kept)


def test_memory_of_scripts_that_share_names(tmp_path):
    script, kept = EDITED_HEAD + EDITED["a function"], []
    script += (
        "\nfrom sklearn.dummy import DummyClassifier\n"
        "from sklearn_prune import SampleSubsetClassifier\n"
        "X, y = np.arange(20.0)[:, None], np.arange(20) % 2\n"
        "model = SampleSubsetClassifier(DummyClassifier(), ranks, "
        f"memory={str(tmp_path)!r})\nkept = model.fit(X, y).sample_indices_.tolist()\n"
    )
    for sign in ("1", "-1", "1"):
        path = tmp_path / f"script{sign}.py"
        path.write_text(script.replace("SIGN", sign))
        kept.append(runpy.run_path(str(path), run_name="__main__")["kept"])
    assert kept == [[*range(10, 20)], [*range(10)], [*range(10, 20)]]
    assert len(list(tmp_path.rglob("output.pkl"))) == 2


@pytest.mark.parametrize("name", ["sklearn.__version__", "numpy.__version__"])
def test_memory_knows_versions(X, y, tmp_path, monkeypatch, name):
    model = SampleSubsetClassifier(Spy(), SpySelector(), memory=str(tmp_path))
    before = SpySelector.n_rankings
    model.fit(X, y)
    monkeypatch.setattr(name, "0.0")
    model.fit(X, y).fit(X, y)
    assert SpySelector.n_rankings == before + 2


def test_memory_repeats_warnings(X, y, tmp_path):
    groups = np.arange(len(y)) // 10
    labels = np.where(groups == 3, "alone", y.astype(str))
    model = SampleSubsetClassifier(Spy(), MarginSelector(), memory=str(tmp_path))
    for keep in (0.5, 0.2, "auto"):
        model.set_params(keep=keep, random_state=0)
        with pytest.warns(UserWarning, match="class 'alone' .*one group") as caught:
            model.fit(X, labels, groups=groups)
        assert sum("cannot score" in str(one.message) for one in caught) == 1
    assert len(list(tmp_path.rglob("output.pkl"))) == 1


def test_without_memory_nothing_is_hashed(X, y):
    class Local:
        lock = Lock()

    local = Local()

    def step(rows):
        return rows if Local.lock and local else None

    selector = make_pipeline(sk.FunctionTransformer(step), L2PenaltySelector())
    assert SampleSubsetClassifier(Spy(), selector, random_state=0).fit(X, y).selector_


def test_memory_knows_requests(X, y, tmp_path, routing):
    scores = []
    for asks in (False, True):
        selector = L2PenaltySelector().set_fit_request(sample_weight=asks)
        model = SampleSubsetClassifier(
            sk.LogisticRegression().set_fit_request(sample_weight=True),
            selector,
            memory=str(tmp_path),
        )
        model.fit(X, y, sample_weight=np.linspace(0.1, 9, len(y)))
        scores.append(model.sample_scores_)
    assert not np.array_equal(*scores)


def test_memory_gives_the_same_rows_and_no_random_ranking_twice(X, y, tmp_path):
    for selector in (
        L2PenaltySelector(),
        make_pipeline(sk.StandardScaler(), RandomSelector()),
    ):
        plain = SampleSubsetClassifier(Spy(), selector, random_state=0).fit(X, y)
        for _ in range(2):
            cached = SampleSubsetClassifier(
                Spy(), selector, random_state=0, memory=str(tmp_path)
            )
            assert np.array_equal(cached.fit(X, y).sample_indices_, plain.sample_indices_)
    unseeded = SampleSubsetClassifier(Spy(), memory=str(tmp_path))
    first, second = (set(unseeded.fit(X, y).sample_indices_) for _ in range(2))
    assert first != second


def test_callbacks_pass_through_all_levels(recorder, X, y):
    inner = make_pipeline(sk.StandardScaler(), sk.LogisticRegression())
    model = sk.Pipeline([("clf", SampleSubsetClassifier(inner, random_state=0))])
    model.set_callbacks(recorder).fit(X, y)
    owners = {name for name, _ in recorder.tasks}
    assert {"Pipeline", "SampleSubsetClassifier", "LogisticRegression"} <= owners
    assert ("SampleSubsetClassifier", "rank-rows") in recorder.tasks
    assert recorder.n_teardowns == 1
    assert not hasattr(inner, "_skl_callbacks")
    model = SampleSubsetClassifier(sk.SVC()).set_callbacks(recorder)
    model.fit(X, y)  # a model without callbacks is no reason to warn
    pickle.dumps(clone(model).set_callbacks().fit(X, y))


# Frozen models, copies, broken fits


def test_a_frozen_model_is_used_as_it_is(X, y):
    fitted = sk.LogisticRegression().fit(X[:50], y[:50])
    coef = fitted.coef_.copy()
    model = SampleSubsetClassifier(sk.FrozenEstimator(fitted), L2PenaltySelector()).fit(
        X, y
    )
    assert np.array_equal(model.predict_proba(X), fitted.predict_proba(X))
    assert np.array_equal(fitted.coef_, coef)
    transformer = SampleSubsetTransformer(sk.FrozenEstimator(sk.PCA(2).fit(X))).fit(X, y)
    assert transformer.transform(X).shape == (240, 2)


def test_a_frozen_transformer_ranks_with_its_fitted_state(X, y, tmp_path):
    scores = []
    for part in (slice(0, 50), slice(50, 240)):
        frozen = sk.FrozenEstimator(sk.PCA(2, random_state=0).fit(X[part]))
        model = SampleSubsetClassifier(
            Spy(), make_pipeline(frozen, L2PenaltySelector()), memory=str(tmp_path)
        )
        scores.append(model.fit(X, y).sample_scores_)
    assert not np.array_equal(*scores)


def test_a_refit_forgets_and_a_failed_refit_changes_nothing(X, y):
    model = SampleSubsetClassifier(sk.LogisticRegression(), L2PenaltySelector()).fit(X, y)
    before = {name: value for name, value in vars(model).items() if name.endswith("_")}
    with pytest.raises(ValueError):
        model.fit(X, np.where(np.arange(240) == 5, np.nan, y))
    with pytest.raises(TypeError):
        model.fit(X, y, no_such_parameter=1)
    assert all(vars(model)[name] is value for name, value in before.items())
    model.set_params(keep=1.0).fit(X, y)
    assert model.selector_ is None
    selector = L2PenaltySelector().fit(X, y)
    assert not hasattr(RandomSelector().fit(X), "scores_")
    selector._store(Ranking(np.arange(3)))
    assert not hasattr(selector, "scores_")
    assert not hasattr(selector, "natural_size_")


def test_unfitted_models_say_so(X):
    with pytest.raises(NotFittedError):
        SampleSubsetClassifier(sk.LogisticRegression()).predict(X)
    assert not hasattr(SampleSubsetClassifier(sk.LogisticRegression()), "sample_mask_")
    assert not hasattr(SampleSubsetClassifier(sk.LogisticRegression()), "classes_")
    assert not hasattr(SampleSubsetClassifier(sk.SVC()), "predict_proba")
    assert hasattr(SampleSubsetClassifier(sk.LogisticRegression()), "predict_proba")


WRAPPERS = [
    SampleSubsetClassifier(sk.LogisticRegression(), keep=0.8, random_state=0),
    SampleSubsetClassifier(sk.SVC(kernel="linear"), L2PenaltySelector(), keep=0.8),
    SampleSubsetClassifier(sk.RandomForestClassifier(10), keep=0.8, random_state=0),
    SampleSubsetClassifier(
        make_pipeline(sk.StandardScaler(), sk.LinearSVC()), keep=0.8, random_state=0
    ),
    SampleSubsetClassifier(sk.GridSearchCV(sk.SGDClassifier(), {"alpha": [1.0]}, cv=2)),
    SampleSubsetClassifier(PrunedClassifier(sk.GradientBoostingClassifier(n_estimators=9))),
    SampleSubsetRegressor(sk.Lasso(0.01), keep=0.8, random_state=0),
    PrunedClassifier(sk.LogisticRegression(), keep=0.9),
    PrunedClassifier(sk.HistGradientBoostingClassifier(max_iter=9)),
    PrunedClassifier(make_pipeline(sk.StandardScaler(), sk.LogisticRegression()), keep=0.9),
    PrunedClassifier(make_pipeline(sk.SimpleImputer(), sk.ExtraTreesClassifier(5))),
    PrunedClassifier(SampleSubsetClassifier(sk.GradientBoostingClassifier(n_estimators=9))),
    PrunedRegressor(sk.GridSearchCV(sk.Ridge(), {"alpha": [1.0]}, cv=2), keep=0.9),
]


@pytest.mark.parametrize("wrapper", WRAPPERS, ids=str)
def test_coefficients_and_importances_serve_feature_selection(wrapper):
    X = np.random.default_rng(0).normal(size=(200, 6))
    y = (3 * X[:, 1] - 2 * X[:, 4] > 0).astype(int)
    wrapper = clone(wrapper).set_params(random_state=0)
    names = ("coef_", "intercept_", "feature_importances_")
    assert not any(hasattr(wrapper, name) for name in names)
    kept = sk.RFE(wrapper, n_features_to_select=2, step=2).fit(X, y).get_support(True)
    assert kept.tolist() == [1, 4]
    kept = sk.SelectFromModel(wrapper, max_features=2).fit(X, y).get_support(True)
    assert kept.tolist() == [1, 4]
    fitted = wrapper.fit(X, y)
    assert hasattr(fitted, "coef_") != hasattr(fitted, "feature_importances_")
    assert hasattr(fitted, "intercept_") == hasattr(fitted, "coef_")


@pytest.mark.parametrize("wrap", [SampleSubsetClassifier, PrunedClassifier])
def test_selection_by_scores_works_around_the_wrappers(X, y, wrap):
    X, model = X[:, :3], wrap(sk.LogisticRegression(), keep=0.9, random_state=0)
    bare = sk.LogisticRegression()
    search = sk.RFECV(model, cv=3, min_features_to_select=2).fit(X, y)
    assert search.get_support().sum() >= 2
    chosen = sk.SequentialFeatureSelector(model, n_features_to_select=1, cv=3).fit(X, y)
    peer = sk.SequentialFeatureSelector(bare, n_features_to_select=1, cv=3).fit(X, y)
    assert np.array_equal(chosen.get_support(), peer.get_support())
    losses = permutation_importance(model.fit(X, y), X, y, n_repeats=3, random_state=0)
    assert losses.importances.shape == (3, 3)


TREE = sk.DecisionTreeClassifier(random_state=0)


@pytest.mark.parametrize("wrap", [SampleSubsetClassifier, PrunedClassifier])
@pytest.mark.parametrize("last", [sk.LogisticRegression(), TREE])
def test_coefficients_behind_steps_are_those_of_columns_of_x(X, y, wrap, last):
    steps = "passthrough", sk.StandardScaler(), sk.SelectKBest(k=4), SAME
    model = wrap(make_pipeline(*steps, clone(last)), keep=1.0).fit(X, y)
    by_hand = make_pipeline(*steps, clone(last)).fit(X, y)
    name = "coef_" if hasattr(by_hand[-1], "coef_") else "feature_importances_"
    expected = np.zeros((3, 8) if name == "coef_" else 8)
    expected[..., by_hand[2].get_support()] = getattr(by_hand[-1], name)
    if name == "coef_":
        assert np.allclose(getattr(model, name), expected, rtol=1e-12)
        assert np.array_equal(model.intercept_, by_hand[-1].intercept_)
    names = [f"column {number}" for number in range(8)]
    model.fit(data_frame(X).set_axis(names, axis=1), y)
    assert getattr(model, name).shape == expected.shape
    named = [("a", sk.StandardScaler(), [5, 2]), ("b", sk.SimpleImputer(), [7])]
    columns = sk.ColumnTransformer(named)
    by_hand = clone(last).fit(columns.fit_transform(X), y)
    model = wrap(make_pipeline(columns, clone(last)), keep=1.0).fit(X, y)
    expected[:] = 0
    expected[..., [5, 2, 7]] = getattr(by_hand, name)
    assert np.allclose(getattr(model, name), expected, rtol=1e-12)
    union = sk.FeatureUnion([("a", sk.SelectKBest(k=2))])
    model = wrap(make_pipeline(union, clone(last)), keep=1.0).fit(X, y)
    assert np.count_nonzero(getattr(model, name).any(axis=0)) <= 2
    twice = [("a", "passthrough", [0]), ("b", "passthrough", [0])]
    for step in (
        sk.PCA(4),
        sk.ColumnTransformer(twice),
        sk.ColumnTransformer(twice, verbose_feature_names_out=False),
        sk.FeatureUnion([("a", SAME), ("b", sk.StandardScaler())]),
        sk.ColumnTransformer([("a", sk.OneHotEncoder(), [0])], remainder="passthrough"),
    ):
        model = wrap(make_pipeline(step, clone(last)), keep=1.0).fit(X, y)
        assert not hasattr(model, name)


def test_n_iter_is_copied(X, y):
    model = SampleSubsetClassifier(sk.LogisticRegression(), random_state=0).fit(X, y)
    assert np.array_equal(model.n_iter_, model.estimator_.n_iter_)
    assert model.n_iter_ is not model.estimator_.n_iter_


# Wrong input


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (SampleSubsetClassifier(sk.IsolationForest()), "an outlier detector"),
        (SampleSubsetClassifier(sk.KMeans()), "a clusterer"),
        (SampleSubsetClassifier(sk.GaussianMixture()), "a density estimator"),
        (SampleSubsetClassifier(sk.Ridge()), "Use SampleSubsetRegressor"),
        (SampleSubsetRegressor(sk.SVC()), "Use SampleSubsetClassifier"),
        (SampleSubsetClassifier(sk.StandardScaler()), "with fit and predict"),
        (SampleSubsetTransformer(sk.SVC()), "Use SampleSubsetClassifier"),
        (SampleSubsetTransformer(sk.KNeighborsRegressor()), "Use SampleSubsetRegressor"),
        (SampleSubsetClassifier(sk.SVC), r"Write SVC\(\)"),
        (SampleSubsetClassifier("svc"), "Pass a scikit-learn estimator"),
        (SampleSubsetClassifier(None), "Pass a scikit-learn estimator"),
        (SampleSubsetClassifier(make_pipeline(sk.KMeans())), "a clusterer"),
        (
            SampleSubsetClassifier(
                make_pipeline(sk.StandardScaler(), sk.PCA(), sk.KMeans())
            ),
            "a clus",
        ),
    ],
    ids=repr,
)
def test_the_wrong_kind_of_model_is_refused(classes, model, says):
    with pytest.raises(TypeError, match=f"needs a .*{says}") as error:
        model.fit(*classes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("selector", "says"),
    [
        ("random", "RandomSelector()"),
        (sk.IsolationForest(), "RandomSelector()"),
        (make_pipeline(sk.StandardScaler(), sk.PCA()), "ends in one"),
        (sk.Pipeline([]), "ends in one"),
        (L2PenaltySelector, "Write selector=L2PenaltySelector()"),
        (SampleSubsetSampler(), "RandomSelector()"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("keep", [0.5, 1.0])
def test_what_is_no_selector_is_refused(classes, selector, says, keep):
    with pytest.raises(ValueError, match="^selector must be") as error:
        SampleSubsetClassifier(Spy(), selector, keep=keep).fit(*classes)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("rows", "got"),
    [
        (5, "a single int"),
        (np.array(3), "a single ndarray"),
        (np.float64(2), "a single float64"),
        ("text", "a str"),
        ({"a": [1, 2]}, "a dict"),
        ({1}, "a set"),
        ((i for i in range(240)), "a generator"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
@pytest.mark.parametrize(
    "model",
    [
        RandomSelector(),
        HardnessSelector(),
        SampleSubsetClassifier(sk.LogisticRegression()),
        SampleSubsetSampler(),
        PrunedClassifier(sk.LogisticRegression()),
    ],
    ids=lambda m: type(m).__name__,
)
def test_what_has_no_rows_is_named(X, y, model, rows, got):
    with pytest.raises(TypeError, match=f"^X must be an array.* Got {got}. Pass"):
        clone(model).fit(rows, y)
    with pytest.raises(TypeError, match=r"^X must be an array.* Got None\. Pass"):
        clone(model).fit(None, y)
    with pytest.raises(TypeError, match=f"^y must be an array.* Got {got}. Pass"):
        clone(model).fit(X, rows)


@pytest.mark.parametrize("wrapper", [SampleSubsetClassifier, PrunedClassifier])
def test_dicts_are_refused_where_the_model_cannot_read_them(classes, wrapper):
    X, y = [{"a": value} for value in classes[0][:, 0]], classes[1]
    with pytest.raises(TypeError, match="not 'dict'"):
        wrapper(sk.LogisticRegression()).fit(X, y)
    model = wrapper(make_pipeline(sk.DictVectorizer(), sk.LogisticRegression())).fit(X, y)
    assert model.predict(X).shape == (240,)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "inner",
    [
        sk.LogisticRegression(),
        sk.KNeighborsClassifier(),
        make_pipeline(sk.StandardScaler(), sk.LogisticRegression()),
        make_pipeline(sk.SimpleImputer(), sk.DecisionTreeClassifier()),
    ],
    ids=lambda m: type(m).__name__,
)
@pytest.mark.parametrize("wrap", [np.asarray, csr_array, data_frame])
def test_a_dropped_row_hides_nothing(X, y, inner, value, wrap):
    model = SampleSubsetClassifier(inner, keep=0.1, random_state=0).fit(X, y)
    X = X.copy()
    dropped = np.flatnonzero(~model.sample_mask_)[0]
    X[dropped, 0] = value
    sparse_scaling = wrap is csr_array and "standardscaler" in getattr(
        inner, "named_steps", ()
    )
    try:
        clone(inner).fit(wrap(X), y)
    except ValueError:
        says = "Cannot center sparse" if sparse_scaling else "contains (NaN|infinity)"
        with pytest.raises(ValueError, match=says):
            model.fit(wrap(X), y)
    else:
        model.fit(wrap(X), y)
        assert not model.sample_mask_[dropped]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_dropped_target_hides_nothing(classes, value):
    X, y = classes[0], classes[0][:, 0].copy()
    y[7] = value
    for model in (SampleSubsetRegressor(sk.Ridge(), keep=0.1), SampleSubsetSampler()):
        with pytest.raises(ValueError, match="NaN|infinity"):
            model.fit(X, y)


def test_targets_must_be_there_for_whoever_reads_them(X):
    with pytest.raises(ValueError, match="SampleSubsetClassifier requires y"):
        SampleSubsetClassifier(sk.LogisticRegression()).fit(X, None)
    with pytest.raises(ValueError, match="L2PenaltySelector requires y.*RandomSelector"):
        SampleSubsetTransformer(sk.PCA(), L2PenaltySelector()).fit(X)
    with pytest.raises(ValueError, match="L1PenaltySelector requires y"):
        SampleSubsetSampler(L1PenaltySelector()).fit(X)
    with pytest.raises(ValueError, match="SampleSubsetSampler requires y"):
        SampleSubsetSampler().fit_resample(X, None)
    with pytest.raises(ValueError, match="must hold numbers. Got .*'a'"):
        SampleSubsetRegressor(sk.Ridge()).fit(X, ["a"] * 240)
    with pytest.raises(ValueError, match="at least one row"):
        SampleSubsetClassifier(sk.LogisticRegression()).fit(X[:0], [])


@pytest.mark.parametrize(
    "model",
    [
        SampleSubsetClassifier(None),
        SampleSubsetClassifier(sk.SVC),
        SampleSubsetClassifier(sk.SVC(), "random"),
        SampleSubsetTransformer("scale", L2PenaltySelector),
        SampleSubsetSampler("random"),
    ],
)
def test_wrong_arguments_can_still_be_shown(model):
    assert type(model).__name__ in repr(model)
    assert type(model).__name__ in model._repr_html_()


def test_memory_is_checked(classes):
    with pytest.raises(ValueError, match="memory"):
        SampleSubsetClassifier(sk.LogisticRegression(), memory=3).fit(*classes)


def test_a_selector_that_cannot_be_cached_says_so(classes, tmp_path):
    ranker = make_pipeline(sk.FunctionTransformer(lambda X: X), L2PenaltySelector())
    model = SampleSubsetClassifier(sk.LogisticRegression(), ranker, memory=str(tmp_path))
    with pytest.raises(
        TypeError, match="named functions instead of lambdas, or memory=None"
    ):
        model.fit(*classes)
    model.set_params(memory=None).fit(*classes)


def test_weights_may_be_a_polars_series(X, y):
    polars = pytest.importorskip("polars")
    weights = np.arange(1.0, 241)
    model = SampleSubsetClassifier(sk.LogisticRegression(), random_state=0)
    coef = model.fit(X, y, sample_weight=weights).estimator_.coef_
    model.fit(X, y, sample_weight=polars.Series(weights))
    assert np.array_equal(model.estimator_.coef_, coef)


def test_a_supervised_transformer_asks_for_its_target(classes):
    rfe = sk.RFE(sk.LogisticRegression())
    for inner in (rfe, make_pipeline(sk.StandardScaler(), sk.FeatureUnion([("rfe", rfe)]))):
        for method in ("fit", "fit_transform"):
            with pytest.raises(ValueError, match="RFE requires y"):
                getattr(SampleSubsetTransformer(inner), method)(classes[0])


def test_the_wrapper_imposes_the_task(X, y):
    asked = L2PenaltySelector(task="regression")
    model = SampleSubsetClassifier(sk.LogisticRegression(), asked).fit(X, y)
    assert np.array_equal(model.sample_scores_, L2PenaltySelector().fit(X, y).scores_)


def test_a_frozen_kernel_model_keeps_its_columns(X, y):
    K = rbf_kernel(X)
    fitted = sk.SVC(kernel="precomputed").fit(K, y)
    model = SampleSubsetClassifier(sk.FrozenEstimator(fitted), keep=0.5).fit(K, y)
    assert np.array_equal(model.predict(K), fitted.predict(K))


def test_a_misspelt_parameter_of_the_sampler_is_an_error(classes):
    with pytest.raises(TypeError, match="sample_weigth"):
        SampleSubsetSampler().fit(*classes, sample_weigth=np.ones(240))


def test_a_stack_is_a_classifier_before_it_is_fitted(classes):
    model = SampleSubsetClassifier(
        sk.StackingClassifier([("a", sk.LogisticRegression())], cv=2)
    )
    assert model.fit(*classes).score(*classes) > 0.6


def test_continuous_targets_are_no_classes(classes):
    X = classes[0]
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        SampleSubsetClassifier(sk.LogisticRegression()).fit(X, X[:, 0])


def test_scikit_learn_pipelines_refuse_a_sampler(classes):
    with pytest.raises(TypeError, match=r"transform.*SampleSubsetSampler"):
        make_pipeline(SampleSubsetSampler(), sk.LogisticRegression()).fit(*classes)


# The sampler


def test_sampler_returns_rows_in_their_order_and_containers(X, y, container):
    sampler = SampleSubsetSampler(keep=0.3, random_state=0)
    X_kept, y_kept = sampler.fit_resample(container(X), y)
    kept = sampler.sample_indices_
    assert (np.diff(kept) > 0).all()
    assert np.array_equal(y_kept, y[kept])
    assert type(X_kept) is type(container(X))
    dense = X_kept.toarray() if hasattr(X_kept, "toarray") else np.asarray(X_kept)
    assert np.allclose(dense, X[kept])


@pytest.mark.parametrize("routed", [False, True])
def test_sampler_in_the_pipeline_of_imbalanced_learn(X, y, routed):
    imblearn = pytest.importorskip("imblearn.pipeline")
    with config_context(enable_metadata_routing=routed):
        pipeline = imblearn.Pipeline(
            [
                ("scale", sk.StandardScaler()),
                ("drop", SampleSubsetSampler(L2PenaltySelector(), keep=0.5)),
                ("clf", sk.LogisticRegression()),
            ]
        )
        search = sk.GridSearchCV(
            pipeline, {"drop__keep": [0.2, 0.8], "clf__C": [1.0]}, error_score="raise"
        ).fit(X, y)
        assert search.best_score_ > 0.6
        pipeline.fit(X, y)
        kept = pipeline["drop"].sample_indices_
        by_hand = sk.LogisticRegression().fit(pipeline["scale"].transform(X[kept]), y[kept])
        assert np.array_equal(pipeline["clf"].coef_, by_hand.coef_)
        assert len(pipeline.predict(X)) == 240


def test_sampler_with_a_continuous_target_in_imbalanced_learn(classes):
    imblearn = pytest.importorskip("imblearn.pipeline")
    X, y = classes[0], classes[0][:, 0] + 1
    for selector in (None, L2PenaltySelector()):
        sampler = SampleSubsetSampler(selector, keep=0.4, random_state=0)
        pipeline = imblearn.make_pipeline(sampler, sk.RandomForestRegressor(5)).fit(X, y)
        assert pipeline[0].task_ == "regression"
        assert pipeline[-1].n_features_in_ == 8
        assert len(pipeline[0].sample_indices_) == 96


def test_sampler_takes_metadata_of_the_selector(X, y, routing):
    selector = SpySelector().set_fit_request(sample_weight=True)
    sampler = SampleSubsetSampler(selector)
    sampler.fit_resample(X, y, sample_weight=np.arange(1.0, 241), groups=np.arange(240))
    assert np.array_equal(sampler.selector_.context_.groups, np.arange(240))
    assert sampler.selector_.context_.sample_weight[-1] == 240


def test_nystroem_on_chosen_rows(X, y):
    model = make_pipeline(
        sk.StandardScaler(),
        SampleSubsetTransformer(sk.Nystroem(n_components=20), keep=40, random_state=0),
        sk.LinearRegression(),
    ).fit(X, y)
    assert model.predict(X).shape == (240,)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("auto", "AutoSelector()"),
        ("Auto", "AutoSelector()"),
        ("random", "RandomSelector()"),
        ("RandomSelector", "RandomSelector()"),
        ("k-center", "KCenterSelector()"),
        ("l2_penalty", "L2PenaltySelector()"),
        ("confident learning", "ConfidentLearningSelector()"),
        ("herdin", "HerdingSelector()"),
        ("nothing like it", "RandomSelector(), or"),
    ],
)
def test_texts_name_the_selector_that_they_mean(classes, text, meant):
    for model in (SampleSubsetClassifier(Spy(), text), SampleSubsetSampler(text)):
        with pytest.raises(ValueError, match=re.escape(f"Write selector={meant}")):
            model.fit(*classes)


class Half(BaseEstimator):
    """Has no method but fit."""

    def fit(self, X, y=None):
        return self


class HalfClassifier(ClassifierMixin, Half):
    pass


class HalfRegressor(RegressorMixin, Half):
    pass


@pytest.mark.parametrize(
    ("model", "method"),
    [
        (SampleSubsetClassifier(HalfClassifier()), "predict"),
        (SampleSubsetClassifier(Half()), "predict"),
        (SampleSubsetRegressor(HalfRegressor()), "predict"),
        (SampleSubsetTransformer(sk.TSNE()), "transform"),
        (SampleSubsetTransformer(Half()), "transform"),
        (PrunedClassifier(HalfClassifier()), "predict"),
        (SampleSubsetClassifier(make_pipeline(sk.StandardScaler())), "predict"),
        (PrunedClassifier(make_pipeline(sk.StandardScaler(), "passthrough")), "predict"),
        (PrunedRegressor(HalfRegressor()), "predict"),
    ],
)
def test_a_model_that_lacks_a_method(classes, model, method):
    with pytest.raises(TypeError, match=f"Got .*, which has no method {method}. Pass an"):
        model.fit(*classes)
