"""Changed predictions: counts, bounds that hold, texts and pictures of them."""

import pickle
from html.parser import HTMLParser

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.datasets import load_diabetes, load_digits, make_classification
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.metrics import accuracy_score, brier_score_loss, mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

from sklearn_prune import PrunedClassifier
from sklearn_prune.inspection import ChurnReport, churn_report
from sklearn_prune.inspection._churn import upper_bound

HOSTILE = ["<script>alert('x')</script>", 'a "quoted" & <b>bold</b> one', "{{7*7}}"]


@pytest.fixture(scope="module")
def rows():
    X, y = make_classification(900, 8, flip_y=0.2, random_state=0)
    return train_test_split(X, np.array(["no", "yes"])[y], random_state=0)


@pytest.fixture(scope="module")
def models(rows):
    X, _, y, _ = rows
    forest = RandomForestClassifier(20, random_state=0)
    pruned = PrunedClassifier(forest, keep=0.05, random_state=0).fit(X, y)
    again = RandomForestClassifier(20, random_state=1).fit(X, y)
    return pruned, forest.fit(X, y), again


@pytest.mark.parametrize("n_rows", [1, 10, 137])
@pytest.mark.parametrize("alpha", [0.05, 0.003])
def test_a_share_at_the_bound_would_seldom_change_so_few(n_rows, alpha):
    for n_changed in range(n_rows):
        bound = upper_bound(n_changed, n_rows, alpha)
        assert binom.cdf(n_changed, n_rows, bound) == pytest.approx(alpha)
        assert n_changed / n_rows < bound < 1
    assert upper_bound(n_rows, n_rows, alpha) == 1.0


def test_lines_are_counts_of_changed_predictions(rows, models):
    _, X, _, y = rows
    pruned, full, again = models
    groups = np.arange(len(X)) % 3
    report = churn_report(pruned, full, X, y, groups, refits=again)
    before, after = full.predict(X), pruned.predict(X)
    top = np.sort(full.predict_proba(X), axis=1)
    sure = top[:, 1] - top[:, 0] > 0.6
    masks = {
        ("all", None): np.ones(len(X), bool),
        ("sure", None): sure,
        ("unsure", None): ~sure,
        ("class", "no"): before == "no",
        ("class", "yes"): before == "yes",
        **{("group", group): groups == group for group in range(3)},
    }
    assert [(line.part, line.value) for line in report.lines] == list(masks)
    for line, mask in zip(report.lines, masks.values(), strict=True):
        assert line.n_rows == mask.sum()
        assert line.n_changed == (before != after)[mask].sum()
        assert line.share == np.mean((before != after)[mask])
        assert line.at_most == upper_bound(line.n_changed, line.n_rows, 0.05 / 8)
        assert line.of_refits == np.mean((again.predict(X) != before)[mask])
        assert line.accuracy_before == accuracy_score(y[mask], before[mask])
        assert line.accuracy_after == accuracy_score(y[mask], after[mask])
    assert (report.share, report.at_most) == (
        report.lines[0].share,
        report.lines[0].at_most,
    )
    assert report.share > 0
    alone = churn_report(pruned, full, X, simultaneous=False, alpha=0.1)
    assert alone.at_most == upper_bound(alone.lines[0].n_changed, len(X), 0.1)
    assert alone.at_most < report.at_most


def test_frame_and_changes(rows, models):
    pd = pytest.importorskip("pandas")
    _, X, _, y = rows
    pruned, full, again = models
    report = churn_report(pruned, full, X, y, refits=[again])
    frame = report.frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame["changed"].tolist() == [line.n_changed for line in report.lines]
    assert {"of_refits", "accuracy_before", "accuracy_after"} < set(frame)
    short = churn_report(pruned, full, X).frame()
    assert list(short) == ["part", "value", "rows", "changed", "share", "at_most"]

    changes = report.changes()
    before, after = full.predict(X), pruned.predict(X)
    assert sorted(changes.index) == np.flatnonzero(before != after).tolist()
    assert (changes["before"] == before[changes.index]).all()
    assert (changes["after"] == after[changes.index]).all()
    assert (changes["y"] == y[changes.index]).all()
    assert (np.diff(changes["margin"]) <= 0).all()
    assert report.changes(2).equals(changes.head(2))


