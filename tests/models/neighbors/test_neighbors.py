"""Nearest neighbours: lossless compact forms, prototypes, their refit and quantization."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits, load_iris, make_blobs, make_friedman1, make_moons
from sklearn.linear_model import Ridge
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)

from sklearn_prune import PrunedClassifier, PrunedRegressor, SampleSubsetRegressor
from sklearn_prune.comparison import compare_pruning
from sklearn_prune.models.neighbors.family import NeighborsFamily
from sklearn_prune.models.neighbors.glvq import (
    class_means,
    glvq,
    joint_means,
    refitted_targets,
)
from sklearn_prune.models.neighbors.glvq_kernels import glvq_epoch
from sklearn_prune.predictors import neighbors
from sklearn_prune.predictors.neighbors import (
    inverse_distances,
    nearest_by_products,
    smallest_exact,
)
from sklearn_prune.sample_selection import (
    CondensedNNSelector,
    KCenterSelector,
    LossSelector,
    RandomSelector,
)
from sklearn_prune.weight_pruning import (
    CoverageCriterion,
    MagnitudeCriterion,
    RandomCriterion,
)
from sklearn_prune.weight_pruning._context import PruningContext
from sklearn_prune.weight_pruning._registry import family_of

IRIS = load_iris(return_X_y=True)


def grid(n, seed):
    """Rows on a coarse grid, where many distances are equal, and noisy labels."""
    random = np.random.default_rng(seed)
    X = random.integers(0, 4, size=(n, 3)).astype(float)
    return X, np.array(["no", "perhaps", "yes"])[random.integers(0, 3, size=n)]


def without_ties(X):
    """Rows of which no two are at the same distance from a third."""
    return X + np.random.default_rng(9).normal(scale=1e-5, size=X.shape)


@pytest.mark.parametrize("weights", ["uniform", "distance", None])
@pytest.mark.parametrize("algorithm", ["brute", "kd_tree", "ball_tree", "auto"])
@pytest.mark.parametrize("n_neighbors", [1, 4, 11])
@pytest.mark.parametrize("many", [False, True])
def test_of_points_at_one_distance_the_first_vote(
    weights, algorithm, n_neighbors, many, monkeypatch
):
    if many:  # search trees give candidates
        monkeypatch.setattr(neighbors, "_MANY", 0)
    X, y = grid(300, 0)
    queries = np.vstack([grid(80, 1)[0], grid(80, 2)[0] + 0.5])
    model = KNeighborsClassifier(n_neighbors, weights=weights, algorithm=algorithm)
    compact = PrunedClassifier(model, keep=1.0).fit(X, y).compact_
    distances = cdist(queries, X)
    order = np.argsort(distances, axis=1, kind="stable")[:, :n_neighbors]
    votes = np.zeros((160, 3))
    near = np.take_along_axis(distances, order, axis=1)
    weight = inverse_distances(near) if weights == "distance" else np.ones_like(near)
    for column in range(3):
        votes[:, column] = (weight * (y[order] == compact.classes_[column])).sum(axis=1)
    votes /= votes.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(compact.predict_proba(queries), votes)
    np.testing.assert_allclose(compact.predict_proba(queries[:1]), votes[:1])
    sure = np.sort(votes, axis=1)
    sure = sure[:, 2] > sure[:, 1] + 1e-9
    labels = compact.classes_[votes.argmax(axis=1)]
    np.testing.assert_array_equal(compact.predict(queries)[sure], labels[sure])
    # scikit-learn agrees where the neighbours are certain.
    every = np.sort(distances, axis=1)
    certain = every[:, n_neighbors - 1] < every[:, n_neighbors] - 1e-9
    theirs = model.fit(X, y).predict_proba(queries)
    np.testing.assert_allclose(compact.predict_proba(queries)[certain], theirs[certain])


@pytest.mark.parametrize(
    "params",
    [
        {"metric": "manhattan"},
        {"metric": "cosine"},
        {"p": 3},
        {"metric": "minkowski", "p": 2, "metric_params": {"w": [1.0, 2.0, 3.0, 4.0]}},
        {"metric": "chebyshev", "algorithm": "ball_tree"},
    ],
    ids=str,
)
def test_other_metrics_are_lossless_and_prune_by_selection(params):
    X, y = IRIS
    model = KNeighborsClassifier(3, weights="distance", **params)
    whole = PrunedClassifier(model, keep=1.0).fit(X, y)
    np.testing.assert_array_equal(whole.predict(X), clone(model).fit(X, y).predict(X))
    pruned = PrunedClassifier(model, unit="prototype", keep=30, random_state=0).fit(X, y)
    np.testing.assert_array_equal(pruned.compact_.points_.astype(float), X[pruned.kept_])
    peer = clone(model).fit(X[pruned.kept_], y[pruned.kept_])
    np.testing.assert_array_equal(pruned.predict(X), peer.predict(X))


def test_sparse_rows_are_lossless_and_selected():
    X, y = load_digits(return_X_y=True)
    X, y = csr_array(X[:400]), y[:400]
    model = KNeighborsClassifier(3)
    whole = PrunedClassifier(model, keep=1.0).fit(X, y)
    np.testing.assert_array_equal(whole.predict(X), clone(model).fit(X, y).predict(X))
    pruned = PrunedClassifier(model, unit="prototype", keep=0.3, random_state=0).fit(X, y)
    assert pruned.compact_.points_.shape[0] == len(pruned.kept_) == 120
    assert pruned.score(X, y) > 0.9
    assert pruned.score(X.toarray(), y) == pruned.score(X, y)


def test_compact_form_stands_alone_and_drops_its_tree():
    X, y = make_moons(500, noise=0.2, random_state=0)
    model = KNeighborsClassifier(metric_params={}, algorithm="kd_tree")
    compact = PrunedClassifier(model, keep=1.0).fit(X, y).compact_
    before = len(pickle.dumps(compact))
    labels = compact.predict(X)
    assert len(pickle.dumps(compact)) == before < 0.7 * len(pickle.dumps(model.fit(X, y)))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(compact)).predict(X), labels)
    assert compact.n_parameters() == 500 * 3
    X[:] = 0.0
    np.testing.assert_array_equal(
        compact.predict(X), np.repeat(compact.predict(X[:1]), 500)
    )


def test_integer_rows_are_stored_in_the_smallest_exact_dtype():
    assert smallest_exact(np.array([[0.0, 255.0]])).dtype == np.uint8
    assert smallest_exact(np.array([[-1, 300]])).dtype == np.int16
    assert smallest_exact(np.array([[0.1]])).dtype == np.float64
    assert smallest_exact(np.array([[np.nan]])).dtype == np.float64
    assert smallest_exact(np.array([[0.5]])).dtype == np.float32


def test_products_find_the_nearest_of_brute_force():
    random = np.random.default_rng(0)
    points, rows = random.normal(size=(40, 5)) + 1000, random.normal(size=(30, 5)) + 1000
    squared = ((rows[:, None] - points) ** 2).sum(axis=2)
    for n_neighbors in (1, 3, 12):
        expected = np.argsort(squared, axis=1)[:, :n_neighbors]
        np.testing.assert_array_equal(
            nearest_by_products(rows, points, n_neighbors), expected
        )


@pytest.mark.parametrize("criterion", [None, MagnitudeCriterion(), RandomCriterion()])
def test_prototypes_of_a_class_never_vanish_and_are_nested(criterion):
    X, y = IRIS
    kept = []
    for keep in (2, 12, 0.3):
        pruned = PrunedClassifier(
            KNeighborsClassifier(), criterion, unit="prototype", keep=keep, refit=False
        )
        pruned.set_params(random_state=0).fit(X, y)
        assert set(y[pruned.kept_]) == {0, 1, 2}
        kept.append(set(pruned.kept_))
        peer = KNeighborsClassifier(min(5, len(pruned.kept_)))
        peer.fit(X[pruned.kept_], y[pruned.kept_])
        assert np.mean(pruned.predict(X) == peer.predict(X)) > 0.99
    assert kept[0] < kept[1] < kept[2]


def test_magnitude_counts_the_rows_that_each_serves():
    X, y = IRIS
    model = KNeighborsClassifier(3).fit(X, y)
    context = PruningContext(model, X, y, seed=0)
    family = NeighborsFamily()
    served = family.weights(family.start(model, context), "prototype", context)[:, 0]
    expected = np.zeros(len(X))
    for code in range(3):
        own = np.flatnonzero(y == code)
        for row in own:
            others = own[own != row]
            distances = ((X[others] - X[row]) ** 2).sum(axis=1)
            expected[others[np.argsort(distances, kind="stable")[:3]]] += 1
    assert served.sum() == expected.sum() == 3 * len(X)
    assert np.abs(served - expected).sum() <= 0.05 * served.sum()  # ties


class Farthest(BaseEstimator):
    """Order rows by their distance to the mean, as any object with `order_` may."""

    def fit(self, X, y):
        self.labels_ = y
        self.order_ = np.argsort(-np.linalg.norm(X - X.mean(axis=0), axis=1))
        return self


def test_any_object_with_an_order_ranks_prototypes():
    X, y = IRIS
    model = KNeighborsClassifier(1)
    pruned = PrunedClassifier(model, Farthest(), unit="prototype", keep=20, refit=False)
    pruned.set_params(random_state=0).fit(X, y)
    order = Farthest().fit(X, y).order_
    first = [order[np.argmax(y[order] == code)] for code in range(3)]
    rest = [row for row in order if row not in first]
    np.testing.assert_array_equal(pruned.kept_, np.sort([*first, *rest[:17]]))


def test_a_row_selector_ranks_prototypes():
    X, y = IRIS
    model = PrunedClassifier(
        KNeighborsClassifier(1), CondensedNNSelector(), unit="prototype", keep=20
    )
    model.set_params(refit=False, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.95
    assert np.mean(y[model.kept_] == 0) < 0.2  # the class that is easily told apart


def test_moved_prototypes_beat_the_rows_they_start_from():
    X, y = make_moons(2000, noise=0.35, random_state=0)
    test = make_moons(2000, noise=0.35, random_state=1)
    model = PrunedClassifier(
        KNeighborsClassifier(1), unit="prototype", keep=0.02, random_state=0
    )
    moved = model.fit(X, y).score(*test)
    kept = clone(model).set_params(refit=False).fit(X, y).score(*test)
    full = KNeighborsClassifier(1).fit(X, y).score(*test)
    assert moved > kept + 0.02
    assert moved > full


def test_auto_finds_a_tenth_without_loss_and_reports_voters():
    X, y = load_digits(return_X_y=True)
    pruned = PrunedClassifier(
        KNeighborsClassifier(), keep="auto", tolerance=0.01, random_state=0
    ).fit(X[:1200], y[:1200])
    full = KNeighborsClassifier().fit(X[:1200], y[:1200]).score(X[1200:], y[1200:])
    assert len(pruned.kept_) <= 0.14 * 1200
    assert pruned.score(X[1200:], y[1200:]) >= full - 0.02
    assert pruned.estimator_.n_neighbors == pruned.compact_.n_neighbors_
    same = pruned.estimator_.predict(X) == pruned.predict(X)
    assert same.mean() > 0.999
    assert {entry["option"] for entry in pruned.report_.path} <= {
        (moves, n_neighbors) for moves in (True, False) for n_neighbors in (1, 5)
    }


def test_regression_prototypes_beat_rows_that_are_only_selected():
    X, y = make_friedman1(1200, random_state=0)
    model = PrunedRegressor(
        KNeighborsRegressor(), unit="prototype", keep=0.1, random_state=0
    )
    moved = model.fit(X[:800], y[:800]).score(X[800:], y[800:])
    kept = clone(model).set_params(refit=False).fit(X[:800], y[:800])
    assert moved > kept.score(X[800:], y[800:]) + 0.05
    two = clone(model).fit(X[:800], np.column_stack([y, -y])[:800])
    predicted = two.predict(X[800:])
    assert predicted.shape == (400, 2)
    np.testing.assert_allclose(predicted[:, 0], -predicted[:, 1], atol=0.2)


def test_one_seed_gives_one_model_whatever_n_jobs():
    X, y = IRIS
    models = [
        PrunedClassifier(KNeighborsClassifier(), keep=0.2, random_state=3, n_jobs=n_jobs)
        for n_jobs in (1, 2)
    ]
    one, two = (model.fit(X, y).compact_.points_ for model in models)
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("scheme", "ratio"), [("int8", 3.5), ("float16", 1.9)])
def test_rounded_rows_are_smaller_and_as_good(scheme, ratio):
    X, y = load_digits(return_X_y=True)
    X = X / 7.3
    model = PrunedClassifier(KNeighborsClassifier(3), keep=1.0, quantize=scheme)
    compact = model.fit(X[:1000], y[:1000]).compact_
    assert 4 * compact.points_.size >= ratio * compact.points_.nbytes
    full = KNeighborsClassifier(3).fit(X[:1000], y[:1000])
    assert np.mean(compact.predict(X[1000:]) == full.predict(X[1000:])) > 0.995


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (KNeighborsClassifier(weights=np.ones_like), "weights"),
        (KNeighborsClassifier(metric=lambda a, b: np.abs(a - b).sum()), "metric"),
        (KNeighborsClassifier(metric="precomputed"), "precomputed"),
    ],
)
def test_functions_and_precomputed_distances_go_to_features(model, reason):
    family, why = family_of(model)
    assert type(family).__name__ == "FeatureFamily"
    assert reason in why


def test_nan_passes_where_the_metric_takes_it():
    X, y = without_ties(IRIS[0]), IRIS[1]
    X[::7, 1] = np.nan
    model = KNeighborsClassifier(metric="nan_euclidean")
    pruned = PrunedClassifier(model, keep=1.0).fit(X, y)
    np.testing.assert_array_equal(pruned.predict(X), model.fit(X, y).predict(X))
    with pytest.raises(ValueError, match="NaN"):
        PrunedClassifier(KNeighborsClassifier(), keep=1.0).fit(*IRIS).predict(X)


def reference_epoch(rows, codes, order, prototypes, labels, steepness, rate, decay):
    """The same pass written from the derivative of the published loss."""
    prototypes = prototypes.astype(np.float64)
    for row in order:
        squared = ((prototypes - rows[row]) ** 2).sum(axis=1)
        own = np.where(labels == codes[row], squared, np.inf).argmin()
        other = np.where(labels != codes[row], squared, np.inf).argmin()
        near, far = squared[own], squared[other]
        value = 1 / (1 + np.exp(-steepness * (near - far) / (near + far)))
        slope = steepness * value * (1 - value) / (near + far) ** 2
        prototypes[own] += min(0.5, rate * slope * far) * (rows[row] - prototypes[own])
        prototypes[other] -= min(0.5, rate * slope * near) * (rows[row] - prototypes[other])
        rate -= decay
    return prototypes


def test_kernel_is_the_reference():
    random = np.random.default_rng(0)
    rows = random.normal(size=(60, 4)).astype(np.float32)
    codes = random.integers(0, 3, size=60)
    labels = np.repeat([0, 1, 2], [2, 3, 1])
    start = random.normal(size=(6, 4)).astype(np.float32)
    order = random.permutation(60)
    columns = np.ascontiguousarray(start.T)
    starts = np.array([0, 2, 5, 6])
    glvq_epoch(rows, codes, order, columns, starts, 5.0, 0.1, 0.001)
    expected = reference_epoch(rows, codes, order, start, labels, 5.0, 0.1, 0.001)
    np.testing.assert_allclose(columns.T, expected, rtol=1e-4, atol=1e-4)


def test_glvq_moves_a_misplaced_prototype_to_its_class():
    rows, codes = make_blobs(300, centers=[[0, 0], [4, 0]], random_state=0)
    points = np.array([[1.9, 0.0], [2.1, 0.0]])
    labels = np.array([1, 0])
    moved = glvq(class_means(points, labels, rows, codes), labels, rows, codes, seed=0)
    nearest = ((rows[:, None] - moved) ** 2).sum(axis=2).argmin(axis=1)
    assert np.mean(labels[nearest] == codes) > 0.95
    again = glvq(class_means(points, labels, rows, codes), labels, rows, codes, seed=0)
    np.testing.assert_array_equal(moved, again)


def test_glvq_follows_the_scale_of_the_rows():
    rows, codes = make_blobs(200, centers=3, cluster_std=5.0, random_state=1)
    points, labels = rows[:9] + 0.5, codes[:9]
    moved = glvq(points, labels, rows, codes, seed=0)
    other = glvq(points * 64, labels, rows * 64, codes, seed=0)
    np.testing.assert_allclose(other, moved * 64, rtol=1e-6)
    assert np.abs(moved - points).max() > 0.1


def test_one_class_or_equal_rows_stay():
    points = np.ones((2, 3))
    np.testing.assert_array_equal(
        glvq(points, np.array([0, 1]), np.ones((5, 3)), np.array([0, 0, 1, 1, 1]), seed=0),
        points,
    )
    rows = np.random.default_rng(0).normal(size=(20, 3))
    same = glvq(rows[:2], np.zeros(2, int), rows, np.zeros(20, int), seed=0)
    np.testing.assert_array_equal(same, rows[:2])


def test_class_means_are_means_of_the_rows_of_their_class():
    rows, codes = make_blobs(100, centers=2, random_state=0)
    points = class_means(rows[:2] * 0, np.array([0, 1]), rows, codes)
    expected = [rows[codes == code].mean(axis=0) for code in (0, 1)]
    np.testing.assert_allclose(points, expected)
    alone = class_means(np.array([[7.0, 7.0]]), np.array([2]), rows, codes)
    np.testing.assert_array_equal(alone, [[7.0, 7.0]])


def test_targets_are_the_ridge_around_the_means():
    random = np.random.default_rng(0)
    rows, targets = random.normal(size=(80, 2)), random.normal(size=(80, 1))
    points, means = joint_means(rows[:10], targets[:10], rows, targets)
    found = refitted_targets(points, means, rows, targets, 3, "uniform")
    nearest = np.argsort(((rows[:, None] - points) ** 2).sum(axis=2), axis=1)[:, :3]
    design = np.zeros((80, 10))
    np.put_along_axis(design, nearest, 1 / 3, axis=1)
    ridge = Ridge(alpha=1.0, fit_intercept=False).fit(design, targets - design @ means)
    np.testing.assert_allclose(found[:, 0] - means[:, 0], ridge.coef_.ravel(), atol=1e-4)


@pytest.mark.parametrize("unit", ["auto", "prototype"])
@pytest.mark.parametrize("keep", [0.5, "auto"])
@pytest.mark.parametrize("regression", [True, False])
def test_missing_values_by_a_metric_that_knows_them(regression, keep, unit):
    X, y = IRIS
    X = without_ties(X)
    X = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
    wrapper, inner = PrunedClassifier, KNeighborsClassifier(3, metric="nan_euclidean")
    if regression:
        wrapper, inner = PrunedRegressor, KNeighborsRegressor(3, metric="nan_euclidean")
    model = wrapper(inner, keep=keep, unit=unit, random_state=0, cv=2).fit(X, y)
    if keep == 0.5:
        assert len(model.kept_) == 75
        params = {"keep": keep, "unit": "prototype", "random_state": 0}
        same = wrapper(inner, MagnitudeCriterion(), **params).fit(X, y)
        np.testing.assert_array_equal(model.kept_, same.kept_)
    stored = clone(inner).set_params(n_neighbors=model.compact_.n_neighbors_)
    stored.fit(X[model.kept_], y[model.kept_])
    np.testing.assert_array_equal(model.predict(X), stored.predict(X))
    wrapper(inner, RandomSelector(), unit="prototype").fit(X, y)
    for criterion in (CoverageCriterion(), KCenterSelector()):
        with pytest.raises(ValueError, match=r"without missing values.* MagnitudeCrit"):
            wrapper(inner, criterion, unit="prototype").fit(X, y)


def test_a_radius_without_neighbours():
    X, y = IRIS
    far = np.vstack([X, [[30.0] * 4, [40.0] * 4]])
    numbers, labels = np.append(y + X[:, 0], [1, 2]), np.append(y, [0, 1])
    model = RadiusNeighborsRegressor(1.0)
    PrunedRegressor(model, keep=1.0).fit(far, numbers)
    variants = {"all": model, "half": SampleSubsetRegressor(model)}
    for fit in (
        PrunedRegressor(model).fit,
        PrunedRegressor(model, keep="auto").fit,
        PrunedRegressor(model, keep="auto", scoring="r2").fit,
        SampleSubsetRegressor(model, LossSelector()).fit,
        lambda X, y: compare_pruning(variants, X, y, cv=3),
    ):
        with pytest.raises(ValueError, match="one number.*NaN.* larger radius"):
            fit(far, numbers)
    model = RadiusNeighborsClassifier(1.0)
    with pytest.raises(ValueError, match="must predict rows.*RadiusNeighborsClassifier"):
        PrunedClassifier(model).fit(far, labels)
    for outlier in (0, -1, "most_frequent"):
        model = RadiusNeighborsClassifier(1.0, outlier_label=outlier)
        assert (
            PrunedClassifier(model, keep=2, unit="feature").fit(far, labels).n_units_ == 4
        )
