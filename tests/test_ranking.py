from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_prune._ranking import (
    Ranking,
    budget_size,
    keep_prefix,
    keeps_all,
    merge_strata,
    round_significant,
)

sizes_of_strata = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def shuffled(sizes, seed):
    """An order and stratum codes in random positions."""
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return rng.permutation(len(codes)), codes


@pytest.mark.parametrize(
    ("keep", "n", "size"),
    [
        (0.5, 5, 3),
        (0.5, 4, 2),
        (0.1, 4, 1),
        (0.35, 10, 4),  # 3.5 in decimals, a hair below in binary
        (0.15, 10, 2),
        (1.0, 7, 7),
        (3, 7, 3),
        (np.float32(0.5), 8, 4),
        (np.int64(7), 7, 7),
    ],
)
def test_budget_rounds_half_up_and_keeps_a_row(keep, n, size):
    assert budget_size(keep, n) == size


@pytest.mark.parametrize(
    ("keep", "remedy"),
    [
        (0, "keep=1.0 for all rows"),
        (0.0, "keep=0.5"),
        (1, "keep=1.0 for all rows"),
        (np.int32(1), "keep=1.0 for all rows"),
        (-3, "keep=1.0"),
        (-0.1, "keep=0.5"),
        (1.5, "an int such as"),
        (float("nan"), "keep=0.5"),
        (float("inf"), "keep=0.5"),
        (11, "a number up to 10"),
        (True, "keep=1.0"),
        (np.True_, "keep=1.0"),
        ("half", "keep=0.5"),
        ("Auto", 'Did you mean "auto"'),
        (None, "keep=0.5"),
        (Decimal("0.5"), "keep=0.5"),
        ([0.5], "keep=0.5"),
    ],
)
def test_meaningless_keep_names_the_rule_what_came_and_the_remedy(keep, remedy):
    with pytest.raises(ValueError, match="^keep must") as error:
        budget_size(keep, 10)
    message = str(error.value)
    assert "\n" not in message
    assert "Got" in message
    assert remedy in message


def test_only_the_float_means_all():
    assert keeps_all(1.0)
    assert keeps_all(np.float64(1.0))
    assert not keeps_all(1)
    assert not keeps_all("auto")
    assert not keeps_all(0.999)


def quota_by_fractions(sizes, given):
    """The quota method as Balinski and Young write it, in exact fractions."""
    total, places, sequence = sum(sizes), list(given), []
    for house in range(sum(given) + 1, total + 1):
        below = [s for s, n in enumerate(sizes) if places[s] < Fraction(house * n, total)]
        best = max(below, key=lambda s: (Fraction(sizes[s], places[s] + 1), -s))
        places[best] += 1
        sequence.append(best)
    return sequence


@given(sizes=sizes_of_strata, floor_first=st.booleans())
def test_quota_sequence_is_the_quota_method(sizes, floor_first):
    from sklearn_prune._ranking_kernels import quota_sequence

    taken = [int(floor_first)] * len(sizes)
    sequence = quota_sequence(np.array(sizes), np.array(taken))
    assert sequence.tolist() == quota_by_fractions(sizes, taken)


@given(sizes=sizes_of_strata, seed=st.integers(0, 1000))
def test_every_prefix_without_floor_is_within_one_row_of_proportion(sizes, seed):
    order, codes = shuffled(sizes, seed)
    merged = merge_strata(order, strata=codes)
    assert sorted(merged) == list(range(len(order)))
    counts = np.cumsum(codes[merged][:, None] == np.arange(len(sizes)), axis=0)
    for house, places in enumerate(counts, start=1):
        for n_s, a_s in zip(sizes, places, strict=True):
            quota = Fraction(house * n_s, sum(sizes))
            assert floor(quota) <= a_s <= ceil(quota)


@given(sizes=sizes_of_strata, seed=st.integers(0, 1000))
def test_prefixes_with_floor_hold_each_class_and_proportions_once_quotas_allow(sizes, seed):
    order, codes = shuffled(sizes, seed)
    merged = merge_strata(order, classes=codes, strata=codes)
    assert sorted(merged) == list(range(len(order)))
    first = codes[merged[: len(sizes)]]
    assert sorted(first) == list(range(len(sizes)))
    counts = np.cumsum(codes[merged][:, None] == np.arange(len(sizes)), axis=0)
    for house in range(len(sizes), len(order) + 1):
        quotas = [Fraction(house * n_s, sum(sizes)) for n_s in sizes]
        if min(quotas) < 1:
            continue  # the floor takes places that the quotas would give to others
        for quota, a_s in zip(quotas, counts[house - 1], strict=True):
            assert abs(a_s - quota) <= 1


