import json
import warnings
from decimal import Decimal
from functools import partial
from math import comb

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_prune import (
    SampleSubsetClassifier,
    SampleSubsetRegressor,
    SampleSubsetSampler,
    SampleSubsetTransformer,
)
from sklearn_prune._ranking import Ranking
from sklearn_prune.comparison import SampleScoreDisplay
from sklearn_prune.sample_selection import L2PenaltySelector, RandomSelector, SampleSelector
from sklearn_prune.sample_selection._report import change_targets, selection_report

pandas = pytest.importorskip("pandas")


class ColumnSelector(SampleSelector):
    """Large entries of the first column first."""

    allow_nan = True

    def _rank(self, X, y, context):
        return Ranking.from_scores(X[:, 0])


def dropped_rows(n, dropped, keep):
    """A fitted sampler that dropped the given rows."""
    scores = np.ones(n)
    scores[dropped] = 0
    return SampleSubsetSampler(ColumnSelector(), keep=keep).fit(scores[:, None])


def lines(report, kind, feature=None):
    rows = report[report["kind"] == kind]
    rows = rows if feature is None else rows[rows["feature"] == feature]
    return {line.value: (line.n, line.kept, line.dropped) for line in rows.itertuples()}


def test_lines_count_rows_by_class_group_and_feature():
    random = np.random.RandomState(0)
    X = pandas.DataFrame(
        {
            "size": random.randn(80),
            "few": np.arange(80) % 3,
            "sort": pandas.Categorical(np.array(["b", "a"])[np.arange(80) % 2]),
            "name": [f"n{i}" for i in range(30)] + ["z"] * 50,
            "flag": np.arange(80) < 20,
        }
    )
    X.loc[70:, "size"] = np.nan
    y, groups = np.array(["no", "yes"])[(np.arange(80) > 60) * 1], np.arange(80) // 40
    fitted = dropped_rows(80, random.permutation(80)[:32], 0.6)
    mask = fitted.sample_mask_
    report = selection_report(fitted, X, y, groups)

    def count(rows):
        return np.sum(rows), np.sum(rows & mask), np.sum(rows & ~mask)

    assert lines(report, "all") == {"all": (80, 48, 32)}
    assert lines(report, "class") == {label: count(y == label) for label in ("no", "yes")}
    assert lines(report, "group") == {label: count(groups == label) for label in (0, 1)}
    few = lines(report, "feature", "few")
    assert few == {value: count(X["few"].to_numpy() == value) for value in range(3)}
    assert lines(report, "feature", "sort")["a"] == count(X["sort"].to_numpy() == "a")
    assert lines(report, "feature", "flag")[True] == count(X["flag"].to_numpy())
    names = lines(report, "feature", "name")
    assert len(names) == 21
    assert names["z"] == count(X["name"].to_numpy() == "z")
    assert names["others"][0] == 11
    sizes = lines(report, "feature", "size")
    assert sizes.pop("missing") == count(np.arange(80) >= 70)
    assert len(sizes) == 4
    own = X["size"].to_numpy()
    for value, counts in sizes.items():
        low, high = map(float, value.split(" to "))
        assert counts == count((own >= low - 1e-5) & (own <= high + 1e-5))
        assert counts[0] in (17, 18)
    feature = report[report["kind"] == "feature"].groupby("feature")
    assert (feature["n"].sum() == 80).all()
    assert (feature["dropped"].sum() == 32).all()


def test_shares_and_p_values():
    fitted = dropped_rows(30, [0, 1, 2, 3, 12, 20], 24)
    report = selection_report(fitted, np.zeros((30, 1)), None, np.arange(30) >= 10)
    line = report[report["kind"] == "group"].iloc[0]
    assert (line["n"], line["dropped"]) == (10, 4)
    assert line["kept_share"] == 0.6
    assert line["expected_dropped"] == 10 * 6 / 30
    assert line["ratio"] == 2.0
    tail = sum(comb(10, lost) * comb(20, 6 - lost) for lost in range(4, 7))
    assert line["p_value"] == pytest.approx(tail / comb(30, 6))
    assert not report["far_more"].any()