def test_scores_are_those_of_scikit_learn(rows, models):
    _, X, _, y = rows
    pruned, full, _ = models
    scores = churn_report(pruned, full, X, y).scores
    assert scores["accuracy"] == (full.score(X, y), pruned.score(X, y))
    brier = [brier_score_loss(y == "yes", m.predict_proba(X)[:, 1]) for m in (full, pruned)]
    assert scores["Brier score"] == pytest.approx(brier)
    clipped = [np.clip(m.predict_proba(X), 1e-3, 1) for m in (full, pruned)]
    own = (y == "yes").astype(int)
    losses = [-np.log(p[np.arange(len(X)), own] / p.sum(axis=1)).mean() for p in clipped]
    assert scores["log loss"] == pytest.approx(losses)
    assert churn_report(pruned, full, X).scores == {}


def test_several_classes_have_a_line_each():
    X, y = load_digits(return_X_y=True)
    full = RandomForestClassifier(10, random_state=0).fit(X[:900], y[:900])
    small = RandomForestClassifier(3, random_state=0).fit(X[:900], y[:900])
    report = churn_report(small, full, X[900:], y[900:])
    assert [line.value for line in report.lines if line.part == "class"] == list(range(10))
    assert sum(line.n_changed for line in report.lines if line.part == "class") == (
        report.lines[0].n_changed
    )
    margins = report.margins_after
    assert (small.predict(X[900:])[margins > 0] == report.before[margins > 0]).all()


def test_without_probabilities_there_is_no_sureness(rows):
    X, X_test, y, _ = rows
    full = RidgeClassifier().fit(X, y)
    other = RidgeClassifier(alpha=1000).fit(X, y)
    report = churn_report(other, full, X_test)
    assert {line.part for line in report.lines} == {"all", "class"}
    assert report.margins is None


