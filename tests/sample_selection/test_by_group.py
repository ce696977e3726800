import numpy as np
import pytest
from sklearn import config_context
from sklearn.linear_model import LogisticRegression, Ridge

from sklearn_prune import SampleSubsetClassifier, SampleSubsetRegressor, SampleSubsetSampler
from sklearn_prune._ranking import Ranking, keep_groups
from sklearn_prune.sample_selection import L2PenaltySelector, RandomSelector


@pytest.fixture
def groups():
    return np.random.default_rng(0).integers(0, 30, 240)


@pytest.mark.parametrize("selector", [RandomSelector(), L2PenaltySelector()])
@pytest.mark.parametrize("names", [str, float])
def test_groups_are_kept_whole_and_nested(X, y, groups, selector, names):
    before = set()
    largest = np.bincount(groups).max()
    for keep in (0.1, 0.3, 0.7, 1.0):
        model = SampleSubsetClassifier(
            LogisticRegression(), selector, keep=keep, by_group=True, random_state=0
        ).fit(X, y, groups=groups.astype(names))
        kept = model.sample_mask_
        for group in range(30):
            assert len(np.unique(kept[groups == group])) == 1
        assert set(y) == set(y[kept])
        assert abs(kept.sum() - keep * 240) <= largest
        assert before <= set(groups[kept])
        before = set(groups[kept])


def test_groups_come_in_the_order_of_their_mean_rank():
    ranking = Ranking(np.array([4, 0, 1, 5, 3, 2]))
    groups = np.array([0, 0, 1, 1, 2, 2])
    # places: 1 2 | 5 4 | 0 3, so means 1.5, 4.5, 1.5
    assert keep_groups(ranking, 2, groups).tolist() == [0, 1]
    assert keep_groups(ranking, 4, groups).tolist() == [0, 1, 4, 5]
    assert keep_groups(ranking, 0.5, groups).tolist() == [0, 1]
    # a draw: the place of the first row of each group
    assert keep_groups(ranking, 2, groups, drawn=True).tolist() == [4, 5]


def test_auto_keeps_the_groups_of_which_most_rows_would_stay():
    ranking = Ranking(np.arange(6), natural_size=3)
    groups = np.array([0, 0, 1, 1, 2, 2])
    assert keep_groups(ranking, "auto", groups).tolist() == [0, 1]


def test_a_class_that_would_be_lost_brings_its_best_group():
    ranking = Ranking(np.arange(6))
    groups, classes = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 0, 0, 0, 1])
    assert keep_groups(ranking, 2, groups, classes=classes).tolist() == [0, 1, 4, 5]


def test_random_groups_do_not_depend_on_their_size():
    groups = np.repeat(np.arange(20), [1] * 10 + [30] * 10)
    first = [
        keep_groups(
            RandomSelector(random_state=seed).fit(groups).ranking, 0.5, groups, drawn=True
        )
        for seed in range(100)
    ]
    kept = np.mean(
        [[np.isin(g, groups[rows]) for g in range(20)] for rows in first], axis=0
    )
    assert abs(kept[:10].mean() - kept[10:].mean()) < 0.1


def test_groups_work_for_regression_samplers_and_routing(X, y, groups):
    model = SampleSubsetRegressor(Ridge(), by_group=True).fit(X, X[:, 0], groups=groups)
    assert set(groups[model.sample_mask_]).isdisjoint(groups[~model.sample_mask_])
    sampler = SampleSubsetSampler(by_group=True, keep=0.2).fit(X, y, groups=groups)
    assert set(groups[sampler.sample_mask_]).isdisjoint(groups[~sampler.sample_mask_])
    with config_context(enable_metadata_routing=True):
        model = SampleSubsetClassifier(LogisticRegression(), by_group=True)
        kept = model.fit(X, y, groups=groups).sample_mask_
    assert set(groups[kept]).isdisjoint(groups[~kept])


def test_what_groups_must_be(classes, groups):
    model = SampleSubsetClassifier(LogisticRegression(), by_group=True)
    with pytest.raises(ValueError, match=r"Got no groups. Call fit\(X, y, groups"):
        model.fit(*classes)
    with pytest.raises(ValueError, match="must hold a group for each row"):
        model.fit(*classes, groups=np.where(groups == 3, np.nan, groups))
    with pytest.raises(ValueError, match="groups must hold one group for each row"):
        model.fit(*classes, groups=np.column_stack([groups, groups]))