@pytest.mark.parametrize(
    ("lost", "others_lost", "warns"),
    [
        (20, 20, True),  # 40 % against 8 %
        (20, 100, False),  # 40 % against 24 %
        (4, 0, False),  # too few
        (49, 330, True),  # 2 % kept against 24 %
        (40, 330, False),  # 20 % kept against 26 %
    ],
)
def test_warns_of_a_group_that_loses_far_more_than_its_share(lost, others_lost, warns):
    groups = np.repeat(["small", "large"], [50, 450])
    dropped = [*range(lost), *range(50, 50 + others_lost)]
    fitted = dropped_rows(500, dropped, 500 - len(dropped))
    X, y = np.zeros((500, 1)), np.arange(500) % 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report = selection_report(fitted, X, y, groups)
    flagged = report[report["far_more"]]
    assert list(flagged["value"]) == (["small"] if warns else [])
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == warns
    if warns:
        assert (
            f"far more than that share of group 'small' (dropped {lost} of 50)"
            in messages[0]
        )
        assert "\n" not in messages[0]
        assert caught[0].filename == __file__


def test_chance_does_not_warn():
    X, y = np.zeros((400, 1)), np.repeat([0, 1], 200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(20):
            fitted = SampleSubsetSampler(keep=0.9, stratify=None, random_state=seed)
            selection_report(fitted.fit(X, y), X, y, np.arange(400) % 40)


def test_balance_that_was_asked_for_is_a_note_and_no_warning():
    X, y = np.zeros((400, 1)), np.repeat([0, 1], [360, 40])
    model = SampleSubsetClassifier(GaussianNB(), keep=80, stratify="balanced")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = selection_report(model.fit(X, y), X, y)
    lines = report[report["kind"] == "class"]
    assert lines["kept"].tolist() == [40, 40]
    (note,) = report.attrs["notes"]
    assert "Probabilities" in note
    assert "TunedThresholdClassifierCV" in note
    assert not selection_report(model.set_params(keep=1.0).fit(X, y), X, y).attrs["notes"]
    model = SampleSubsetClassifier(GaussianNB(), keep=80).fit(X, y)
    assert not selection_report(model, X, y).attrs["notes"]


def test_rows_dropped_first_are_the_worst_ranked():
    X = np.random.RandomState(0).randn(60, 1)
    y, groups = np.arange(60) % 2, np.arange(60) % 3
    fitted = SampleSubsetSampler(ColumnSelector(), keep=0.5).fit(X, y)
    first = selection_report(fitted, X, y, groups).attrs["dropped_first"]
    assert [row["position"] for row in first] == np.argsort(X[:, 0])[:20].tolist()
    for row in first:
        assert row["label"] == y[row["position"]]
        assert row["group"] == groups[row["position"]]
        assert row["score"] == X[row["position"], 0]
    kept_all = SampleSubsetSampler(keep=1.0).fit(X, y)
    assert selection_report(kept_all, X, y).attrs["dropped_first"] == []


def test_attributes_survive_what_frames_do(X, y):
    model = SampleSubsetClassifier(LogisticRegression(), L2PenaltySelector()).fit(X, y)
    report = selection_report(model, X, y, probe=0.1)
    both = pandas.concat([report, report[report["kind"] == "class"]])
    assert both.attrs == report.attrs
    assert json.loads(json.dumps(report.attrs)) == report.attrs


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_probe_says_how_many_changed_rows_come_last(task):
    random = np.random.RandomState(0)
    X = random.randn(300, 4)
    y = X @ [1.0, 2.0, -1.0, 0.5] + 0.05 * random.randn(300)
    model = SampleSubsetRegressor(Ridge(), L2PenaltySelector(), keep=0.8)
    if task == "classification":
        y = np.array(["a", "b", "c"])[np.digitize(y, [-1, 1])]
        model = SampleSubsetClassifier(LogisticRegression(), L2PenaltySelector(), keep=0.8)
    X_before, y_before = X.copy(), y.copy()
    report = selection_report(model.fit(X, y), X, y, probe=0.1, random_state=5)
    assert np.array_equal(X, X_before)
    assert np.array_equal(y, y_before)
    probe = report.attrs["probe"]
    assert probe == selection_report(model, X, y, probe=0.1, random_state=5).attrs["probe"]
    assert probe["n_changed"] == 30
    assert probe["auc"] > 0.9
    assert probe["precision"] == probe["recall"] > 0.5
    # 60 rows are dropped, 30 of them changed at best
    assert probe["dropped_recall"] == pytest.approx(
        2 * probe["dropped_precision"], abs=1e-9
    )
    assert probe["dropped_recall"] >= probe["recall"]


def test_probe_of_an_order_that_finds_all_or_nothing():
    y = np.repeat([0, 1], 50)
    for sign, expected in [(1, 1.0), (-1, 0.0)]:

        class TruthSelector(SampleSelector):
            requires_y = True

            def _rank(self, X, y, context):
                right = y == np.repeat([0, 1], 50)
                return Ranking.from_scores(np.where(right, 1.0, 0.0) * self.sign)

        TruthSelector.sign = sign
        fitted = SampleSubsetSampler(TruthSelector(), keep=0.9).fit(np.zeros((100, 1)), y)
        probe = selection_report(fitted, np.zeros((100, 1)), y, probe=0.1).attrs["probe"]
        assert probe["auc"] == probe["precision"] == probe["recall"] == expected


def test_probe_of_random_rows_finds_their_share():
    X, y = np.zeros((4000, 1)), np.arange(4000) % 4
    fitted = SampleSubsetSampler(RandomSelector(), keep=0.5, random_state=0).fit(X, y)
    probe = selection_report(fitted, X, y, probe=0.2).attrs["probe"]
    # hypergeometric: standard deviation 0.0127 of the precision, 0.0115 of the AUC
    assert abs(probe["precision"] - 0.2) < 4 * 0.0127
    assert abs(probe["auc"] - 0.5) < 4 * 0.0115
    assert abs(probe["dropped_recall"] - 0.5) < 4 * 0.016


def test_targets_change_at_the_share_and_nowhere_else():
    labels = np.array(["a", "b", "c"])[np.arange(900) % 3]
    changed, y = change_targets(labels, 0.1, "classification", 0)
    assert np.count_nonzero(changed) == 90
    assert np.array_equal(changed, y != labels)
    moves = {(old, new) for old, new in zip(labels[changed], y[changed], strict=True)}
    assert len(moves) == 6
    numbers = np.arange(100.0)
    changed, y = change_targets(numbers, 0.1, "regression", 0)
    assert np.array_equal(changed, y != numbers)
    assert np.count_nonzero(changed) == 10
    assert sorted(y) == list(numbers)


def test_models_inside_pipelines(X, y):
    inner = SampleSubsetClassifier(LogisticRegression(), L2PenaltySelector(), keep=0.8)
    pipe = make_pipeline(StandardScaler(), PCA(3), inner).fit(X, y)
    report = selection_report(pipe, X, y, probe=0.1)
    assert sorted(set(report["feature"].dropna())) == sorted(f"x{i}" for i in range(8))
    bare = selection_report(inner, X, y, probe=0.1)
    assert report[report["kind"] == "class"].equals(bare[bare["kind"] == "class"])
    alone = selection_report(pipe[-1], pipe[:-1].transform(X), y, probe=0.1)
    assert report.attrs["probe"] == alone.attrs["probe"]
    texts = ["red apple", "green apple", "red car", "fast car"] * 10
    topics = ["fruit", "fruit", "car", "car"] * 10
    model = SampleSubsetClassifier(MultinomialNB(), L2PenaltySelector())
    pipe = make_pipeline(TfidfVectorizer(), model).fit(texts, topics)
    report = selection_report(pipe, texts, topics, probe=0.1)
    assert set(report["kind"]) == {"all", "class"}


@pytest.mark.parametrize("kind", ["sampler", "transformer", "search", "search in a step"])
def test_what_holds_a_selection(X, y, kind):
    model = SampleSubsetClassifier(LogisticRegression(), L2PenaltySelector(), keep=0.8)
    scaled = StandardScaler().fit_transform(X)
    if kind == "sampler":
        imblearn = pytest.importorskip("imblearn.pipeline")
        sampler = SampleSubsetSampler(L2PenaltySelector(), keep=0.8)
        steps = StandardScaler(), None, sampler, "passthrough", LogisticRegression()
        inside = imblearn.Pipeline([(str(n), step) for n, step in enumerate(steps)])
        inside = GridSearchCV(inside, {"2__keep": [0.8]}, cv=3)
    elif kind == "transformer":
        subset = SampleSubsetTransformer(PCA(3), L2PenaltySelector(), keep=0.8)
        inside = make_pipeline(StandardScaler(), subset, LogisticRegression())
    elif kind == "search":
        inside = GridSearchCV(make_pipeline(StandardScaler(), model), {}, cv=3)
    else:
        inside = make_pipeline(StandardScaler(), GridSearchCV(model, {}, cv=3))
    report = selection_report(inside.fit(X, y), X, y, probe=0.1)
    plain = selection_report(model.fit(scaled, y), scaled, y, probe=0.1)
    columns = ["kind", "n", "kept", "dropped"]
    assert report[columns].equals(plain[columns])
    assert report.attrs["probe"] == plain.attrs["probe"]
    pytest.importorskip("matplotlib").use("agg")
    shown = SampleScoreDisplay.from_estimator(inside, X, y)
    assert np.array_equal(shown.scores, model.sample_scores_)
    assert np.array_equal(shown.kept, model.sample_mask_)


@pytest.mark.parametrize(
    "look", [selection_report, partial(SampleScoreDisplay.from_estimator)]
)
def test_what_holds_no_selection_of_these_rows(X, y, look):
    imblearn = pytest.importorskip("imblearn.pipeline")
    sampler = SampleSubsetSampler(random_state=0)
    twice = imblearn.make_pipeline(sampler, sampler, LogisticRegression()).fit(X, y)
    with pytest.raises(ValueError, match="'samplesubsetsampler-1' before .*-2'. Pass the"):
        look(twice, X, y)
    model = SampleSubsetClassifier(LogisticRegression())
    with pytest.raises(ValueError, match="Got refit=False"):
        look(GridSearchCV(model, {}, refit=False, cv=3).fit(X, y), X, y)
    for unfitted in (GridSearchCV(model, {}), make_pipeline(model), model):
        with pytest.raises(NotFittedError):
            look(unfitted, X, y)
    with pytest.raises(TypeError, match="a Pipeline or search that holds one. Got GridS"):
        look(GridSearchCV(LogisticRegression(), {}, cv=3).fit(X, y), X, y)


def test_rows_come_in_any_container(X, y, container):
    X = np.round(X, 2)
    model = SampleSubsetClassifier(LogisticRegression(), L2PenaltySelector(), keep=0.8)
    report = selection_report(model.fit(X, y), X, y)
    other = selection_report(model, container(X), y)
    assert np.array_equal(report["n"], other["n"])
    assert np.array_equal(report["dropped"], other["dropped"])


def test_regression_targets_are_binned_and_may_be_absent():
    X = np.random.RandomState(0).randn(100, 2)
    model = SampleSubsetRegressor(Ridge(), random_state=0).fit(X, X[:, 0])
    target = lines(selection_report(model, X, X[:, 0], n_bins=5), "target")
    assert [counts[0] for counts in target.values()] == [20] * 5
    transformer = SampleSubsetTransformer(PCA(), random_state=0).fit(X)
    report = selection_report(transformer, csr_array(X), None)
    assert set(report["kind"]) == {"all", "feature"}


def test_wrong_uses_are_named():
    X, y = np.random.RandomState(0).randn(40, 2), np.arange(40) % 2
    model = SampleSubsetClassifier(LogisticRegression(), random_state=0)
    with pytest.raises(NotFittedError):
        selection_report(model, X, y)
    model.fit(X, y)
    with pytest.raises(ValueError, match="Got 39 rows for a model fitted on 40"):
        selection_report(model, X[1:], y[1:])
    with pytest.raises(ValueError, match="X and groups must have the same number"):
        selection_report(model, X, y, np.arange(3))
    with pytest.raises(TypeError, match="Got LogisticRegression"):
        selection_report(LogisticRegression().fit(X, y), X, y)
    with pytest.raises(ValueError, match=r"probe must be a share in \(0, 1\)"):
        selection_report(model, X, y, probe=2)
    with pytest.raises(ValueError, match="n_bins must be an int of at least 1. Got 0"):
        selection_report(model, X, y, n_bins=0)
    with pytest.raises(ValueError, match="needs two different targets"):
        selection_report(SampleSubsetSampler().fit(X, 0 * y), X, 0 * y, probe=0.1)
    with pytest.raises(ValueError, match="one column of targets"):
        selection_report(SampleSubsetTransformer(PCA()).fit(X), X, None, probe=0.1)
    model.set_params(keep=1.0).fit(X, y)
    with pytest.raises(ValueError, match="Got keep=1.0, which ranks nothing"):
        selection_report(model, X, y, probe=0.1)


def test_columns_and_targets_of_times_and_decimals_are_binned():
    days = np.random.default_rng(0).permutation(40)
    stamps = np.datetime64("2024-01-01") + days
    frame = pandas.DataFrame(
        {
            "stamp": stamps,
            "zone": pandas.Series(stamps).dt.tz_localize("Asia/Tokyo"),
            "date": stamps.astype("M8[D]").astype(object),
            "span": stamps - stamps.min(),
            "period": pandas.Series(stamps).dt.to_period("D"),
            "decimal": [Decimal(int(day)) for day in days],
        }
    )
    fitted = dropped_rows(40, np.flatnonzero(days < 10), 0.75)
    report = selection_report(fitted, frame, stamps)
    for name in frame:
        counts = [kept for _, kept, _ in lines(report, "feature", name).values()]
        assert counts == [0, 10, 10, 10], name
    assert next(iter(lines(report, "feature", "date"))) == "2024-01-01 to 2024-01-10"
    assert next(iter(lines(report, "feature", "decimal"))) == "0 to 9"
    assert [kept for _, kept, _ in lines(report, "target").values()] == [0, 10, 10, 10]
