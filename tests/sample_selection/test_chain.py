import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from sklearn_prune import SampleSubsetClassifier, SampleSubsetSampler
from sklearn_prune._ranking import Ranking
from sklearn_prune._seeds import fill_random_states
from sklearn_prune.sample_selection import (
    L1PenaltySelector,
    L2PenaltySelector,
    RandomSelector,
    SampleSelector,
)
from sklearn_prune.sample_selection._chain import ChainSelector
from sklearn_prune.sample_selection._choice import _Identity
from sklearn_prune.sample_selection._edited import ENNSelector
from sklearn_prune.sample_selection._herding import HerdingSelector
from sklearn_prune.sample_selection._rmhc import RMHCSelector

SEEN = []


class ColumnSelector(SampleSelector):
    """Large entries of a column first; contexts are written down."""

    def __init__(self, column=0, size=None):
        self.column = column
        self.size = size

    @property
    def has_natural_size(self):
        return self.size is not None

    def _rank(self, X, y, context):
        SEEN.append((X, y, context))
        values = X[:, self.column]
        return Ranking.from_scores(values, first=None if self.size is None else values > 0)


def by_hand(X, stages, classes=None):
    """Order and size of a chain of columns: each stage a column and a number to keep."""
    rows, tail = list(range(len(X))), []
    for column, number in stages:
        ranked = sorted(rows, key=lambda row: (-X[row, column], row))
        codes = [0] * len(X) if classes is None else classes.tolist()
        best = [
            next(row for row in ranked if codes[row] == code) for code in sorted(set(codes))
        ]
        if number == "natural":
            kept = {row for row in ranked if X[row, column] > 0} | set(best)
        elif classes is None:
            kept = set(ranked[:number])
        else:
            others = [row for row in ranked if row not in best]
            kept = {*best, *others[: number - len(best)]}
        tail = [row for row in ranked if row not in kept] + tail
        left = [row for row in ranked if row in kept]
        rows = sorted(kept)
    return left + tail, len(left)


def test_each_stage_narrows_what_the_one_before_has_left():
    X = np.random.RandomState(0).randn(60, 3)
    chain = ChainSelector([ColumnSelector(0, "own"), (ColumnSelector(1), 20)])
    chain.selectors.append(ColumnSelector(2))
    order, size = by_hand(X, [(0, "natural"), (1, 20), (2, 20)])
    chain.fit(X)
    assert chain.order_.tolist() == order
    assert chain.natural_size_ == size == 20
    assert [len(part.order_) for part in chain.selectors_] == [60, (X[:, 0] > 0).sum(), 20]
    sampler = SampleSubsetSampler(chain, keep="auto").fit(X)
    assert sampler.sample_indices_.tolist() == sorted(order[:20])


def test_last_stage_with_a_size_drops_too():
    X = np.random.RandomState(1).randn(40, 2)
    chain = ChainSelector([(ColumnSelector(0), 0.5), ColumnSelector(1, "own")]).fit(X)
    order, size = by_hand(X, [(0, 20), (1, "natural")])
    assert chain.order_.tolist() == order
    assert chain.natural_size_ == size


def test_class_that_a_stage_would_empty_keeps_its_best_row():
    X = np.random.RandomState(2).randn(50, 2)
    y = np.repeat([0, 1, 2], [40, 6, 4])
    X[y == 1, 0] -= 9
    X[y == 2, 1] -= 9
    chain = ChainSelector([ColumnSelector(0, "own"), (ColumnSelector(1), 5)])
    chain.selectors.append(ColumnSelector(0))
    chain.fit(X, y)
    order, size = by_hand(X, [(0, "natural"), (1, 5), (0, 5)], y)
    assert chain.order_.tolist() == order
    assert chain.natural_size_ == size == 5
    assert set(y[order[:5]]) == {0, 1, 2}
    assert np.argmax(np.where(y == 1, X[:, 0], -np.inf)) in order[:5]


