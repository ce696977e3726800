"""Dropout of prototypes and of input columns."""

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix, issparse
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.ensemble import (
    AdaBoostClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    train_test_split,
)
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune.weight_pruning._context import PruningContext
from sklearn_prune.weight_pruning._family import family_for
from sklearn_prune.weight_pruning.families._feature import _adds_columns
from sklearn_prune.weight_pruning.families._feature_dropout import silenced_copies
from sklearn_prune.weight_pruning.families._glvq import glvq, refitted_targets
from sklearn_prune.weight_pruning.families._glvq_kernels import (
    glvq_epoch,
    mixed,
    silence,
)
from sklearn_prune.weight_pruning.families._tree_dropout import added_penalty

MASK = 2**64 - 1


def named(model):
    return type(model).__name__


def split_mix(key):
    """The generator as it was published, in Python's integers."""
    key = (key + 0x9E3779B97F4A7C15) & MASK
    value = ((key ^ (key >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return key, ((value ^ (value >> 31)) >> 11) * 2.0**-53


def test_prototypes_are_silenced_by_the_published_generator():
    squared = np.ones(500, dtype=np.float32)
    last = silence(squared, np.uint64(42), 0.3)
    key, expected = 42, []
    for _ in range(500):
        key, draw = split_mix(key)
        expected.append(draw < 0.3)
    assert np.array_equal(np.isinf(squared), expected)
    assert int(last) == key
    assert np.mean(expected) == pytest.approx(0.3, abs=0.05)
    assert 0 <= mixed(np.uint64(7)) < 1


def test_the_pass_with_silence_is_the_reference():
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(25, 4)).astype(np.float32)
    codes = generator.integers(0, 2, size=25)
    labels = np.repeat([0, 1], 3)
    points = generator.normal(size=(6, 4)).astype(np.float32)
    order = generator.permutation(25)
    columns = np.ascontiguousarray(points.T)
    glvq_epoch(
        rows, codes, order, columns, np.array([0, 3, 6]), 5.0, 0.1, 0.001, 0.4, 11
    )  # fmt: skip
    expected, key, rate = points.astype(np.float64), 11, 0.1
    for row in order:
        squared = ((expected - rows[row]) ** 2).sum(axis=1)
        for j in range(6):
            key, draw = split_mix(key)
            squared[j] = np.inf if draw < 0.4 else squared[j]
        own = np.where(labels == codes[row], squared, np.inf).argmin()
        other = np.where(labels != codes[row], squared, np.inf).argmin()
        near, far = squared[own], squared[other]
        if np.isfinite(near + far):
            value = 1 / (1 + np.exp(-5.0 * (near - far) / (near + far)))
            slope = 5.0 * value * (1 - value) / (near + far) ** 2
            expected[own] += min(0.5, rate * slope * far) * (rows[row] - expected[own])
            away = min(0.5, rate * slope * near)
            expected[other] -= away * (rows[row] - expected[other])
        rate -= 0.001
    np.testing.assert_allclose(columns.T, expected, rtol=1e-4, atol=1e-4)


def test_seeds_are_in_what_is_silent():
    rows, codes = load_iris(return_X_y=True)
    points, labels = rows[::10] + 0.1, codes[::10]
    settings = {"seed": 0, "dropout": 0.4}
    moved = glvq(points, labels, rows, codes, **settings)
    assert np.array_equal(moved, glvq(points, labels, rows, codes, **settings))
    plain = glvq(points, labels, rows, codes, seed=0)
    assert np.array_equal(plain, glvq(points, labels, rows, codes, seed=0, dropout=0.0))
    assert not np.allclose(moved, plain)


def test_rows_that_are_prototypes_move_for_others():
    rows, codes = load_iris(return_X_y=True)
    plain = glvq(rows, codes, rows, codes, seed=0)
    moved = glvq(rows, codes, rows, codes, seed=0, dropout=0.3)
    assert np.array_equal(plain, rows)
    steps = np.linalg.norm(moved - rows, axis=1)
    assert 0.01 < steps.max() < 2


def test_targets_solve_the_mean_of_sampled_normal_equations():
    generator = np.random.default_rng(0)
    rows, points = generator.normal(size=(80, 2)), generator.normal(size=(8, 2))
    row_targets, targets = rows[:, :1] + 3.0, points[:, :1] + 2.0
    found = refitted_targets(points, targets, rows, row_targets, 3, "uniform", dropout=0.3)
    distances = ((rows[:, None] - points) ** 2).sum(axis=2)
    design = np.zeros((80, 8))
    np.put_along_axis(design, np.argsort(distances, axis=1)[:, :3], 1 / 3, axis=1)
    mean = row_targets.mean()
    normal, right = np.eye(8), targets[:, 0] - mean
    for _ in range(4000):
        heard = design * (generator.random(design.shape) >= 0.3) / 0.7
        normal = normal + heard.T @ heard / 4000
    right = right + design.T @ (row_targets[:, 0] - mean)
    expected = mean + np.linalg.solve(normal, right)
    assert np.allclose(found[:, 0], expected, atol=0.02)


def context_of(X, model=None, dropout=0.25, **params):
    y = np.arange(len(X) if not issparse(X) else X.shape[0]) % 2
    return PruningContext(
        GaussianNB() if model is None else model,
        X,
        y,
        fit_params=params,
        seed=0,
        dropout=dropout,
    )


@pytest.mark.parametrize("kind", [np.asarray, csr_matrix, csr_array])
def test_silent_columns_are_zero_and_others_divided(kind):
    X = np.random.default_rng(0).normal(size=(400, 6)).astype(np.float32) + 5
    copies = silenced_copies(context_of(kind(X)))
    assert type(copies.X) is type(kind(X))
    assert copies.X.dtype == np.float32
    found = copies.X.toarray() if issparse(copies.X) else copies.X
    assert found.shape == (1600, 6)
    silent = found == 0
    assert silent.mean() == pytest.approx(0.25, abs=0.02)
    assert np.allclose(found[~silent], (np.tile(X, (4, 1)) / 0.75)[~silent])
    assert np.allclose(found.mean(axis=0), X.mean(axis=0), rtol=0.05)
    assert not np.array_equal(silent[:400], silent[400:800])
    assert np.array_equal(copies.y, np.tile(np.arange(400) % 2, 4))
    assert np.allclose(copies.fit_params["sample_weight"], 0.25)


def test_weights_of_copies_add_up():
    weights = np.arange(1.0, 41.0)
    X = np.ones((40, 2))
    copies = silenced_copies(context_of(X, sample_weight=weights))
    assert np.allclose(copies.fit_params["sample_weight"].reshape(4, 40).sum(0), weights)
    plain = silenced_copies(context_of(X, LinearDiscriminantAnalysis()))
    assert plain.fit_params == {}


def test_missing_values_and_integers():
    X = np.where(np.random.default_rng(0).random((300, 3)) < 0.5, np.nan, 4.0)
    found = silenced_copies(context_of(X, HistGradientBoostingClassifier())).X
    missing = np.isnan(found)
    assert missing.mean() == pytest.approx(0.5 * 0.75, abs=0.05)
    assert set(np.unique(found[~missing])) == {0.0, 4.0 / 0.75}
    counts = np.full((50, 3), 3)
    found = silenced_copies(context_of(counts, MultinomialNB())).X
    assert set(np.unique(found)) == {0.0, 4.0}
    found = silenced_copies(context_of(counts, CategoricalNB()), divided=False).X
    assert found.dtype == counts.dtype
    assert set(np.unique(found)) == {0, 3}


@pytest.mark.parametrize(
    ("model", "divided"),
    [
        (MultinomialNB(), True),
        (LinearDiscriminantAnalysis(), True),
        (Ridge(), True),
        (BernoulliNB(), False),
        (GaussianNB(), False),
        (RandomForestClassifier(), False),
        (AdaBoostClassifier(), False),
    ],
    ids=lambda value: named(value) if hasattr(value, "fit") else str(value),
)
def test_what_is_heard_is_divided_for_sums_of_columns(model, divided):
    family, _ = family_for(model, "feature")
    assert _adds_columns(family.inner, model) is divided


@pytest.mark.parametrize("keep", [1.0, 0.5])
def test_features_of_linear_models_take_the_exact_form(keep):
    X, y = load_diabetes(return_X_y=True)
    X = np.round(30 * X)
    settings = {"keep": keep, "unit": "feature", "random_state": 0}
    model = PrunedRegressor(Ridge(2.0), dropout=0.3, **settings).fit(X, y)
    columns = model.kept_ if model.unit_ == "feature" else np.arange(X.shape[1])
    assert len(columns) == keep * X.shape[1]
    own, centred = X[:, columns], X[:, columns] - X[:, columns].mean(axis=0)
    normal = centred.T @ centred + 2 * np.eye(len(columns))
    normal += added_penalty(0.3) * np.diag((own**2).sum(axis=0))
    expected = np.linalg.solve(normal, centred.T @ y)
    assert np.allclose(model.coef_[columns], expected)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_keep_their_columns(library):
    data = {"a": [1.0, 2.0] * 50, "b": [3, 6] * 50, "c": ["x", "y"] * 50}
    frame = pytest.importorskip(library).DataFrame(data)
    given = frame.to_dict() if library == "pandas" else frame.to_dict(as_series=False)
    found = silenced_copies(context_of(frame)).X
    assert type(found) is type(frame)
    assert list(found.columns) == ["a", "b", "c"]
    assert len(found) == 400
    assert list(found["c"]) == ["x", "y"] * 200
    a, b = found["a"].to_numpy(), found["b"].to_numpy()
    assert set(a) == {0.0, 1 / 0.75, 2 / 0.75}
    assert set(b) == {0.0, 4.0, 8.0}
    assert np.any((a == 0) != (b == 0))
    whole = silenced_copies(context_of(frame), divided=False).X["b"]
    assert whole.dtype == frame["b"].dtype
    assert set(whole) == {0, 3, 6}
    after = frame.to_dict() if library == "pandas" else frame.to_dict(as_series=False)
    assert after == given


def test_nullable_numbers():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": pd.array([1, None] * 50, dtype="Int64")})
    found = silenced_copies(context_of(frame)).X["a"]
    assert found.isna().sum() == pytest.approx(150, abs=25)
    assert set(found.dropna()) == {0.0, 1 / 0.75}


@pytest.mark.parametrize("X", [["a b", "c d"], np.array([["a"], ["b"]])])
def test_no_numbers_is_an_error(X):
    with pytest.raises(ValueError, match="columns of numbers.*Write dropout=0.0"):
        silenced_copies(context_of(X))


def test_a_frame_without_numbers_is_an_error():
    frame = pytest.importorskip("pandas").DataFrame({"a": ["x", "y"]})
    with pytest.raises(ValueError, match="columns of numbers.*Write dropout=0.0"):
        silenced_copies(context_of(frame))


def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, train_size=600, random_state=0)


BY_ROWS = [
    KNeighborsClassifier(3),
    GaussianNB(var_smoothing=1e-2),
    MultinomialNB(),
    BernoulliNB(binarize=8.0),
    CategoricalNB(min_categories=17),
    LinearDiscriminantAnalysis(),
    QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.2),
    AdaBoostClassifier(DecisionTreeClassifier(max_depth=5), n_estimators=5, random_state=0),
]


