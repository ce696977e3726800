import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_digits, make_blobs, make_friedman1
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from sklearn_prune import SampleSubsetClassifier
from sklearn_prune._coverage import herding_order
from sklearn_prune._seeds import derive_seed
from sklearn_prune._space import standardized_rows
from sklearn_prune.sample_selection import AutoSelector, RandomSelector
from sklearn_prune.sample_selection import _views as views_module
from sklearn_prune.sample_selection._auto import anchor_rate
from sklearn_prune.sample_selection._views import local_deviations


@pytest.fixture(scope="module")
def classes():
    X, y = load_digits(return_X_y=True)
    return X[:600], y[:600]


def flipped(y, share, seed=0):
    rng = np.random.default_rng(seed)
    wrong = np.zeros(len(y), dtype=bool)
    wrong[rng.permutation(len(y))[: int(share * len(y))]] = True
    n_classes = y.max() + 1
    return np.where(wrong, (y + rng.integers(1, n_classes, len(y))) % n_classes, y), wrong


def test_wrong_labels_come_last(X, y):
    noisy, wrong = flipped(y, 0.2)
    selector = AutoSelector(random_state=0).fit(X, noisy)
    last = selector.order_[selector.natural_size_ :]
    assert abs(len(last) - 120) < 20
    assert wrong[last].mean() > 0.9
    assert roc_auc_score(wrong, -selector.scores_) > 0.95
    assert (np.diff(selector.scores_[last]) <= 0).all()


def test_classes_that_are_far_apart_lose_nothing():
    X, y = make_blobs(400, 5, centers=4, random_state=0)
    assert AutoSelector(random_state=0).fit(X, y).natural_size_ == 400


def test_the_rows_that_are_not_last_are_herded_by_class(X, y):
    selector = AutoSelector(random_state=3).fit(X, y)
    cover = selector.order_[: selector.natural_size_]
    points = standardized_rows(X)
    for code in range(10):
        members = np.sort(cover[y[cover] == code])
        order = herding_order(points[members], seed=derive_seed(3, "herding"))
        np.testing.assert_array_equal(cover[y[cover] == code], members[order])
    for size in (50, 200, 500):  # prefixes have the proportions of the classes
        share = np.bincount(y[cover[:size]]) / size
        assert np.abs(share - np.bincount(y) / len(y)).max() < 2.5 / size + 0.01


def test_the_anchor_rate_by_hand():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), 200)
    y = rng.integers(0, 3, 200)
    expected = 0.0
    for code in range(3):
        members = [i for i in range(200) if probabilities[i].argmax() == code]
        members.sort(key=lambda i: -probabilities[i].max())
        anchors = members[: max(8, int(0.25 * len(members)))]
        differs = sum(y[i] != code for i in anchors) / len(anchors)
        expected += len(members) / 200 * differs
    assert anchor_rate(probabilities, y, 0.25) == pytest.approx(expected)
    doubled = np.repeat(np.arange(200), 2)
    weighted = anchor_rate(probabilities, y, 1.0, np.full(200, 2.0))
    assert weighted == pytest.approx(anchor_rate(probabilities[doubled], y[doubled], 1.0))


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_seed_fixes_the_order_whatever_the_threads(X, y, task):
    one, two, default, other = (
        AutoSelector(task=task, random_state=seed, n_jobs=jobs).fit(X, y)
        for seed, jobs in ((0, 1), (0, 2), (0, None), (1, 1))
    )
    for same in (two, default):
        np.testing.assert_array_equal(one.order_, same.order_)
        np.testing.assert_array_equal(one.scores_, same.scores_)
    assert not np.array_equal(one.scores_, other.scores_)


def test_no_model_has_seen_the_group_of_a_row():
    # Each row has a twin with the same wrong label, which would confirm it.
    X, y = make_blobs(300, 4, centers=3, cluster_std=2, random_state=0)
    noisy, wrong = flipped(y, 0.15)
    X, noisy, wrong = (np.repeat(part, 6, axis=0) for part in (X, noisy, wrong))
    groups = np.repeat(np.arange(300), 6)
    alone = AutoSelector(random_state=0).fit(X, noisy).scores_
    grouped = AutoSelector(random_state=0).fit(X, noisy, groups=groups).scores_
    assert grouped[wrong].mean() < alone[wrong].mean() - 0.3
    assert roc_auc_score(wrong, -grouped) > 0.95


