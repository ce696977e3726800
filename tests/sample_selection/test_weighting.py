import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_diabetes
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_prune import (
    SampleSubsetClassifier,
    SampleSubsetRegressor,
    SampleSubsetSampler,
    SampleSubsetTransformer,
)
from sklearn_prune import sample_selection as ss
from sklearn_prune._ranking import Ranking
from sklearn_prune._seeds import row_keys
from sklearn_prune.sample_selection._hardness import HardnessSelector
from sklearn_prune.sample_selection._weighting import inverse_probability_weights


class Recorder(ClassifierMixin, BaseEstimator):
    """A classifier that remembers its weights."""

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        self.weights_ = sample_weight
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@pytest.mark.parametrize("sample_weight", [None, np.linspace(0, 2, 240)])
def test_coverage_counts_the_rows_that_are_nearest(X, y, sample_weight):
    model = SampleSubsetClassifier(
        Recorder(), keep=30, weighting="coverage", random_state=0
    ).fit(X, y, sample_weight=sample_weight)
    kept = model.sample_indices_
    Z = StandardScaler().fit_transform(X)
    expected = np.zeros(len(kept))
    for i in range(len(X)):
        same = np.flatnonzero(y[kept] == y[i])
        nearest = same[np.argmin(np.linalg.norm(Z[kept[same]] - Z[i], axis=1))]
        expected[nearest] += 1 if sample_weight is None else sample_weight[i]
    np.testing.assert_allclose(model.sample_weight_, expected)
    np.testing.assert_allclose(model.estimator_.weights_, expected)


def test_coverage_takes_rows_as_the_selector_reads_them():
    texts = np.array(["ham and eggs", "cheap pills", "eggs and toast", "sale of pills"] * 9)
    y = np.array([0, 1, 0, 1] * 9)
    model = make_pipeline(TfidfVectorizer(), Recorder())
    selector = make_pipeline(TfidfVectorizer(), ss.L2PenaltySelector())
    subset = SampleSubsetClassifier(model, selector, keep=6, weighting="coverage")
    subset.fit(texts, y)
    assert subset.sample_weight_.sum() == len(y)
    np.testing.assert_array_equal(subset.estimator_[-1].weights_, subset.sample_weight_)


def test_coverage_by_gower_reads_categories():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=60), "letter": rng.choice(["a", "b"], 60)})
    selector = HardnessSelector(metric="gower")
    model = SampleSubsetClassifier(Recorder(), selector, keep=10, weighting="coverage")
    model.fit(X, rng.integers(0, 2, 60))
    assert model.sample_weight_.sum() == 60
    assert (model.sample_weight_ >= 1).all()


def test_coverage_of_a_regression_looks_at_the_target_too():
    X, y = np.zeros((40, 1)), np.repeat([0.0, 1.0], [30, 10])
    X[::2] = 1e-9  # no information
    model = SampleSubsetRegressor(
        LinearRegression(), stratify="quantiles", keep=4, weighting="coverage"
    ).fit(X, y)
    kept = model.sample_indices_
    assert model.sample_weight_[y[kept] == 0].sum() == 30


def test_sparse_rows_have_the_weights_of_dense_ones(classes):
    X, y = np.maximum(classes[0], 0), classes[1]
    weights = [
        SampleSubsetClassifier(Recorder(), keep=20, weighting="coverage", random_state=0)
        .fit(x, y)
        .sample_weight_
        for x in (X, csr_array(X))
    ]
    np.testing.assert_array_equal(*weights)


def test_weights_of_priority_sampling_by_their_definition():
    importances, keys = np.array([4.0, 1, 2, 1, 2, 8]), row_keys(3, 6)
    ranking = Ranking.from_importances(importances, keys)
    kept = np.sort(ranking.order[:3])
    priorities = importances / keys
    threshold = np.sort(priorities)[-4]
    np.testing.assert_allclose(
        inverse_probability_weights(ranking, kept),
        np.maximum(importances[kept], threshold) / importances[kept],
    )
    everything = inverse_probability_weights(ranking, np.arange(6))
    np.testing.assert_array_equal(everything, np.ones(6))


@pytest.mark.parametrize("stratify", ["auto", None])
@pytest.mark.parametrize(
    "selector", [ss.RandomSelector, ss.LeverageSelector, ss.SensitivitySelector]
)
def test_weighted_sums_are_unbiased(X, y, selector, stratify):
    values = np.exp(X[:, 0])
    sums = []
    for seed in range(120):
        model = SampleSubsetClassifier(
            Recorder(),
            selector(),
            keep=60,
            stratify=stratify,
            weighting="inverse_probability",
            random_state=seed,
        ).fit(X, y)
        sums.append(model.sample_weight_ @ values[model.sample_indices_])
    standard_error = np.std(sums, ddof=1) / np.sqrt(len(sums))
    assert abs(np.mean(sums) - values.sum()) < 3 * standard_error + 0.005 * values.sum()


