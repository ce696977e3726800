import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_diabetes, load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from sklearn_prune import SampleSubsetClassifier
from sklearn_prune.sample_selection._confident_learning import (
    ConfidentLearningSelector,
    find_wrong_labels,
    round_rows,
)

# Probabilities in thousandths, labels, and what cleanlab 2.9.0 says of them.
# fmt: off
TABLE = [
    [418, 259, 323], [448, 457, 95], [231, 633, 136], [321, 426, 253],
    [506, 361, 133], [140, 302, 558], [658, 306, 36], [99, 763, 138],
    [7, 937, 56], [657, 163, 180], [441, 276, 283], [571, 86, 343],
    [800, 174, 26], [517, 220, 263], [345, 380, 275], [635, 178, 187],
    [203, 696, 101], [198, 714, 88], [103, 847, 50], [161, 752, 87],
    [237, 164, 599], [175, 727, 98], [495, 397, 108], [573, 35, 392],
    [589, 138, 273], [92, 355, 553], [86, 17, 897], [530, 246, 224],
    [801, 154, 45], [796, 39, 165], [267, 185, 548], [500, 95, 405],
    [785, 167, 48], [759, 24, 217], [363, 100, 537], [398, 358, 244],
]
GIVEN = [
    0, 1, 0, 1, 1, 1, 1, 1, 2, 0, 1, 0, 0, 1, 0, 0, 1, 1,
    1, 0, 2, 1, 0, 0, 0, 1, 2, 1, 0, 1, 2, 0, 0, 0, 1, 2,
]
FOUND = {
    "prune_by_noise_rate": [2, 5, 6, 8, 13, 14, 19, 25, 29, 34],
    "prune_by_class": [2, 5, 6, 8, 10, 13, 14, 19, 27, 29, 34],
    "both": [2, 5, 6, 8, 13, 14, 19, 29, 34],
    "confident_learning": [2, 5, 6, 8, 19, 25, 29, 34],
    "predicted_neq_given": [2, 4, 5, 6, 8, 10, 13, 14, 19, 25, 27, 29, 34, 35],
}
# fmt: on
JOINT = [[12, 3, 0], [3, 9, 4], [0, 1, 4]]