def test_rows_of_no_weight_do_not_mislead(X, y):
    # Half of the rows say that everything is class 0, without weight.
    lies = np.concatenate([y, np.zeros_like(y)])
    weights = np.repeat([1.0, 0.0], len(y))
    selector = AutoSelector(random_state=0).fit(np.vstack([X, X]), lies)
    misled = selector.scores_[: len(y)][y > 0].mean()
    selector.fit(np.vstack([X, X]), lies, sample_weight=weights)
    assert selector.scores_[: len(y)][y > 0].mean() > misled + 0.3


def test_many_rows_are_compared_with_a_sample(X, y, monkeypatch):
    noisy, wrong = flipped(y, 0.2)
    monkeypatch.setattr(views_module, "EXACT_UP_TO", 100)
    monkeypatch.setattr(views_module, "N_REFERENCES", 300)
    scores = AutoSelector(random_state=0).fit(X, noisy).scores_
    assert roc_auc_score(wrong, -scores) > 0.93


def test_shuffled_targets_come_last():
    X, y = make_friedman1(500, noise=1.0, random_state=0)
    rng = np.random.default_rng(0)
    moved = rng.permutation(500)[:75]
    noisy = y.copy()
    noisy[moved] = y[rng.permutation(moved)]
    far, shares = np.abs(noisy - y) > 2 * y.std(), []
    for seed in range(5):
        selector = AutoSelector(random_state=seed).fit(X, noisy)
        assert roc_auc_score(far, -selector.scores_) > 0.9
        last = selector.order_[selector.natural_size_ :]
        assert (selector.scores_[last] < 0).all()
        shares.append(np.isin(last, moved).mean())
    assert np.mean(shares) > 0.65
    X, y = make_friedman1(500, noise=1.0, random_state=1)
    assert AutoSelector(random_state=0).fit(X, y).natural_size_ > 470


def test_local_deviations_follow_the_spread():
    rng = np.random.default_rng(0)
    spread = np.repeat([0.1, 10.0], 1000)
    predictions = np.repeat([0.0, 100.0], 1000) + rng.normal(size=2000) / 100
    deviations = local_deviations(predictions + spread * rng.normal(size=2000), predictions)
    typical = np.median(deviations[:900]), np.median(deviations[1100:])
    assert np.allclose(typical, 0.6745, atol=0.1)
    assert np.isfinite(local_deviations(np.ones(30), np.ones(30))).all()


def test_beats_random_rows_at_equal_size(X, y):
    X_test, y_test = (part[600:] for part in load_digits(return_X_y=True))
    noisy, _ = flipped(y, 0.2)
    for labels, least in ((y, 0.03), (noisy, 0.1)):
        scores = [
            SampleSubsetClassifier(KNeighborsClassifier(1), s, keep=0.1, random_state=seed)
            .fit(X, labels)
            .score(X_test, y_test)
            for s in (AutoSelector(), RandomSelector())
            for seed in range(4)
        ]
        assert np.mean(scores[:4]) - np.mean(scores[4:]) > least


AWKWARD = {
    "one class": (np.arange(12.0).reshape(6, 2), np.zeros(6, dtype=int)),
    "one row": (np.ones((1, 2)), [0]),
    "two rows": (np.eye(2), [0, 1]),
    "a class of one": (np.random.default_rng(0).normal(size=(30, 3)), [0] * 29 + [1]),
    "constant": (np.ones((40, 3)), [0, 1] * 20),
    "duplicates": (np.repeat(np.eye(3), 20, axis=0), np.repeat([0, 1, 2], 20)),
    "missing": (np.where(np.eye(30, 3), np.nan, 1.0), [0, 1, 2] * 10),
}


@pytest.mark.filterwarnings("ignore:.*cannot score:UserWarning")
@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_rows_are_ordered(name, task):
    X, y = AWKWARD[name]
    selector = AutoSelector(task=task, random_state=0).fit(X, y)
    assert sorted(selector.order_) == list(range(len(X)))
    kept = selector.order_[: selector.natural_size_]
    if task == "classification":
        assert set(np.asarray(y)[kept]) == set(y)


def test_sparse_and_single_precision(X, y):
    dense = AutoSelector(random_state=0).fit(X, y)
    sparse = AutoSelector(random_state=0).fit(csr_array(X), y)
    np.testing.assert_array_equal(dense.order_, sparse.order_)
    single = AutoSelector(random_state=0).fit(X.astype(np.float32), y)
    assert np.corrcoef(single.scores_, dense.scores_)[0, 1] > 0.99
