import sys
import types
from functools import partial

import numpy as np
import pytest
from fake_comparison import FakeComparison, forest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
pd = pytest.importorskip("pandas")

import matplotlib.pyplot as plt
from matplotlib.colors import to_rgb

from sklearn_prune import (
    PrunedClassifier,
    SampleSubsetClassifier,
    SampleSubsetRegressor,
    _drawing,
)
from sklearn_prune.comparison import (
    PruningComparison,
    PruningCurveDisplay,
    SampleScoreDisplay,
    ScoreCostDisplay,
    cost_scorer,
)
from sklearn_prune.comparison.compare import keep_parameter
from sklearn_prune.comparison.displays import common
from sklearn_prune.comparison.displays.draw import pareto_front
from sklearn_prune.comparison.verdicts.statistics import corrected_posterior
from sklearn_prune.sample_selection import L2PenaltySelector, MedoidSelector


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def classes():
    return load_digits(return_X_y=True)


def lightness(color):
    """L* of CIELAB, what is left of a colour on a grey print."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return 116 * np.cbrt(luminance) - 16


def boxes_of(labels):
    return np.array([label.get_window_extent().extents for label in labels])


def overlaps(first, second):
    return (first[:2] < second[2:]).all() and (second[:2] < first[2:]).all()


def test_colors_differ_in_grey_and_markers_differ_where_they_do_not():
    for first, second in [(0, 1), (1, 2), (0, 2), (2, 3), (0, 3)]:
        assert (
            abs(lightness(_drawing.COLORS[first]) - lightness(_drawing.COLORS[second])) > 8
        )
    assert len(set(common.MARKERS)) == len(common.MARKERS) > len(_drawing.COLORS)
    tested = [
        common.VERDICTS[name] for name in ("not worse", "undecided", "worse", "not tested")
    ]
    assert len({style["marker"] for style in tested}) == 4


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1234567, "1,234,567"),
        (0.123456, "0.123"),
        (-0.002, "\N{MINUS SIGN}0.002"),
        (12.3456, "12.3"),
        (1e-9, "1e-09"),
        (float("nan"), "\N{EN DASH}"),
        (float("inf"), "\N{EN DASH}"),
    ],
)
def test_human_number(value, text):
    assert _drawing.human_number(value) == text


def test_units():
    assert common.human_bytes(216_000) == "216 kB"
    assert common.human_bytes(999.7) == "1 kB"
    assert common.human_bytes(12) == "12 bytes"
    assert common.human_seconds(0.00403) == "4.03 ms"
    assert common.human_seconds(2e-5) == "20 µs"
    assert common.human_seconds(3.25) == "3.25 s"


def test_shorten_keeps_both_ends_and_drops_control_characters():
    text = _drawing.shorten("forest " * 20 + "keep 0.1", 30)
    assert len(text) <= 30
    assert text.startswith("forest")
    assert text.endswith("keep 0.1")
    assert _drawing.shorten("a\x00b\ud800\n c", 30) == "a�b� c"


def test_keep_parameter():
    tree = DecisionTreeClassifier()
    subset = SampleSubsetClassifier(tree)
    assert keep_parameter(subset) == "keep"
    pipeline = make_pipeline(StandardScaler(), subset)
    assert keep_parameter(pipeline) == "samplesubsetclassifier__keep"
    with pytest.raises(ValueError, match="Got DecisionTreeClassifier without one"):
        keep_parameter(tree)
    both = SampleSubsetClassifier(PrunedClassifier(tree))
    with pytest.raises(ValueError, match=r"Got \['estimator__keep', 'keep'\]"):
        keep_parameter(both)
    assert keep_parameter(both, "estimator__keep") == "estimator__keep"
    with pytest.raises(ValueError, match="must be a parameter of the estimator"):
        keep_parameter(both, "kept")


def test_curve_of_a_comparison():
    comparison = forest()
    display = PruningCurveDisplay.from_comparison(comparison)
    verdicts = comparison.verdicts()
    line = display.lines_[0]
    chain = list(comparison.chains["forest"])[::-1]
    np.testing.assert_allclose(line.get_ydata(), verdicts.loc[chain, "score"])
    np.testing.assert_allclose(line.get_xdata(), [0.01, 0.05, 0.1, 0.2, 0.5], rtol=0.02)
    assert len(display.lines_) == len(display.random_lines_) == 2
    np.testing.assert_allclose(
        display.random_lines_[0].get_ydata(), line.get_ydata() - 0.02
    )
    assert display.random_lines_[0].get_linestyle() == "--"
    assert display.ax_.get_xscale() == "log"
    baseline = display.baseline
    assert display.baseline_.get_ydata()[0] == baseline
    band = display.band_.get_bbox()
    np.testing.assert_allclose([band.y0, band.y1], [baseline - 0.01, baseline])
    # The interval is that of the difference, around the score.
    segments = display.errorbars_[0].lines[2][0].get_segments()
    row = verdicts.loc["forest, keep 0.1"]
    np.testing.assert_allclose(
        segments[2][:, 1], baseline + np.array([row["ci_low"], row["ci_high"]])
    )


def test_curve_is_linear_where_keep_spans_less_than_a_decade():
    spec = {
        "all": (0.9, 1000, 1.0, None),
        "a": (0.9, 700, 0.7, "c"),
        "b": (0.9, 500, 0.5, "c"),
    }
    display = PruningCurveDisplay.from_comparison(FakeComparison(spec))
    assert display.ax_.get_xscale() == "linear"


def test_curve_shows_one_kind_of_keep():
    spec = {
        "all": (0.9, 1000, 1.0, None),
        "a": (0.9, 700, 0.5, "share"),
        "b": (0.9, 500, 100, "count"),
        "c": (0.9, 400, 50, "count"),
        "d": (0.9, 400, "auto", "auto"),
    }
    comparison = FakeComparison(spec)
    display = PruningCurveDisplay.from_comparison(comparison)
    assert display.ax_.get_xlabel() == "keep (number)"
    assert [len(line.get_xdata()) for line in display.lines_] == [2]
    assert display.star_ is None
    other = PruningCurveDisplay.from_comparison(comparison, kind="fraction")
    assert other.ax_.get_xlabel() == "keep (fraction)"
    np.testing.assert_array_equal(other.star_.get_xdata(), [1.0])
    with pytest.raises(ValueError, match="chains must name chains"):
        PruningCurveDisplay.from_comparison(comparison, chains=["x"])
    with pytest.raises(ValueError, match='kind must be "fraction" or "number"'):
        PruningCurveDisplay.from_comparison(comparison, kind="share")
    with pytest.raises(ValueError, match="Got none"):
        PruningCurveDisplay.from_comparison(comparison, chains=["auto"])
    with pytest.raises(ValueError, match="not both on one axis"):
        PruningCurveDisplay(pd.concat([display.curves, other.curves])).plot()


def test_curve_without_what_is_not_known():
    failed = {"forest, keep 0.01": "boom"}
    comparison = forest(controls=(), n_splits=1, failures=failed)
    display = PruningCurveDisplay.from_comparison(comparison)
    assert display.errorbars_ == display.random_lines_ == []
    assert len(display.lines_[0].get_xdata()) == 4


def test_curve_draws_on_given_axes_and_shows_names_as_they_are():
    spec = {
        "all": (0.9, 1000, 1.0, None),
        "a": (0.9, 700, 0.5, "$x_1$ & <b>"),
        "b": (0.9, 500, 0.2, "_under"),
    }
    _, ax = plt.subplots()
    display = PruningCurveDisplay.from_comparison(FakeComparison(spec), ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert "$x_1$ & <b>" in texts
    assert " _under" in texts
    display.figure_.canvas.draw()


@pytest.fixture(scope="module")
def search(classes):
    X, y = classes
    subset = SampleSubsetClassifier(RidgeClassifier(), random_state=0)
    grid = [
        {"keep": [1.0], "estimator__alpha": [1.0, 10.0]},
        {"keep": [0.5, 0.05], "estimator__alpha": [1.0, 10.0]},
    ]
    scoring = {"accuracy": "accuracy", "nbytes": cost_scorer("nbytes")}
    cv = StratifiedKFold(4)
    return GridSearchCV(subset, grid, scoring=scoring, refit="accuracy", cv=cv).fit(X, y)


def test_curve_of_a_search(search):
    results = pd.DataFrame(search.cv_results_)
    display = PruningCurveDisplay.from_cv_results(search, test_share=StratifiedKFold(4))
    assert len(display.lines_) == 2
    whole = results[results["param_keep"] == 1.0].sort_values("mean_test_accuracy").iloc[-1]
    assert display.baseline == pytest.approx(whole["mean_test_accuracy"])
    part = results[results["param_estimator__alpha"] == 10.0].sort_values("param_keep")
    ten = list(dict.fromkeys(display.curves["line"])).index("estimator__alpha=10.0")
    np.testing.assert_allclose(
        display.lines_[ten].get_ydata(), part["mean_test_accuracy"].astype(float)
    )
    splits = [f"split{i}_test_accuracy" for i in range(4)]
    row = part.iloc[0]
    posterior = corrected_posterior(
        (row[splits] - whole[splits]).to_numpy(dtype=float), 0.25
    )
    of_line = display.curves[display.curves["line"] == "estimator__alpha=10.0"]
    point = of_line[of_line["keep"] == 0.05].iloc[0]
    np.testing.assert_allclose(
        [point["low"], point["high"]], display.baseline + np.array(posterior.interval(0.95))
    )


def test_curve_of_a_frame_without_a_column_of_dicts(search):
    results = pd.DataFrame(search.cv_results_)
    expected = PruningCurveDisplay.from_cv_results(results).curves
    columns = results.drop(columns="params")
    for frame in (columns, pytest.importorskip("polars").from_pandas(columns)):
        curves = PruningCurveDisplay.from_cv_results(frame).curves
        pd.testing.assert_frame_equal(pd.DataFrame(curves), pd.DataFrame(expected))
    with pytest.raises(ValueError, match="Got DataFrame without cv_results_"):
        PruningCurveDisplay.from_cv_results(results[["mean_test_accuracy"]])


def test_curve_of_a_search_without_a_share_has_no_interval(search):
    display = PruningCurveDisplay.from_cv_results(search.cv_results_, score="accuracy")
    assert display.errorbars_ == []
    with pytest.raises(ValueError, match="score must be a key"):
        PruningCurveDisplay.from_cv_results(search, score="acuracy")
    with pytest.raises(ValueError, match="without cv_results_. Call fit first"):
        PruningCurveDisplay.from_cv_results(GridSearchCV(RidgeClassifier(), {}))


def test_curve_of_a_search_over_counts_leaves_out_the_fraction():
    results = {
        "params": [{"keep": keep} for keep in (1.0, 200, 20)],
        "split0_test_score": np.array([0.9, 0.88, 0.7]),
        "split1_test_score": np.array([0.92, 0.9, 0.8]),
        "mean_test_score": np.array([0.91, 0.89, 0.75]),
    }
    display = PruningCurveDisplay.from_cv_results(results)
    assert display.ax_.get_xlabel() == "keep (number)"
    assert display.baseline == pytest.approx(0.91)
    (line,) = display.lines_
    np.testing.assert_allclose(line.get_xdata(), [20, 200])
    np.testing.assert_allclose(line.get_ydata(), [0.75, 0.89])
    assert display.star_ is None


@pytest.mark.parametrize("display", [PruningCurveDisplay, ScoreCostDisplay])
def test_displays_say_why_every_value_of_keep_failed(display, classes):
    X, y = (part[:60] for part in classes)
    subset = SampleSubsetClassifier(RidgeClassifier())
    reason = "keep=5000: fold 0: .* keep must not exceed the number of rows"
    with pytest.raises(ValueError, match=reason):
        display.from_estimator(subset, X, y, keep=(5000, 4000), cv=3)
    points = display.from_estimator(subset, X, y, keep=(5000, 30), cv=3).ax_.lines
    assert any(np.isfinite(line.get_ydata()).any() for line in points)


def test_displays_of_an_estimator(X, y):
    pipeline = make_pipeline(StandardScaler(), SampleSubsetClassifier(RidgeClassifier()))
    options = {"keep": (0.5, 0.1), "cv": 3, "random_control": False}
    curve = PruningCurveDisplay.from_estimator(pipeline, X[:300], y[:300], **options)
    np.testing.assert_array_equal(np.sort(curve.curves["keep"]), [0.1, 0.5])
    assert curve.random_lines_ == []
    assert curve.margin == 0.01
    assert curve.legend_.get_texts()[0].get_text() == "pruned"
    cost = ScoreCostDisplay.from_estimator(
        pipeline, X[:300], y[:300], cost="n_samples", **options
    )
    np.testing.assert_array_equal(np.sort(cost.points["cost"]), [20, 100, 200])
    with pytest.raises(ValueError, match="must have a parameter named keep"):
        PruningCurveDisplay.from_estimator(RidgeClassifier(), X, y)


def brute_force_front(cost, score):
    beaten = [
        any(
            (cost[j] <= cost[i] and score[j] >= score[i])
            and (cost[j] < cost[i] or score[j] > score[i] or j < i)
            for j in range(len(cost))
            if j != i
        )
        for i in range(len(cost))
    ]
    return {i for i in range(len(cost)) if not beaten[i]}


@pytest.mark.parametrize("seed", range(20))
def test_front_equals_brute_force(seed):
    random = np.random.RandomState(seed)
    cost, score = random.randint(0, 8, 25), random.randint(0, 8, 25)
    front = pareto_front(cost, score)
    assert set(front.tolist()) == brute_force_front(cost, score)
    assert (np.diff(cost[front]) > 0).all()
    assert (np.diff(score[front]) > 0).all()


def test_cost_of_a_comparison():
    comparison = forest(controls=("random", "small"))
    display = ScoreCostDisplay.from_comparison(comparison)
    verdicts = comparison.verdicts()["verdict"]
    for verdict, line in display.points_.items():
        n = 1 if verdict == "baseline" else (verdicts == verdict).sum()
        assert len(line.get_xdata()) == n
    assert set(display.points_) == {"baseline", *verdicts}
    assert {line.get_marker() for line in display.points_.values()} == {
        common.VERDICTS[verdict]["marker"] for verdict in display.points_
    }
    for line in display.controls_.values():
        assert line.get_markerfacecolor() == "white"
        assert len(line.get_xdata()) == len(verdicts)
    assert display.ax_.get_xscale() == "log"
    assert display.front_.get_drawstyle() == "steps-post"
    real = display.points[~display.points["role"].isin(["random", "small"])]
    expected = brute_force_front(real["cost"].to_numpy(), real["score"].to_numpy())
    assert set(display.front_names_) == set(real["name"].iloc[sorted(expected)])
    with pytest.raises(ValueError, match="cost must be one that was measured"):
        ScoreCostDisplay.from_comparison(comparison, cost="weight")
    with pytest.raises(ValueError, match="scorer must be one of those compared"):
        ScoreCostDisplay.from_comparison(comparison, scorer="f1")


def test_the_legend_names_the_numbers_beside_the_points():
    names = [f"a name that is much too long to stand beside a point {i}" for i in range(12)]
    spec = {"baseline": (0.9, 10_000_000, 1.0, None)} | {
        name: (0.9 - 0.004 * i, 9e6 / 1.5**i, 0.5, name) for i, name in enumerate(names)
    }
    display = ScoreCostDisplay.from_comparison(FakeComparison(spec))
    numbers = [label.get_text() for label in display.labels_]
    assert numbers == [str(number) for number in range(1, 14)]
    legend = display.legend_
    markers = [handle.get_marker() for handle in legend.legend_handles[-13:]]
    assert markers == [f"${number}$" for number in numbers]
    texts = [text.get_text() for text in legend.get_texts()[-13:]]
    assert texts == [_drawing.shorten(name, 36) for name in spec]
    display.figure_.canvas.draw()
    box, axes = legend.get_window_extent().extents, display.ax_.get_window_extent().extents
    assert not overlaps(box, axes)
    assert not ScoreCostDisplay(display.points).plot(show_names=False).labels_


@pytest.mark.parametrize("width", [3.0, 6.0])
@pytest.mark.parametrize("factor", [1.4, 5.0, 30.0, 1e7])
@pytest.mark.parametrize("cost", ["n_params", "nbytes"])
def test_ticks_of_costs_do_not_touch(width, factor, cost):
    _, ax = plt.subplots(figsize=(width, 3.6), layout="constrained")
    points = pd.DataFrame({"name": ["a", "b"], "role": "variant", "verdict": "worse"})
    points = points.assign(cost=[230.0, 230.0 * factor], score=[0.8, 0.9])
    display = ScoreCostDisplay(points, cost_name=cost).plot(ax=ax)
    display.figure_.canvas.draw()
    low, high = ax.get_xlim()
    ticks = [t for t in ax.xaxis.get_major_ticks() if low <= t.get_loc() <= high]
    assert ticks
    boxes = boxes_of([tick.label1 for tick in ticks])
    assert (boxes[1:, 0] - boxes[:-1, 2] > 1).all()


def test_cost_of_a_search(search):
    results = pd.DataFrame(search.cv_results_)
    display = ScoreCostDisplay.from_cv_results(search)
    np.testing.assert_allclose(display.points["cost"], -results["mean_test_nbytes"])
    np.testing.assert_allclose(display.points["score"], results["mean_test_accuracy"])
    assert (display.points["role"] == "baseline").sum() == 1
    times = ScoreCostDisplay.from_cv_results(search, cost="fit_time", score="accuracy")
    np.testing.assert_allclose(times.points["cost"], results["mean_fit_time"])
    with pytest.raises(ValueError, match="cost must be one that the search recorded"):
        ScoreCostDisplay.from_cv_results(search, cost="n_params", score="accuracy")


def test_cost_needs_a_positive_cost():
    points = pd.DataFrame(
        {
            "name": ["a"],
            "role": "variant",
            "cost": [0.0],
            "score": [1.0],
            "verdict": "worse",
        }
    )
    with pytest.raises(ValueError, match="a positive nbytes. Got none"):
        ScoreCostDisplay(points).plot()


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
        score = _drawing.human_number(fitted.sample_scores_[row])
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
    column = next(name for name in X if _drawing.shorten(name, 16) == head[3])
    first = display.gallery_indices_[0]
    assert cells[1, 3].get_text().get_text() == _drawing.human_number(X[column].iloc[first])


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


@pytest.mark.parametrize("kind", ["frame", "shuffled", "file", "polars"])
def test_results_of_a_search_in_a_frame(kind, tmp_path):
    X, y = load_digits(return_X_y=True)
    grid = {"keep": [1.0, 0.5, 0.2], "estimator__alpha": [1.0, 9.0]}
    search = GridSearchCV(SampleSubsetClassifier(RidgeClassifier()), grid, cv=3)
    search.fit(X[:300], y[:300])
    frame = pd.DataFrame(search.cv_results_)
    if kind == "shuffled":
        frame = frame.sample(frac=1.0, random_state=0)
    elif kind == "file":
        frame.to_csv(tmp_path / "results.csv")
        frame = pd.read_csv(tmp_path / "results.csv")
    elif kind == "polars":
        plain = {k: v for k, v in search.cv_results_.items() if "param_" not in k}
        frame = pytest.importorskip("polars").DataFrame(plain, strict=False)
    for draw, name in (
        (PruningCurveDisplay.from_cv_results, "curves"),
        (partial(ScoreCostDisplay.from_cv_results, cost="fit_time"), "points"),
    ):
        wanted, found = (getattr(draw(given), name) for given in (search, frame))
        order = list(wanted.columns)
        wanted, found = (
            one.sort_values(order, ignore_index=True) for one in (wanted, found)
        )
        pd.testing.assert_frame_equal(found, wanted)
    with pytest.raises(ValueError, match="dicts in its column params. Got first"):
        PruningCurveDisplay.from_cv_results(pd.DataFrame({"params": ["first"]}))
    with pytest.raises(ValueError, match="Got DataFrame without cv_results_"):
        PruningCurveDisplay.from_cv_results(pd.DataFrame({"keep": [1.0]}))


@pytest.mark.parametrize("backend", ["agg", "inline"])
def test_a_comparison_is_drawn_once_in_a_notebook(backend, monkeypatch):
    """A cell draws the open figures of pyplot, and the value of its last expression."""
    drawn = []
    display = types.ModuleType("IPython.display")
    display.Image, display.display = len, drawn.append
    package = types.ModuleType("IPython")
    package.display = display
    monkeypatch.setitem(sys.modules, "IPython", package)

    def end_of_cell(value):
        show = getattr(value, "_ipython_display_", lambda: drawn.append(value))
        show()
        for number in plt.get_fignums():
            drawn.append(plt.figure(number))
            plt.close(number)

    plt.close("all")
    if backend == "inline":
        monkeypatch.setattr("matplotlib.get_backend", lambda: "module://x.backend_inline")
    figure = PruningComparison.plot(forest())
    assert len(figure.axes) == 2
    end_of_cell(figure)
    assert len(drawn) == 1
    end_of_cell(figure)  # in another cell
    assert len(drawn) == 2
