import numpy as np
import pytest
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from sklearn_prune import SampleSubsetClassifier, SampleSubsetSampler
from sklearn_prune._ranking import Ranking
from sklearn_prune.sample_selection import L2PenaltySelector, RandomSelector, SampleSelector
from sklearn_prune.sample_selection._coverage_centric import (
    CoverageCentricSelector,
    allot_budget,
)
from sklearn_prune.sample_selection._loss import MarginSelector

SEEN = []


class ColumnSelector(SampleSelector):
    """Scores are the first column; contexts are written down."""

    reads_estimator = True

    def _rank(self, X, y, context):
        SEEN.append(context)
        return Ranking.from_scores(X[:, 0])


@pytest.mark.parametrize(
    ("budget", "places"),
    [
        # 20 // 4 = 5, all 2; 18 // 3 = 6, all 5; 13 // 2 = 6; the rest
        (20, [6, 2, 7, 5]),
        # 60 // 4 = 15, all 2; 58 // 3 = 19, all 5; 53 // 2 = 26; the rest
        (60, [26, 2, 27, 5]),
        # more than there is
        (150, [40, 2, 53, 5]),
    ],
)
def test_budget_goes_to_the_smallest_bin_first(budget, places):
    sizes = [40, 2, 53, 5]
    assert allot_budget(np.array(sizes), budget).tolist() == places
    # The same rows: bins [0, 1), ..., [3, 4]; 11 of 111 rows are harder and are cut.
    ease = [np.linspace(b, b + 0.9, size) for b, size in enumerate(sizes)]
    ease[0][0], ease[3][-1] = 0.0, 4.0
    body = np.concatenate(ease)
    X = np.append(body, np.arange(-11.0, 0))[:, None]
    mixed = np.random.RandomState(0).permutation(111)
    selector = CoverageCentricSelector(
        ColumnSelector(), min(budget, 111), n_bins=4, random_state=0
    ).fit(X[mixed])
    order = mixed[selector.order_]
    kept = order[: min(budget, 100)]
    assert np.bincount(np.repeat(range(4), sizes)[kept], minlength=4).tolist() == places
    assert sorted(order[:100]) == list(range(100))
    assert order[100:].tolist() == list(range(110, 99, -1))  # hardest last
    assert np.array_equal(selector.scores_, X[mixed, 0])


