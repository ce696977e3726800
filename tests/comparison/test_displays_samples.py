import numpy as np
import pytest
from fake_comparison import forest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

import matplotlib.pyplot as plt

from sklearn_prune import SampleSubsetClassifier, SampleSubsetRegressor
from sklearn_prune.comparison import SampleScoreDisplay
from sklearn_prune.comparison.displays.common import human_number, shorten
from sklearn_prune.sample_selection import L2PenaltySelector, MedoidSelector


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def classes():
    return load_digits(return_X_y=True)


@pytest.fixture(scope="module")
def fitted(classes):
    X, y = classes
    model = SampleSubsetClassifier(RidgeClassifier(), L2PenaltySelector(), keep=0.7)
    return model.fit(X, y)


def areas(display, artists):
    heights = [artist.get_data().values - artist.get_data().baseline for artist in artists]
    return np.array([np.abs(each).sum() for each in heights])


def test_strips_count_kept_and_dropped_rows_of_each_class(fitted, X, y):
    display = SampleScoreDisplay.from_estimator(fitted, X, y)
    assert display.classes_ == [str(digit) for digit in range(10)]
    kept = np.bincount(y[fitted.sample_mask_])
    dropped = np.bincount(y[~fitted.sample_mask_])
    ratio = areas(display, display.dropped_) / areas(display, display.kept_)
    np.testing.assert_allclose(ratio, dropped / kept)
    written = [text.get_text() for text in display.ax_.texts]
    assert [f"{k} of {k + d}" for k, d in zip(kept, dropped, strict=True)] == written[:10]
    assert "L2PenaltySelector" in display.ax_.get_xlabel()


def test_strips_of_a_selector_without_scores_show_places(X, y):
    subset = SampleSubsetClassifier(RidgeClassifier(), MedoidSelector(), keep=0.1)
    pipeline = make_pipeline(StandardScaler(), subset).fit(X[:200], y[:200])
    fitted = pipeline[-1]
    assert fitted.sample_scores_ is None
    display = SampleScoreDisplay.from_estimator(pipeline, X[:200], y[:200])
    best = fitted.selector_.order_[0]
    assert np.argmax(display.scores) == best
    assert "place from the end in the order of MedoidSelector" in display.ax_.get_xlabel()


def test_many_classes_are_pooled():
    y = np.arange(3000) % 60
    scores = np.random.RandomState(0).rand(3000)
    kept = scores > 0.3
    kept[y == 7] = False
    display = SampleScoreDisplay(scores, kept, y).plot()
    assert len(display.classes_) == 20
    assert display.classes_[0] == "7"
    assert display.classes_[-1] == "41 other classes"
    assert sum(areas(display, display.kept_) > 0) == 19


def test_a_numeric_target_is_shown_in_quarters():
    X, y = load_diabetes(return_X_y=True)
    subset = SampleSubsetRegressor(Ridge(), L2PenaltySelector(), keep=0.5).fit(X, y)
    display = SampleScoreDisplay.from_estimator(subset, X, y)
    assert display.classes_[0] == "25 to 87"
    assert len(display.classes_) == 4


def test_strips_of_a_comparison():
    comparison = forest(rows=True)
    X, y = np.zeros((1797, 3)), np.arange(1797) % 10
    display = SampleScoreDisplay.from_comparison(comparison, "forest, keep 0.2", X, y)
    kept = comparison.kept("forest, keep 0.2").set_index("id")["frequency"].sort_index()
    np.testing.assert_array_equal(display.scores, kept)
    np.testing.assert_array_equal(display.kept, kept >= 0.5)
    with pytest.raises(ValueError, match="which does not"):
        SampleScoreDisplay.from_comparison(comparison, "forest, all", X, y)
    with pytest.raises(ValueError, match="variant must be one of those compared"):
        SampleScoreDisplay.from_comparison(comparison, "wood", X, y)
    with pytest.raises(ValueError, match="which does not"):
        SampleScoreDisplay.from_comparison(forest(), "forest, keep 0.2", X, y)


def test_strips_of_a_search(X, y):
    subset = SampleSubsetClassifier(RidgeClassifier(), random_state=0)
    whole = GridSearchCV(subset, {"keep": [1.0]}, cv=2).fit(X, y)
    with pytest.raises(ValueError, match="must have ranked rows. Got keep=1.0"):
        SampleScoreDisplay.from_cv_results(whole, X, y)
    half = GridSearchCV(subset, {"keep": [0.5]}, cv=2).fit(X, y)
    display = SampleScoreDisplay.from_cv_results(half, X, y)
    np.testing.assert_array_equal(display.kept, half.best_estimator_.sample_mask_)
    with pytest.raises(ValueError, match="without best_estimator_"):
        SampleScoreDisplay.from_cv_results(GridSearchCV(half, {}), X, y)


def test_strips_refuse_what_does_not_fit(fitted, X, y):
    with pytest.raises(ValueError, match="must hold the 1797 rows"):
        SampleScoreDisplay.from_estimator(fitted, X[:10], y[:10])
    with pytest.raises(TypeError, match="Got RidgeClassifier"):
        SampleScoreDisplay.from_estimator(RidgeClassifier(), X, y)
    with pytest.raises(ValueError, match="one name for each class. Got 2 for 10"):
        SampleScoreDisplay.from_estimator(fitted, X, y, names=["a", "b"])
    with pytest.raises(ValueError, match="none but NaN"):
        SampleScoreDisplay([np.nan], [True]).plot()