def test_several_targets(rows):
    X, X_test, y, _ = rows
    both = np.stack([y == "yes", X[:, 0] > 0], axis=1).astype(int)
    full = RandomForestClassifier(20, random_state=0).fit(X, both)
    small = DecisionTreeClassifier(max_depth=2).fit(X, both)
    report = churn_report(small, full, X_test, full.predict(X_test))
    assert report.share == np.mean(
        (small.predict(X_test) != full.predict(X_test)).any(axis=1)
    )
    assert report.lines[0].accuracy_before == 1.0
    assert [line.part for line in report.lines] == ["all"]
    pytest.importorskip("pandas")
    assert report.changes(1)["before"].iloc[0] in {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_numbers_change_by_more_than_a_tolerance():
    X, y = load_diabetes(return_X_y=True)
    full, other = Ridge(0.1).fit(X, y), Ridge(1.0).fit(X, y)
    report = churn_report(other, full, X, y, np.arange(len(X)) % 2, tolerance=10)
    moved = np.abs(other.predict(X) - full.predict(X)) > 10
    assert report.share == moved.mean()
    assert 0 < report.share < 1
    assert [line.part for line in report.lines] == ["all", "group", "group"]
    wanted = [mean_squared_error(y, model.predict(X)) for model in (full, other)]
    assert report.scores["mean squared error"] == pytest.approx(wanted)
    assert "moves by more than 10" in str(report)
    with pytest.raises(ValueError, match="tolerance must be a number >= 0 for regressors"):
        churn_report(other, full, X)


def test_bounds_of_all_lines_hold_at_once():
    """Predictions that change with known probabilities, drawn 400 times."""
    rng = np.random.RandomState(0)
    shares = np.array([0.02, 0.1, 0.3, 0.05])
    group = np.arange(400) % 4
    label = (group > 1).astype(int)
    held = 0
    for _ in range(400):
        changed = rng.rand(400) < shares[group]
        report = ChurnReport(label, np.where(changed, 1 - label, label), groups=group)
        true = [shares.mean(), shares[:2].mean(), shares[2:].mean(), *shares]
        held += all(
            line.at_most >= one for line, one in zip(report.lines, true, strict=True)
        )
    assert held >= 0.95 * 400 - 2 * np.sqrt(400 * 0.05 * 0.95)


@pytest.mark.slow
def test_the_bound_holds_for_fresh_rows():
    """Fit, bound on held-out rows, and count on many others, 200 times."""
    held = 0
    for seed in range(200):
        X, y = make_classification(20_600, 6, flip_y=0.1, random_state=seed)
        fitted, bounding, fresh = np.split(np.arange(len(X)), [300, 600])
        full = GradientBoostingClassifier(n_estimators=20, random_state=0)
        pruned = PrunedClassifier(full, keep=0.2, random_state=0).fit(X[fitted], y[fitted])
        full.fit(X[fitted], y[fitted])
        report = churn_report(pruned, full, X[bounding], simultaneous=False)
        held += (
            np.mean(pruned.predict(X[fresh]) != full.predict(X[fresh])) <= report.at_most
        )
    assert held >= 184


class Visible(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.texts = set(), []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_labels_and_groups_are_shown_as_text():
    before = np.array(HOSTILE * 30)
    report = ChurnReport(before, np.roll(before, 1), groups=[f"group {h}" for h in before])
    page = Visible(report._repr_html_())
    text = " ".join(page.texts)
    for name in HOSTILE:
        assert f"predicted before: {name}" in text
        assert f"group group {name}" in text
        assert name in str(report)
    assert "49" not in text
    assert page.tags == {"div", "table", "thead", "tbody", "tr", "th", "td", "bdi", "p"}


def test_many_lines_are_cut_in_texts_and_not_in_the_frame():
    before = np.repeat(np.arange(100), 5)
    after = before.copy()
    after[5 * 70 : 5 * 71] = 0
    report = ChurnReport(before, after)
    assert len(report.lines) == 101
    text = str(report)
    assert "predicted before: 70 " in text
    assert text.count("predicted before") == 39
    assert "40 lines with the largest bounds" in text


def test_pickles(rows, models):
    _, X, _, y = rows
    report = churn_report(*models[:2], X, y)
    assert str(pickle.loads(pickle.dumps(report))) == str(report)


def test_refusals(rows, models):
    _, X, _, y = rows
    pruned, full, _ = models
    with pytest.raises(ValueError, match="y must hold a target for each row"):
        churn_report(pruned, full, X, y[:3])
    with pytest.raises(ValueError, match="groups must hold"):
        churn_report(pruned, full, X, groups=[1, 2])
    with pytest.raises(ValueError, match="sure must be a number"):
        churn_report(pruned, full, X, sure=2)
    with pytest.raises(ValueError, match="alpha must be a number"):
        churn_report(pruned, full, X, alpha=0)
    with pytest.raises(ValueError, match="tolerance is for regressors"):
        churn_report(pruned, full, X, tolerance=1)
    both = RandomForestClassifier(2).fit(X, np.stack([y, y], axis=1))
    with pytest.raises(ValueError, match="pruned must predict what full predicts"):
        churn_report(both, full, X)


def test_display(rows, models):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from sklearn_prune.inspection import ChurnDisplay

    _, X, _, y = rows
    pruned, full, again = models
    groups = np.array(HOSTILE)[np.arange(len(X)) % 3]
    display = ChurnDisplay.from_estimators(
        pruned, full, X, y=y, groups=groups, refits=again
    )
    lines = display.report.lines
    shares = [100 * line.share for line in lines]
    assert display.shares_.get_xdata().tolist() == pytest.approx(shares)
    ends = [segment[1][0] for segment in display.bounds_.get_segments()]
    assert ends == pytest.approx([100 * line.at_most for line in lines])
    seeds = [100 * line.of_refits for line in lines]
    assert display.refits_.get_xdata().tolist() == pytest.approx(seeds)
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert len(names) == len(lines)
    assert any(HOSTILE[0] in name for name in names)
    display.figure_.canvas.draw()

    margins = ChurnDisplay(display.report).plot_margins()
    assert [len(line.get_xdata()) for line in margins.ax_.lines[:2]] == [
        (~display.report.changed).sum(),
        display.report.changed.sum(),
    ]
    without = ChurnReport(["a", "b"], ["a", "a"])
    assert ChurnDisplay(without).plot().refits_ is None
    with pytest.raises(ValueError, match="needs models with probabilities"):
        ChurnDisplay(without).plot_margins()