@pytest.mark.parametrize("keep", [1.0, 0.3])
@pytest.mark.parametrize("model", BY_ROWS, ids=named)
def test_classes_are_found_about_as_well(model, keep):
    X, X_test, y, y_test = digits()
    settings = {"keep": keep, "cv": 2, "random_state": 0}
    plain = PrunedClassifier(model, **settings).fit(X, y)
    silenced = PrunedClassifier(model, dropout=0.2, **settings).fit(X, y)
    again = PrunedClassifier(model, dropout=0.2, n_jobs=2, **settings).fit(X, y)
    scores = silenced.predict_proba(X_test)
    assert not np.allclose(scores, plain.predict_proba(X_test))
    assert np.array_equal(scores, again.predict_proba(X_test))
    assert plain.score(X_test, y_test) - silenced.score(X_test, y_test) < 0.1


def test_another_seed_silences_others():
    X, X_test, y, _ = digits()
    first, other = (
        PrunedClassifier(MultinomialNB(), keep=1.0, dropout=0.2, random_state=seed).fit(
            X, y
        )
        for seed in (0, 1)
    )
    assert not np.allclose(first.predict_proba(X_test), other.predict_proba(X_test))


@pytest.mark.parametrize("keep", [1.0, 0.5])
def test_neighbors_of_numbers(keep):
    X, X_test, y, y_test = train_test_split(*load_diabetes(return_X_y=True), random_state=0)
    settings = {"keep": keep, "cv": 2, "random_state": 0}
    plain = PrunedRegressor(KNeighborsRegressor(9), **settings).fit(X, y)
    silenced = PrunedRegressor(KNeighborsRegressor(9), dropout=0.2, **settings).fit(X, y)
    assert not np.allclose(silenced.predict(X_test), plain.predict(X_test))
    assert plain.score(X_test, y_test) - silenced.score(X_test, y_test) < 0.1


@pytest.mark.parametrize("keep", [1.0, 0.5])
def test_prototypes_that_do_not_move_are_an_error(keep):
    X, y = load_iris(return_X_y=True)
    model = KNeighborsClassifier(metric="manhattan")
    with pytest.raises(ValueError, match="Euclidean.*Write dropout=0.0"):
        PrunedClassifier(model, keep=keep, dropout=0.2).fit(X, y)
