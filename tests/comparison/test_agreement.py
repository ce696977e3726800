from itertools import combinations
from math import isnan, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.model_selection import KFold, RepeatedKFold

from sklearn_prune.comparison.verdicts import agreement as _agreement
from sklearn_prune.comparison.verdicts.agreement import (
    churn,
    feature_stability,
    row_stability,
)


def published_stability(masks, level):
    """The estimate, and the interval of Corollary 9, unit by unit and fit by fit."""
    n_fits, n_units = masks.shape
    frequency = [sum(column) / n_fits for column in masks.T.astype(int)]
    sizes = [int(sum(row)) for row in masks]
    mean_size = sum(sizes) / n_fits
    chance = mean_size / n_units * (1 - mean_size / n_units)
    spread = sum(n_fits / (n_fits - 1) * p * (1 - p) for p in frequency) / n_units
    value = 1 - spread / chance
    parts = []
    for row, size in zip(masks, sizes, strict=True):
        agreement = sum(p for kept, p in zip(row, frequency, strict=True) if kept)
        correction = 2 * size * mean_size / n_units**2
        correction += 1 - size / n_units - mean_size / n_units
        part = agreement / n_units - size * mean_size / n_units**2
        parts.append((part + value / 2 * correction) / chance)
    mean = sum(parts) / n_fits
    variance = 4 / n_fits**2 * sum((part - mean) ** 2 for part in parts)
    half = stats.norm.ppf(1 - (1 - level) / 2) * sqrt(variance)
    return value, value - half, value + half


@pytest.mark.parametrize("seed", range(20))
def test_stability_by_the_published_formula(seed):
    rng = np.random.default_rng(seed)
    n_fits, n_units = rng.integers(2, 30), rng.integers(2, 60)
    masks = rng.random((n_fits, n_units)) < rng.beta(0.5, 0.5, n_units)
    masks[0, :2] = True, False
    masks[1, :2] = False, True
    level = rng.uniform(0.5, 0.99)
    value, low, high = published_stability(masks, level)
    found = feature_stability(masks, level)
    assert (found.value, found.low) == pytest.approx((value, low))
    assert found.high == pytest.approx(min(1, high))


def test_interval_of_stability_covers():
    rng = np.random.default_rng(0)
    chances = np.repeat([0.9, 0.1], [10, 30])
    share = chances.mean()
    truth = 1 - np.mean(chances * (1 - chances)) / (share * (1 - share))
    found = [feature_stability(rng.random((60, 40)) < chances) for _ in range(600)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.92 < covered < 0.98


@pytest.mark.parametrize("masks", [np.ones((4, 5)), np.zeros((4, 5)), [[1, 0, 1]] * 4])
def test_equal_masks_are_stable(masks):
    found = feature_stability(masks)
    assert (found.value, found.low, found.high) == (1, 1, 1)


@pytest.mark.parametrize("masks", [[], [[1, 0, 1]], np.ones((4, 0))])
def test_stability_that_nobody_knows(masks):
    found = feature_stability(masks)
    assert all(map(isnan, (found.value, found.low, found.high)))


def pair_by_pair(kept, trained):
    """Row stability by its definition."""
    found = []
    for i, j in combinations(range(len(kept)), 2):
        shared = np.intersect1d(trained[i], trained[j])
        if len(shared):
            masks = [np.isin(shared, kept[i]), np.isin(shared, kept[j])]
            found.append(feature_stability(masks).value)
    return np.mean(found) if found else nan


@pytest.mark.parametrize("at_once", [7, 65_536])
@pytest.mark.parametrize("seed", range(8))
def test_row_stability_pair_by_pair(seed, at_once, monkeypatch):
    monkeypatch.setattr(_agreement, "_ROWS_AT_ONCE", at_once)
    rng = np.random.default_rng(seed)
    n = int(rng.integers(10, 60))
    cv = RepeatedKFold(n_splits=int(rng.integers(2, 6)), n_repeats=2, random_state=seed)
    trained = [train for train, _ in cv.split(np.zeros((n, 1)))]
    keep = rng.uniform(0.1, 1)
    kept = [
        np.sort(rng.choice(rows, max(1, round(keep * len(rows))), replace=False))
        for rows in trained
    ]
    assert row_stability(kept, trained) == pytest.approx(pair_by_pair(kept, trained))


def test_row_stability_of_equal_choices_is_one():
    trained = [train for train, _ in KFold(4).split(np.zeros((40, 1)))]
    assert row_stability([rows[rows % 2 == 0] for rows in trained], trained) == 1
    assert row_stability(trained, trained) == 1
    assert row_stability([[]] * 4, trained) == 1


def test_row_stability_of_random_choices_is_about_zero():
    rng = np.random.default_rng(0)
    trained = [train for train, _ in KFold(5).split(np.zeros((5000, 1)))]
    kept = [rows[rng.random(len(rows)) < 0.3] for rows in trained]
    assert abs(row_stability(kept, trained)) < 0.02


@pytest.mark.parametrize(
    ("kept", "trained"),
    [([], []), ([[0]], [[0, 1]]), ([[0], [2]], [[0, 1], [2, 3]]), ([[], []], [[], []])],
)
def test_row_stability_without_shared_rows(kept, trained):
    assert isnan(row_stability(kept, trained))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1))
@settings(max_examples=50)
def test_churn_of_labels(pairs):
    ours, theirs = map(np.array, zip(*pairs, strict=True))
    expected = sum(a != b for a, b in pairs) / len(pairs)
    assert churn(ours, theirs) == pytest.approx(expected)
    assert churn(ours.astype(str), theirs.astype(str)) == pytest.approx(expected)
    assert churn(ours.astype(str).astype(object), theirs.astype(str).astype(object)) == (
        pytest.approx(expected)
    )


def test_churn_of_numbers_labels_and_nothing():
    assert churn([1.0, 2.5], [1.0, 2.0]) == 0.25
    assert churn(np.float32([1, 3]), [1, 2]) == 0.5
    assert churn([True, False], [True, True]) == 0.5
    assert isnan(churn([], []))
    with pytest.raises(
        ValueError, match=r"Got shapes \(2,\) and \(1,\)\. Predict the same"
    ):
        churn([1, 2], [1])