def test_far_scores_are_pooled_in_the_last_bin():
    scores = np.r_[np.linspace(0, 1, 999), 1e9]
    display = SampleScoreDisplay(scores, scores > 0.5).plot()
    assert display.kept_[0].get_data().edges[-1] <= 1
    assert "outermost bins" in display.ax_.get_xlabel()
    infinite = SampleScoreDisplay(np.r_[scores[:-1], np.inf], scores > 0.5).plot()
    n = areas(infinite, infinite.kept_) / areas(infinite, infinite.dropped_)
    np.testing.assert_allclose(n, (scores > 0.5).sum() / (scores <= 0.5).sum())


def test_gallery_shows_the_rows_with_the_lowest_scores(fitted, X, y):
    display = SampleScoreDisplay.from_estimator(fitted, X, y)
    display.plot_gallery(6, image_shape=(8, 8))
    dropped = np.flatnonzero(~fitted.sample_mask_)
    lowest = dropped[np.argsort(fitted.sample_scores_[dropped], kind="stable")][:6]
    np.testing.assert_array_equal(display.gallery_indices_, lowest)
    assert display.table_ is None
    for ax, row in zip(display.axes_, lowest, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), X[row].reshape(8, 8))
        score = human_number(fitted.sample_scores_[row])
        assert ax.get_title() == f"{y[row]}\n{score}"


@pytest.mark.parametrize(
    ("shape", "image_shape", "drawn"),
    [
        ((30, 12), (3, 4), (3, 4)),
        ((30, 36), (3, 4, 3), (3, 4, 3)),
        ((30, 5, 4), (5, 4), (5, 4)),
        ((30, 3, 6, 7), (3, 6, 7), (6, 7, 3)),
        ((30, 1, 6, 7), (1, 6, 7), (6, 7)),
    ],
)
def test_gallery_shapes(shape, image_shape, drawn):
    X = np.random.RandomState(0).rand(*shape) * 255
    display = SampleScoreDisplay(np.arange(30.0), np.arange(30) > 20, X=X)
    display.plot_gallery(3, image_shape=image_shape)
    image = np.asarray(display.axes_[0].images[0].get_array())
    assert image.shape == drawn
    if len(drawn) == 3:
        assert 0 <= image.min() <= image.max() <= 1


def test_gallery_of_a_table():
    data = load_breast_cancer(as_frame=True)
    X, y = data.data, data.target
    subset = SampleSubsetClassifier(RidgeClassifier(), L2PenaltySelector(), keep=0.9)
    display = SampleScoreDisplay.from_estimator(
        subset.fit(X, y), X, y, names=list(data.target_names)
    ).plot_gallery(5)
    cells = display.table_.get_celld()
    head = [cells[0, column].get_text().get_text() for column in range(11)]
    assert head[:3] == ["row", "class", "score"]
    for line, row in enumerate(display.gallery_indices_, 1):
        assert cells[line, 0].get_text().get_text() == str(row)
        assert cells[line, 1].get_text().get_text() == data.target_names[y[row]]
    column = next(name for name in X if shorten(name, 16) == head[3])
    first = display.gallery_indices_[0]
    assert cells[1, 3].get_text().get_text() == human_number(X[column].iloc[first])


def test_the_table_shows_the_features_that_are_far_from_the_class():
    random = np.random.RandomState(0)
    X = random.randn(200, 30)
    y = np.repeat([0, 1], 100)
    X[[0, 150], 17] += 9
    scores = np.arange(200.0)
    scores[150] = -1
    display = SampleScoreDisplay(scores, scores > 5, y, X=X).plot_gallery(2)
    head = [cell.get_text().get_text() for _, cell in display.table_.get_celld().items()]
    assert "x17" in head


@pytest.mark.parametrize("kind", ["csr", "polars", "texts", "lists"])
def test_gallery_of_other_containers(kind):
    from scipy.sparse import random_array

    dense = random_array((40, 20), density=0.3, rng=0)
    rows = {
        "csr": dense.tocsr,
        "polars": lambda: pytest.importorskip("polars").DataFrame(dense.toarray()),
        "texts": lambda: [f"text number {i} " * 10 for i in range(40)],
        "lists": lambda: dense.toarray().tolist(),
    }[kind]()
    y = ["a", "b"] * 20
    display = SampleScoreDisplay(np.arange(40.0), np.arange(40) > 9, y, X=rows)
    display.plot_gallery(4)
    assert display.table_[1, 0].get_text().get_text() == "0"
    if kind == "texts":
        assert display.table_[1, 3].get_text().get_text().startswith("text number 0")


def test_gallery_refuses_what_does_not_fit(X):
    scores, kept = np.arange(1797.0), np.arange(1797) > 1000
    with pytest.raises(ValueError, match="Got X=None"):
        SampleScoreDisplay(scores, kept).plot_gallery()
    with pytest.raises(ValueError, match="shows dropped rows. Got none"):
        SampleScoreDisplay(scores, scores >= 0, X=X).plot_gallery()
    with pytest.raises(ValueError, match=r"must hold 64 values.*Got \(8, 9\)"):
        SampleScoreDisplay(scores, kept, X=X).plot_gallery(image_shape=(8, 9))
    with pytest.raises(ValueError, match=r"Write image_shape=\(8, 8\)"):
        SampleScoreDisplay(scores, kept, X=X.reshape(-1, 8, 8)).plot_gallery()
    _, axes = plt.subplots(1, 2)
    with pytest.raises(ValueError, match="Got 2 for 3 rows"):
        SampleScoreDisplay(scores, kept, X=X).plot_gallery(3, image_shape=(8, 8), axes=axes)


def test_a_missing_matplotlib_says_what_to_type(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "sklearn-prune\[compare\]"'):
        SampleScoreDisplay([0.0, 1.0], [True, False]).plot()