@pytest.mark.parametrize("stratify", ["auto", "balanced"])
def test_random_rows_weigh_what_their_stratum_lost(X, y, stratify):
    model = SampleSubsetClassifier(
        Recorder(),
        keep=0.25,
        stratify=stratify,
        weighting="inverse_probability",
        random_state=0,
    ).fit(X, y)
    kept = model.sample_indices_
    expected = np.bincount(y)[y[kept]] / np.bincount(y[kept])[y[kept]]
    np.testing.assert_allclose(model.sample_weight_, expected)


def test_least_squares_on_leverage_weights_is_near_that_on_all_rows():
    X, y = load_diabetes(return_X_y=True)
    full = LinearRegression().fit(X, y).predict(X)
    gaps = {}
    for weighting in (None, "inverse_probability"):
        fits = [
            SampleSubsetRegressor(
                LinearRegression(),
                ss.SensitivitySelector(),
                keep=0.2,
                weighting=weighting,
                random_state=seed,
            ).fit(X, y)
            for seed in range(20)
        ]
        gaps[weighting] = np.linalg.norm(np.mean([f.predict(X) for f in fits], 0) - full)
    assert gaps["inverse_probability"] < gaps[None]


def test_nothing_is_weighted_where_everything_is_kept(classes):
    for weighting in ("coverage", "inverse_probability"):
        model = SampleSubsetClassifier(Recorder(), keep=1.0, weighting=weighting)
        assert model.fit(*classes).sample_weight_ is None
        assert model.estimator_.weights_ is None


def test_a_model_without_weights_is_told_of(classes):
    model = SampleSubsetClassifier(KNeighborsClassifier(), keep=50, weighting="coverage")
    with pytest.warns(UserWarning, match="KNeighborsClassifier, whose fit takes none"):
        model.fit(*classes)
    assert model.sample_weight_.sum() == 240


def test_routing_hands_the_weights_on_by_request(classes, routing):
    inner = make_pipeline(StandardScaler(), Recorder())
    with pytest.warns(UserWarning, match="set_fit_request"):
        SampleSubsetClassifier(inner, keep=50, weighting="coverage").fit(*classes)
    inner[-1].set_fit_request(sample_weight=True)
    inner[0].set_fit_request(sample_weight=False)
    model = SampleSubsetClassifier(inner, keep=50, weighting="coverage").fit(*classes)
    np.testing.assert_array_equal(model.estimator_[-1].weights_, model.sample_weight_)


def test_routing_does_not_weight_a_model_that_asks_for_nothing(classes, routing):
    model = SampleSubsetClassifier(Recorder(), keep=50, weighting="coverage")
    with pytest.warns(UserWarning, match="set_fit_request"):
        model.fit(*classes)
    assert model.estimator_.weights_ is None


def test_frozen_models_are_not_weighted(classes):
    frozen = FrozenEstimator(LogisticRegression().fit(*classes))
    model = SampleSubsetClassifier(frozen, keep=50, weighting="coverage").fit(*classes)
    assert len(model.sample_weight_) == 50


def test_transformers_and_samplers_have_weights_too(X, y):
    scaled = SampleSubsetTransformer(
        StandardScaler(), keep=60, weighting="inverse_probability", random_state=0
    ).fit(X, y)
    weights, kept = scaled.sample_weight_, scaled.sample_indices_
    mean = np.average(X[kept], axis=0, weights=weights)
    np.testing.assert_allclose(scaled.transformer_.mean_, mean)
    sampler = SampleSubsetSampler(keep=60, weighting="coverage").fit(X, y)
    assert sampler.sample_weight_.sum() == 240


@pytest.mark.parametrize(
    ("selector", "by_group"), [(ss.L2PenaltySelector(), False), (ss.RandomSelector(), True)]
)
def test_inverse_probabilities_need_a_draw_of_rows(classes, selector, by_group):
    model = SampleSubsetClassifier(
        Recorder(), selector, weighting="inverse_probability", by_group=by_group
    )
    with pytest.raises(ValueError, match=r"RandomSelector, .* Got .*Write weighting"):
        model.fit(*classes, groups=np.arange(240) % 20)