class Told(ClassifierMixin, BaseEstimator):
    """Its predicted probabilities are the rows."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return X

    def predict(self, X):
        return self.classes_[X.argmax(axis=1)]


def told(X, y, **options):
    model = FrozenEstimator(Told().fit(X, np.arange(X.shape[1])))
    return ConfidentLearningSelector(model, **options).fit(X, y)


def random_table(seed, n=300, n_classes=4):
    rng = np.random.default_rng(seed)
    true = rng.choice(n_classes, n)
    given = np.where(rng.random(n) < 0.25, rng.integers(0, n_classes, n), true)
    logits = rng.normal(size=(n, n_classes))
    logits[np.arange(n), true] += 2
    table = np.exp(logits)
    return table / table.sum(axis=1, keepdims=True), given


@pytest.mark.parametrize("filter_by", FOUND)
def test_doubted_rows_are_those_of_cleanlab(filter_by):
    table, y = np.array(TABLE) / 1000, np.array(GIVEN)
    selector = told(table, y, filter_by=filter_by)
    dropped = selector.order_[selector.natural_size_ :]
    assert sorted(dropped) == FOUND[filter_by]
    assert selector.confident_joint_.tolist() == JOINT


@pytest.mark.parametrize("filter_by", FOUND)
@pytest.mark.parametrize("seed", range(6))
def test_doubted_rows_are_those_of_the_installed_cleanlab(filter_by, seed):
    cleanlab = pytest.importorskip("cleanlab.filter")
    table, y = random_table(seed, n_classes=2 + seed % 4)
    expected = cleanlab.find_label_issues(y, table, filter_by=filter_by, n_jobs=1)
    found, _ = find_wrong_labels(table, y, np.ones(len(y), dtype=bool), filter_by)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("seed", range(5))
def test_confidently_of_another_class_by_the_definition(seed):
    table, y = random_table(seed)
    thresholds = [table[y == c, c].mean() for c in range(4)]
    expected = np.zeros(len(y), dtype=bool)
    for i, row in enumerate(table):
        confident = [c for c in range(4) if row[c] >= thresholds[c]]
        if confident:
            likely = max(confident, key=lambda c: row[c])
            expected[i] = likely != y[i] and row[likely] == row.max()
    selector = told(table, y, filter_by="confident_learning")
    found = selector.order_[selector.natural_size_ :]
    # With several confident classes the most probable of all is meant, as in cleanlab.
    several = [sum(row >= thresholds) > 1 for row in table]
    assert set(found) ^ set(np.flatnonzero(expected)) <= set(np.flatnonzero(several))
    assert len(found) > 20


@pytest.mark.parametrize("seed", range(20))
def test_rounding_keeps_the_sums(seed):
    rng = np.random.default_rng(seed)
    matrix = rng.dirichlet(np.ones(5), 4) * rng.integers(1, 40, 4)[:, None]
    rounded = round_rows(matrix)
    np.testing.assert_array_equal(rounded.sum(axis=1), np.rint(matrix.sum(axis=1)))
    assert np.abs(rounded - matrix).max() < 1
    up = rounded > matrix  # who is rounded up has a larger remainder than who is not
    for row, rises in zip(matrix % 1, up, strict=True):
        assert not rises.any() or rises.all() or row[rises].min() >= row[~rises].max()


def test_scores():
    table, y = random_table(0)
    own = table[np.arange(len(y)), y]
    other = [max(np.delete(row, label)) for row, label in zip(table, y, strict=True)]
    np.testing.assert_allclose(told(table, y).scores_, own)
    margins = told(table, y, rank_by="normalized_margin").scores_
    np.testing.assert_allclose(margins, (own - other + 1) / 2)


def test_order_is_the_rest_then_the_doubted_both_by_score():
    table, y = random_table(1)
    selector = told(table, y)
    scores, size = selector.scores_[selector.order_], selector.natural_size_
    assert 0 < size < len(y)
    assert (np.diff(scores[:size]) <= 0).all()
    assert (np.diff(scores[size:]) <= 0).all()


@pytest.mark.parametrize("filter_by", FOUND)
def test_rows_of_weight_zero_are_not_counted(filter_by):
    table, y = random_table(3)
    weights = (np.random.default_rng(0).random(len(y)) < 0.7).astype(float)
    counted = np.flatnonzero(weights)
    model = FrozenEstimator(Told().fit(table, np.arange(4)))
    whole = ConfidentLearningSelector(model, filter_by=filter_by)
    whole.fit(table, y, sample_weight=weights)
    part = told(table[counted], y[counted], filter_by=filter_by)
    kept = set(whole.order_[: whole.natural_size_]) & set(counted)
    assert kept == set(counted[part.order_[: part.natural_size_]])
    np.testing.assert_array_equal(whole.confident_joint_, part.confident_joint_)


@pytest.mark.filterwarnings("ignore:.*cannot score:UserWarning")
@pytest.mark.parametrize("filter_by", FOUND)
@pytest.mark.parametrize("y", [[0] * 6, [0, 0, 0, 0, 0, 1], [0, 1, 2, 3, 4, 5], [0, 1]])
def test_small_classes(filter_by, y):
    X = np.arange(len(y), dtype=float)[:, None]
    selector = ConfidentLearningSelector(filter_by=filter_by, random_state=0).fit(X, y)
    assert sorted(selector.order_) == list(range(len(y)))
    assert selector.confident_joint_.sum() == len(y)
    if len(set(y)) == 1:
        assert selector.natural_size_ == len(y)


def test_wrong_labels_are_dropped():
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    X, y = X[:600], y[:600].copy()
    wrong = rng.random(600) < 0.2
    y[wrong] = (y[wrong] + rng.integers(1, 10, wrong.sum())) % 10
    selector = ConfidentLearningSelector(random_state=0).fit(X, y)
    dropped = selector.order_[selector.natural_size_ :]
    assert wrong[dropped].mean() > 0.6
    assert wrong[dropped].sum() > 0.85 * wrong.sum()


def test_keep_auto_in_a_meta_estimator(classes):
    X, y = (part[classes[1] < 2] for part in classes)
    model = LogisticRegression()
    alone = ConfidentLearningSelector(model, random_state=0).fit(X, y)
    kept = SampleSubsetClassifier(
        model, ConfidentLearningSelector(), keep="auto", random_state=0
    ).fit(X, y)
    expected = sorted(alone.order_[: alone.natural_size_])
    assert kept.sample_indices_.tolist() == expected


def test_regression_is_refused_in_one_line():
    X, y = load_diabetes(return_X_y=True)
    with pytest.raises(ValueError, match="reads classes. Got a regression target. Use M"):
        ConfidentLearningSelector(task="regression").fit(X, y)