def balanced_by_hand(sizes):
    """Each place goes to the stratum with the fewest so far that has a unit left."""
    places, sequence = [0] * len(sizes), []
    for _ in range(sum(sizes)):
        left = [s for s, n in enumerate(sizes) if places[s] < n]
        best = min(left, key=lambda s: (places[s], s))
        places[best] += 1
        sequence.append(best)
    return sequence


@given(sizes=sizes_of_strata, seed=st.integers(0, 1000))
def test_balanced_strata_share_equally_and_pass_on_what_they_cannot_fill(sizes, seed):
    order, codes = shuffled(sizes, seed)
    merged = merge_strata(order, classes=codes, strata=codes, balanced=True)
    assert codes[merged].tolist() == balanced_by_hand(sizes)
    for s in range(len(sizes)):  # in their own order
        assert merged[codes[merged] == s].tolist() == order[codes[order] == s].tolist()
    counts = np.cumsum(codes[merged][:, None] == np.arange(len(sizes)), axis=0)
    for places in counts:
        not_full = places[places < sizes]
        assert not len(not_full) or not_full.min() >= places.max() - 1


@given(sizes=sizes_of_strata, seed=st.integers(0, 1000), stratify=st.booleans())
def test_kept_rows_are_nested_and_each_stratum_keeps_its_best(sizes, seed, stratify):
    order, codes = shuffled(sizes, seed)
    ranking, n = Ranking(order), len(order)
    strata = codes if stratify else None
    before = set()
    for keep in np.linspace(0.01, 1, 23):
        kept = keep_prefix(ranking, keep, classes=codes, strata=strata)
        assert len(kept) == max(budget_size(keep, n), len(sizes))
        assert before <= set(kept)
        before = set(kept)
        for s in range(len(sizes)):
            of_stratum = order[codes[order] == s]
            n_kept = np.isin(of_stratum, kept).sum()
            assert set(of_stratum[:n_kept]) <= set(kept)


def test_without_strata_the_best_rows_follow_the_best_of_each_class():
    order = np.array([4, 0, 1, 2, 3, 5])
    codes = np.array([0, 0, 0, 0, 0, 1])
    kept = keep_prefix(Ranking(order), 3, classes=codes)
    assert kept.tolist() == [0, 4, 5]


def test_natural_size_knows_no_strata_but_the_floor():
    order = np.array([3, 2, 1, 0, 4, 5])
    codes = np.array([0, 0, 0, 0, 1, 1])
    kept = keep_prefix(Ranking(order, natural_size=3), "auto", classes=codes, strata=codes)
    assert kept.tolist() == [1, 2, 3, 4]
    assert keep_prefix(Ranking(order, natural_size=0), "auto").tolist() == [3]


def test_keys_decide_row_by_row():
    keys = np.array([0.9, 0.2, 0.5, 0.7])
    ranking = Ranking(np.argsort(keys), keys=keys)
    assert keep_prefix(ranking, 0.5).tolist() == [1]
    assert keep_prefix(ranking, 3).tolist() == [1, 2, 3]  # 3 rows are a share of 0.75
    assert keep_prefix(ranking, 0.1).tolist() == [1]
    codes = np.array([0, 1, 1, 1])
    assert keep_prefix(ranking, 0.6, classes=codes, strata=codes).tolist() == [0, 1, 2]


def test_scores_order_descending_ties_by_position():
    ranking = Ranking.from_scores([1.0, 3.0, 1.0, 2.0])
    assert ranking.order.tolist() == [1, 3, 0, 2]
    assert ranking.natural_size is None


def test_rounding_errors_do_not_decide():
    ranking = Ranking.from_scores([0.3, 0.1 + 0.2, 0.3 - 1e-16])
    assert ranking.order.tolist() == [0, 1, 2]


def test_units_that_come_first_are_the_natural_size():
    ranking = Ranking.from_scores([5.0, -1.0, -2.0, 0.0], first=[True, False, True, True])
    assert ranking.order.tolist() == [0, 3, 2, 1]
    assert ranking.natural_size == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_must_be_finite(bad):
    with pytest.raises(ValueError, match="finite"):
        Ranking.from_scores([1.0, bad])


@settings(max_examples=300)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_rounding_keeps_twelve_digits(value):
    rounded = float(round_significant(np.array([value]))[0])
    assert rounded == pytest.approx(float(f"{value:.11e}"), rel=4e-16, abs=1e-300)