def paper(scores, budget, cutoff, n_bins):
    """Numbers of rows by bin as in algorithm 1 of the paper."""
    scores = np.sort(scores)[int(len(scores) * cutoff) :]
    width = (scores[-1] - scores[0]) / n_bins
    bins = [[] for _ in range(n_bins)]
    for score in scores:
        bins[min(n_bins - 1, int((score - scores[0]) / width))].append(score)
    kept = []
    while bins:
        smallest = min(bins, key=len)
        take = min(len(smallest), budget // len(bins))
        kept.append((len(smallest), take))
        bins.remove(smallest)
        budget -= take
    return kept


@pytest.mark.parametrize("cutoff", [0.0, 0.25])
@pytest.mark.parametrize("budget", [10, 60, 140])
def test_numbers_are_those_of_the_paper(cutoff, budget):
    X = np.random.RandomState(budget).gamma(2.0, size=(200, 1))
    selector = CoverageCentricSelector(
        ColumnSelector(), budget, cutoff=cutoff, n_bins=12, random_state=1
    ).fit(X)
    body = np.sort(X[:, 0])[int(200 * cutoff) :]
    edges = np.linspace(body[0], body[-1], 13)
    kept = X[selector.order_[:budget], 0]
    found = zip(np.histogram(body, edges)[0], np.histogram(kept, edges)[0], strict=True)
    truth = paper(X[:, 0], budget, cutoff, 12)
    assert sorted(found) == sorted(truth)
    assert sum(take for _, take in truth) == budget


def test_draws_depend_on_the_seed_and_are_uniform_inside_a_bin():
    X = np.zeros((40, 1))
    counts = np.zeros(40)
    for seed in range(100):
        selector = CoverageCentricSelector(
            ColumnSelector(), 10, cutoff=0, random_state=seed
        )
        counts[selector.fit(X).order_[:10]] += 1
    # binomial of 100 and 1/4: mean 25, standard deviation 4.33
    assert counts.min() > 25 - 4 * 4.33
    assert counts.max() < 25 + 4 * 4.33
    assert np.array_equal(selector.order_, clone(selector).fit(X).order_)


def test_inner_selector_gets_the_context(X, y, tmp_path):
    SEEN.clear()
    weights, groups = np.arange(len(y)) % 3, np.arange(len(y)) // 2
    for keep in (0.2, 0.4):
        model = SampleSubsetClassifier(
            GaussianNB(),
            CoverageCentricSelector(ColumnSelector()),
            keep=keep,
            memory=str(tmp_path),
            random_state=7,
        ).fit(X, y, sample_weight=weights, groups=groups)
    (context,) = SEEN  # once for both budgets
    assert isinstance(context.estimator, GaussianNB)
    assert context.seed == 7
    assert context.task == "classification"
    assert np.array_equal(context.sample_weight, weights)
    assert np.array_equal(context.groups, groups)
    order = model.selector_.order_
    assert (weights[order[-np.count_nonzero(weights == 0) :]] == 0).all()
    alone = CoverageCentricSelector(ColumnSelector(), 0.4, random_state=7)
    assert np.array_equal(alone.fit(X, y, sample_weight=weights).order_, order)


def test_set_is_kept_as_drawn_without_strata(X, y):
    for keep in (0.1, 0.95):
        sampler = SampleSubsetSampler(
            CoverageCentricSelector(L2PenaltySelector()),
            keep=keep,
            stratify=None,
            random_state=2,  # its set of 24 rows has each class
        ).fit(X, y)
        order = sampler.selector_.order_
        size = len(sampler.sample_indices_)
        assert size == keep * 240
        assert np.array_equal(sampler.sample_indices_, np.sort(order[:size]))


def test_abilities_are_those_of_the_inner_selector():
    assert CoverageCentricSelector(L2PenaltySelector()).requires_y
    assert CoverageCentricSelector(L2PenaltySelector()).allow_nan
    assert not CoverageCentricSelector(ColumnSelector()).requires_y
    assert not CoverageCentricSelector(ColumnSelector()).allow_nan
    assert CoverageCentricSelector(ColumnSelector()).reads_estimator
    assert CoverageCentricSelector(ColumnSelector()).budget_dependent
    regression = CoverageCentricSelector(L2PenaltySelector(task="regression"))
    X, y = np.arange(20.0)[:, None], np.arange(20) % 3
    inner = regression.fit(X, y).selector_
    assert np.array_equal(
        inner.scores_, L2PenaltySelector(task="regression").fit(X, y).scores_
    )


def test_default_scores_are_margins(classes):
    selector = CoverageCentricSelector(random_state=0).fit(*classes)
    margins = MarginSelector(random_state=0).fit(*classes).scores_
    assert np.array_equal(selector.scores_, margins)
    assert set(selector.order_[-24:]) == set(np.argsort(margins)[:24])


def test_texts_are_ranked_by_a_pipeline():
    texts = ["red apple", "green apple", "red car", "fast car"] * 6
    part = make_pipeline(TfidfVectorizer(), L2PenaltySelector())
    selector = CoverageCentricSelector(part, random_state=0).fit(texts, [0, 0, 1, 1] * 6)
    assert sorted(selector.order_) == list(range(24))


def test_wrong_selectors_are_named():
    X, y = np.zeros((4, 1)), [0, 1, 0, 1]
    with pytest.raises(
        ValueError, match="needs a selector that scores the rows. Got Random"
    ):
        CoverageCentricSelector(RandomSelector()).fit(X, y)
    with pytest.raises(ValueError, match="'alpha' parameter of L2PenaltySelector must be"):
        CoverageCentricSelector(L2PenaltySelector(alpha=-1)).fit(X, y)
    with pytest.raises(ValueError, match='Got MarginSelector.* Write prefer="easy"'):
        CoverageCentricSelector(MarginSelector(prefer="hard")).fit(X, y)
    with pytest.raises(ValueError, match="selector must be None, one of"):
        CoverageCentricSelector(GaussianNB()).fit(X, y)