def test_chain_of_one_is_the_selector(X, y):
    for part in (L2PenaltySelector(), RandomSelector(random_state=1)):
        chain = ChainSelector([part]).fit(X, y)
        assert np.array_equal(chain.order_, part.fit(X, y).order_)
        assert chain.has_natural_size == part.has_natural_size
        assert hasattr(chain, "natural_size_") == part.has_natural_size


def test_stages_get_their_rows_of_weights_groups_and_budget():
    X = np.random.RandomState(3).randn(30, 2)
    y = np.arange(30) % 2
    weights, groups = np.arange(1.0, 31), np.array([f"g{i}" for i in range(30)])
    SEEN.clear()
    SampleSubsetSampler(
        ChainSelector([(ColumnSelector(0), 12), ColumnSelector(1)]), keep=5
    ).fit(X, y, sample_weight=weights, groups=groups)
    (_, _, first), (X_left, y_left, second) = SEEN
    left = np.sort(np.argsort(-X[:, 0])[:12])
    assert np.array_equal(X_left, X[left])
    assert np.array_equal(y_left, y[left])
    assert np.array_equal(second.sample_weight, weights[left])
    codes = np.unique(groups[left], return_inverse=True)[1]
    assert np.array_equal(second.groups, codes)
    assert (first.budget, second.budget) == (12, 5)
    assert first.task == second.task == "classification"


def test_default_cleans_then_covers(X, y):
    chain = ChainSelector().fit(X, y)
    cleaned = ENNSelector().fit(X, y)
    left = np.sort(cleaned.order_[: cleaned.natural_size_])
    assert chain.natural_size_ == len(left)
    assert np.array_equal(chain.order_[len(left) :], cleaned.order_[len(left) :])
    covered = HerdingSelector(random_state=0).fit(X[left], y[left])
    assert np.array_equal(chain.order_[: len(left)], left[covered.order_])


def test_search_at_the_end_reads_the_budget(X, y):
    chain = ChainSelector([ENNSelector(), RMHCSelector(n_iter=30)])
    assert chain.budget_dependent
    sampler = SampleSubsetSampler(chain, keep=25, random_state=0).fit(X, y)
    last = sampler.selector_.selectors_[-1]
    left = np.flatnonzero(sampler.selector_.order_.argsort() < len(last.order_))
    assert np.array_equal(left[last.order_[:25]], sampler.selector_.order_[:25])
    assert last.objective_path_[-1] >= last.objective_path_[0]


def test_abilities_are_those_of_the_stages():
    names = ("requires_y", "allow_nan", "reads_estimator", "budget_dependent")
    for stages, expected in [
        ([RandomSelector()], (False, True, False, False)),
        ([(RandomSelector(), 0.5), ENNSelector()], (True, False, True, False)),
        ([L2PenaltySelector(), RandomSelector()], (True, True, False, False)),
        ([L2PenaltySelector(), RMHCSelector()], (True, False, True, True)),
    ]:
        chain = ChainSelector(stages)
        assert tuple(getattr(chain, name) for name in names) == expected
    assert not ChainSelector([RandomSelector()]).has_natural_size
    assert ChainSelector([(RandomSelector(), 0.5)]).has_natural_size
    with pytest.raises(ValueError, match="requires y to be passed"):
        ChainSelector([L2PenaltySelector(), RandomSelector()]).fit(np.zeros((3, 1)))


def test_parameters_of_stages_are_named_by_position(X, y):
    chain = ChainSelector([(L2PenaltySelector(), 0.8), ENNSelector(), RandomSelector()])
    assert chain.get_params()["1__n_neighbors"] == chain.selectors[1].n_neighbors
    copy = clone(chain).set_params(**{"0__alpha": 7.0, "1": L1PenaltySelector()})
    assert chain.selectors[0][0].alpha == 1.0
    assert isinstance(chain.selectors[1], ENNSelector)
    assert copy.selectors[0][0].alpha == 7.0
    assert isinstance(copy.selectors[1], L1PenaltySelector)
    copy.set_params(**{"0": L1PenaltySelector(), "0__alpha": 0.5})
    assert copy.selectors[0][0].alpha == 0.5
    assert copy.selectors[0][1] == 0.8
    assert _Identity().of(chain) == _Identity().of(clone(chain))
    assert _Identity().of(chain) != _Identity().of(
        clone(chain).set_params(**{"1__n_neighbors": 9})
    )
    fill_random_states(copy, 3, "role")
    assert isinstance(copy.selectors[2].random_state, int)
    with pytest.raises(ValueError, match="Invalid parameter '3'"):
        chain.set_params(**{"3__alpha": 1})
    model = SampleSubsetClassifier(KNeighborsClassifier(), chain, random_state=0)
    grid = {"selector__1__n_neighbors": [3, 5], "selector__0__alpha": [1.0, 10.0]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    best = search.best_estimator_.selector
    assert best.selectors[1].n_neighbors == search.best_params_["selector__1__n_neighbors"]
    assert "ENNSelector" in repr(chain)


def test_seed_gives_each_stage_its_own():
    X = np.zeros((300, 1))
    chain = ChainSelector([(RandomSelector(), 0.5), RandomSelector()])
    orders = [
        SampleSubsetSampler(chain, keep=0.2, random_state=seed).fit(X).selector_.order_
        for seed in (0, 0, 1)
    ]
    assert np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])
    # Equal seeds would give the rows left the first half of the same keys, in order.
    left = np.sort(orders[0][:150])
    again = left[RandomSelector(random_state=0).fit(X[:150]).order_]
    assert not np.array_equal(orders[0][:150], again)


def test_rows_come_in_any_container(X, y):
    pandas = pytest.importorskip("pandas")
    chain = ChainSelector([ENNSelector(), L2PenaltySelector()])
    order = chain.fit(X, y).order_
    for rows in (csr_array(X), pandas.DataFrame(X), X.tolist()):
        assert np.array_equal(chain.fit(rows, y.tolist()).order_, order)
    texts = ["red apple", "green apple", "red car", "fast car"] * 6
    part = make_pipeline(TfidfVectorizer(), L2PenaltySelector())
    chain = ChainSelector([(part, 0.5), RandomSelector(random_state=0)])
    assert sorted(chain.fit(texts, ["a", "a", "c", "c"] * 6).order_) == list(range(24))
    assert chain.natural_size_ == 12


def test_pipelines_take_groups_and_weights(X, y):
    given = {"sample_weight": np.ones(len(y)), "groups": np.arange(len(y))}
    for enabled in (True, False):
        with config_context(enable_metadata_routing=enabled):
            last = L2PenaltySelector()
            if enabled:
                last.set_fit_request(sample_weight=True)
            chain = ChainSelector([(make_pipeline(last), 0.5), RandomSelector()])
            chain.fit(X, y, **given)
            inner = chain.selectors_[0].steps[-1][1]
            assert np.allclose(inner.scores_, L2PenaltySelector().fit(X, y).scores_)


@pytest.mark.parametrize(
    ("selectors", "message"),
    [
        ([], "one selector at least"),
        ([RandomSelector(), ENNSelector()], r"but the last needs a size. Got RandomSel"),
        ([(RandomSelector(), "auto")], "needs a size. Got RandomSelector"),
        ([(RandomSelector(), 1.5), ENNSelector()], "keep must be a fraction"),
        ([ENNSelector], "selector must be None, one of .*ENNSelector\\(\\), an instance"),
        (["enn"], "selector must be None.* Got 'enn' instead. Write .*=ENNSelector"),
        ([ENNSelector(n_neighbors=-1), RandomSelector()], "'n_neighbors' parameter of ENN"),
        (RandomSelector(), "'selectors' parameter of ChainSelector must be"),
    ],
)
def test_wrong_stages_are_named(selectors, message):
    with pytest.raises(ValueError, match=message):
        ChainSelector(selectors).fit(np.eye(4), [0, 1, 0, 1])
